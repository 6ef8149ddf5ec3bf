"""Brings up a federation of nodes on this machine: for the demo, the end-to-end tests and measurements.

Standard library only.  Every node listens on loopback, on ports that were free a moment ago.
"""
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


class CommandFailed(Exception):
    """A command ended with an error; the text is what it printed."""


def free_ports(count):
    """Distinct TCP ports of loopback that nobody listens on."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Node:
    """One organisation: its state directory, its SQL port, its first administrator's password."""

    def __init__(self, org, directory, listen_port, sql_port):
        self.org = org
        self.dir = pathlib.Path(directory)
        self.listen = f"127.0.0.1:{listen_port}"
        self.sql_port = sql_port
        self.password = secrets.token_urlsafe(12)

    def environment(self, user="admin", password=None):
        """What libpq needs to connect."""
        env = dict(os.environ)
        env.update(PGHOST="127.0.0.1", PGPORT=str(self.sql_port), PGUSER=user,
                   PGPASSWORD=password or self.password, PGDATABASE=self.org,
                   PGCONNECT_TIMEOUT="10")
        return env


class Consortium:
    """Nodes of one federation.  Use as a context manager: stops what it started."""

    def __init__(self, orgs, directory=None, build=None, echo=None):
        self.build = pathlib.Path(build or os.environ.get("BUILD", ROOT / "build"))
        if not self.build.is_absolute():
            self.build = ROOT / self.build
        self.own_dir = directory is None
        self.dir = pathlib.Path(directory or tempfile.mkdtemp(prefix="comity-"))
        self.echo = echo or (lambda line: None)
        ports = free_ports(2 * len(orgs))
        self.nodes = {org: Node(org, self.dir / org, ports[2 * i], ports[2 * i + 1])
                      for i, org in enumerate(orgs)}
        self.keep = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.keep:
            self.stop()

    def program(self, name):
        return str(self.build / "src" / "cli" / name)

    def comity(self, *args, stdin=None, check=True, timeout=60, quiet=False):
        """Runs the command line, as a person would; returns what it printed."""
        shown = " ".join(str(a) for a in args)
        if not quiet:
            self.echo(f"$ comity {shown}")
        done = subprocess.run([self.program("comity"), *map(str, args)], input=stdin, text=True,
                              capture_output=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise CommandFailed(f"comity {shown}\n{done.stdout}{done.stderr}")
        return done.stdout if check else done

    def init(self):
        for node in self.nodes.values():
            out = self.comity("init", node.dir, "--org", node.org, "--listen", node.listen,
                              "--sql", f"127.0.0.1:{node.sql_port}", "--password-file", "-",
                              stdin=node.password + "\n")
            self.echo(out.rstrip())

    def start(self, *orgs):
        chosen = [self.nodes[org] for org in orgs] if orgs else list(self.nodes.values())
        self.echo(self.comity("start", *[node.dir for node in chosen]).rstrip())

    def federate(self, name):
        """Founder: the first organisation; the first three compute."""
        orgs = list(self.nodes)
        tokens = self.comity("invite", self.nodes[orgs[0]].dir, "--federation", name, *orgs)
        for line in tokens.splitlines():
            org, _, token = line.partition(" ")
            if org in self.nodes and token.startswith("comity1."):
                out = self.comity("join", self.nodes[org].dir, token.strip())
                self.echo(out.rstrip())
        self.wait_until_linked()

    def wait_until_linked(self, seconds=30):
        """Every node sees the federation in force and a link to every other member."""
        deadline = time.monotonic() + seconds
        while True:
            texts = [self.comity("status", node.dir, check=False, quiet=True).stdout
                     for node in self.nodes.values()]
            if all(self.is_linked(text) for text in texts):
                return
            if time.monotonic() > deadline:
                raise CommandFailed("the nodes did not link up:\n" + "\n".join(texts))
            time.sleep(0.1)

    def is_linked(self, status):
        return len(re.findall(r"\bconnected\b", status)) >= len(self.nodes) - 1

    def stop(self):
        for node in self.nodes.values():
            if node.dir.exists():
                subprocess.run([self.program("comity"), "stop", str(node.dir)], check=False,
                               capture_output=True, timeout=30)
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def psql(self, org, sql=None, file=None, user="admin", password=None, check=True, options=(),
             variables=None, timeout=600):
        """Runs psql -X against a node.  Returns the finished process."""
        command = ["psql", "-X", "-v", "ON_ERROR_STOP=1", *options]
        for key, value in (variables or {}).items():
            command += ["-v", f"{key}={value}"]
        command += ["-f", str(file)] if file else ["-c", sql]
        done = subprocess.run(command, env=self.nodes[org].environment(user, password), text=True,
                              capture_output=True, timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise CommandFailed(f"psql at {org}: {sql or file}\n{done.stdout}{done.stderr}")
        return done

    def rows(self, org, sql, **kwargs):
        """The answer as lists of texts; NULL is None."""
        done = self.psql(org, sql, options=("-q", "-t", "-A", "-F", "\x1f", "-P", "null=\\N"),
                         **kwargs)
        lines = [line for line in done.stdout.split("\n") if line != ""]
        return [[None if cell == "\\N" else cell for cell in line.split("\x1f")]
                for line in lines]
