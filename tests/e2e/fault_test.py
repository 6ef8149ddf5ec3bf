"""Processes that die, clients in numbers, garbage on the ports: the others keep serving."""
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import psycopg2

from tests.e2e.fixture import ASKER, OWNERS, Federation

SLOW = ("SELECT v.year, count(*), sum(v.cost) FROM visits v JOIN tumours t USING (person) "
        "GROUP BY v.year")


def processes(pattern):
    """Ids of running processes whose command line matches, oldest first: a child between fork and
    exec still has its parent's."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if re.search(pattern, line):
            found.append(int(pid))
    return sorted(found)


class Faults(Federation):
    rows = 3000

    def setUp(self):
        self.answer = sorted(self.ask(SLOW))

    def tearDown(self):
        self.consortium.start()
        self.consortium.wait_until_linked()
        self.assertEqual(self.answer, sorted(self.ask(SLOW)))

    def daemon(self, org):
        pids = processes(rf"comityd .*{re.escape(str(self.consortium.nodes[org].dir))}( |$)")
        self.assertTrue(pids, f"no daemon of {org}")
        return pids[0]

    def jobs_of(self, org):
        daemon = self.daemon(org)
        found = []
        for pid in processes(r"comity-job"):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == daemon:
                        found.append(pid)
            except OSError:
                pass
        return found

    def outcome(self, kill):
        """Asks in a thread, calls kill soon after, and returns rows or error."""
        result = []

        def ask():
            try:
                result.append(("rows", sorted(self.ask(SLOW))))
            except psycopg2.Error as error:
                result.append(("error", error.pgcode, str(error)))

        thread = threading.Thread(target=ask)
        thread.start()
        kill()
        thread.join(timeout=90)
        self.assertFalse(thread.is_alive(), "the query hangs")
        return result[0]

    def test_killed_daemons(self):
        """Whenever a party's daemon dies: the right answer or an error that names it, no hang."""
        for i, delay in enumerate([0.0, 0.01, 0.03, 0.06, 0.1, 0.2]):
            org = OWNERS[i % 3]
            with self.subTest(org=org, delay=delay):
                def kill():
                    time.sleep(delay)
                    os.kill(self.daemon(org), signal.SIGKILL)
                got = self.outcome(kill)
                if got[0] == "rows":
                    self.assertEqual(self.answer, got[1])
                else:
                    self.assertIn(got[1], ("08006", "57P01", "55000"), got)
                    self.assertIn(org, got[2])
                self.consortium.start(org)
                self.consortium.wait_until_linked()
                self.assertEqual(self.answer, sorted(self.ask(SLOW)))

    def test_killed_jobs(self):
        for i in range(6):
            org = (OWNERS + [ASKER])[i % 4]
            with self.subTest(org=org, round=i):
                def kill():
                    deadline = time.monotonic() + 2
                    while time.monotonic() < deadline:
                        jobs = self.jobs_of(org)
                        if jobs:
                            time.sleep(0.01 * i)
                            for pid in jobs:
                                try:
                                    os.kill(pid, signal.SIGKILL)
                                except ProcessLookupError:
                                    pass
                            return
                        time.sleep(0.002)
                got = self.outcome(kill)
                if got[0] == "rows":
                    self.assertEqual(self.answer, got[1])
                self.assertEqual(self.answer, sorted(self.ask(SLOW)))

    def test_cancel(self):
        connection = self.connect()
        errors = []

        def ask():
            try:
                connection.cursor().execute(SLOW)
            except psycopg2.Error as error:
                errors.append(error.pgcode)

        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.05)
        connection.cancel()
        thread.join(timeout=30)
        self.assertFalse(thread.is_alive())
        self.assertIn(errors, ([], ["57014"]))
        connection.close()

    def test_two_queries_at_once(self):
        results = []

        def ask():
            results.append(sorted(self.ask(SLOW)))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        self.assertEqual([self.answer] * 4, results)

    def test_hundred_connections(self):
        held = [self.connect() for _ in range(100)]
        for connection in held:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            self.assertEqual([(1,)], cursor.fetchall())
        for connection in held:
            connection.close()

    def garbage(self, port, seed):
        rng = random.Random(seed)
        magic = rng.choice([b"", b"COMITY1\0", b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x40\0\x03\0\0",
                            b"\x16\x03\x01\x02\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff"])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.settimeout(0.2)
            try:
                link.sendall(magic + rng.randbytes(rng.choice([0, 1, 7, 64, 4096, 100000])))
                link.recv(4096)
            except OSError:
                pass

    def test_garbage_on_ports(self):
        node = self.consortium.nodes["south"]
        before = self.daemon("south")
        for seed in range(60):
            self.garbage(node.sql_port, seed)
            self.garbage(int(node.listen.rsplit(":", 1)[1]), seed)
        self.assertEqual(before, self.daemon("south"))

    def test_audit_names_what_was_asked(self):
        """Owners find the values of parameters in their own logs, refused or not."""
        connection = self.connect()
        self.addCleanup(connection.close)
        cursor = connection.cursor()
        cursor.execute("PREPARE asked (int, text) AS SELECT count(*) FROM visits WHERE year = $1 AND region::text = $2")
        cursor.execute("EXECUTE asked (2024, 'o''hara')")
        for org in ("north", "research"):
            out = self.consortium.comity("audit", "show", self.consortium.nodes[org].dir)
            self.assertIn("$1 = '2024', $2 = 'o''hara'", out, org)

    def test_audit(self):
        for org in OWNERS + [ASKER]:
            out = self.consortium.comity("audit", "verify", self.consortium.nodes[org].dir)
            self.assertIn("unbroken", out)

    def test_memory_at_rest(self):
        for org in OWNERS + [ASKER]:
            with open(f"/proc/{self.daemon(org)}/status", encoding="ascii") as file:
                text = file.read()
            kilobytes = int(re.search(r"VmRSS:\s+(\d+)", text).group(1))
            self.assertLess(kilobytes, 50 * 1024, org)

    def test_nothing_is_left_behind(self):
        self.ask(SLOW)
        deadline = time.monotonic() + 10
        while any(self.jobs_of(org) for org in OWNERS + [ASKER]):
            self.assertLess(time.monotonic(), deadline, "job processes stay")
            time.sleep(0.1)


