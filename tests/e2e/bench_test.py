"""comity bench: every operation runs, and what it prints can be read.  No test depends on a time."""
import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest
import xml.dom.minidom

COMITY = os.path.join(os.environ.get("BUILD", "build"), "src", "cli", "comity")
NUMBERS = {"rows", "bits", "lanes", "runs", "seconds", "cpu_seconds", "bytes_sent", "bytes_all", "rounds", "peak_bytes",
           "roofline", "rtt_ms", "rate_mbit", "bound_seconds", "link_bytes_per_second", "round_seconds",
           "prg_bytes_per_second", "ands_per_second", "memory_bytes_per_second"}
BOUNDS = {"bytes", "rounds", "ands", "products", "memory", "none"}
LOCAL = {"xor", "ring_add"}


def bench(*arguments, check=True):
    return subprocess.run([COMITY, "bench", *arguments], capture_output=True, text=True, check=check,
                          timeout=300)


def figures(*arguments):
    return json.loads(bench("--json", *arguments).stdout)


def operations():
    return [line.split()[0] for line in bench("--list").stdout.splitlines()]


class Bench(unittest.TestCase):
    def check_figure(self, figure):
        for name in NUMBERS:
            self.assertIsInstance(figure[name], (int, float), name)
            self.assertGreaterEqual(figure[name], 0, name)
        self.assertGreater(figure["seconds"], 0)
        self.assertGreater(figure["peak_bytes"], 1 << 20)
        self.assertLessEqual(figure["roofline"], 1)
        self.assertIn(figure["bound"], BOUNDS)
        if figure["op"] in LOCAL:
            self.assertEqual((0, 0), (figure["bytes_sent"], figure["rounds"]))
        elif figure["rows"] > 1:  # one row is sorted already
            self.assertGreater(figure["bytes_sent"], 0)
            self.assertGreaterEqual(figure["bytes_all"], figure["bytes_sent"])

    def test_every_operation(self):
        got = figures("--rows", "100", "--runs", "1")
        self.assertEqual(operations(), [figure["op"] for figure in got])
        for figure in got:
            with self.subTest(figure["op"]):
                self.check_figure(figure)
                self.assertEqual((100, 1, 1, "tls", 0, 0),
                                 tuple(figure[name] for name in
                                       ("rows", "lanes", "runs", "links", "rtt_ms", "rate_mbit")))

    def test_odd_sizes(self):
        for rows in ("1", "2", "63", "2^6", "65"):
            for figure in figures("--rows", rows, "--runs", "1", "--bits", "3", "and", "div", "sort",
                                  "group_sum", "join"):
                with self.subTest(figure["op"], rows=rows):
                    self.check_figure(figure)

    def test_and_costs_its_bits(self):
        figure = figures("--rows", "6400", "--runs", "2", "and")[0]
        self.assertEqual(1, figure["rounds"])
        self.assertEqual(2, figure["runs"])
        self.assertLess(abs(figure["bytes_sent"] - 6400 * 64 / 8), 100)

    def test_lanes_and_plain(self):
        one, two = (figures("--rows", "1000", "--runs", "1", "--plain", "--lanes", lanes, "eq")[0]
                    for lanes in ("1", "2"))
        self.assertEqual(("plain", 1, "plain", 2),
                         (one["links"], one["lanes"], two["links"], two["lanes"]))
        self.assertEqual(one["rounds"], two["rounds"])
        self.assertLess(abs(one["bytes_sent"] - two["bytes_sent"]), one["bytes_sent"] * 0.2)
        sort = figures("--rows", "1000", "--runs", "1", "--plain", "--lanes", "2", "sort")[0]
        self.assertEqual(("sort", 2), (sort["op"], sort["lanes"]))
        self.assertEqual(2, bench("--lanes", "1000", "sort", check=False).returncode)

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(
            bench("--csv", "--rows", "100", "--runs", "1", "and", "eq").stdout)))
        self.assertEqual(["and", "eq"], [row["op"] for row in rows])
        self.assertTrue(NUMBERS <= rows[0].keys())

    def test_saved_and_compared(self):
        with tempfile.TemporaryDirectory() as work:
            saved = os.path.join(work, "before.json")
            bench("--rows", "100", "--runs", "1", "--save", saved, "and", "eq")
            with open(saved, encoding="utf-8") as file:
                before = json.load(file)
            got = figures("--rows", "100", "--runs", "1", "--against", saved, "eq", "lt")
            self.assertAlmostEqual(got[0]["ratio"] * before[1]["seconds"], got[0]["seconds"],
                                   delta=got[0]["seconds"] * 0.01)
            self.assertIsNone(got[1]["ratio"])
            self.assertIn("s/before", bench("--rows", "100", "--runs", "1", "--against", saved,
                                            "and").stdout)
            with open(saved, "a", encoding="utf-8") as file:
                file.write("{}")
            refused = bench("--against", saved, "and", check=False)
            self.assertEqual(1, refused.returncode)
            self.assertIn("--save", refused.stderr)

    def test_plot(self):
        with tempfile.TemporaryDirectory() as work:
            path = os.path.join(work, "growth.svg")
            bench("--plot", path, "--from", "100", "--to", "2^10", "--runs", "1", "and", "lt")
            svg = xml.dom.minidom.parse(path)
        self.assertEqual(2, len(svg.getElementsByTagName("polyline")))
        self.assertEqual(2 * 3, len(svg.getElementsByTagName("circle")))

    def test_wrong_usage(self):
        for arguments in (["nothing"], ["--rows", "0"], ["--rows", "2^99"], ["--bits", "65"],
                          ["--rtt", "-1"], ["--rtt", "nan"], ["--lanes", "9"], ["--from", "2^9", "--to", "1"],
                          ["--nothing"]):
            with self.subTest(arguments):
                self.assertEqual(2, bench(*arguments, check=False).returncode)

    def test_shaped(self):
        done = bench("--json", "--rtt", "20", "--rate", "80", "--rows", "100000", "--runs", "1", "and",
                     check=False)
        if os.geteuid() != 0:
            self.assertEqual(1, done.returncode)
            self.assertIn("root", done.stderr)
        elif done.returncode != 0:
            self.skipTest(done.stderr)
        else:
            figure = json.loads(done.stdout)[0]
            self.check_figure(figure)
            self.assertEqual((20, 80), (figure["rtt_ms"], figure["rate_mbit"]))
            self.assertGreaterEqual(figure["round_seconds"], 0.010)
            self.assertLessEqual(figure["link_bytes_per_second"], 12e6)
            # 800 kB at 10 MB/s, and half a round trip.
            self.assertGreater(figure["seconds"], 0.080)

    def test_tpch(self):
        got = json.loads(bench("tpch", "--scale", "0.001", "--queries", "1,q06,22", "--json").stdout)
        self.assertEqual([("q01", True), ("q06", True), ("q22", True), ("q01", False), ("q06", False), ("q22", False)],
                         [(figure["query"], figure["pushdown"]) for figure in got])
        for figure in got:
            for name in ("seconds", "bytes_sent", "rounds", "peak_bytes", "predicted_seconds", "predicted_bytes"):
                self.assertGreater(figure[name], 0, name)
            self.assertGreater(figure["answer_rows"], 0)
        # what owners add up alone is not shared row by row
        self.assertGreater(got[3]["bytes_sent"], 10 * got[0]["bytes_sent"])
        self.assertGreater(got[4]["bytes_sent"], 10 * got[1]["bytes_sent"])

    def test_tpch_from_files(self):
        tables = {
            "region": "r_regionkey,r_name,r_comment\n0,AFRICA,\n",
            "nation": 'n_nationkey,n_name,n_regionkey,n_comment\n0,KENYA,0,"a, b\nand c"\n',
            "supplier": "s_suppkey,s_name,s_address,s_nationkey,s_phone,s_acctbal,s_comment\n1,s,a,0,10,0.00,c\n",
            "part": "p_partkey,p_name,p_mfgr,p_brand,p_type,p_size,p_container,p_retailprice,p_comment\n"
                    "1,p,Manufacturer#1,Brand#11,STANDARD ANODIZED TIN,1,SM CASE,900.00,c\n",
            "partsupp": "ps_partkey,ps_suppkey,ps_availqty,ps_supplycost,ps_comment\n",
            "customer": "c_custkey,c_name,c_address,c_nationkey,c_phone,c_acctbal,c_mktsegment,c_comment\n"
                        "1,c,a,0,10,0.00,BUILDING,c\n",
            "orders": "o_orderkey,o_custkey,o_orderstatus,o_totalprice,o_orderdate,o_orderpriority,o_clerk,"
                      "o_shippriority,o_comment\n1,1,F,100.00,1994-02-01,5-LOW,c,0,c\n"}
        lines = ("l_orderkey,l_partkey,l_suppkey,l_linenumber,l_quantity,l_extendedprice,l_discount,l_tax,"
                 "l_returnflag,l_linestatus,l_shipdate,l_commitdate,l_receiptdate,l_shipinstruct,l_shipmode,l_comment\n"
                 "1,1,1,1,10,100.00,0.06,0.01,N,O,1994-03-01,1994-03-01,1994-03-05,NONE,AIR,x\n")
        with tempfile.TemporaryDirectory() as work:
            for name, text in tables.items():
                with open(os.path.join(work, name + ".csv"), "w", encoding="utf-8") as file:
                    file.write(text)
            missing = bench("tpch", "--data", work, check=False)
            self.assertEqual(1, missing.returncode)
            self.assertIn("lineitem.csv", missing.stderr)
            with gzip.open(os.path.join(work, "lineitem.csv.gz"), "wt", encoding="utf-8") as file:
                file.write(lines)
            got = json.loads(bench("tpch", "--data", work, "--queries", "6", "--json").stdout)
        self.assertEqual([1, 1], [figure["answer_rows"] for figure in got])

    def test_tpch_wrong_usage(self):
        for arguments in (["--queries", "23"], ["--queries", "1,,2"], ["--pushdown", "perhaps"], ["--scale", "0"],
                          ["--nothing"], ["more"]):
            with self.subTest(arguments):
                self.assertEqual(2, bench("tpch", *arguments, check=False).returncode)

    def test_nothing_survives_the_parent(self):
        with subprocess.Popen([COMITY, "bench", "--runs", "100", "sort"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as parent:
            children = []
            deadline = time.monotonic() + 30
            while len(children) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
                out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent.pid)],
                                     capture_output=True, text=True, check=False).stdout
                children = [int(pid) for pid in re.findall(r"\d+", out)]
            self.assertEqual(3, len(children))
            parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and any(map(self.alive, children)):
            time.sleep(0.05)
        self.assertEqual([], [self.state(pid) for pid in children if self.alive(pid)])

    @staticmethod
    def state(pid):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                return file.read()
        except OSError:
            return ""

    @classmethod
    def alive(cls, pid):
        found = re.search(r"^State:\s+(\w)", cls.state(pid), re.MULTILINE)
        return found is not None and found[1] not in "ZX"


if __name__ == "__main__":
    unittest.main()
