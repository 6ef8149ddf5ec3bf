"""The demo itself, and the demo on data that nobody prepared for it."""
import csv
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

import psycopg2

from tools.consortium import ROOT

DEMO = ROOT / "examples" / "health" / "demo.py"
SCENARIOS = ROOT.parent / "shared" / "scenarios" / "gen.py"


def run_demo(*args, timeout=240):
    return subprocess.run([sys.executable, str(DEMO), *map(str, args)], capture_output=True,
                          text=True, timeout=timeout, check=False)


class Demo(unittest.TestCase):
    def test_prepared(self):
        done = run_demo("--scale", "0.2")
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual(4, done.stdout.count("= pooled answer"), done.stdout)
        self.assertIn("SECURITY LABEL FOR comity", done.stdout)
        self.assertIn("Disclosure", done.stdout)
        self.assertEqual(4, done.stdout.count("unbroken"))


class Trial(unittest.TestCase):
    """./run demo --data DIR: types, keys and domains are inferred."""

    def trial(self, directory):
        """Runs it; returns a cursor of the analyst.  Nodes are stopped at the end of the test."""
        done = run_demo("--data", directory)
        stop = re.search(r"^  (\S+/comity) stop (\S+)/\*/$", done.stdout, re.M)
        self.assertTrue(stop, done.stdout + done.stderr)
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", stop.group(2)], check=False))
        self.addCleanup(lambda: subprocess.run(
            [stop.group(1), "stop", *map(str, pathlib.Path(stop.group(2)).glob("*/"))],
            check=False, capture_output=True, timeout=60))
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        login = re.search(r"PGPASSWORD=(\S+) psql -h 127.0.0.1 -p (\d+) -U admin (analyst)$",
                          done.stdout, re.M)
        connection = psycopg2.connect(host="127.0.0.1", port=int(login.group(2)), user="admin",
                                      password=login.group(1), dbname="analyst")
        connection.autocommit = True
        self.addCleanup(connection.close)
        return connection.cursor()

    def check(self, cursor, sql, want):
        cursor.execute(sql)
        self.assertEqual(want, cursor.fetchall(), sql)

    def test_two_folders(self):
        """Two organisations, whose values differ; a third node computes for them."""
        rng = random.Random(7)
        rows = {"Alpha Bank": [], "beta": []}
        with tempfile.TemporaryDirectory() as work:
            for folder, table in rows.items():
                path = pathlib.Path(work) / folder
                path.mkdir()
                for i in range(80):
                    kind = rng.choice(["card", "cash"] if folder == "beta" else ["card", "sepa"])
                    table.append([i, rng.randint(1, 500), kind, f"{rng.randint(0, 99999) / 100:.2f}"])
                with open(path / "Payments.csv", "w", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerows([["id", "Person", "kind", "amount"]] + table)
            cursor = self.trial(work)
            every = rows["Alpha Bank"] + rows["beta"]
            self.check(cursor, "SELECT count(*), max(person) FROM payments",
                       [(160, max(row[1] for row in every))])
            kinds = sorted({row[2] for row in every})
            cursor.execute("SELECT kind, count(*), sum(amount) FROM payments GROUP BY kind")
            got = sorted((kind, count, float(amount)) for kind, count, amount in cursor.fetchall())
            want = [(kind, sum(row[2] == kind for row in every),
                     round(sum(float(row[3]) for row in every if row[2] == kind), 2))
                    for kind in kinds]
            self.assertEqual(want, got)

    @unittest.skipUnless(SCENARIOS.exists(), "the scenarios' generator is not beside the project")
    def test_scenarios(self):
        with tempfile.TemporaryDirectory() as work:
            subprocess.run([sys.executable, str(SCENARIOS), work, "0.1"], check=True,
                           capture_output=True)
            for scenario, table, key in (("finance", "transfers", "channel"),
                                         ("health", "admissions", "icd"),
                                         ("logistics", "trips", "src")):
                with self.subTest(scenario):
                    rows = []
                    for path in pathlib.Path(work, scenario).glob(f"*/{table}.csv"):
                        with open(path, newline="", encoding="utf-8") as file:
                            rows += list(csv.DictReader(file))
                    cursor = self.trial(pathlib.Path(work) / scenario)
                    want = sorted((value, sum(row[key] == value for row in rows))
                                  for value in {row[key] for row in rows})
                    cursor.execute(f"SELECT {key}, count(*) FROM {table} GROUP BY {key}")
                    self.assertEqual(want, sorted(cursor.fetchall()))


if __name__ == "__main__":
    unittest.main()
