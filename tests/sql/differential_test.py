"""Random tables and queries: Comity over three owners against PostgreSQL on the pooled rows (differential.py).

Seeded: COMITY_SEED and COMITY_QUERIES choose other or more.
"""
import os
import unittest

from tests.sql.differential import compare
from tools.pgcluster import PgCluster

QUERIES = int(os.environ.get("COMITY_QUERIES", "2000"))
SEED = int(os.environ.get("COMITY_SEED", "20261122"))


@unittest.skipUnless(PgCluster.available(), "PostgreSQL's server is not installed")
class Differential(unittest.TestCase):
    def test_random_queries(self):
        verdicts = compare(QUERIES, SEED)
        print(f"\n{verdicts.report()}")
        self.assertEqual([], verdicts.wrong[:3], f"{len(verdicts.wrong)} queries differ")
        self.assertLess(verdicts.counts["refused"], max(QUERIES // 6, 5))


if __name__ == "__main__":
    unittest.main()
