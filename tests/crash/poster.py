"""The worker as a process of its own, which is killed, and started anew when it has ended without being done."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psycopg

from carbon_bank import worker
from carbon_bank.foundation.database import Database

HOLD_ON_SECONDS = 0.1
DEAD = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '5 minutes'"
"""A worker that was killed counts as alive for half a minute; nobody waits for that here."""


class Poster:
    """Posts a settlement by `carbon-bank work` (`by_queue`) or by this module.

    Args: folder: of the keys and files that the worker needs.
    """

    def __init__(self, url: str, settlement_id: int, folder: Path, *, by_queue: bool) -> None:
        self.url, self.by_queue = url, by_queue
        self.starts = 0
        self._arguments = [sys.executable, "-m", "tests.crash.poster", url, str(settlement_id)]
        if by_queue:
            self._arguments = [str(Path(sys.executable).parent / "carbon-bank"), "work"]
        self._environment = os.environ | {
            "CARBON_BANK_DATABASE_URL": url,
            "CARBON_BANK_DATA_DIR": str(folder),
            "CARBON_BANK_BUCKET_HOUSEHOLDS": "1",
            "CARBON_BANK_LOG_LEVEL": "warning",
        }
        self._log = (folder / "poster.log").open("ab")
        self._process: asyncio.subprocess.Process | None = None

    async def keep_running(self) -> None:
        """Start it, and start it again whenever it ends otherwise than done. Until cancelled, or done."""
        while True:
            if self.by_queue:
                await self._forget_the_dead()
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, env=self._environment, stdout=self._log, stderr=self._log
            )
            self.starts += 1
            if await self._process.wait() == 0:
                return
            await asyncio.sleep(HOLD_ON_SECONDS)

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            os.kill(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        self.kill()
        if self._process is not None:
            await self._process.wait()
        self._log.close()

    async def _forget_the_dead(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
                    await connection.execute(DEAD)
                return
            except psycopg.OperationalError:
                await asyncio.sleep(HOLD_ON_SECONDS)


async def _post(url: str, settlement_id: int) -> None:
    database = Database(url, pool_size=2)
    try:
        await worker.post(database, settlement_id, 1)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_post(sys.argv[1], int(sys.argv[2])))
