"""Proving the books: each thing that must hold, and the rows where it does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from carbon_bank.foundation.database import ReadSession
from carbon_bank.ledger import check_queries

FAULTS_SHOWN = 20


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and where it does not: households (or null) and what is wrong, at most FAULTS_SHOWN."""

    promise: str
    faults: list[tuple[int | None, str]]


async def check_books(session: ReadSession) -> AsyncIterator[Check]:
    """Every promise of the ledger, over all cities, in one reading of the database.

    Args: session: of an isolation in which everything is seen as of one moment.
    """
    await check_queries.as_of_one_moment(session)
    async for each in check_promises(session, check_queries.CHECKS):
        yield each


async def check_promises(session: ReadSession, promises: Mapping[str, str]) -> AsyncIterator[Check]:
    """Promises of a room, each a query for the rows where it is broken."""
    for promise, query in promises.items():
        yield Check(promise, await check_queries.faults(session, query, FAULTS_SHOWN))


async def count_postings(session: ReadSession) -> int:
    return await check_queries.count_postings(session)
