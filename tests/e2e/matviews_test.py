"""Materialized views: made, asked, granted, refreshed, dropped; nodes restarted and killed meanwhile."""
import os
import pathlib
import re
import signal
import threading
import time
import unittest

import psycopg2

from tests.e2e.fixture import ASKER, OWNERS, Federation, write_csv

YEARS = "CREATE MATERIALIZED VIEW years AS SELECT year, count(*) AS n, sum(cost) AS total FROM visits GROUP BY year"
LINKED = """CREATE MATERIALIZED VIEW linked (person, region, spent, stage) AS
    SELECT v.person, v.region, v.cost, t.stage FROM visits v JOIN tumours t ON t.person = v.person
    WHERE v.visited IS NOT NULL"""


class MaterializedViews(Federation):
    def tearDown(self):
        for view in ("years", "linked", "bad", "empty"):
            self.execute(f"DROP MATERIALIZED VIEW IF EXISTS {view} CASCADE")
        for owner in OWNERS:
            self.settle(lambda owner=owner: not self.files(owner), f"{owner} keeps files", 60)

    def execute(self, sql, org=ASKER):
        connection = self.connect(org)
        try:
            connection.cursor().execute(sql)
        finally:
            connection.close()

    def files(self, org):
        directory = pathlib.Path(self.consortium.nodes[org].dir) / "stored"
        return sorted(directory.iterdir()) if directory.exists() else []

    def settle(self, done, what, seconds=15):
        deadline = time.monotonic() + seconds
        while not done():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def same(self, sql, pooled):
        expected = self.pooled.execute(pooled).fetchall()
        got = [[float(v) if not isinstance(v, (str, type(None))) else v for v in row]
               for row in self.ask(sql)]
        expected = [[float(v) if not isinstance(v, (str, type(None))) else v for v in row]
                    for row in expected]
        self.assertEqual(len(expected), len(got), sql)
        for want, have in zip(sorted(expected, key=str), sorted(got, key=str)):
            for x, y in zip(want, have):
                if isinstance(x, float):
                    self.assertAlmostEqual(x, y, 2)
                else:
                    self.assertEqual(x, y)

    def restart(self, *orgs):
        for org in orgs:
            self.consortium.comity("stop", self.consortium.nodes[org].dir)
        self.consortium.start(*orgs)
        self.consortium.wait_until_linked()

    def daemon(self, org):
        pattern = re.compile(rf"comityd .*{re.escape(str(self.consortium.nodes[org].dir))}( |$)")
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if pattern.search(file.read().replace(b"\0", b" ").decode()):
                        return int(pid)
            except OSError:
                continue
        self.fail(f"no daemon of {org}")

    def test_groups(self):
        self.execute(YEARS)
        direct = "SELECT year, count(*), sum(cost) FROM visits GROUP BY year"
        self.same("SELECT * FROM years", direct)
        self.same("SELECT max(n) FROM years WHERE year > 2022",
                  "SELECT max(n) FROM (SELECT year, count(*) AS n FROM visits GROUP BY year) "
                  "WHERE year > 2022")
        self.same("SELECT v.region, y.n, count(*) FROM visits v JOIN research.years y ON y.year = "
                  "v.year GROUP BY v.region, y.n",
                  "SELECT v.region, y.n, count(*) FROM visits v JOIN (SELECT year, count(*) AS n "
                  "FROM visits GROUP BY year) y ON y.year = v.year GROUP BY v.region, y.n")
        self.execute("CREATE VIEW late AS SELECT * FROM years WHERE year >= 2025")
        try:
            self.same("SELECT year FROM late UNION SELECT 1", "SELECT 2025 UNION SELECT 2026 UNION "
                                                              "SELECT 1")
            self.refused("DROP MATERIALIZED VIEW years", "2BP01")
        finally:
            self.execute("DROP VIEW late")
        self.assertEqual([("years", "research")], self.ask(
            "SELECT matviewname, schemaname FROM pg_matviews WHERE definition LIKE '%sum(cost)%' AND "
            "schemaname <> 'public'"))
        plan = "\n".join(row[0] for row in self.ask("EXPLAIN SELECT sum(n) FROM years"))
        self.assertIn("Materialized view", plan)
        self.assertNotIn("Input", plan)

    def test_labels(self):
        self.execute(LINKED)
        joined = ("visits v JOIN tumours t ON t.person = v.person WHERE v.visited IS NOT NULL AND "
                  "v.visited <> ''")
        self.same("SELECT region, stage, count(*), sum(spent) FROM linked GROUP BY region, stage",
                  "SELECT v.region, t.stage, count(*), sum(v.cost) FROM visits v JOIN tumours t ON "
                  "t.person = v.person WHERE v.visited IS NOT NULL GROUP BY v.region, t.stage")
        self.same("SELECT count(DISTINCT person) FROM linked WHERE stage = 'ii'",
                  f"SELECT count(DISTINCT v.person) FROM {joined} AND t.stage = 'ii'")
        error = self.refused("SELECT person FROM linked", "42501")
        self.assertIn("'join'", str(error))
        self.refused("SELECT region, spent FROM linked", "42501")
        self.refused("SELECT stage FROM linked", "42501")
        self.refused("SECURITY LABEL ON COLUMN linked.person IS 'reveal'", "0A000")
        self.refused("CREATE MATERIALIZED VIEW bad AS SELECT person FROM visits WHERE person = 'p1'",
                     "42501")

    def test_grants(self):
        self.execute(YEARS)
        sql = "SELECT count(*) FROM research.years"
        self.refused(sql, "42501", org="north")
        self.execute("GRANT SELECT ON years TO north")
        self.settle(lambda: "years" in str(self.ask("SELECT relname FROM pg_class", org="north")), "seen")
        error = self.refused(sql, "42501", org="north")
        self.assertIn("owners", str(error))  # south and east never granted visits to north
        for owner in ("south", "east"):
            self.execute("GRANT SELECT ON visits TO north", org=owner)
        try:
            self.refused(sql, "42501", org="north")  # what was made before stays as it was made
            self.execute("REFRESH MATERIALIZED VIEW years")
            self.assertEqual([(7,)], self.ask(sql, org="north"))
            self.execute("REVOKE SELECT ON years FROM north")
            self.settle(lambda: self.is_refused(sql, "north"), "revoked")
        finally:
            for owner in ("south", "east"):
                self.execute("REVOKE SELECT ON visits FROM north", org=owner)

    def is_refused(self, sql, org):
        try:
            self.ask(sql, org=org)
        except psycopg2.Error as error:
            return error.pgcode == "42501"
        return False

    def test_refresh_and_drop(self):
        self.execute(YEARS)
        before = {org: self.files(org) for org in OWNERS}
        for org in OWNERS:
            self.assertEqual(1, len(before[org]))
            self.assertNotIn(b"2025", before[org][0].read_bytes()[48:])
        self.assertEqual(3, len({before[org][0].read_bytes()[48:] for org in OWNERS}))
        data = self.consortium.dir / "east-data" / "visits.csv"
        kept = data.read_bytes()
        rows = [["p1", "west", 2026, "2026-01-01", "5.00"]]
        write_csv(data, ["person", "region", "year", "visited", "cost"], rows)
        try:
            self.execute("REFRESH MATERIALIZED VIEW years")
            self.same("SELECT sum(n) FROM years",
                      "SELECT 1 + count(*) FROM visits WHERE org <> 'east'")
        finally:
            data.write_bytes(kept)
        for org in OWNERS:
            self.settle(lambda org=org: len(self.files(org)) == 1, "old shares are wiped")
            self.assertNotEqual(before[org], self.files(org))
        self.execute("DROP MATERIALIZED VIEW years")
        for org in OWNERS:
            self.settle(lambda org=org: not self.files(org), "shares are wiped")
        self.refused("SELECT * FROM years", "42P01")
        self.refused("REFRESH MATERIALIZED VIEW years", "42P01")

    def test_no_data(self):
        self.execute("CREATE MATERIALIZED VIEW empty AS SELECT count(*) AS n FROM visits WITH NO DATA")
        self.assertIn("REFRESH", str(self.refused("SELECT * FROM empty", "55000")))
        self.refused("CREATE MATERIALIZED VIEW empty AS SELECT 1 AS x FROM visits", "42P07")
        self.execute("REFRESH MATERIALIZED VIEW empty")
        self.same("SELECT n FROM empty", "SELECT count(*) FROM visits")

    def test_restart(self):
        self.execute(YEARS)
        self.restart(*OWNERS, ASKER)
        self.same("SELECT * FROM years", "SELECT year, count(*), sum(cost) FROM visits GROUP BY year")

    def test_lost_and_damaged(self):
        self.execute(YEARS)
        file = self.files("south")[0]
        whole = file.read_bytes()
        file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        self.refused("SELECT * FROM years", "XX001")
        file.write_bytes(whole[:-1])
        self.refused("SELECT * FROM years", "XX001")
        file.unlink()
        error = self.refused("SELECT * FROM years", "55000")
        self.assertIn("south", str(error.diag.message_detail) + str(error))
        self.execute("REFRESH MATERIALIZED VIEW years")
        self.same("SELECT sum(n) FROM years", "SELECT count(*) FROM visits")

    def test_made_by_a_party(self):
        self.execute("CREATE MATERIALIZED VIEW years AS SELECT region, count(*) AS n FROM north.visits "
                     "GROUP BY region", org="north")
        try:
            expected = self.pooled.execute("SELECT region, count(*) FROM visits WHERE org = 'north' "
                                           "GROUP BY region ORDER BY region").fetchall()
            self.assertEqual(expected, self.ask("SELECT region, n FROM years ORDER BY region",
                                                org="north"))
            self.refused("SELECT n FROM north.years", "42501")
            self.execute("GRANT SELECT ON years TO research", org="north")
            self.settle(lambda: not self.is_refused("SELECT n FROM north.years", ASKER), "granted")
            self.execute("CREATE MATERIALIZED VIEW linked AS SELECT y.region, y.n, count(*) AS all_of_it "
                         "FROM north.years y JOIN visits v ON v.region = y.region GROUP BY y.region, y.n")
            self.same("SELECT sum(n), sum(all_of_it) FROM linked",
                      "SELECT sum(org = 'north'), count(*) FROM visits")
        finally:
            self.execute("DROP MATERIALIZED VIEW years", org="north")
        self.same("SELECT count(*) FROM linked", "SELECT count(DISTINCT region) FROM visits")

    def test_refresh_that_fails(self):
        self.execute(YEARS)
        self.consortium.comity("stop", self.consortium.nodes["south"].dir)
        self.refused("REFRESH MATERIALIZED VIEW years", "08006")
        self.consortium.start("south")
        self.consortium.wait_until_linked()
        self.same("SELECT sum(n) FROM years", "SELECT count(*) FROM visits")

    def test_errors_leave_nothing(self):
        self.refused("CREATE MATERIALIZED VIEW bad AS SELECT sum(cost / (year - year)) AS x FROM visits",
                     "22012")
        self.refused("SELECT * FROM bad", "42P01")
        for org in OWNERS:
            self.settle(lambda org=org: not self.files(org), f"{org} keeps files")

    def test_killed_while_creating(self):
        for org in ("south", ASKER):
            for delay in (0.02, 0.1, 0.25):
                outcome = []

                def create():
                    try:
                        self.execute(LINKED)
                        outcome.append("made")
                    except psycopg2.Error as error:
                        outcome.append(error.pgcode)

                thread = threading.Thread(target=create)
                thread.start()
                time.sleep(delay)
                os.kill(self.daemon(org), signal.SIGKILL)
                thread.join()
                time.sleep(0.3)
                self.consortium.start(org)
                self.consortium.wait_until_linked()
                try:
                    rows = self.ask("SELECT count(*) FROM linked")
                    self.assertEqual(1, len(rows), outcome)
                    self.execute("DROP MATERIALIZED VIEW linked")
                except psycopg2.Error as error:
                    self.assertEqual("42P01", error.pgcode, f"{outcome} {error}")
                    self.assertNotEqual(["made"], outcome)


if __name__ == "__main__":
    unittest.main()
