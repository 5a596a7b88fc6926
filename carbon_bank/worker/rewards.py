"""What comes round by itself for rewards: deadlines, and paying out what households chose. One transaction for each household."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database, ReadSession
from carbon_bank.foundation.errors import Refusal
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger import answer_service
from carbon_bank.registry import service as registry
from carbon_bank.rewards import choice_service, expiry_service
from carbon_bank.rewards.choice_service import Due
from carbon_bank.settlement import service as settlements

AT_ONCE = 500
Moment = Callable[[], datetime]
"""What time it is; given by tests, so that nobody waits."""
LOOK_BACK = timedelta(days=200)
"""A settlement that was posted before is not paid out any more by itself."""

log = structlog.get_logger()

Step = Callable[[ReadSession, int, int], Awaitable[tuple[int | None, list[Due]]]]
"""The households that are due among the next ones behind one, and the last that was looked at; null: there are no more."""


async def look_after_rewards(database: Database, sealer: Sealer, moment: Moment = clock.now) -> int:
    """End what waited too long, and let go of answers that were kept long enough. Returns how many redemptions ended."""
    ended, after = 0, 0
    while True:
        async with database.read() as session:
            due = await expiry_service.due(session, moment(), after, AT_ONCE)
        for redemption_id in due:
            async with database.write() as session:
                done = await expiry_service.expire(session, WORKER.subject, moment(), sealer, redemption_id)
            ended += done is not None
        if not due:
            break
        after = due[-1]
    while True:
        async with database.write() as session:
            if not await answer_service.purge_answers(session, moment()):
                return ended


async def pay_out_settlement(database: Database, sealer: Sealer, settlement_id: int, moment: Moment = clock.now) -> int:
    """Pay out those who chose to be, after a settlement was posted. Returns how many redemptions were made."""
    async with database.read() as session:
        posted = await settlements.posted_since(session, moment() - LOOK_BACK)
    found = next((each for each in posted if each.id == settlement_id), None)
    return 0 if found is None else await _chosen(database, sealer, moment, found.city_id, f"settlement:{settlement_id}")


async def pay_out_daily(database: Database, sealer: Sealer, moment: Moment = clock.now) -> int:
    """Pay out those who chose to be, and after the claim days of a settlement those who chose nothing, where the terms say so."""
    now = moment()
    async with database.read() as session:
        cities = await choice_service.cities(session)
        posted = await settlements.posted_since(session, now - LOOK_BACK)
    made = 0
    for city_id in cities:
        async with database.read() as session:
            city = await registry.get_city(session, city_id)
            default = await choice_service.default_of(session, city_id)
        made += await _chosen(database, sealer, moment, city_id, f"day:{clock.local_day(now, city.time_zone)}")
        for each in posted:
            if (
                default is None
                or each.city_id != city_id
                or each.posted_at is None
                or now < each.posted_at + default.after
            ):
                continue
            step = _undecided(city_id, default, each.posted_at)
            made += await _pay_out(database, sealer, moment, city_id, step, f"unchosen:{each.id}")
    return made


async def _chosen(database: Database, sealer: Sealer, moment: Moment, city_id: int, occasion: str) -> int:
    async def step(session: ReadSession, after: int, limit: int) -> tuple[int | None, list[Due]]:
        return await choice_service.next_chosen(session, city_id, after, limit)

    return await _pay_out(database, sealer, moment, city_id, step, occasion)


def _undecided(city_id: int, default: choice_service.Default, since: datetime) -> Step:
    async def step(session: ReadSession, after: int, limit: int) -> tuple[int | None, list[Due]]:
        return await choice_service.next_undecided(session, city_id, default, since, after, limit)

    return step


async def _pay_out(database: Database, sealer: Sealer, moment: Moment, city_id: int, step: Step, occasion: str) -> int:
    made, after = 0, 0
    while True:
        async with database.read() as session:
            last, due = await step(session, after, AT_ONCE)
        for each in due:
            try:
                async with database.write() as session:
                    done = await choice_service.pay_out(session, moment(), sealer, city_id, each, occasion)
                made += done is not None
            except Refusal as refusal:  # its limit, its stock, its account: the household keeps its points
                log.info("not paid out", household_id=each.household_id, code=refusal.code, occasion=occasion)
        if last is None:
            return made
        after = last
