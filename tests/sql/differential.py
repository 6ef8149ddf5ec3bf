"""Compares Comity over three owners with PostgreSQL on the pooled rows, on random tables and queries.

    BUILD=build python3 -m tests.sql.differential [QUERIES [SEED]]

Each schema's tables are split among owners with three kinds of source.  The same seed gives the same tables and
queries; show(seed) prints the tables for PostgreSQL.  COMITY_VERBOSE=1 prints what was refused too.
"""
import collections
import concurrent.futures
import csv
import decimal
import os
import re
import sqlite3
import sys
import time

import psycopg2

from tests.sql.generator import Schema
from tests.sql.tables import pooled_sql
from tools.consortium import Consortium
from tools.pgcluster import PgCluster

OWNERS = ["north", "south", "east"]
WRAPPERS = {"north": "csv", "south": "sqlite", "east": "postgres"}
ASKER = "research"
# how queries are run, one after the other
VARIANTS = [{}, {"comity.pushdown": "off"}, {}, {"comity.domain_max": "1"}, {"prepared": True},
            {"view": "VIEW"}, {"view": "MATERIALIZED VIEW"}, {"comity.pushdown": "off", "comity.cross_owner_keys": "off"},
            {"comity.sorted_runs": "always", "comity.domain_max": "1"}, {"comity.sorted_runs": "always", "comity.pushdown": "off"}]
IN_FLIGHT = 3  # queries at a time: a small one mostly waits for processes and links
PER_SCHEMA = 50
VERBOSE = bool(os.environ.get("COMITY_VERBOSE"))


def connect(**options):
    connection = psycopg2.connect(**options)
    connection.autocommit = True
    return connection


def to_node(node):
    return connect(host="127.0.0.1", port=node.sql_port, user="admin", password=node.password, dbname=node.org)


class Owner:
    """Puts an owner's rows where its source looks for them and publishes them."""

    def __init__(self, consortium, org, cluster):
        self.org = org
        self.dir = consortium.dir / f"{org}-data"
        self.dir.mkdir()
        self.cluster = cluster
        self.wrapper = WRAPPERS[org]
        self.connection = to_node(consortium.nodes[org])
        self.cursor = self.connection.cursor()
        option = {"csv": f"directory '{self.dir}'", "sqlite": f"filename '{self.dir}/data.db'",
                  "postgres": f"conninfo '{cluster.conninfo('east_data')}'"}[self.wrapper]
        if self.wrapper == "postgres":
            cluster.psql("CREATE DATABASE east_data")
        if self.wrapper == "sqlite":
            sqlite3.connect(self.dir / "data.db").close()
        self.cursor.execute(f"CREATE SERVER data FOREIGN DATA WRAPPER {self.wrapper} OPTIONS ({option})")

    def store(self, tables):
        if self.wrapper == "postgres":
            self.cluster.psql(pooled_sql(tables, [self.org]), "east_data")
        for table in tables if self.wrapper != "postgres" else []:
            names = [c.name for c in table.columns]
            if self.wrapper == "csv":
                with open(self.dir / f"{table.name}.csv", "w", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerow(names)
                    for row in table.rows[self.org]:
                        # an unquoted empty field is NULL, a quoted one the empty string
                        file.write(",".join("" if v is None else '"' + str(v).replace('"', '""') + '"' for v in row) + "\n")
            else:
                with sqlite3.connect(self.dir / "data.db") as db:
                    db.execute(f"DROP TABLE IF EXISTS {table.name}")
                    db.execute(f"CREATE TABLE {table.name} ({', '.join(names)})")
                    db.executemany(f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(names))})",
                                   table.rows[self.org])

    def publish(self, schema):
        tables = [table for table in schema.tables if self.org in table.owners]
        self.store(tables)
        for table in tables:
            for sql in table.create_types():
                self.cursor.execute(sql)
            self.cursor.execute(f"CREATE FOREIGN TABLE {table.name} ({table.columns_sql()}) SERVER data "
                                f"OPTIONS (table '{table.name}')")
            for column in table.columns:
                self.cursor.execute(f"SECURITY LABEL FOR comity ON COLUMN {table.name}.{column.name} IS 'reveal'")
            self.cursor.execute(f"GRANT SELECT ON {table.name} TO {ASKER}")

    def withdraw(self, schema):
        for table in schema.tables:
            if self.org in table.owners:
                self.cursor.execute(f"DROP FOREIGN TABLE {table.name}")
                for column in table.columns:
                    if column.kind == "enum":
                        self.cursor.execute(f"DROP TYPE {column.name}_type")


