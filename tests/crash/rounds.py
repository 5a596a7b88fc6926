"""Rounds of crashes, one line each; the first one whose books do not hold ends the run. `scripts/crashtest --help`."""

from __future__ import annotations

import argparse
import asyncio
import atexit
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from carbon_bank import worker
from carbon_bank.foundation import clock, logs
from carbon_bank.foundation.database import Database
from carbon_bank.settlement import service
from tests.crash import proof
from tests.crash.city import TEMPLATE, City, found_city
from tests.crash.clients import OUTAGES, Bank, Client, Operation
from tests.crash.poster import Poster
from tests.crash.server import Server

CLIENTS = 6
LOOK_SECONDS = 0.02
JITTER_SECONDS = 0.03
ROUND_SECONDS_MAX = 300
KINDS = ("worker", "server", "backend", "worker and server")
QUEUE_SHARE = 0.25
REPLAYED_MAX = 60


@dataclass(frozen=True)
class Kill:
    """What dies, and when: `share` of the households that are posted by then, and a moment more."""

    kind: str
    share: float
    more_seconds: float


@dataclass
class Round:
    """One round. `kills` as they were carried out, with the number of households posted."""

    city: City
    server: Server
    number: int
    seed: str
    chance: random.Random = field(init=False)
    sent: list[Operation] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    starts: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.by_queue = self.chance.random() < QUEUE_SHARE
        shares = sorted(self.chance.random() for _ in range(self.chance.choice([1, 1, 2])))
        self.plan = [Kill(self.chance.choice(KINDS), share, self.chance.random() * JITTER_SECONDS) for share in shares]
        self.name = f"crash_{self.number}"

    def run(self) -> None:
        began = time.monotonic()
        url = self.server.make(self.name, TEMPLATE)
        try:
            asyncio.run(self._run(url))
        except Exception:  # also what took too long
            self.faults.append(f"it broke off: {traceback.format_exc()}")
        self.server.drop(self.name)
        self.seconds = time.monotonic() - began

    async def _run(self, url: str) -> None:
        database = Database(url, pool_size=CLIENTS + 4)
        transport = httpx.ASGITransport(self.city.serve(database), raise_app_exceptions=False)
        poster = Poster(url, self.city.settlement_id, self.city.folder, by_queue=self.by_queue)
        try:
            async with (
                asyncio.timeout(ROUND_SECONDS_MAX),
                httpx.AsyncClient(transport=transport, base_url="http://bank.test") as http,
            ):
                bank = Bank(self.city, database, http, self.chance)
                with psycopg.connect(url) as connection:
                    before = proof.owned(connection)
                await self._start_posting(database)
                await self._storm(bank, poster)
                await worker.book_expiries(database, 10)
                self.faults += await proof.books(database)
                with psycopg.connect(url, autocommit=True) as connection:
                    self.faults += proof.faults(connection, self.city, before, self.sent)
                    self.faults += await proof.replayed(connection, bank, self._sample())
        finally:
            self.starts = poster.starts
            await poster.end()
            await database.close()

    def _sample(self) -> list[Operation]:
        done = [each for each in self.sent if each.is_done]
        return self.chance.sample(done, min(len(done), REPLAYED_MAX))

    async def _start_posting(self, database: Database) -> None:
        operator = self.city.people.actors["operator"]
        async with database.write() as session:
            await service.start_posting(
                session, operator, clock.now(), self.city.settlement_id, in_background=self.by_queue
            )

    async def _storm(self, bank: Bank, poster: Poster) -> None:
        """Clients at work from before the posting to after it; what is planned is killed; all comes to its end."""
        stop = asyncio.Event()
        clients = [
            Client(f"c{at}", self.city.households[at % 4 :: 4], bank, random.Random(f"{self.seed}/{at}"))
            for at in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as group:
            working = group.create_task(poster.keep_running())
            acting = [group.create_task(each.act(stop)) for each in clients]
            for kill in self.plan:
                await self._kill(kill, bank, poster)
            await self._until(bank, 1.0)
            if poster.by_queue:
                await self._until_jobs_end(bank)
                working.cancel()
            else:
                await working
            stop.set()
            await asyncio.gather(*acting)
        self.sent = [operation for client in clients for operation in client.sent]

    async def _kill(self, kill: Kill, bank: Bank, poster: Poster) -> None:
        share = await self._until(bank, kill.share)
        await asyncio.sleep(kill.more_seconds)
        if "worker" in kill.kind:
            poster.kill()
        if kill.kind == "backend":
            self.server.kill_backend(self.chance, self.name)
        if "server" in kill.kind:
            self.server.kill()
            await asyncio.to_thread(self.server.start)
        self.kills.append(f"{kill.kind} at {share:.0%}")

    async def _until(self, bank: Bank, share: float) -> float:
        """Until so many of the households are posted; 1: the settlement is. Returns the share that is."""
        ours = self.city.households
        query = "SELECT posted_to, state FROM settlement WHERE id = :id"
        while True:
            try:
                async with bank.database.read() as session:
                    row = (await session.sql(query, {"id": self.city.settlement_id})).one()
                posted: float = sum(each <= row.posted_to for each in ours) / len(ours)
                if row.state == "posted" or posted >= share < 1.0:
                    return posted
            except OUTAGES:
                pass
            await asyncio.sleep(LOOK_SECONDS)

    async def _until_jobs_end(self, bank: Bank) -> None:
        query = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'settlement.post' AND status <> 'succeeded'"
        while True:
            try:
                async with bank.database.read() as session:
                    if (await session.sql(query)).scalar_one() == 0:
                        return
            except OUTAGES:
                pass
            await asyncio.sleep(LOOK_SECONDS)

    def line(self) -> str:
        done = sum(each.is_done for each in self.sent)
        lost = sum(each.lost > 0 for each in self.sent)
        found = sum(each.found for each in self.sent)
        retried = sum(each.lost for each in self.sent)
        how = "queue " if self.by_queue else "direct"
        books = "books hold" if not self.faults else f"{len(self.faults)} FAULTS"
        return (
            f"round {self.number:3d}  {how}  killed {', '.join(self.kills):46s}  {done} acknowledged, "
            f"{len(self.sent) - done} refused, {lost} lost ({found} had been done), {retried} retries, "
            f"{self.starts} workers  {self.seconds:4.1f} s  {books}"
        )


@contextmanager
def ground(households: int) -> Iterator[tuple[Server, City]]:
    """A server and a city for some rounds, in a temporary folder that goes with them."""
    folder = Path(tempfile.mkdtemp(prefix="carbon-bank-crash-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = Server(folder / "server")
    try:
        keys = folder / "bank"
        keys.mkdir()
        yield server, found_city(server, keys, households)
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def summary(rounds: list[Round], seconds: float) -> str:
    sent = [operation for each in rounds for operation in each.sent]
    kinds = Counter(kill.partition(" at ")[0] for each in rounds for kill in each.kills)
    told = ", ".join(f"{kind} {times} times" for kind, times in kinds.most_common())
    return (
        f"{len(rounds)} rounds in {seconds:.0f} s; killed: {told}\n"
        f"{len(sent)} operations: {sum(each.is_done for each in sent)} acknowledged, "
        f"{sum(each.refusal is not None for each in sent)} refused; {sum(each.lost > 0 for each in sent)} lost their answer, of "
        f"which {sum(each.found for each in sent)} had been done; {sum(each.lost for each in sent)} retries; "
        f"{sum(each.dropped for each in sent)} answers that clients let drop\n"
        f"faults: {sum(len(each.faults) for each in rounds)}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/crashtest",
        description="Kill the worker and the database in the middle of a settlement, again and again, and prove the books. "
        "Talks to nobody but a PostgreSQL of its own, which goes when it ends. Exit code 1 where a round went wrong: its seed "
        "and number repeat it.",
    )
    parser.add_argument("--rounds", type=int, default=10, metavar="N")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="what is killed and when, and what clients want"
    )
    parser.add_argument("--first", type=int, default=1, metavar="N", help="number of the first round")
    parser.add_argument("--households", type=int, default=40, metavar="H")
    given = parser.parse_args()
    logs.configure("console", "critical")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    began, done = time.monotonic(), []
    with ground(given.households) as (server, city):
        print(f"a city of {given.households} households stands after {time.monotonic() - began:.0f} s", flush=True)
        for number in range(given.first, given.first + given.rounds):
            one = Round(city, server, number, f"{given.seed}/{number}")
            one.run()
            done.append(one)
            print(one.line(), flush=True)
            if one.faults:
                print("\n".join(one.faults[:40]))
                print(f"repeat it: scripts/crashtest --rounds 1 --seed {given.seed} --first {number}")
                break
    print(summary(done, time.monotonic() - began))
    return 1 if done and done[-1].faults else 0


if __name__ == "__main__":
    sys.exit(main())
