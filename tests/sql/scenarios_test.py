"""Fifteen questions of three consortiums as their analysts wrote them, against reference answers.

The data is not part of the project: COMITY_SCENARIOS names a folder with gen.py (OUT SCALE: CSV files
OUT/scenario/owner/table.csv), finance.sql, health.sql, logistics.sql and golden/NAME.csv for scale 1; without it the
test is skipped.  COMITY_SCENARIOS_ONLY chooses some of the queries.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import psycopg2

from tests.sql.scenarios import SCENARIOS
from tests.support.answers import Tolerance, difference, read_csv
from tools.consortium import ROOT, Consortium
from tools.pgcluster import PgCluster

DATA = pathlib.Path(os.environ.get("COMITY_SCENARIOS", ROOT.parent / "shared" / "scenarios"))
ONLY = [name for name in os.environ.get("COMITY_SCENARIOS_ONLY", "").split(",") if name]
GOLDEN = Tolerance("0.001", "0.001")  # those were rounded to four digits by two other systems
SAME = Tolerance("0.0001", "1e-9")
JOIN_ROWS = 30000  # of joins without a unique side, at most
# what is refused, and how: others are answered
REFUSED = {}


def connect(node):
    connection = psycopg2.connect(host="127.0.0.1", port=node.sql_port, user="admin", password=node.password,
                                  dbname=node.org)
    connection.autocommit = True
    return connection


def publish(scenario, consortium, data):
    for owner in scenario.owners:
        statements = [f"CREATE SERVER files FOREIGN DATA WRAPPER csv OPTIONS (directory '{data / owner}')"]
        own = [table for table, (owners, _, _) in scenario.tables.items() if owner in owners]
        statements += scenario.types(own)
        for table, (_, columns, _) in scenario.tables.items():
            if table in own:
                statements.append(f"CREATE FOREIGN TABLE {table} ({scenario.definition(table)}) SERVER files "
                                  f"OPTIONS (file '{table}.csv')")
                statements += [f"SECURITY LABEL FOR comity ON COLUMN {table}.{column} IS 'reveal'"
                               for column in columns]
                statements.append(f"GRANT SELECT ON {table} TO {scenario.asker}")
        consortium.psql(owner, ";\n".join(statements))


def pool(scenario, cluster, data):
    """A database of the cluster with the pooled tables, whose first column is org."""
    cluster.psql(f"CREATE DATABASE {scenario.name}")
    cluster.psql(";\n".join(scenario.types(scenario.tables)), scenario.name)
    for table, (owners, _, _) in scenario.tables.items():
        statements = [f"CREATE TABLE {table} (org text, {scenario.definition(table)});"]
        for owner in owners:
            lines = (data / owner / f"{table}.csv").read_text(encoding="utf-8").splitlines()[1:]
            statements.append(f"COPY {table} FROM STDIN WITH (FORMAT csv);")
            statements += [f"{owner},{line}" for line in lines] + ["\\."]
        cluster.psql("\n".join(statements) + "\n", scenario.name)
    connection = psycopg2.connect(cluster.conninfo(scenario.name))
    connection.autocommit = True
    return connection


def run(connection, sql):
    """(SQLSTATE or None, rows or the error's text, seconds)."""
    start = time.monotonic()
    with connection.cursor() as cursor:
        try:
            cursor.execute(sql)
            return None, cursor.fetchall() if cursor.description else [], time.monotonic() - start
        except psycopg2.Error as error:
            return error.pgcode, str(error).splitlines()[0], time.monotonic() - start


@unittest.skipUnless((DATA / "gen.py").exists(), "the scenarios are not here")
class Scenarios(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="comity-scenarios-")
        cls.addClassCleanup(cls.folder.cleanup)

    def generate(self, scale):
        out = pathlib.Path(self.folder.name) / scale
        subprocess.run([sys.executable, DATA / "gen.py", out, scale], check=True, timeout=300)
        return out

    def chosen(self, scenario):
        for name, sql in scenario.queries(DATA / f"{scenario.name}.sql"):
            if not ONLY or name in ONLY:
                yield name, sql

    def ask(self, scenario, data, reference, pushdown="on"):
        """reference(name, sql) gives the rows that are right, whether ordered, and how exactly."""
        wrong = []
        with Consortium(scenario.owners + [scenario.asker]) as consortium:
            consortium.init()
            consortium.start()
            consortium.federate(scenario.name)
            publish(scenario, consortium, data)
            connection = connect(consortium.nodes[scenario.asker])
            run(connection, f"SET comity.pushdown = {pushdown}")
            run(connection, f"SET comity.join_rows = {JOIN_ROWS}")
            for name, sql in self.chosen(scenario):
                state, got, seconds = run(connection, sql)
                if state is not None:
                    verdict = f"{state} {got}"
                    expected = REFUSED.get(name) == state
                else:
                    verdict = difference(got, *reference(name, sql))
                    expected = verdict is None and name not in REFUSED
                print(f"{name} {verdict or f'{len(got)} rows, right'} {seconds:.2f} s", flush=True)
                if not expected:
                    wrong.append(f"{name}: {verdict or 'answered'}")
            connection.close()
        self.assertEqual([], wrong)

    def against_golden(self, scenario):
        def reference(name, sql):
            return read_csv(DATA / "golden" / f"{name}.csv")[1], "ORDER BY" in sql.rpartition(")")[2], GOLDEN
        data = self.generate("1")
        self.ask(scenario, data / scenario.name, reference)

    def with_an_empty_owner(self, scenario, owner, pushdown):
        """All of one owner's tables have no rows; against PostgreSQL on the pooled rows."""
        data = self.generate("1") / scenario.name
        for file in (data / owner).glob("*.csv"):
            file.write_text(file.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
        with PgCluster() as cluster:
            pooled = pool(scenario, cluster, data)
            def reference(_, sql):
                state, rows, _ = run(pooled, sql)
                self.assertIsNone(state, rows)
                return rows, True, SAME
            self.ask(scenario, data, reference, pushdown)
            pooled.close()


def add_tests():
    """One test for each scenario, and one for each owner without rows."""
    needs_server = unittest.skipUnless(PgCluster.available(), "PostgreSQL's server is not installed")
    # one of several owners of its tables, and the only owner of a table
    without = {"finance": ["bank_de", "bureau"], "health": ["hosp_ee", "registry"], "logistics": ["car_at", "customs"]}
    for scenario in SCENARIOS:
        setattr(Scenarios, f"test_{scenario.name}", lambda self, scenario=scenario: self.against_golden(scenario))
        for owner, pushdown in zip(without[scenario.name], ["on", "off"]):
            setattr(Scenarios, f"test_{scenario.name}_without_rows_of_{owner}", needs_server(
                lambda self, scenario=scenario, owner=owner, pushdown=pushdown:
                self.with_an_empty_owner(scenario, owner, pushdown)))


add_tests()

if __name__ == "__main__":
    unittest.main()
