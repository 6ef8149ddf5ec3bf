"""TPC-H's 22 queries as they are, over three owners, against PostgreSQL's answers.

Four times: with each table at one owner but for lineitem, with lineitem where orders are, with the rows of every table
split among all, and so split while one of the owners has no rows and nobody has declared a domain.

The data is not part of the project: COMITY_TPCH names a folder with schema.sql, queries/, answers/sf0.001/ and
sf0.001/ (CSV, gzip, header row); without it ../shared/tpch beside the project is looked for, and
without that the test is skipped.  COMITY_TPCH_QUERIES chooses some of the queries.
"""
import gzip
import os
import pathlib
import re
import time
import unittest

import psycopg2

from tests.support.answers import Tolerance, difference, read_csv
from tools.consortium import ROOT, Consortium

DATA = pathlib.Path(os.environ.get("COMITY_TPCH", ROOT.parent / "shared" / "tpch"))
SCALE = os.environ.get("COMITY_TPCH_SCALE", "sf0.001")
OWNERS = ["north", "south", "east"]
ASKER = "research"
TOLERANCE = Tolerance("0.005", "1e-9")
# where each table is; lineitem's rows are spread over all three owners
PLACES = {"region": ["north"], "nation": ["north"], "customer": ["north"], "part": ["south"], "supplier": ["south"],
          "partsupp": ["east"], "orders": ["east"], "lineitem": OWNERS}
ORDERS_WITH_LINES = PLACES | {"lineitem": ["east"]}  # so that their owner joins them
BY_ROWS = {table: OWNERS for table in PLACES}  # every table is everybody's
KEYS = {"region": "r_regionkey", "nation": "n_nationkey", "part": "p_partkey", "supplier": "s_suppkey",
        "partsupp": "ps_partkey, ps_suppkey", "customer": "c_custkey", "orders": "o_orderkey",
        "lineitem": "l_orderkey, l_linenumber"}
# public domains: what everybody knows of the benchmark's generator at scale factors up to 0.1
DOMAINS = {"regionkey": (0, 4), "nationkey": (0, 24), "partkey": (1, 20000), "suppkey": (1, 1000),
           "custkey": (1, 15000), "orderkey": (1, 600000), "linenumber": (1, 7), "quantity": (0, 50),
           "extendedprice": (0, 110000), "discount": (0, "0.10"), "tax": (0, "0.08"), "size": (1, 50),
           "availqty": (1, 9999), "supplycost": (0, 1000), "retailprice": (0, 3000), "totalprice": (0, 700000),
           "acctbal": ("-1000", 10000), "shippriority": (0, 0)}
DATES = ("1992-01-01", "1998-12-31")
BOUNDED = {"q09"} if SCALE == "sf0.001" else set()  # partsupp has no key there: its join needs a bound
JOIN_ROWS = 30000


def definitions():
    """name -> [(column, type)] of schema.sql."""
    tables = {}
    for name, body in re.findall(r"create table (\w+) \((.*)\);", (DATA / "schema.sql").read_text()):
        columns = re.split(r", (?=\w+_\w+ )", body)
        tables[name] = [tuple(column.split(" ", 1)) for column in columns]
    return tables


def create_sql(table, columns, domains):
    parts = []
    for name, kind in columns:
        domain = DOMAINS.get(name.split("_")[1]) if domains else None
        if domains and kind.startswith("date"):
            domain = tuple(f"'{day}'" for day in DATES)
        check = f" CHECK ({name} BETWEEN {domain[0]} AND {domain[1]})" if domain else ""
        parts.append(f"{name} {kind}{check}")
    if table != "partsupp" or SCALE != "sf0.001":  # its ten suppliers meet some parts twice
        parts.append(f"PRIMARY KEY ({KEYS[table]})")
    return f"CREATE FOREIGN TABLE {table} ({', '.join(parts)}) SERVER files OPTIONS (file '{table}.csv')"