# ---- answers ----------------------------------------------------------------------------------

def same(got, want):
    if got == want or got is None or want is None:
        return got == want
    if isinstance(want, float):
        return isinstance(got, (float, decimal.Decimal)) and abs(float(got) - want) <= 1e-9 * max(abs(want), 1)
    if isinstance(got, decimal.Decimal) and isinstance(want, decimal.Decimal):
        # quotients: PostgreSQL's number of digits depends on the digits of sum and count
        scale = max(abs(want), decimal.Decimal(1))
        off = abs(got - want) / scale
        # and of a standard deviation's on those of the variance
        return ("." in str(want) and off < decimal.Decimal("1e-11")) or (
            "." in str(got) and abs(want) > 10 ** 8 and off < decimal.Decimal("1e-9"))
    if isinstance(got, str) and isinstance(want, str):
        return got.rstrip(" ") == want.rstrip(" ")  # char(n) of several lengths; no word here ends so
    return False


def sort_key(row):
    """Numbers by value, so that one that differs in its last digits stays in its place."""
    return [(v is None, f"{v:040.9f}" if isinstance(v, (decimal.Decimal, float, int)) else str(v).rstrip()) for v in row]


def rows_equal(got, want, ordered):
    if not ordered:
        got, want = sorted(got, key=sort_key), sorted(want, key=sort_key)
    return len(got) == len(want) and all(
        len(a) == len(b) and all(map(same, a, b)) for a, b in zip(got, want))


def run(cursor, sql):
    """('rows', rows) or ('error', sqlstate, text)."""
    try:
        cursor.execute(sql)
        return ("rows", cursor.fetchall())
    except psycopg2.Error as error:
        return ("error", error.pgcode, str(error).strip())
    except ValueError as error:  # Python's dates end in the year 9999
        return ("error", "python", str(error))


class Verdicts:
    """What became of the queries."""

    def __init__(self):
        self.counts = collections.Counter()
        self.refused = collections.Counter()
        self.wrong = []

    def add(self, where, sql, ordered, got, want):
        floats = want[0] == "rows" and any(isinstance(cell, float) for row in want[1] for cell in row)
        if got[0] == "error" and (got[1] == "0A000" or "may need more than 126 bits" in got[2] or
                                  "beyond what the query presumes" in got[2]):
            self.counts["refused"] += 1
            self.refused[re.sub(r'"[^"]*"', '""', got[2].splitlines()[0])] += 1
            if VERBOSE:
                print(f"refused: {got[2].splitlines()[0]} | {sql}", flush=True)
        elif want[0] == "error" and want[1] == "0A000":  # such as FULL JOIN on an inequality
            self.counts["refused by PostgreSQL"] += 1
        elif got[0] == want[0] == "error" and got[1] == want[1]:
            self.counts["errors alike"] += 1
        elif got[0] == want[0] == "rows" and rows_equal(got[1], want[1], ordered and not floats):
            self.counts["same" if got[1] else "same, no rows"] += 1
        elif floats and got[0] == "rows" and re.search(" (LIMIT|OFFSET) [0-9]+", sql):
            self.counts["cut in an order that PostgreSQL rounds"] += 1
        else:
            self.wrong.append(f"{where}: {sql}\n  comity:     {str(got)[:1500]}\n  postgresql: {str(want)[:1500]}")
            print(self.wrong[-1], flush=True)

    def report(self):
        lines = [f"{sum(self.counts.values()) + len(self.wrong)} queries: {dict(self.counts)}, {len(self.wrong)} wrong"]
        return "\n".join(lines + [f"  refused {count} times: {what}" for what, count in self.refused.most_common()])


# ---- running ----------------------------------------------------------------------------------

