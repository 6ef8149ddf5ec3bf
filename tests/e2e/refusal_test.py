"""Bad SQL, policies, bad data: each gives a clear error, and every node keeps serving."""
import unittest

import psycopg2

from tests.e2e.fixture import ASKER, Federation, write_csv


class Refusals(Federation):
    def setUp(self):
        self.before = self.ask("SELECT count(*) FROM visits")

    def tearDown(self):
        self.assertEqual(self.before, self.ask("SELECT count(*) FROM visits"))

    def test_policy(self):
        error = self.refused("SELECT person FROM visits", "42501")
        text = str(error)
        self.assertIn("SECURITY LABEL", text)
        self.refused("SELECT sum(year) FROM visits WHERE person = 'p1' GROUP BY person", "42501")
        self.refused("SELECT visited, count(*) FROM visits GROUP BY visited", "42501")

    def test_labels_hold_through_subqueries(self):
        """What is computed of a column inside is as open as the column, whatever the outside does with it."""
        for sql in ["SELECT count(*) FROM (SELECT person = 'p1' AS b FROM visits) s JOIN (SELECT true AS b) t USING (b)",
                    "SELECT count(DISTINCT b) FROM (SELECT left(person, 2) AS b FROM visits) s",
                    "SELECT max(n) FROM (SELECT b, count(*) AS n FROM (SELECT person < 'p3' AS b FROM visits) s GROUP BY b) t",
                    "SELECT count(*) FROM (SELECT person < 'p3' FROM visits EXCEPT SELECT true) s",
                    "SELECT sum(k) FROM (SELECT rank() OVER (PARTITION BY person < 'p3') AS k FROM visits) s",
                    "SELECT person FROM visits INTERSECT SELECT 'p1'",
                    "SELECT (SELECT max(person) FROM visits)",
                    "SELECT cost FROM visits ORDER BY person LIMIT 1",
                    "SELECT max(cost) OVER () FROM visits"]:
            with self.subTest(sql):
                self.refused(sql, "42501")

    def test_views_do_not_open_labels(self):
        self.ask("CREATE VIEW peek AS SELECT person = 'p1' AS b, cost FROM visits")
        self.addCleanup(self.ask, "DROP VIEW peek")
        self.refused("SELECT b, count(*) FROM peek GROUP BY b", "42501")
        self.refused("SELECT cost FROM peek", "42501")
        self.ask("CREATE MATERIALIZED VIEW kept AS SELECT person, region, cost FROM visits")
        self.addCleanup(self.ask, "DROP MATERIALIZED VIEW kept")
        for sql in ["SELECT person FROM kept", "SELECT cost FROM kept",
                    "SELECT count(*) FROM kept WHERE person < 'p3'", "SELECT cost, count(*) FROM kept GROUP BY cost"]:
            with self.subTest(sql):
                self.refused(sql, "42501")
        question = "SELECT region, sum(cost), count(DISTINCT person) FROM {} GROUP BY region ORDER BY 1"
        self.assertEqual(self.ask(question.format("visits")), self.ask(question.format("kept")))

    def test_owners_are_measured_coarsely(self):
        """How long an owner's own SQL took would tell about its rows."""
        plan = self.ask("EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM visits WHERE region = 'west'")[0][0]
        inputs = []

        def walk(node):
            if "SQL" in node:
                inputs.append(node["Actual Seconds"])
            for child in node.get("Plans", []):
                walk(child)

        walk(plan[0]["Plan"])
        self.assertEqual(3, len(inputs))
        for seconds in inputs:
            self.assertGreater(seconds, 0)
            self.assertAlmostEqual(round(seconds * 100), seconds * 100, 6)

    def test_grant(self):
        error = self.refused("SELECT count(*) FROM south.tumours", "42501", org="east")
        self.assertIn("GRANT SELECT", str(error))

    def test_errors_of_postgresql(self):
        for sql, code in [("SELEC 1", "42601"), ("SELECT count(*) FROM nowhere", "42P01"),
                          ("SELECT nothing FROM visits", "42703"),
                          ("SELECT region, cost FROM visits GROUP BY region", "42803"),
                          ("SELECT count(*) FROM visits WHERE cost = 'x'", "22P02"),
                          ("SELECT count(*) FROM visits WHERE region = 'mars'", "22P02"),
                          ("SELECT frobnicate(cost) FROM visits", "42883"),
                          ("SELECT sum(cost / (year - year)) FROM visits", "22012")]:
            with self.subTest(sql):
                self.refused(sql, code)

    def test_position(self):
        error = self.refused("SELECT count(*) FROM visits WHERE nothing = 1", "42703")
        self.assertEqual("35", error.diag.statement_position)

    def test_not_supported_says_what(self):
        error = self.refused("SELECT DISTINCT ON (person) person FROM visits", "0A000")
        self.assertIn("DISTINCT ON", str(error))

    def publish_bad(self, name, rows, header=("id", "amount"), check="BETWEEN 0 AND 9"):
        data = self.consortium.dir / "north-data"
        write_csv(data / f"{name}.csv", header, rows)
        return self.refused(
            f"CREATE FOREIGN TABLE {name} (id int NOT NULL, amount int CHECK (amount {check})) "
            f"SERVER data OPTIONS (table '{name}')", None or self.expected, org="north")

    def test_value_out_of_domain(self):
        self.expected = "23514"
        error = self.publish_bad("outside", [[1, 5], [2, 11], [3, 4]])
        self.assertIn("amount", str(error))
        self.assertRegex(str(error), r"row 2\b")
        self.assertNotIn("11", str(error).replace("row 2", ""))

    def test_wrong_type(self):
        self.expected = "22P02"
        self.assertRegex(str(self.publish_bad("typed", [[1, 5], [2, "many"]])), r"row 2\b")

    def test_missing_column(self):
        self.expected = "42703"
        self.publish_bad("missing", [[1, 5]], header=("id", "quantity"))

    def test_row_turns_bad_later(self):
        data = self.consortium.dir / "east-data"
        path = data / "later.csv"
        write_csv(path, ["id", "amount"], [[1, 5], [2, 6]])
        self.consortium.psql("east", "CREATE FOREIGN TABLE later (id int NOT NULL, amount int "
                             "CHECK (amount BETWEEN 0 AND 9)) SERVER data;"
                             "SECURITY LABEL FOR comity ON COLUMN later.amount IS 'group';"
                             f"GRANT SELECT ON later TO {ASKER};")
        self.assertEqual([(11,)], self.ask("SELECT sum(amount) FROM later"))
        write_csv(path, ["id", "amount"], [[1, 5], [2, 60]])
        error = self.refused("SELECT sum(amount) FROM later", "23514")
        self.assertRegex(str(error), r"row 2\b")
        write_csv(path, ["id", "amount"], [[1, 5], [2, 7]])
        self.assertEqual([(12,)], self.ask("SELECT sum(amount) FROM later"))

    def test_tables_that_differ(self):
        for org, kind in (("north", "int"), ("south", "bigint")):
            write_csv(self.consortium.dir / f"{org}-data" / "odd.csv", ["x"], [[1]])
            self.consortium.psql(org, f"CREATE FOREIGN TABLE odd (x {kind} CHECK (x BETWEEN 0 AND 9)) "
                                 f"SERVER data; GRANT SELECT ON odd TO {ASKER};")
        error = self.refused("SELECT count(*) FROM odd", "42804")
        self.assertIn("north", str(error))
        self.assertIn("south", str(error))

    def test_wrong_password(self):
        with self.assertRaises(psycopg2.OperationalError) as caught:
            self.connect(password="guess")
        self.assertIn("authentication failed", str(caught.exception))
        with self.assertRaises(psycopg2.OperationalError):
            self.connect(user="nobody")

    def test_rights_of_roles(self):
        self.ask("CREATE ROLE ann LOGIN PASSWORD 'secret one'")
        connection = self.connect(user="ann", password="secret one")
        cursor = connection.cursor()
        with self.assertRaises(psycopg2.Error) as caught:
            cursor.execute("SELECT count(*) FROM visits")
        self.assertEqual("42501", caught.exception.pgcode)
        self.ask("GRANT analyst TO ann")
        cursor.execute("SELECT count(*) FROM visits")
        self.assertEqual(self.before, cursor.fetchall())
        with self.assertRaises(psycopg2.Error) as caught:
            cursor.execute("CREATE ROLE bob")
        self.assertEqual("42501", caught.exception.pgcode)
        connection.close()
        self.ask("DROP ROLE ann")


if __name__ == "__main__":
    unittest.main()
