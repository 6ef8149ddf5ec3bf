#!/usr/bin/python3
"""The health consortium's data: three hospitals' visits and one tumour registry.  Deterministic.

usage: generate.py DIR [SCALE]

Writes DIR/north/visits.csv, DIR/south/hospital.db (SQLite: visits and tumours), DIR/east/east.sql (for
PostgreSQL) and DIR/east/hospital.db (the same for SQLite), and DIR/pooled.db: everybody's rows in one SQLite
file, which in real life exists nowhere.  About 2,000 visits per hospital at scale 1.  No real person.
"""
import datetime
import pathlib
import random
import sqlite3
import sys

HOSPITALS = ["north", "south", "east"]
REGIONS = ["coast", "hills", "plain", "city"]
STAGES = ["I", "II", "III", "IV"]
VISIT_COLUMNS = ["person", "region", "year", "visited", "days", "cost", "note"]
TUMOUR_COLUMNS = ["person", "stage", "diagnosed", "weight"]
NOTES = [None, "", "follow-up", "emergency", 'said "better", left', "Überweisung"]


def visits(rng, hospital, people, count):
    base = {"north": 900, "south": 1400, "east": 1100}[hospital]
    for _ in range(count):
        day = datetime.date(2023, 1, 1) + datetime.timedelta(days=rng.randrange(1096))
        days = 1 + int(rng.expovariate(0.3))
        cost = None if rng.random() < 0.03 else round(base * days ** 0.7 * rng.lognormvariate(0, 0.4), 2)
        yield [f"P{rng.randrange(people):06d}", rng.choices(REGIONS, [4, 2, 3, 6])[0], day.year,
               day.isoformat(), min(days, 60), None if cost is None else f"{cost:.2f}",
               rng.choice(NOTES)]


def tumours(rng, people):
    for number in sorted(rng.sample(range(people), people // 3)):
        day = datetime.date(2018, 1, 1) + datetime.timedelta(days=rng.randrange(2900))
        yield [f"P{number:06d}", rng.choices(STAGES, [5, 4, 3, 2])[0], day.isoformat(),
               None if rng.random() < 0.1 else rng.randint(38, 140)]


def write_sqlite(path, tables):
    """tables: name -> (columns, rows)."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        for name, (columns, rows) in tables.items():
            types = [c + (" INTEGER" if c in ("year", "days", "weight") else " TEXT") for c in columns]
            db.execute(f"CREATE TABLE {name} ({', '.join(types)})")
            marks = ", ".join("?" * len(columns))
            db.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)


def csv_field(value):
    """An empty field without quotes is NULL, with quotes the empty text, as PostgreSQL has it."""
    if value is None:
        return ""
    text = str(value)
    if text == "" or set(text) & set(',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_csv(path, columns, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.write(",".join(columns) + "\n")
        for row in rows:
            file.write(",".join(map(csv_field, row)) + "\n")


def write_postgresql(path, columns, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("DROP TABLE IF EXISTS visits;\nCREATE TABLE visits (person varchar(8), region text, "
                   "year int, visited date, days int, cost numeric(10,2), note text);\n"
                   f"COPY visits ({', '.join(columns)}) FROM STDIN;\n")
        for row in rows:
            file.write("\t".join("\\N" if v is None else str(v) for v in row) + "\n")
        file.write("\\.\n")


def main():
    out = pathlib.Path(sys.argv[1])
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    rng = random.Random(20261122)
    count = max(1, int(2000 * scale))
    people = max(30, count)
    pooled = []
    for hospital in HOSPITALS:
        folder = out / hospital
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(visits(rng, hospital, people, count))
        pooled += [[hospital] + row for row in rows]
        if hospital == "north":
            write_csv(folder / "visits.csv", VISIT_COLUMNS, rows)
        elif hospital == "south":
            registry = list(tumours(rng, people))
            write_sqlite(folder / "hospital.db", {"visits": (VISIT_COLUMNS, rows),
                                                  "tumours": (TUMOUR_COLUMNS, registry)})
        else:
            write_postgresql(folder / "east.sql", VISIT_COLUMNS, rows)
            write_sqlite(folder / "hospital.db", {"visits": (VISIT_COLUMNS, rows)})
    write_sqlite(out / "pooled.db", {"visits": (["org"] + VISIT_COLUMNS, pooled),
                                     "tumours": (TUMOUR_COLUMNS, registry)})


if __name__ == "__main__":
    main()
