"""Sealers killed at every step, and PostgreSQL in the middle of sealing; the log goes on. `scripts/crashtest --seal --help`."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg

from carbon_bank import worker
from carbon_bank.audit.log.queries import find_log
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.foundation import clock, logs
from carbon_bank.foundation.database import Database
from carbon_bank.settlement import service
from tests.audit.dying_sealer import OUTAGE, Fate, start
from tests.audit.log_reader import check_whole, keys_in, notes
from tests.crash.city import TEMPLATE, City
from tests.crash.rounds import ground
from tests.crash.server import Server

BEGUN, FRESH = "seal_begun", "seal_fresh"
"""Cities with much to seal: with a log that has begun, and without one."""
SOURCES_MAX = 30
"""Few, so that what waits takes several transactions."""
JITTER_SECONDS = 0.02
KINDS = ("sealer", "server", "backend")
UNSEALED = """
    SELECT (SELECT count(*) FROM trail t WHERE city_id = %(city)s AND NOT EXISTS (SELECT FROM log_leaf WHERE act_id = t.id)),
           (SELECT count(*) FROM posting p
            WHERE NOT EXISTS (SELECT FROM log_leaf l WHERE (l.household_id, l.journal_id) = (p.household_id, p.journal_id))),
           (SELECT count(*) FROM log_leaf l WHERE part = 0 OR journal_id IS NOT NULL)
               - (SELECT count(*) FROM trail WHERE city_id = %(city)s)
               - (SELECT count(DISTINCT (household_id, journal_id)) FROM posting)
"""
"""Acts and postings without a leaf, and leaves too many."""


class Reader(threading.Thread):
    """Somebody who asks for the checkpoint all the time: what was seen once must stand for good."""

    def __init__(self, url: str, city_id: int) -> None:
        super().__init__(daemon=True)
        self.url, self.city_id = url, city_id
        self.seen: dict[bytes, None] = {}
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True) as connection:
                    while not self.done.is_set():
                        self.seen |= dict.fromkeys(notes(connection, self.city_id)[-1:])
            except psycopg.OperationalError:
                time.sleep(0.01)  # it is down; asked again

    def end(self) -> list[bytes]:
        self.done.set()
        self.join()
        return list(self.seen)


@dataclass
class Round:
    """One kill. Args: template: BEGUN or FRESH. kind: what dies, when the sealer comes to the step; jitter: or so many seconds later,
    while it goes on."""

    city: City
    server: Server
    name: str
    template: str
    kind: str
    step: int
    jitter: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    faults: list[str] = field(default_factory=list)
    killed: bool = False
    lost: bool = False

    def run(self) -> Round:
        url = self.server.make(self.name, self.template)
        try:
            asyncio.run(self._run(url))
        except Exception as error:
            self.faults.append(f"it broke off: {error!r}")
        self.server.drop(self.name)
        return self

    async def _run(self, url: str) -> None:
        city_id, keys = self.city.people.city_id, keys_in(self.city.folder)
        with psycopg.connect(url, autocommit=True) as owner:
            served = notes(owner, city_id)
        reader = Reader(url, city_id)
        reader.start()
        code = self._kill(url)
        seen = reader.end()
        self.killed = code != 0
        if code not in (0, -signal.SIGKILL if self.kind == "sealer" else OUTAGE):
            self.faults.append(f"the sealer ended with {code}")
        with psycopg.connect(url, autocommit=True) as owner:
            stands = notes(owner, city_id)
            self._keeps("the kill", stands, served, seen)
            if stands:
                check_whole(owner, city_id, keys)
            database = Database(url, 2)
            try:
                self.lost = await worker.seal_city(database, keys, city_id, "here") > 0
                self._keeps("sealing went on", notes(owner, city_id), stands, seen)
                check_whole(owner, city_id, keys)
                row = owner.execute(UNSEALED, {"city": city_id}).fetchall()[0]
                if row != (0, 0, 0):
                    self.faults.append(f"acts and postings without a leaf, and leaves too many: {row}")
                async with database.read() as session:
                    log = await find_log(session, city_id)
                    assert log is not None
                    found = await verify_service.verify_log(session, log, keys.verifying("here"))
                    self.faults += [*found.tree, *(fault for _, fault in found.leaves)]
            finally:
                await database.close()

    def _kill(self, url: str) -> int | None:
        """Seal, and let die what is to die. Returns the sealer's exit code."""
        fate = Fate(self.step, self.kind == "sealer", waits=not self.jitter, sources_max=SOURCES_MAX)
        sealer = start(url, self.city.folder, self.city.people.city_id, fate)
        if self.kind != "sealer" and sealer.told.poll(60) and sealer.told.recv() is None:
            time.sleep(self.jitter)
            if self.kind == "server":
                self.server.kill()
            else:
                self.server.kill_backend(self.chance, self.name)
            if fate.waits:
                sealer.told.send(None)
        code, _ = sealer.end()
        if self.kind == "server":
            self.server.start()
        elif self.kind == "backend":
            _wait_until_up(url)
        return code

    def _keeps(self, after: str, now: list[bytes], before: list[bytes], seen: list[bytes]) -> None:
        if now[: len(before)] != before:
            self.faults.append(f"checkpoints that were served are others after {after}")
        if not set(seen) <= set(now):
            self.faults.append(f"a checkpoint that a reader saw is gone after {after}")

    def line(self) -> str:
        what = "killed" if self.killed else "came through"
        rest = "some was left to seal" if self.lost else "nothing was left"
        held = "holds" if not self.faults else f"{len(self.faults)} FAULTS"
        return f"{self.name:12s} {self.template}  {self.kind:8s} at step {self.step:4d}  sealer {what:12s}  {rest:21s}  {held}"


