"""A process that seals a city's log and kills itself at the n-th step: `python -m tests.audit.dying_sealer URL KEYS CITY STEP`.

A step is each statement that reaches PostgreSQL, before and after it, each COPY, and the commit. Where it lived through all of them, it
prints how many there were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg

from carbon_bank import worker
from carbon_bank.audit.log_keys import LogKeys
from carbon_bank.foundation.database import Database


class Fate:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, last: int) -> None:
        self.last, self.steps = last, 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, owner: type[Any], name: str) -> None:
        """Make a step of what lies before and behind each call of a coroutine."""
        real = getattr(owner, name)

        async def dying(*arguments: Any, **named: Any) -> Any:
            self.step()
            result = await real(*arguments, **named)
            self.step()
            return result

        setattr(owner, name, dying)


async def main(url: str, folder: str, code: str, last: int) -> None:
    fate = Fate(last)
    for name in ("execute", "executemany"):
        fate.watch(psycopg.AsyncCursor, name)
    fate.watch(psycopg.AsyncCopy, "write")
    fate.watch(psycopg.AsyncConnection, "commit")
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT id FROM city WHERE code = %s", [code]).fetchone()
    assert row is not None
    database = Database(url, 2)
    await worker.seal_city(database, LogKeys(Path(folder), "https://bank.example", may_make=True), row[0], code)
    await database.close()
    print(fate.steps)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
