"""A small city that gives rewards: approved terms, points in accounts, and a reward of whatever kind a test wants."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx
import psycopg

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.ledger.act_service import Context, adjust
from tests.small_city import SmallCity

PAYER = {"name": "City of Here", "bank_code": "034", "number": "1107-00-123456"}
ACCOUNT = {"holder": "Member Alder", "bank_code": "004", "number": "123456-01-987654", "own_account": True}
_numbers = itertools.count(1)


@dataclass
class Shop:
    """The city over HTTP, by the name of who acts."""

    client: httpx.AsyncClient
    database: Database
    city: SmallCity
    keys: Any = field(default_factory=lambda: itertools.count(1))

    async def send(self, name: str | None, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        headers = (self.city.bearer(name) if name else {}) | more.pop("headers", {})
        return await self.client.request(method, path, json=json, headers=headers, **more)

    async def get(self, name: str, path: str, **more: Any) -> Any:
        answer = await self.send(name, "GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, name: str, path: str, json: Any = None, status: int = 200, method: str = "POST") -> Any:
        answer = await self.send(name, method, path, json)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def terms(self, **given: Any) -> int:
        body = {"point_value": "2", "claim_days": 30, "payer": PAYER} | given
        made = await self.do("operator", "/v1/reward-terms", body, 201)
        await self.do("approver", f"/v1/reward-terms/{made['id']}/approve")
        return int(made["id"])

    async def reward(self, channel: str, **given: Any) -> int:
        """A reward that is active; of 100 points, where nothing else is said."""
        body = {"code": f"{channel.replace('_', '-')}-{next(_numbers)}", "channel": channel, "name": {"en": channel}}
        body |= {} if "points_least" in given else {"points": 100}
        body |= {"partner": "partner-client"} if channel in {"partner", "pickup"} else {}
        made = await self.do("operator", "/v1/rewards", body | given, 201)
        await self.do("operator", f"/v1/rewards/{made['id']}/activate")
        return int(made["id"])

    async def grant(self, household_id: int, points: int, expires_on: date | None = None) -> None:
        now = clock.now()
        async with self.database.write() as session:
            context = Context(self.city.city_id, "system:test", now, clock.local_day(now, "Asia/Seoul"))
            await adjust(session, context, household_id, points, expires_on, 0)

    async def ask(
        self, reward_id: int, points: int | None = None, *, name: str = "alder", key: str | None = None
    ) -> httpx.Response:
        body = {"reward_id": reward_id} | ({} if points is None else {"points": points})
        headers = {"Idempotency-Key": key or f"key {next(self.keys)}"}
        return await self.send(name, "POST", "/v1/me/redemptions", body, headers=headers)

    async def redeem(self, reward_id: int, points: int | None = None, *, name: str = "alder") -> Any:
        answer = await self.ask(reward_id, points, name=name)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def own(self, redemption_id: int, name: str = "alder") -> Any:
        return await self.get(name, f"/v1/me/redemptions/{redemption_id}")

    async def balance(self, name: str = "alder") -> tuple[int, int]:
        """What is available, and what is held."""
        points = await self.get(name, "/v1/me/points")
        return points["available"], points["held"]


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, answer.json()["type"].removeprefix("urn:carbon-bank:problem:")


TABLES = (
    "account", "posting", "lot", "lot_use", "hold", "journal", "kept_answer", "reward", "reward_terms", "redemption", "voucher",
    "payout_run", "payout_payment", "payout_account", "payout_choice", "notification", "trail", "webhook_message",
)  # fmt: skip


def all_rows(owner: psycopg.Connection) -> dict[str, list[Any]]:
    """Every row of the ledger and of the rewards, and of what tells of them."""
    return {
        table: owner.execute(f"SELECT to_jsonb(t)::text FROM {table} AS t ORDER BY 1").fetchall()  # type: ignore[call-overload]
        for table in TABLES
    }
