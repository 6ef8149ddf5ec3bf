#!/usr/bin/python3
"""Four organisations on this machine answer SQL together; see ./run demo in the README.

usage: demo.py [--keep] [--data DIR] [--scale N]

  --keep      leaves the nodes up and prints how to connect
  --data DIR  your own data: one folder per organisation, CSV files in them; leaves the nodes up
  --scale N   size of the generated data (1: 2,000 visits a hospital)
"""
import argparse
import decimal
import pathlib
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from tools.consortium import CommandFailed, Consortium  # noqa: E402
from tools.pgcluster import PgCluster  # noqa: E402

HOSPITALS = ["north", "south", "east"]
TEAM = "research"

CENTS = """CREATE TEMP VIEW v AS SELECT *, CAST(round(cost * 100) AS INTEGER) AS cents FROM visits;
CREATE TEMP VIEW t AS SELECT * FROM tumours"""

# what it shows, the query, the same on the pooled rows in SQLite
QUERIES = [
    ("How many visits were there, and what did they cost?",
     "SELECT count(*), avg(cost), sum(cost) FROM visits",
     "SELECT count(*), sum(cents) / 100.0 / count(cents), sum(cents) / 100.0 FROM v"),
    ("By region, in 2025. Each hospital groups its own rows; the parties add up four numbers.",
     "SELECT region, count(*), avg(cost) FROM visits WHERE year = 2025 GROUP BY region ORDER BY region",
     "SELECT region, count(*), sum(cents) / 100.0 / count(cents) FROM v WHERE year = 2025 GROUP BY "
     "region ORDER BY instr('coasthillsplaincity', region)"),
    ("By stage of the tumour: all hospitals' visits joined with the southern registry by person.",
     "SELECT t.stage, count(*), avg(v.cost) FROM visits v JOIN south.tumours t USING (person) "
     "GROUP BY t.stage ORDER BY t.stage",
     "SELECT t.stage, count(*), sum(v.cents) / 100.0 / count(v.cents) FROM v JOIN t USING (person) "
     "GROUP BY t.stage ORDER BY t.stage"),
    ("Extremes, NULLs, dates and a computed condition.",
     "SELECT min(cost), max(cost), count(*), count(cost), max(days) FROM visits "
     "WHERE visited >= DATE '2024-07-01' AND cost / days > 500.00",
     "SELECT min(cents) / 100.0, max(cents) / 100.0, count(*), count(cents), max(days) FROM v "
     "WHERE visited >= '2024-07-01' AND cents > 50000 * days"),
]
REFUSED = "SELECT person, cost FROM visits"
EXPLAINED = QUERIES[2][1]


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def command(text):
    say(f"$ {text}")


def number(text):
    try:
        return decimal.Decimal(str(text))
    except decimal.InvalidOperation:
        return None


def close(got, want):
    if got is None or want is None:
        return got is None and want is None
    a, b = number(got), number(want)
    if a is None or b is None:
        return str(got) == str(want)
    return abs(a - b) <= abs(b) * decimal.Decimal("1e-9")


