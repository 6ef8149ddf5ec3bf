"""A PostgreSQL server of one's own in a temporary folder: unix socket only, gone afterwards.

Used as reference for answers, and as a data source of demo and tests.  initdb refuses to run as root, so
root runs it as user postgres, who comes with the Debian package.
"""
import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile


def binaries():
    """The folder of the newest server's programs, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    return pathlib.Path(found[-1]).parent if found else None


class PgCluster:
    def __init__(self):
        self.bin = binaries()
        self.dir = None
        self.port = 5432

    @staticmethod
    def available():
        if binaries() is None:
            return False
        if os.geteuid() != 0:
            return True
        return any(entry.pw_name == "postgres" for entry in pwd.getpwall())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *command, check=True):
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return subprocess.run([*prefix, *map(str, command)], check=check, capture_output=True,
                              text=True, timeout=120, cwd="/")

    def start(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="comity-pg-", dir="/tmp"))
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.dir, entry.pw_uid, entry.pw_gid)
        os.chmod(self.dir, 0o755)
        self.run(self.bin / "initdb", "-D", self.dir / "data", "-U", "comity", "-A", "trust",
                 "--no-sync", "--locale=C", "--encoding=UTF8")
        options = (f"-k {self.dir} -c listen_addresses= -c fsync=off -c full_page_writes=off "
                   "-c max_connections=200 -c timezone=UTC")
        self.run(self.bin / "pg_ctl", "-D", self.dir / "data", "-l", self.dir / "log", "-w",
                 "-o", options, "start")

    def stop(self):
        if self.dir is not None:
            self.run(self.bin / "pg_ctl", "-D", self.dir / "data", "-m", "immediate", "stop",
                     check=False)
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    def conninfo(self, dbname="postgres"):
        return f"host={self.dir} port={self.port} user=comity dbname={dbname}"

    def environment(self, dbname="postgres"):
        env = dict(os.environ)
        env.update(PGHOST=str(self.dir), PGPORT=str(self.port), PGUSER="comity", PGDATABASE=dbname)
        return env

    def psql(self, sql, dbname="postgres", check=True):
        return subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", dbname],
                              input=sql, env=self.environment(dbname), text=True,
                              capture_output=True, check=check, timeout=300)