@unittest.skipUnless(os.geteuid() == 0, "mounting a small disk needs root")
class FullDisk(Federation):
    """One node's state directory is on a disk of 8 MB."""

    @classmethod
    def setUpClass(cls):
        cls.disk = pathlib.Path(tempfile.mkdtemp(prefix="comity-disk-"))
        cls.addClassCleanup(cls.disk.rmdir)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(cls.disk)],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            raise unittest.SkipTest("cannot mount a tmpfs here")
        cls.addClassCleanup(lambda: subprocess.run(["umount", "-l", str(cls.disk)], check=False))
        cls.small = cls.disk / "east"
        super().setUpClass()

    @classmethod
    def place(cls, consortium):
        consortium.nodes["east"].dir = cls.small

    def test_full_disk(self):
        answer = self.ask("SELECT count(*) FROM visits")
        filler = self.disk / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        error = self.refused("CREATE ROLE somebody LOGIN PASSWORD 'long enough'", "53100", org="east")
        self.assertIn("disk", str(error).lower())
        try:
            self.assertEqual(answer, self.ask("SELECT count(*) FROM visits"))
        except psycopg2.Error as failure:
            self.assertIn(failure.pgcode, ("53100", "58030"), str(failure))
        for org in OWNERS + [ASKER]:
            self.assertEqual([(1,)], self.ask("SELECT 1", org=org))
        filler.unlink()
        self.ask("CREATE ROLE somebody LOGIN PASSWORD 'long enough'", org="east")
        self.assertEqual(answer, self.ask("SELECT count(*) FROM visits"))
        self.assertIn("unbroken", self.consortium.comity("audit", "verify", self.small))


class Tampering(Federation):
    def test_changed_audit_is_found(self):
        self.ask("SELECT count(*) FROM visits")
        node = self.consortium.nodes["east"]
        self.consortium.comity("stop", node.dir)
        subprocess.run(["/usr/bin/python3", "-c",
                        "import sqlite3, sys\n"
                        "db = sqlite3.connect(sys.argv[1])\n"
                        "table = [r[0] for r in db.execute(\"SELECT name FROM sqlite_master WHERE "
                        "type = 'table' AND name LIKE 'audit%'\")][0]\n"
                        "db.execute(f'DELETE FROM {table} WHERE rowid = 2')\n"
                        "db.commit()\n", str(node.dir / "state.db")], check=True)
        done = self.consortium.comity("audit", "verify", node.dir, check=False)
        self.assertEqual(1, done.returncode, done.stdout)
        self.assertRegex(done.stderr, r"entry|sequence")


if __name__ == "__main__":
    unittest.main()