class Demo:
    def __init__(self, consortium, data, cluster):
        self.consortium = consortium
        self.data = data
        self.cluster = cluster
        self.mistakes = 0

    def psql(self, org, *commands, show=True, check=True):
        node = self.consortium.nodes[org]
        if show:
            shown = " ".join(f"-c {shlex.quote(c)}" for c in commands if not c.startswith("SET "))
            command(f"psql -h 127.0.0.1 -p {node.sql_port} -U admin {org} {shown}")
        options = [part for c in commands for part in ("-c", c)]
        return subprocess.run(["psql", "-X", "-q", *options], env=node.environment(), text=True,
                              capture_output=True, check=check, timeout=600)

    def file(self, org, path):
        node = self.consortium.nodes[org]
        command(f"psql -h 127.0.0.1 -p {node.sql_port} -U admin {org} -f {path.name}")
        self.consortium.psql(org, file=path)

    def servers(self):
        """Where each hospital keeps its rows."""
        east = f"sqlite OPTIONS (filename '{self.data}/east/hospital.db')"
        if self.cluster is not None:
            self.cluster.psql((self.data / "east" / "east.sql").read_text(encoding="utf-8"))
            east = f"postgres OPTIONS (conninfo '{self.cluster.conninfo()}')"
        return {"north": f"csv OPTIONS (directory '{self.data}/north')",
                "south": f"sqlite OPTIONS (filename '{self.data}/south/hospital.db')",
                "east": east}

    def publish(self):
        for org, server in self.servers().items():
            self.psql(org, f"CREATE SERVER data FOREIGN DATA WRAPPER {server}")
            self.file(org, HERE / "visits.sql")
        self.file("south", HERE / "tumours.sql")

    def ask(self, what, sql, reference, pooled):
        title(what)
        started = time.monotonic()
        done = self.psql(TEAM, "SET comity.timing = on", sql, check=False)
        seconds = time.monotonic() - started
        say(done.stdout.rstrip())
        for line in done.stderr.splitlines():
            say(line)
        got = self.consortium.rows(TEAM, sql)
        want = pooled.execute(reference).fetchall()
        equal = len(got) == len(want) and all(
            len(a) == len(b) and all(map(close, a, b)) for a, b in zip(got, want))
        self.mistakes += not equal
        say(f"   {seconds:.2f} s with psql's start   "
            f"{'= pooled answer' if equal else '!! DIFFERS FROM THE POOLED ANSWER: ' + str(want)}")

    def run(self):
        pooled = sqlite3.connect(self.data / "pooled.db")
        pooled.executescript(CENTS)
        for what, sql, reference in QUERIES:
            self.ask(what, sql, reference, pooled)
        title("What the hospitals' labels do not allow is refused before any row is read.")
        refused = self.psql(TEAM, REFUSED, check=False)
        say(refused.stderr.rstrip())
        self.mistakes += refused.returncode == 0
        title("Who would learn what, and what would it cost?")
        say(self.psql(TEAM, f"EXPLAIN (DISCLOSURE, COST) {EXPLAINED}").stdout.rstrip())
        title("Every node has kept its own signed record.")
        for org in self.consortium.nodes:
            say(self.consortium.comity("audit", "verify", self.consortium.nodes[org].dir).rstrip())


def bring_up(consortium, name):
    title(f"{len(consortium.nodes)} organisations make a node each, and federate")
    consortium.init()
    consortium.start()
    consortium.federate(name)


def farewell(consortium):
    title("The nodes stay up. Go on with:")
    for node in consortium.nodes.values():
        say(f"  PGPASSWORD={node.password} psql -h 127.0.0.1 -p {node.sql_port} -U admin {node.org}")
    say("and end them with:")
    say(f"  {consortium.program('comity')} stop {consortium.dir}/*/")
    say("Useful first words in psql:  \\d   \\dt *.*   EXPLAIN (DISCLOSURE, COST) SELECT ...")


# ---- a person's own data ------------------------------------------------------------------------

def organisation(folder):
    """A folder's name as an SQL identifier."""
    name = re.sub(r"[^a-z0-9_]", "_", folder.name.lower())
    return name if name[:1].isalpha() else f"org_{name}"


def enum_labels(consortium, org):
    """The node's enum types: name -> list of labels."""
    types = {}
    for name, label in consortium.rows(
            org, "SELECT t.typname, e.enumlabel FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid "
            f"JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = '{org}' "
            "ORDER BY 1, e.enumsortorder"):
        types.setdefault(name, []).append(label)
    return types


