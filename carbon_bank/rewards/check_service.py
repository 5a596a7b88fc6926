"""Proving what stands between rewards and the ledger, beside the ledger's own promises."""

from __future__ import annotations

from collections.abc import AsyncIterator

from carbon_bank.foundation.database import ReadSession
from carbon_bank.ledger.check_service import Check, check_promises
from carbon_bank.rewards import check_queries


async def check_rewards(session: ReadSession) -> AsyncIterator[Check]:
    """Every promise of the rewards, over all cities. Args: session: as of one moment, as `check_books` leaves it."""
    async for each in check_promises(session, check_queries.CHECKS):
        yield each
