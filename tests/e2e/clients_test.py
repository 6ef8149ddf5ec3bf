"""The demo's kinds of query through psql, psycopg2 and JDBC, against the pooled answer."""
import decimal
import glob
import os
import shutil
import subprocess
import tempfile
import unittest

from tests.e2e.fixture import ASKER, Federation

QUERIES = [
    ("SELECT count(*), sum(cost) FROM visits",
     "SELECT count(*), sum(CAST(round(cost * 100) AS INT)) / 100.0 FROM visits"),
    ("SELECT region, count(*), sum(cost) FROM visits WHERE year = 2025 GROUP BY region ORDER BY region",
     "SELECT region, count(*), sum(CAST(round(cost * 100) AS INT)) / 100.0 FROM visits "
     "WHERE year = 2025 GROUP BY region ORDER BY region"),
    ("SELECT t.stage, count(*), sum(v.cost) FROM visits v JOIN south.tumours t USING (person) "
     "GROUP BY t.stage ORDER BY t.stage",
     "SELECT t.stage, count(*), sum(CAST(round(v.cost * 100) AS INT)) / 100.0 "
     "FROM visits v JOIN tumours t USING (person) GROUP BY t.stage ORDER BY t.stage"),
    ("SELECT min(cost), max(cost), count(cost) FROM visits WHERE visited >= DATE '2023-01-01' "
     "AND cost * 2 > 1000",
     "SELECT min(cost * 1.0), max(cost * 1.0), count(cost) FROM visits "
     "WHERE visited >= '2023-01-01' AND cost * 2 > 1000"),
    ("SELECT org, count(*) FROM visits GROUP BY org ORDER BY org",
     "SELECT org, count(*) FROM visits GROUP BY org ORDER BY org"),
    ("SELECT count(*), sum(weight) FROM visits v LEFT JOIN tumours t ON v.person = t.person",
     "SELECT count(*), sum(weight) FROM visits v LEFT JOIN tumours t ON v.person = t.person"),
]


def close(got, want):
    if got is None or want is None:
        return got is None and want is None
    try:
        return abs(decimal.Decimal(str(got)) - decimal.Decimal(str(want))) < decimal.Decimal("0.001")
    except decimal.InvalidOperation:
        return str(got) == str(want)


class Clients(Federation):
    def check(self, rows, reference):
        want = self.pooled.execute(reference).fetchall()
        self.assertEqual(len(want), len(rows), (rows, want))
        for a, b in zip(rows, want):
            self.assertTrue(all(map(close, a, b)), (a, b))

    def test_psql(self):
        for sql, reference in QUERIES:
            with self.subTest(sql):
                self.check(self.consortium.rows(ASKER, sql), reference)

    def test_psycopg2(self):
        for sql, reference in QUERIES:
            with self.subTest(sql):
                self.check(self.ask(sql), reference)

    def test_parameters(self):
        rows = self.ask("SELECT count(*) FROM visits WHERE year = %s AND region = %s", (2025, "west"))
        want = self.pooled.execute("SELECT count(*) FROM visits WHERE year = 2025 "
                                   "AND region = 'west'").fetchone()
        self.assertEqual([want], rows)

    def test_tls(self):
        connection = self.connect(sslmode="require")
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM visits")
        self.assertEqual(self.pooled.execute("SELECT count(*) FROM visits").fetchall(),
                         cursor.fetchall())
        connection.close()

    def test_describe_in_psql(self):
        out = self.consortium.psql(ASKER, r"\dt *.*").stdout
        self.assertIn("visits", out)
        out = self.consortium.psql("north", r"\d visits").stdout
        for word in ("person", "region", "numeric(10,2)"):
            self.assertIn(word, out)

    def test_explain(self):
        lines = [row[0] for row in self.ask(
            "EXPLAIN (DISCLOSURE, COST) SELECT region, avg(cost) FROM visits GROUP BY region")]
        text = "\n".join(lines)
        for word in ("north", "rep3", "research"):
            self.assertIn(word, text)

    @unittest.skipUnless(shutil.which("javac") and glob.glob("/usr/share/java/postgresql*.jar"),
                         "JDBC is not installed")
    def test_jdbc(self):
        jar = sorted(glob.glob("/usr/share/java/postgresql*.jar"))[0]
        node = self.consortium.nodes[ASKER]
        with tempfile.TemporaryDirectory() as work:
            source = os.path.join(os.path.dirname(__file__), "Ask.java")
            subprocess.run(["javac", "-d", work, source], check=True, timeout=120)
            done = subprocess.run(
                ["java", "-cp", f"{work}:{jar}", "Ask",
                 f"jdbc:postgresql://127.0.0.1:{node.sql_port}/{ASKER}", node.password],
                input="\n".join(sql for sql, _ in QUERIES) + "\n", capture_output=True, text=True,
                check=False, timeout=180)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        answers = done.stdout.split("--\n")
        self.assertEqual(len(QUERIES), len(answers) - 1, done.stdout)
        for (_, reference), text in zip(QUERIES, answers):
            rows = [[None if cell == "\\N" else cell for cell in line.split("\t")]
                    for line in text.splitlines()]
            self.check(rows, reference)


if __name__ == "__main__":
    unittest.main()
