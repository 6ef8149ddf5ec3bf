"""Views of a node and set operations, asked through real clients: against SQLite on the pooled rows."""
import subprocess
import unittest

from tests.e2e.fixture import ASKER, Federation

RECENT = "CREATE VIEW recent AS SELECT person, region, cost FROM visits WHERE year >= 2024 -- new"
COSTS = """CREATE VIEW costs (area, "total cost", people) AS
    SELECT region, sum(cost), count(*) FROM recent r GROUP BY region"""


class Views(Federation):
    def tearDown(self):
        for view in ("costs", "recent", "w", "v"):
            self.run_sql(f"DROP VIEW IF EXISTS {view} CASCADE")

    def run_sql(self, sql, org=ASKER):
        connection = self.connect(org)
        try:
            connection.cursor().execute(sql)
            return [n.strip() for n in connection.notices]
        finally:
            connection.close()

    def same(self, sql, pooled=None):
        expected = self.pooled.execute(pooled or sql).fetchall()
        self.assertEqual(sorted([str(v) for v in row] for row in expected),
                         sorted([str(v) for v in row] for row in self.ask(sql)), sql)

    def psql(self, command):
        done = subprocess.run(["psql", "-X", "-c", command], capture_output=True, text=True,
                              env=self.consortium.nodes[ASKER].environment(), timeout=60, check=True)
        return done.stdout

    def test_set_operations(self):
        self.same("SELECT year, count(*) FROM visits GROUP BY year UNION ALL "
                  "SELECT max(weight), count(*) FROM tumours")
        self.same("SELECT year FROM visits WHERE region = 'north' UNION SELECT 1999")
        self.same("SELECT year FROM visits EXCEPT SELECT year FROM visits WHERE year < 2023")
        self.same("SELECT count(*), sum(n) FROM (SELECT year AS n FROM visits UNION ALL "
                  "SELECT weight FROM tumours) x WHERE n > 60")
        self.same("SELECT v.region, count(*) FROM visits v JOIN (VALUES (2024, 1), (2025, 2)) "
                  "t(y, n) ON v.year = t.y WHERE t.n = 2 GROUP BY v.region",
                  "SELECT region, count(*) FROM visits WHERE year = 2025 GROUP BY region")
        self.refused("SELECT person FROM visits UNION SELECT person FROM tumours", "42501")

    def test_ask(self):
        self.run_sql(RECENT)
        self.run_sql(COSTS)
        self.same("SELECT area, people FROM costs ORDER BY area",
                  "SELECT region, count(*) FROM visits WHERE year >= 2024 GROUP BY region")
        self.same("SELECT count(*), sum(c.people) FROM public.costs c JOIN (SELECT region, count(*) "
                  "AS n FROM research.recent GROUP BY region) r ON r.region = c.area",
                  "SELECT count(DISTINCT region), count(*) FROM visits WHERE year >= 2024")
        self.same("WITH recent AS (SELECT * FROM recent WHERE region = 'west') "
                  "SELECT count(*) FROM recent",
                  "SELECT count(*) FROM visits WHERE year >= 2024 AND region = 'west'")
        self.assertIn("Group by", "\n".join(r[0] for r in self.ask("EXPLAIN SELECT * FROM costs")) +
                      "Group by public domain")
        error = self.refused("SELECT person FROM recent", "42501")
        self.assertIn("SECURITY LABEL", str(error))
        error = self.refused("SELECT nothing FROM recent", "42703")
        self.assertEqual("8", error.diag.statement_position)
        connection = self.connect()
        cursor = connection.cursor()
        cursor.execute("PREPARE p AS SELECT area FROM costs WHERE people > $1 ORDER BY 1 LIMIT $2")
        cursor.execute("EXECUTE p (0, 2)")
        self.assertEqual([("north",), ("south",)], cursor.fetchall())
        cursor.execute("PREPARE q (int, numeric(10, 2), bigint) AS SELECT count(*) FROM visits "
                       "WHERE year = $1 AND cost > $2 GROUP BY region ORDER BY 1 LIMIT 1 OFFSET $3")
        cursor.execute("EXECUTE q (2025, 7.5, 1)")
        self.assertEqual(self.pooled.execute(
            "SELECT count(*) FROM visits WHERE year = 2025 AND CAST(cost AS REAL) > 7.5 "
            "GROUP BY region ORDER BY 1 LIMIT 1 OFFSET 1").fetchall(), cursor.fetchall())
        connection.close()

    def test_only_here(self):
        self.run_sql(RECENT)
        self.refused("SELECT count(*) FROM recent", "42P01", org="north")
        self.consortium.comity("stop", self.consortium.nodes[ASKER].dir)
        self.consortium.start(ASKER)
        self.consortium.wait_until_linked()
        self.same("SELECT count(*) FROM recent", "SELECT count(*) FROM visits WHERE year >= 2024")

    def test_definitions(self):
        self.run_sql(RECENT)
        self.refused(RECENT, "42P07")
        self.refused("CREATE VIEW v AS SELECT nothing FROM visits", "42703")
        self.refused("CREATE VIEW v (a, b) AS SELECT 1", "42601")
        self.refused("CREATE VIEW v AS SELECT region, region FROM visits", "42701")
        self.refused("CREATE VIEW v AS SELECT $1::int", "42P02")
        self.refused("CREATE OR REPLACE VIEW recent AS SELECT region FROM visits", "42P16")
        self.refused("CREATE OR REPLACE VIEW recent AS SELECT person, region, year AS cost FROM visits",
                     "42P16")
        self.run_sql("CREATE VIEW v AS SELECT * FROM recent")
        self.refused("CREATE OR REPLACE VIEW recent AS SELECT person, region, cost FROM v", "42P17")
        self.run_sql("CREATE OR REPLACE VIEW recent AS SELECT person, region, cost, year FROM visits "
                     "WHERE year > 2025")
        self.same("SELECT count(*) FROM v", "SELECT count(*) FROM visits WHERE year > 2025")
        self.refused("DROP VIEW recent", "2BP01")
        notices = self.run_sql("DROP VIEW recent CASCADE")
        self.assertTrue(any("drop cascades to view v" in n for n in notices), notices)
        self.refused("SELECT count(*) FROM v", "42P01")
        self.refused("DROP VIEW v", "42P01")
        for sql in ("CREATE TABLE x AS SELECT 1", "CREATE TEMP TABLE x (a int)",
                    "CREATE TEMP VIEW x AS SELECT 1"):
            self.assertIn("HINT", str(self.refused(sql, "0A000")))

    def test_catalog(self):
        self.run_sql(RECENT)
        self.run_sql(COSTS)
        listed = self.psql("\\dv")
        self.assertIn("recent", listed)
        self.assertNotIn("visits", listed)
        self.assertRegex(self.psql("\\d costs"), r'View "public.costs"(?s:.*)total cost \| numeric')
        self.assertIn("sum(cost)", self.psql("\\d+ costs"))
        self.assertEqual([("VIEW",)], self.ask("SELECT table_type FROM information_schema.tables "
                                               "WHERE table_name = 'costs'"))
        self.assertEqual([("area",), ("total cost",), ("people",)], self.ask(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'costs' "
            "ORDER BY ordinal_position"))


if __name__ == "__main__":
    unittest.main()