def write_parts(table, owners, directories, empty):
    """Row i goes to owner i modulo their number; `empty` has the header row alone."""
    full = [owner for owner in owners if owner != empty]
    with gzip.open(DATA / SCALE / f"{table}.csv.gz", "rt", encoding="utf-8") as file:
        lines = file.readlines()
    for owner in owners:
        part = lines[:1] + (lines[1 + full.index(owner)::len(full)] if owner in full else [])
        (directories[owner] / f"{table}.csv").write_text("".join(part), encoding="utf-8")


def queries():
    wanted = os.environ.get("COMITY_TPCH_QUERIES")
    for number in range(1, 23):
        name = f"q{number:02}"
        if wanted and name not in wanted.split(","):
            continue
        path = DATA / "queries" / f"{name}.sql"
        if number == 11 and (DATA / "queries" / f"{name}.{SCALE}.sql").exists():
            path = DATA / "queries" / f"{name}.{SCALE}.sql"
        if number == 15:
            path = DATA / "queries" / "q15_cte.sql"
        yield name, path.read_text().rstrip().rstrip(";")


@unittest.skipUnless((DATA / "schema.sql").exists(), "TPC-H data is not here")
class Tpch(unittest.TestCase):
    def publish(self, consortium, places, empty, domains):
        directories = {}
        for org in OWNERS:
            directories[org] = consortium.dir / f"{org}-data"
            directories[org].mkdir()
            consortium.psql(org, f"CREATE SERVER files FOREIGN DATA WRAPPER csv OPTIONS (directory '{directories[org]}')")
        for table, columns in definitions().items():
            write_parts(table, places[table], directories, empty)
            for org in places[table]:
                labels = "; ".join(f"SECURITY LABEL FOR comity ON COLUMN {table}.{name} IS 'reveal'"
                                   for name, _ in columns)
                consortium.psql(org, f"{create_sql(table, columns, domains)}; {labels}; GRANT SELECT ON {table} TO {ASKER}")

    def test_tables_at_their_owners(self):
        self.check(PLACES)

    def test_orders_with_their_lines(self):
        self.check(ORDERS_WITH_LINES)

    def test_rows_split_among_owners(self):
        self.check(BY_ROWS)

    def test_one_owner_has_no_rows_and_no_domain_is_declared(self):
        self.check(BY_ROWS, OWNERS[1], False)

    def check(self, places, empty=None, domains=True):
        with Consortium(OWNERS + [ASKER]) as consortium:
            consortium.init()
            consortium.start()
            consortium.federate("tpch")
            self.publish(consortium, places, empty, domains)
            node = consortium.nodes[ASKER]
            connection = psycopg2.connect(host="127.0.0.1", port=node.sql_port, user="admin",
                                          password=node.password, dbname=ASKER)
            connection.autocommit = True
            wrong = []
            for name, sql in queries():
                with connection.cursor() as cursor:
                    cursor.execute(f"SET comity.join_rows = {JOIN_ROWS if name in BOUNDED else 0}")
                    cursor.execute(os.environ.get("COMITY_TPCH_SET", "SELECT 1"))
                    verdict = self.one(cursor, name, sql)
                if verdict != "right":
                    wrong.append(f"{name}: {verdict}")
            self.assertEqual([], wrong)

    def one(self, cursor, name, sql):
        start = time.monotonic()
        try:
            cursor.execute(sql)
        except psycopg2.Error as error:
            print(f"{name} refused {error.pgcode} {str(error).splitlines()[0]}", flush=True)
            return "refused"
        rows = cursor.fetchall()
        want = read_csv(DATA / "answers" / SCALE / f"{name}.csv")[1]
        wrong = difference(rows, want, False, TOLERANCE)
        verdict = "right" if wrong is None else "WRONG"
        print(f"{name} {verdict} {len(rows)} rows {time.monotonic() - start:.2f} s", flush=True)
        if verdict == "WRONG" and os.environ.get("COMITY_VERBOSE"):
            print(wrong)
        return verdict


if __name__ == "__main__":
    unittest.main()
