"""A process that seals a city's log and meets its fate at the n-th step: it kills itself, or tells whoever started it.

A step is each statement that reaches PostgreSQL, before and after it, each COPY, and the commit. Processes are forked from one that
has imported everything and done nothing: so they begin within milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from carbon_bank import worker
from carbon_bank.audit.log import seal_service
from carbon_bank.foundation.database import Database
from tests.audit.log_reader import keys_in

NEVER = 10**9
OUTAGE = 3
"""Exit code of a sealer whose database went away, where that was to be expected."""
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Fate:
    """What becomes of a sealer. Args: last: the step at which it happens; dies: else it tells that it has come there, and goes on;
    waits: it goes on when it is told to."""

    last: int = NEVER
    dies: bool = True
    waits: bool = False
    sources_max: int = seal_service.SOURCES_MAX


@dataclass(frozen=True)
class Sealer:
    """A process that seals. Args: told: it sends `None` when it has come to its last step and lives on, and at the end its steps."""

    process: BaseProcess
    told: Connection

    def end(self) -> tuple[int | None, int | None]:
        """Wait for its end. Returns its exit code, and how many steps there were where it came through."""
        self.process.join(60)
        steps = None
        try:
            while self.told.poll():
                steps = self.told.recv()
        except EOFError:
            pass
        return self.process.exitcode, steps


class _Steps:
    def __init__(self, fate: Fate, tell: Connection) -> None:
        self.fate, self.tell, self.count = fate, tell, 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.fate.last:
            if self.fate.dies:
                os.kill(os.getpid(), signal.SIGKILL)
            self.tell.send(None)
            if self.fate.waits:
                self.tell.recv()

    def watch(self, owner: type[Any], name: str) -> None:
        """Make a step of what lies before and behind each call of a coroutine."""
        real = getattr(owner, name)

        async def dying(*arguments: Any, **named: Any) -> Any:
            self.step()
            result = await real(*arguments, **named)
            self.step()
            return result

        setattr(owner, name, dying)


def start(url: str, folder: Path, city_id: int, fate: Fate | None = None) -> Sealer:
    """Args: folder: that the keys are in (`log_reader.keys_in`)."""
    told, tell = FORKS.Pipe()
    process = FORKS.Process(target=_run, args=(url, folder, city_id, fate or Fate(), tell))
    process.start()
    tell.close()
    return Sealer(process, told)


def _run(url: str, folder: Path, city_id: int, fate: Fate, tell: Connection) -> None:
    try:
        asyncio.run(_seal(url, folder, city_id, fate, tell))
    except (DBAPIError, psycopg.OperationalError):
        if fate.dies:
            raise
        sys.exit(OUTAGE)


async def _seal(url: str, folder: Path, city_id: int, fate: Fate, tell: Connection) -> None:
    seal_service.SOURCES_MAX = fate.sources_max
    steps = _Steps(fate, tell)
    for name in ("execute", "executemany"):
        steps.watch(psycopg.AsyncCursor, name)
    steps.watch(psycopg.AsyncCopy, "write")
    steps.watch(psycopg.AsyncConnection, "commit")
    database = Database(url, 2)
    await worker.seal_city(database, keys_in(folder), city_id, "here")
    await database.close()
    tell.send(steps.count)