def prepared(sql):
    """The same query as a prepared statement, with a number as its parameter if there is one."""
    numbers = list(re.finditer(r"(?<=[=<>] )\((-?\d{1,4})\)", sql))
    if not numbers:
        return f"PREPARE asked AS {sql}", "EXECUTE asked"
    chosen = numbers[len(sql) % len(numbers)]
    return (f"PREPARE asked AS {sql[:chosen.start()]}$1{sql[chosen.end():]}", f"EXECUTE asked ({chosen.group(1)})")


def run_prepared(cursor, sql):
    prepare, execute = prepared(sql)
    try:
        cursor.execute(prepare)
    except psycopg2.Error as error:
        return ("error", error.pgcode, str(error).strip())
    got = run(cursor, execute)
    cursor.execute("DEALLOCATE asked")
    return got


def run_view(cursor, sql, kind, name):
    """The same query under a name."""
    try:
        cursor.execute(f"CREATE {kind} {name} AS {sql}")
    except psycopg2.Error as error:
        return ("error", error.pgcode, str(error).strip())
    got = run(cursor, f"SELECT * FROM {name}")
    cursor.execute(f"DROP {kind} {name}")
    return got


class Asker:
    """One worker's connections to Comity and to PostgreSQL."""

    def __init__(self, node, cluster, number):
        self.view = f"asked{number}"
        self.comity = to_node(node).cursor()
        self.pooled = connect(dsn=cluster.conninfo()).cursor()
        self.settings = {}

    def ask(self, sql, variant):
        settings = {name: value for name, value in variant.items() if "." in name}
        for name in self.settings.keys() | settings.keys():
            if self.settings.get(name) != settings.get(name):
                self.comity.execute(f"SET {name} = {settings[name]}" if name in settings else f"RESET {name}")
        self.settings = settings
        systems = (self.comity, self.pooled)
        if variant.get("prepared"):
            return tuple(run_prepared(system, sql) for system in systems)
        if variant.get("view"):
            got, want = (run_view(system, sql, variant["view"], self.view) for system in systems)
            if not (got[0] == want[0] == "error" and want[1] == got[1] == "42701"):  # two columns of one name
                return got, want
        return run(self.comity, sql), run(self.pooled, sql)


class Federation:
    """A consortium and a PostgreSQL server, for as many schemas as one likes."""

    def __init__(self, cluster, consortium):
        consortium.init()
        consortium.start()
        consortium.federate("differential")
        self.cluster = cluster
        self.owners = [Owner(consortium, org, cluster) for org in OWNERS]
        self.askers = [Asker(consortium.nodes[ASKER], cluster, number) for number in range(IN_FLIGHT)]
        self.pool = concurrent.futures.ThreadPoolExecutor(IN_FLIGHT)

    def everywhere(self, what, schema):
        list(self.pool.map(lambda owner: getattr(owner, what)(schema), self.owners))

    def one_schema(self, seed, count, verdicts):
        schema = Schema(seed, OWNERS)
        queries = [schema.query() for _ in range(count)]
        self.cluster.psql(pooled_sql(schema.tables, OWNERS))
        self.everywhere("publish", schema)
        def work(first):
            for number in range(first, count, IN_FLIGHT):
                variant = VARIANTS[number % len(VARIANTS)]
                sql, ordered = queries[number]
                got, want = self.askers[first].ask(sql, variant)
                fixed = ordered and not variant.get("view")  # a view's own order is no promise
                verdicts.add(f"seed {seed}, query {number}, {variant}", sql, fixed, got, want)
        list(self.pool.map(work, range(IN_FLIGHT)))
        self.everywhere("withdraw", schema)


def compare(queries, seed):
    """Runs that many queries; returns the verdicts."""
    verdicts = Verdicts()
    with PgCluster() as cluster, Consortium(OWNERS + [ASKER]) as consortium:
        federation = Federation(cluster, consortium)
        for first in range(0, queries, PER_SCHEMA):
            federation.one_schema(seed, min(PER_SCHEMA, queries - first), verdicts)
            seed += 1
    return verdicts


def show(seed):
    """The tables of a seed, for PostgreSQL."""
    print(pooled_sql(Schema(seed, OWNERS).tables, OWNERS))


def main():
    queries = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    print(f"{queries} queries from seed {seed}", flush=True)
    verdicts = compare(queries, seed)
    print(verdicts.report())
    sys.exit(1 if verdicts.wrong else 0)


if __name__ == "__main__":
    main()
