"""Booking what expired, city by city on its own day."""

from __future__ import annotations

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger import act_service as ledger
from carbon_bank.ledger.act_service import Context
from carbon_bank.registry import service as registry


async def book_expiries(database: Database, bucket_accounts: int) -> int:
    """Book what expired in all accounts, a bucket of them in each transaction. Returns the points that expired."""
    async with database.read() as session:
        cities = await registry.list_cities(session, WORKER)
    points = 0
    for city in cities:
        assert city.id is not None
        after: int | None = 0
        while after is not None:
            now = clock.now()
            context = Context(city.id, WORKER.subject, now, clock.local_day(now, city.time_zone))
            async with database.write() as session:
                after, _, gone = await ledger.book_expiries(session, context, after, bucket_accounts)
            points += gone
    return points
