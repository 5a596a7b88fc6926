"""Households as clients: they hold, spend, take back and redeem, and send again, under the same key, what was not answered."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database, WriteSession
from carbon_bank.foundation.errors import Refusal
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import answer_service
from carbon_bank.ledger.act_service import Context
from carbon_bank.ledger.answer_service import Answer
from tests.crash.city import DEBT_MAX, City

OUTAGES = (DBAPIError, PoolTimeout, psycopg.OperationalError, ConnectionError)
"""What a client sees of a server that went away: it does not know what became of its request."""
AGAIN_SECONDS = 0.3
ANSWERED_WITHIN_SECONDS = 120
DROPPED_SHARE = 0.04
THINKING_SECONDS = 0.4
BUSY = "ledger.key_in_use"


@dataclass
class Operation:
    """What one client wants once.

    `lost`: how often no answer came; `found`: it had been done all the same. `dropped`: how often an answer came, and the client
    behaves as if it had not.
    """

    key: str
    household_id: int
    name: str
    body: dict[str, Any]
    lost: int = 0
    dropped: int = 0
    found: bool = False
    answer: dict[str, Any] | None = None
    refusal: str | None = None

    @property
    def is_done(self) -> bool:
        return self.answer is not None

    @property
    def owned(self) -> int:
        """By how much what the household owns has changed."""
        if not self.is_done or self.name not in {"spend", "reverse", "donation", "voucher_pool", "confirm"}:
            return 0
        return self.body["points"] if self.name == "reverse" else -self.body["points"]


class Lost(Exception):
    """No answer came."""


class Refused(Exception):
    """Nothing happened, and the code says why."""


@dataclass
class Bank:
    """The bank as clients reach it: acts of the ledger by its services, rewards over HTTP."""

    city: City
    database: Database
    http: httpx.AsyncClient
    chance: random.Random

    async def send(self, operation: Operation) -> None:
        """Until it is answered or refused; under the same key each time."""
        async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
            while True:
                try:
                    answer, again = await self.try_once(operation)
                    operation.found |= again and operation.lost > 0 and not operation.dropped
                    if operation.dropped or self.chance.random() >= DROPPED_SHARE:
                        operation.answer = answer
                        return
                    operation.dropped += 1
                except Refused as refused:
                    if str(refused) != BUSY:
                        operation.refusal = str(refused)
                        return
                except Lost:
                    operation.lost += 1
                await asyncio.sleep(AGAIN_SECONDS)

    async def try_once(self, operation: Operation) -> tuple[dict[str, Any], bool]:
        """The answer, and whether it was given before."""
        if operation.name in LEDGER_ACTS:
            return await self._by_service(operation)
        return await self._over_http(operation)

    async def _by_service(self, operation: Operation) -> tuple[dict[str, Any], bool]:
        body = json.dumps(operation.body, sort_keys=True).encode()
        path = f"/crash/{operation.name}"
        keyed = answer_service.request_of(operation.household_id, operation.key, "POST", path, body)
        try:
            async with self.database.write() as session:
                earlier = await answer_service.earlier_answer(session, keyed)
                if earlier is not None:
                    return json.loads(earlier.body), True
                now = clock.now()
                today = clock.local_day(now, "Asia/Seoul")
                subject = f"crash:{operation.key}"
                context = Context(self.city.people.city_id, "system:test", now, today, subject)
                told = await LEDGER_ACTS[operation.name](session, context, operation)
                await answer_service.keep_answer(session, now, keyed, Answer(200, json.dumps(told).encode()))
            return told, False
        except Refusal as refusal:
            raise Refused(refusal.code) from None
        except OUTAGES as error:
            raise Lost(repr(error)) from None

    async def _over_http(self, operation: Operation) -> tuple[dict[str, Any], bool]:
        if operation.name in ENDINGS:
            return await self._end(operation)
        body = {"reward_id": self.city.rewards[operation.name]}
        headers = {"Idempotency-Key": operation.key}
        answer = await self._post(self.member(operation), "/v1/me/redemptions", body, headers)
        if answer.status_code != 201:
            raise Refused(_code(answer))
        return answer.json(), "idempotent-replayed" in answer.headers

    async def _end(self, operation: Operation) -> tuple[dict[str, Any], bool]:
        """Without a key: a redemption ends once, and whoever asks again reads how it ended."""
        path, state = ENDINGS[operation.name]
        who = self.member(operation) if operation.name == "cancel" else self.city.people.actors["partner"]
        answer = await self._post(who, path.format(operation.body["redemption_id"]), {}, {})
        if answer.status_code == 200:
            return {"id": operation.body["redemption_id"]}, False
        if _code(answer) == "rewards.redemption_ended" and answer.json()["facts"]["state"] == state:
            return {"id": operation.body["redemption_id"]}, True
        raise Refused(_code(answer))

    async def _post(self, who: Actor, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        self.city.people.actors["asking"] = who
        bearer = self.city.people.bearer("asking")
        answer = await self.http.post(path, json=body, headers=bearer | headers)
        if answer.status_code >= 500:
            raise Lost(answer.text)
        return answer

    def member(self, operation: Operation) -> Actor:
        household = operation.household_id
        roles = frozenset({Role.HOUSEHOLD})
        return Actor(f"person:{10_000 + household}", roles, self.city.people.city_id, household_id=household)


def _code(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("urn:carbon-bank:problem:")


async def _hold(session: WriteSession, context: Context, operation: Operation) -> dict[str, Any]:
    deadline = context.now + timedelta(days=1)
    moved = await acts.hold_points(session, context, operation.household_id, operation.body["points"], deadline)
    return {"journal": str(moved.journal_id), "hold_id": moved.seq}


async def _spend(session: WriteSession, context: Context, operation: Operation) -> dict[str, Any]:
    hold_id, points = operation.body["hold_id"], operation.body["points"]
    moved = await acts.spend_hold(session, context, operation.household_id, hold_id, points)
    return {"journal": str(moved.journal_id)}


async def _void(session: WriteSession, context: Context, operation: Operation) -> dict[str, Any]:
    moved = await acts.void_hold(session, context, operation.household_id, operation.body["hold_id"])
    return {"journal": str(moved.journal_id)}


async def _reverse(session: WriteSession, context: Context, operation: Operation) -> dict[str, Any]:
    moved = await acts.reverse_journal(session, context, UUID(operation.body["journal"]), DEBT_MAX)
    return {"journal": str(moved[0][1].journal_id)}


LedgerAct = Callable[[WriteSession, Context, Operation], Awaitable[dict[str, Any]]]
LEDGER_ACTS: dict[str, LedgerAct] = {"hold": _hold, "spend": _spend, "void": _void, "reverse": _reverse}
JOURNAL_KINDS = {"hold": "hold", "spend": "redemption", "void": "release", "reverse": "reversal"}
ENDINGS = {
    "cancel": ("/v1/me/redemptions/{}/cancel", "cancelled"),
    "confirm": ("/v1/partner/redemptions/{}/confirm", "fulfilled"),
}
ASKED = ("donation", "voucher_pool", "partner")


@dataclass
class Client:
    """One of those who act for a household. Remembers what it was answered, and nothing else."""

    name: str
    households: list[int]
    bank: Bank
    chance: random.Random
    sent: list[Operation] = field(default_factory=list)
    waiting: list[Operation] = field(default_factory=list)
    """Holds, partners' redemptions and spendings that something can still be done about."""

    async def act(self, stop: asyncio.Event) -> None:
        """One thing after the other until told to stop; the last one is brought to its answer."""
        while not stop.is_set():
            operation = self._next()
            self.sent.append(operation)
            await self.bank.send(operation)
            if operation.is_done and operation.name in {"hold", "partner", "spend"}:
                self.waiting.append(operation)
            await asyncio.sleep(self.chance.random() * THINKING_SECONDS)

    def _next(self) -> Operation:
        if self.waiting and self.chance.random() < 0.6:
            about = self.waiting.pop(self.chance.randrange(len(self.waiting)))
            return self._after(about)
        household = self.chance.choice(self.households)
        if self.chance.random() < 0.6:
            return self._new(household, "hold", points=self.chance.randint(1, 30))
        name = self.chance.choice(ASKED)
        return self._new(household, name, points={"donation": 3, "voucher_pool": 5, "partner": 8}[name])

    def _after(self, about: Operation) -> Operation:
        assert about.answer is not None
        if about.name == "spend":
            return self._new(
                about.household_id, "reverse", journal=about.answer["journal"], points=about.body["points"]
            )
        if about.name == "partner":
            ending = self.chance.choice(list(ENDINGS))
            return self._new(about.household_id, ending, redemption_id=about.answer["id"], points=about.body["points"])
        if self.chance.random() < 0.3:
            return self._new(about.household_id, "void", hold_id=about.answer["hold_id"])
        part = self.chance.randint(1, about.body["points"])
        return self._new(about.household_id, "spend", hold_id=about.answer["hold_id"], points=part)

    def _new(self, household: int, name: str, **body: Any) -> Operation:
        return Operation(f"{self.name}-{len(self.sent)}", household, name, body)