def import_folder(consortium, org, types):
    """Imports everything; types are made first, with labels that other organisations have, too."""
    made = [f"CREATE TYPE \"{name}\" AS ENUM ({', '.join(map(quoted, labels))})"
            for name, labels in types.items()]
    consortium.psql(org, ";\n".join(made + ["IMPORT FOREIGN SCHEMA public FROM SERVER data INTO public"]))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def agree_on_types(consortium, orgs):
    """Tables of one name unite only if their types are the same: where organisations have seen
    different values, all get the labels of all, and import again."""
    own = {org: enum_labels(consortium, org) for org in orgs}
    agreed = {}
    for types in own.values():
        for name, labels in types.items():
            agreed[name] = sorted(set(agreed.get(name, [])) | set(labels))
    for org, types in own.items():
        if any(sorted(labels) != agreed[name] for name, labels in types.items()):
            tables = [row[0] for row in consortium.rows(
                org, f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{org}'")]
            consortium.psql(org, ";\n".join([f'DROP FOREIGN TABLE "{table}"' for table in tables] +
                                            [f'DROP TYPE "{name}"' for name in types]))
            import_folder(consortium, org, {name: agreed[name] for name in types})


def label_everything(consortium, org):
    """Returns the tables' names."""
    columns = consortium.rows(
        org, "SELECT table_name, column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema = '{org}'")
    labels = [f"SECURITY LABEL FOR comity ON COLUMN \"{table}\".\"{column}\" IS "
              f"'{'aggregate' if kind == 'numeric' else 'group'}'" for table, column, kind in columns]
    tables = sorted({table for table, _, _ in columns})
    grants = [f'GRANT SELECT ON "{table}" TO PUBLIC' for table in tables]
    consortium.psql(org, ";\n".join(labels + grants))
    return tables


def own_data(directory, echo):
    folders = sorted(f for f in pathlib.Path(directory).resolve().iterdir()
                     if f.is_dir() and any(f.glob("*.csv")))
    if not folders:
        sys.exit(f"demo: no folder with CSV files under {directory}")
    orgs = [organisation(folder) for folder in folders]
    analyst = "analyst" if "analyst" not in orgs else "asker"
    helpers = [f"party{i}" for i in range(1, 4 - len(orgs))]  # three nodes have to compute
    consortium = Consortium(orgs + helpers + [analyst], echo=echo)
    consortium.keep = True
    try:
        bring_up(consortium, "trial")
        title("Types, keys and domains are inferred; everything is labelled group or aggregate")
        for org, folder in zip(orgs, folders):
            say(f"{org}: {folder}")
            consortium.psql(org, "CREATE SERVER data FOREIGN DATA WRAPPER csv "
                            f"OPTIONS (directory {quoted(str(folder))})")
            import_folder(consortium, org, {})
        agree_on_types(consortium, orgs)
        tables = {table for org in orgs for table in label_everything(consortium, org)}
        for table in sorted(tables):
            sql = f'SELECT org, count(*) FROM "{table}" GROUP BY org ORDER BY org'
            title(sql)
            done = consortium.psql(analyst, sql, check=False)
            say((done.stdout + done.stderr).rstrip())
    except (CommandFailed, subprocess.CalledProcessError):
        consortium.stop()
        raise
    farewell(consortium)
    say(f"(ask as {analyst}: it sees every organisation's tables)")


def prepared(keep, scale, echo):
    work = pathlib.Path(tempfile.mkdtemp(prefix="comity-demo-"))
    data = work / "data"
    title("Three hospitals keep their visits in a CSV file, a SQLite file and a database of their own")
    subprocess.run([sys.executable, str(HERE / "generate.py"), str(data), str(scale)], check=True)
    cluster = PgCluster() if PgCluster.available() else None
    if cluster is not None:
        cluster.start()
    say(f"data in {data}; the eastern hospital uses "
        f"{'PostgreSQL' if cluster else 'SQLite (no PostgreSQL server is installed here)'}")
    consortium = Consortium(HOSPITALS + [TEAM], directory=work / "nodes", echo=echo)
    (work / "nodes").mkdir()
    demo = Demo(consortium, data, cluster)
    try:
        bring_up(consortium, "health")
        title("Each hospital publishes its table, labels its columns and grants the team to query")
        demo.publish()
        demo.run()
        if keep:
            consortium.keep = True
            farewell(consortium)
        else:
            title("Go on: ./run demo --keep leaves the nodes up; ./run demo --data DIR takes your data")
    finally:
        if not consortium.keep:
            consortium.stop()
            if cluster is not None:
                cluster.stop()
            subprocess.run(["rm", "-rf", str(work)], check=False)
    return demo.mistakes


def main():
    parser = argparse.ArgumentParser(description="Four organisations answer SQL together.")
    parser.add_argument("--keep", action="store_true", help="leave the nodes up")
    parser.add_argument("--data", metavar="DIR", help="one folder of CSV files per organisation")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the generated data")
    options = parser.parse_args()
    try:
        if options.data:
            own_data(options.data, say)
            return 0
        return 1 if prepared(options.keep, options.scale, say) else 0
    except CommandFailed as failure:
        say(f"\ndemo: {failure}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
