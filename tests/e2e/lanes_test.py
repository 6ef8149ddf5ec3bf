"""Computing parties with several lanes: the same answers, and lanes where there is work for them."""
import contextlib
import os
import threading
import time

from tests.e2e.fault_test import processes
from tests.e2e.fixture import Federation

LARGE = ("SELECT v.year, count(*), sum(v.cost) FROM visits v JOIN tumours t USING (person) "
         "GROUP BY v.year ORDER BY v.year")
SMALL = "SELECT region, count(*) FROM visits GROUP BY region ORDER BY region"


def threads_of_jobs():
    most = 0
    for pid in processes(r"comity-job"):
        try:
            most = max(most, len(os.listdir(f"/proc/{pid}/task")))
        except OSError:
            pass
    return most


class Lanes(Federation):
    rows = 6000

    def ask_with(self, lanes, sql):
        """The answer, and the most threads that any job was seen with."""
        done = threading.Event()
        most = [0]

        def watch():
            while not done.is_set():
                most[0] = max(most[0], threads_of_jobs())
                time.sleep(0.005)

        watcher = threading.Thread(target=watch)
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"SET comity.lanes = {lanes}")
            watcher.start()
            try:
                cursor.execute(sql)
                rows = cursor.fetchall()
            finally:
                done.set()
                watcher.join()
        return rows, most[0]

    def test_same_answers(self):
        one, _ = self.ask_with(1, LARGE)
        self.assertGreater(len(one), 3)
        for lanes in (2, 5):
            rows, threads = self.ask_with(lanes, LARGE)
            self.assertEqual(rows, one)
            self.assertGreaterEqual(threads, lanes)

    def test_as_many_as_it_is_told(self):
        rows, threads = self.ask_with(5, SMALL)
        self.assertEqual(rows, self.ask_with(1, SMALL)[0])
        self.assertGreaterEqual(threads, 5)

    def test_little_work_takes_one_lane(self):
        rows, threads = self.ask_with(0, SMALL)
        self.assertEqual(rows, self.ask_with(1, SMALL)[0])
        self.assertLess(threads, 5)

    def test_bounds(self):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for wrong in ("17", "-1", "'many'"):
                with self.assertRaisesRegex(Exception, "comity.lanes"):
                    cursor.execute(f"SET comity.lanes = {wrong}")