def _wait_until_up(url: str) -> None:
    """The server recovers by itself, and refuses meanwhile."""
    for _ in range(2000):
        try:
            with psycopg.connect(url) as connection:
                connection.execute("SELECT 1")
                return
        except psycopg.OperationalError:
            time.sleep(0.01)
    raise TimeoutError("PostgreSQL did not come back")


def fill(server: Server, city: City) -> dict[str, int]:
    """Make FRESH and BEGUN from the city. Returns how many steps sealing each of them takes."""
    asyncio.run(_fill(server, city))
    steps = {}
    for template in (FRESH, BEGUN):
        url = server.make("seal_steps", template)
        code, count = start(url, city.folder, city.people.city_id, Fate(sources_max=SOURCES_MAX)).end()
        assert code == 0 and count is not None
        steps[template] = count
        server.drop("seal_steps")
    return steps


async def _fill(server: Server, city: City) -> None:
    keys, code = keys_in(city.folder), "here"
    keys.signing(code)
    for name, has_log in ((FRESH, False), (BEGUN, True)):
        database = Database(server.make(name, TEMPLATE), 2)
        if has_log:
            await worker.seal_city(database, keys, city.people.city_id, code)
        async with database.write() as session:
            await service.start_posting(session, city.people.actors["operator"], clock.now(), city.settlement_id)
        await worker.post(database, city.settlement_id, 3)
        await database.close()


def points(server: Server, city: City, steps: dict[str, int]) -> Iterator[Round]:
    """The sealer killed at each of its steps; the last one of each comes through."""
    for template, count in steps.items():
        for step in range(1, count + 2):
            yield Round(city, server, f"seal_{step}", template, "sealer", step)


def rounds(server: Server, city: City, steps: dict[str, int], seed: int, first: int, number: int) -> Iterator[Round]:
    for at in range(first, first + number):
        chance = random.Random(f"seal/{seed}/{at}")
        template, kind = chance.choice([FRESH, BEGUN]), chance.choice(KINDS)
        step, jitter = chance.randint(1, steps[template]), chance.choice([0, chance.random() * JITTER_SECONDS])
        yield Round(city, server, f"seal_r{at}", template, kind, step, jitter, chance)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/crashtest --seal",
        description="Kill a sealer at each of its steps, then sealers and PostgreSQL at random ones, and prove the log each time. "
        "Talks to nobody but a PostgreSQL of its own, which goes when it ends. Exit code 1 where a log did not hold.",
    )
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="random ones, after the steps")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="what is killed at random, and at which step")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="number of the first random round")
    parser.add_argument("--no-steps", action="store_true", help="only the random rounds")
    parser.add_argument("--households", type=int, default=8, metavar="H")
    given = parser.parse_args()
    logs.configure("console", "critical")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended on the way out
    began, done = time.monotonic(), Counter[str]()
    with ground(given.households) as (server, city):
        steps = fill(server, city)
        told = ", ".join(f"{template} in {count}" for template, count in steps.items())
        print(f"cities stand after {time.monotonic() - began:.0f} s; sealed in steps: {told}", flush=True)
        plan = [] if given.no_steps else list(points(server, city, steps))
        for one in [*plan, *rounds(server, city, steps, given.seed, given.first, given.rounds)]:
            print(one.run().line(), flush=True)
            done[f"{one.kind} killed" if one.killed or one.kind != "sealer" else "came through"] += 1
            done["faults"] += len(one.faults)
            if one.faults:
                print("\n".join(one.faults[:40]))
                break
    print(f"{time.monotonic() - began:.0f} s: " + ", ".join(f"{what} {times}" for what, times in done.items()))
    return 1 if done["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
