"""What comes round by itself to be told: points that expire next month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import month_of
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import service as registry


async def notify_expiring(database: Database, now: Callable[[], datetime] = clock.now) -> None:
    """Tell the households of every city whose points expire in the next calendar month there. Once for each month."""
    async with database.read() as session:
        cities = await registry.list_cities(session, WORKER)
    for city in cities:
        assert city.id is not None
        next_month = month_of(clock.local_day(now(), city.time_zone)) + 1
        async with database.write() as session:
            await ledger.notify_expiring(session, now(), city_id=city.id, month=next_month)
