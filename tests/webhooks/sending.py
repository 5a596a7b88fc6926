"""Registering, writing and sending, as the tests of webhooks do it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Role
from carbon_bank.webhooks.calling import Caller
from carbon_bank.webhooks.events import Audience, Event
from carbon_bank.webhooks.service import emit
from carbon_bank.worker import Post
from tests.small_city import SmallCity

ENDPOINTS, DELIVERIES = "/v1/webhooks/endpoints", "/v1/webhooks/deliveries"


@dataclass
class Office:
    """The post of one city, with a clock that stands until the test moves it."""

    database: Database
    app: FastAPI
    client: httpx.AsyncClient
    city: SmallCity
    now: datetime = field(default_factory=clock.now)

    def post(self, caller: Caller | None = None) -> Post:
        caller = caller or Caller(allow_loopback=True)
        return Post(self.database, self.app.state.sealer, caller, now=lambda: self.now, chance=lambda: 0.0)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    async def ask(self, method: str, path: str, name: str, **given: Any) -> httpx.Response:
        return await self.client.request(method, path, headers=self.city.bearer(name), **given)

    async def register(self, url: str, name: str = "partner", *events: str) -> dict[str, Any]:
        """The endpoint as it is answered, with its secret."""
        asked = {"url": url, "events": events or ["settlement.posted"]}
        answer = await self.ask("POST", ENDPOINTS, name, json=asked)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def tell(
        self,
        number: int = 1,
        audience: Audience = Role.PARTNER,
        event: Event = Event.SETTLEMENT_POSTED,
        city_id: int | None = None,
    ) -> int:
        """Write a message. Returns to how many endpoints it goes."""
        async with self.database.write() as session:
            facts = {"settlement_id": number}
            return await emit(
                session, self.now, city_id=city_id or self.city.city_id, event=event, audience=audience, facts=facts
            )

    async def deliveries(self, name: str = "operator", **query: Any) -> list[dict[str, Any]]:
        """The oldest first."""
        answer = await self.ask("GET", DELIVERIES, name, params=query)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items[::-1]


def jobs(owner: psycopg.Connection) -> list[tuple[str, str]]:
    """The queue and task of each job that was asked for."""
    query = "SELECT queue_name, task_name FROM procrastinate_jobs WHERE task_name NOT LIKE 'look_%' ORDER BY id"
    return owner.execute(query).fetchall()
