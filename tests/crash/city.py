"""The city whose approved settlement waits to be posted: made once, and copied for each round."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI

from carbon_bank import main, schema, worker
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger.act_service import Context
from carbon_bank.settings import Settings
from carbon_bank.settlement import service
from tests.crash.server import Server
from tests.rewards.shop import Shop
from tests.settlement.town import JULY_2024, found_town, request, steady_saving
from tests.small_city import SmallCity, found_small_city

TEMPLATE = "crash_city"
STOCK = 40
VOUCHERS = 60
POINTS = 200
DEBT = 150
EXPIRED = 7
"""A lot whose last day was yesterday, which nobody has booked yet."""
DEBT_MAX = 1000


@dataclass(frozen=True)
class City:
    """Args: households: those of the town, in order. rewards: by channel. app: over HTTP. folder: of its keys."""

    people: SmallCity
    settlement_id: int
    households: list[int]
    rewards: dict[str, int]
    app: FastAPI
    folder: Path

    def serve(self, database: Database) -> FastAPI:
        """The bank over one of the copies."""
        self.app.state.database = database
        return self.app


def found_city(server: Server, folder: Path, households: int) -> City:
    """Make the template database: readings, an approved settlement, points in all accounts, some debt, rewards."""
    url = server.make(TEMPLATE)
    schema.upgrade(url)
    settings = Settings(data_dir=folder, work_inside=False)
    return asyncio.run(_fill(url, settings, households))


async def _fill(url: str, settings: Settings, households: int) -> City:
    database = Database(url)
    app = main.create_app(settings, url)
    app.state.database = database
    try:
        people = await found_small_city(database, app.state.keys)
        town = await found_town(database, people, households, ("2022-07", "2024-06"), _use)
        number = await request(database, people.actors["operator"])
        await worker.compute(database, number, 1000)
        async with database.write() as session:
            await service.approve(session, people.actors["approver"], JULY_2024 + timedelta(days=1), number)
        ours = town.households[-households:]
        await _give(database, people.city_id, ours)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bank.test") as client:
            rewards = await _offer(Shop(client, database, people))
        return City(people, number, ours, rewards, app, settings.data_dir)
    finally:
        await database.close()


def _use(household: int, commodity: str, month: int) -> int | None:
    """What the town's first two dozen used, again and again."""
    return steady_saving(household % 23, commodity, month)


async def _give(database: Database, city_id: int, households: list[int]) -> None:
    now = clock.now()
    today = clock.local_day(now, "Asia/Seoul")
    context = Context(city_id, "system:test", now, today)
    async with database.write() as session:
        for at, household in enumerate(households):
            for part in range(2):
                last_day = today + timedelta(days=30 * (part + 1))
                await acts.adjust(session, context, household, POINTS // 2, last_day, 0)
            if at % 5 == 4:
                await acts.adjust(session, context, household, -POINTS - DEBT, None, DEBT_MAX)
            elif at % 5 == 0:
                await acts.adjust(session, context, household, EXPIRED, today - timedelta(days=1), 0)


async def _offer(shop: Shop) -> dict[str, int]:
    await shop.terms()
    rewards = {
        "donation": await shop.reward("donation", points=3),
        "voucher_pool": await shop.reward("voucher_pool", points=5),
        "partner": await shop.reward("partner", points=8, stock=STOCK),
    }
    codes = "\n".join(["code", *(f"CODE-{number:04d}" for number in range(VOUCHERS))]).encode()
    answer = await shop.send("operator", "POST", f"/v1/rewards/{rewards['voucher_pool']}/vouchers", content=codes)
    assert answer.status_code in {200, 201}, answer.text
    return rewards
