"""One federation for a whole test class: three owners with small CSV tables, and a team that asks."""
import csv
import random
import sqlite3
import unittest

import psycopg2

from tools.consortium import Consortium

OWNERS = ["north", "south", "east"]
ASKER = "research"
REGIONS = ["north", "south", "west"]

VISITS = """CREATE FOREIGN TABLE visits (
    person varchar(8) NOT NULL,
    region region NOT NULL,
    year int NOT NULL CHECK (year BETWEEN 2020 AND 2026),
    visited date,
    cost numeric(10,2)
) SERVER data OPTIONS (table 'visits')"""
TUMOURS = """CREATE FOREIGN TABLE tumours (
    person varchar(8) PRIMARY KEY,
    stage stage NOT NULL,
    weight int CHECK (weight BETWEEN 0 AND 300)
) SERVER data OPTIONS (table 'tumours')"""
LABELS = {"visits": {"person": "join", "region": "group", "year": "group", "visited": "filter",
                     "cost": "aggregate"},
          "tumours": {"person": "join", "stage": "group", "weight": "aggregate"}}


def make_visits(seed, count):
    rng = random.Random(seed)
    return [[f"p{rng.randint(1, 60)}", rng.choice(REGIONS), rng.randint(2020, 2026),
             f"202{rng.randint(0, 6)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
             None if rng.random() < 0.1 else f"{rng.randint(0, 99999)}.{rng.randint(0, 99):02}"]
            for _ in range(count)]


def make_tumours(seed):
    rng = random.Random(seed)
    return [[f"p{i}", rng.choice(["i", "ii", "iii"]), None if i % 7 == 0 else rng.randint(40, 120)]
            for i in range(1, 61, 2)]


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(header)
        out.writerows([["" if v is None else v for v in row] for row in rows])


class Federation(unittest.TestCase):
    """Starts the nodes once per class."""

    rows = 150

    @classmethod
    def setUpClass(cls):
        cls.consortium = Consortium(OWNERS + [ASKER])
        cls.addClassCleanup(cls.consortium.stop)
        cls.place(cls.consortium)
        cls.consortium.init()
        cls.consortium.start()
        cls.consortium.federate("test")
        cls.pooled = sqlite3.connect(":memory:")
        cls.pooled.execute("CREATE TABLE visits (org, person, region, year INT, visited, cost)")
        cls.pooled.execute("CREATE TABLE tumours (person, stage, weight INT)")
        for seed, org in enumerate(OWNERS):
            cls.publish(org, seed)

    @classmethod
    def place(cls, consortium):
        """For tests that put a node's state somewhere else."""

    @classmethod
    def publish(cls, org, seed):
        data = cls.consortium.dir / f"{org}-data"
        data.mkdir()
        visits = make_visits(seed, cls.rows + seed)
        write_csv(data / "visits.csv", ["person", "region", "year", "visited", "cost"], visits)
        cls.pooled.executemany("INSERT INTO visits VALUES (?,?,?,?,?,?)",
                               [[org] + row for row in visits])
        sql = [f"CREATE SERVER data FOREIGN DATA WRAPPER csv OPTIONS (directory '{data}')",
               "CREATE TYPE region AS ENUM ('north', 'south', 'west')", VISITS]
        tables = ["visits"]
        if org == "south":
            tumours = make_tumours(seed)
            write_csv(data / "tumours.csv", ["person", "stage", "weight"], tumours)
            cls.pooled.executemany("INSERT INTO tumours VALUES (?,?,?)", tumours)
            sql += ["CREATE TYPE stage AS ENUM ('i', 'ii', 'iii')", TUMOURS]
            tables.append("tumours")
        for table in tables:
            sql += [f"SECURITY LABEL FOR comity ON COLUMN {table}.{column} IS '{label}'"
                    for column, label in LABELS[table].items()]
            sql.append(f"GRANT SELECT ON {table} TO {ASKER}")
        cls.consortium.psql(org, ";\n".join(sql) + ";")

    @classmethod
    def connect(cls, org=ASKER, **kwargs):
        node = cls.consortium.nodes[org]
        options = {"host": "127.0.0.1", "port": node.sql_port, "user": "admin",
                   "password": node.password, "dbname": org, "connect_timeout": 10}
        options.update(kwargs)
        connection = psycopg2.connect(**options)
        connection.autocommit = True
        return connection

    def ask(self, sql, params=None, org=ASKER):
        connection = self.connect(org)
        try:
            cursor = connection.cursor()
            cursor.execute(sql, params)
            return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def refused(self, sql, sqlstate, org=ASKER):
        """Runs SQL that must fail with that code; returns the error."""
        with self.assertRaises(psycopg2.Error) as caught:
            self.ask(sql, org=org)
        self.assertEqual(sqlstate, caught.exception.pgcode, str(caught.exception))
        return caught.exception
