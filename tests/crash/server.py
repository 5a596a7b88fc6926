"""A PostgreSQL of the test's own, with a durable configuration, which the test kills and starts again."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from carbon_bank.foundation import embedded
from carbon_bank.foundation.database import parse_url, plain_url

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
"""PostgreSQL's own defaults; checked, because all that follows rests on them."""
SMALL = {"shared_buffers": "64MB", "max_connections": "60"}
GONE_SECONDS = 20


class Server:
    """Args: folder: of the cluster; nobody else uses it."""

    def __init__(self, folder: Path) -> None:
        self.cluster = folder.absolute() / "postgres"
        self.url = embedded.start(folder, SMALL)
        with psycopg.connect(self.url) as connection:
            for name, value in DURABLE.items():
                assert connection.execute(f"SHOW {name}").fetchone() == (value,), name

    def database(self, name: str) -> str:
        return plain_url(parse_url(self.url), name)

    def make(self, name: str, template: str | None = None) -> str:
        """A new database; with a template, a copy of it."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            names = [sql.Identifier(each) for each in (name, template or "template0")]
            connection.execute(copied.format(*names))
        return self.database(name)

    def drop(self, name: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def postmaster(self) -> psutil.Process:
        """The process that this cluster's own file names, and no other."""
        found = psutil.Process(int((self.cluster / "postmaster.pid").read_text().split()[0]))
        assert str(self.cluster) in " ".join(found.cmdline()), "not the server of this folder"
        return found

    def kill(self) -> None:
        """SIGKILL for the server and each of its processes: nothing is written any more, nobody is told."""
        postmaster = self.postmaster()
        family = [postmaster, *postmaster.children(recursive=True)]
        for process in family:
            _kill(process)
        psutil.wait_procs(family, timeout=GONE_SECONDS)

    def kill_backend(self, chance: random.Random, database: str) -> bool:
        """SIGKILL for one connection to a database: the server then ends all others, and recovers by itself."""
        processes = self.postmaster().children()
        serving = [each for each in processes if f" {database} " in " ".join(_title(each))]
        if not serving:
            return False
        _kill(chance.choice(serving))
        return True

    def start(self) -> None:
        """Start again after a kill. The server recovers from its log first."""
        embedded.get_server(self.cluster, cleanup_mode="stop").start()
        assert psutil.pid_exists(self.postmaster().pid)


def _title(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(process: psutil.Process) -> None:
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
