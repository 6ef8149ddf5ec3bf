"""Random tables and queries: Comity over three owners against PostgreSQL on the pooled rows.

Each schema's table t is split among three owners with three kinds of source; table u is at one of them.
Seeded: COMITY_SEED and COMITY_SCHEMAS choose more or other ones.
"""
import csv
import decimal
import os
import sqlite3
import unittest

import psycopg2

from tests.sql.generator import Schema
from tools.consortium import Consortium
from tools.pgcluster import PgCluster

OWNERS = ["north", "south", "east"]
ASKER = "research"
SCHEMAS = int(os.environ.get("COMITY_SCHEMAS", "150"))
QUERIES = int(os.environ.get("COMITY_QUERIES", "5"))
SEED = int(os.environ.get("COMITY_SEED", "20261122"))
REFUSALS = {"0A000"}


def create_types(table):
    return [f"CREATE TYPE {c.name}_type AS ENUM ({', '.join(repr(x) for x in c.labels)})"
            for c in table.columns if c.kind == "enum"]


def columns_sql(table, checks=True):
    return ", ".join(c.definition() for c in table.columns)


class Owner:
    """Puts an owner's rows where its source looks for them and publishes them."""

    def __init__(self, consortium, org, directory, cluster):
        self.org = org
        self.dir = directory / f"{org}-data"
        self.dir.mkdir()
        self.cluster = cluster
        self.wrapper = {"north": "csv", "south": "sqlite", "east": "postgres"}[org]
        node = consortium.nodes[org]
        self.connection = psycopg2.connect(host="127.0.0.1", port=node.sql_port, user="admin",
                                           password=node.password, dbname=org)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        option = {"csv": f"directory '{self.dir}'",
                  "sqlite": f"filename '{self.dir}/data.db'",
                  "postgres": f"conninfo '{cluster.conninfo('east_data')}'"}[self.wrapper]
        if self.wrapper == "postgres":
            cluster.psql("CREATE DATABASE east_data")
        if self.wrapper == "sqlite":
            sqlite3.connect(self.dir / "data.db").close()
        self.execute(f"CREATE SERVER data FOREIGN DATA WRAPPER {self.wrapper} OPTIONS ({option})")

    def execute(self, sql):
        self.cursor.execute(sql)

    def store(self, table):
        rows = table.rows[self.org]
        names = [c.name for c in table.columns]
        if self.wrapper == "csv":
            with open(self.dir / f"{table.name}.csv", "w", newline="", encoding="utf-8") as file:
                out = csv.writer(file, quoting=csv.QUOTE_MINIMAL)
                out.writerow(names)
                for row in rows:
                    # an unquoted empty field is NULL, a quoted one the empty string
                    cells = ["" if v is None else '"' + str(v).replace('"', '""') + '"' for v in row]
                    file.write(",".join(cells) + "\n")
        elif self.wrapper == "sqlite":
            with sqlite3.connect(self.dir / "data.db") as db:
                db.execute(f"DROP TABLE IF EXISTS {table.name}")
                db.execute(f"CREATE TABLE {table.name} ({', '.join(names)})")
                marks = ", ".join("?" * len(names))
                db.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)
        else:
            self.cluster.psql(pooled_sql([table], [self.org], False), "east_data")

    def publish(self, table):
        self.store(table)
        for sql in create_types(table):
            self.execute(sql)
        self.execute(f"CREATE FOREIGN TABLE {table.name} ({columns_sql(table)}) SERVER data "
                     f"OPTIONS (table '{table.name}')")
        for column in table.columns:
            self.execute(f"SECURITY LABEL FOR comity ON COLUMN {table.name}.{column.name} IS 'reveal'")
        self.execute(f"GRANT SELECT ON {table.name} TO {ASKER}")

    def withdraw(self, table):
        self.execute(f"DROP FOREIGN TABLE {table.name}")
        for column in table.columns:
            if column.kind == "enum":
                self.execute(f"DROP TYPE {column.name}_type")


def literal(value):
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def pooled_sql(tables, owners, types=True):
    """CREATE and INSERT statements of the owners' rows for PostgreSQL."""
    out = []
    for table in tables:
        out.append(f"DROP TABLE IF EXISTS {table.name};")
        for column in table.columns:
            if column.kind == "enum":
                out.append(f"DROP TYPE IF EXISTS {column.name}_type;")
        out += [sql + ";" for sql in create_types(table)]
        out.append(f"CREATE TABLE {table.name} ({columns_sql(table)});")
        for owner in owners:
            for row in table.rows.get(owner, []):
                out.append(f"INSERT INTO {table.name} VALUES ({', '.join(map(literal, row))});")
    return "\n".join(out)


def same(got, want):
    if got == want or got is None or want is None:
        return got == want
    if isinstance(got, decimal.Decimal) and isinstance(want, float):
        return abs(float(got) - want) <= 1e-9 * max(abs(want), 1)
    if isinstance(got, decimal.Decimal) and isinstance(want, decimal.Decimal):
        if got == want:
            return True
        scale = max(abs(want), decimal.Decimal(1))
        # quotients: PostgreSQL's number of digits depends on the digits of sum and count
        return "." in str(want) and abs(got - want) / scale < decimal.Decimal("1e-11")
    return False


def rows_equal(got, want, ordered):
    key = lambda row: [(v is None, str(v)) for v in row]
    if not ordered:
        got, want = sorted(got, key=key), sorted(want, key=key)
    return len(got) == len(want) and all(
        len(a) == len(b) and all(map(same, a, b)) for a, b in zip(got, want))


def run(cursor, sql):
    """('rows', rows) or ('error', sqlstate, text)."""
    try:
        cursor.execute(sql)
        return ("rows", cursor.fetchall())
    except psycopg2.Error as error:
        return ("error", error.pgcode, str(error).strip())


@unittest.skipUnless(PgCluster.available(), "PostgreSQL's server is not installed")
class Differential(unittest.TestCase):
    def test_random_queries(self):
        with PgCluster() as cluster, Consortium(OWNERS + [ASKER]) as consortium:
            consortium.init()
            consortium.start()
            consortium.federate("differential")
            owners = {org: Owner(consortium, org, consortium.dir, cluster) for org in OWNERS}
            node = consortium.nodes[ASKER]
            asker = psycopg2.connect(host="127.0.0.1", port=node.sql_port, user="admin",
                                     password=node.password, dbname=ASKER)
            asker.autocommit = True
            pooled = psycopg2.connect(cluster.conninfo())
            pooled.autocommit = True
            cursors = asker.cursor(), pooled.cursor()
            counts = {"same": 0, "errors alike": 0, "refused": 0}
            wrong = []
            for number in range(SCHEMAS):
                self.one_schema(SEED + number, owners, cluster, cursors, counts, wrong)
            print(f"\n{SCHEMAS * 2} tables, {SCHEMAS * QUERIES} queries: {counts}")
            self.assertEqual([], wrong[:3], f"{len(wrong)} queries differ")
            self.assertLess(counts["refused"], SCHEMAS * QUERIES // 4)

    def one_schema(self, seed, owners, cluster, cursors, counts, wrong):
        schema = Schema(seed, OWNERS)
        cluster.psql(pooled_sql([schema.t, schema.u], OWNERS))
        for org in OWNERS:
            owners[org].publish(schema.t)
        owners[schema.u.owners[0]].publish(schema.u)
        for _ in range(QUERIES):
            sql = schema.query()
            got, want = run(cursors[0], sql), run(cursors[1], sql)
            if got[0] == "error" and got[1] in REFUSALS:
                counts["refused"] += 1
                if os.environ.get("COMITY_VERBOSE"):
                    print("refused:", got[2].splitlines()[0], "|", sql)
            elif got[0] == want[0] == "error" and got[1] == want[1]:
                counts["errors alike"] += 1
            elif got[0] == want[0] == "rows" and rows_equal(got[1], want[1], " LIMIT " in sql):
                counts["same"] += 1
            else:
                wrong.append(f"seed {seed}: {sql}\n  comity:     {got}\n  postgresql: {want}")
                if os.environ.get("COMITY_VERBOSE"):
                    print(wrong[-1])
        for org in OWNERS:
            owners[org].withdraw(schema.t)
        owners[schema.u.owners[0]].withdraw(schema.u)


if __name__ == "__main__":
    unittest.main()
