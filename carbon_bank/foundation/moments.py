"""Moments that split what is recorded in a city into before and after, for good.

Whoever records what a settlement reads (readings, tenures) first shares the city's lock and then takes the time; whoever
fixes a moment takes the lock alone, for an instant. So each such transaction is recorded and visible wholly before the
moment or recorded wholly after it, and `recorded_at <= moment` selects the same rows today and in ten years.
Source: docs/decisions/0005-as-of-by-a-shared-lock.md.
"""

from __future__ import annotations

from datetime import datetime

from carbon_bank.foundation.database import WriteSession

_CITY = 1 << 48
# Not now(): that is when the transaction began, before it had the lock. The clock is read for the row that `held` gives, and
# it gives none before the lock is there.
_SHARED = "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:key)) SELECT clock_timestamp() FROM held"
_SHARED_AFTER = """
    WITH first AS MATERIALIZED (SELECT pg_advisory_xact_lock(:first)),
         held AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:key) FROM first)
    SELECT clock_timestamp() FROM held
"""
_ALONE = "WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(:key)) SELECT clock_timestamp() FROM held"


async def recording_moment(session: WriteSession, city_id: int, *, after_lock: int | None = None) -> datetime:
    """The moment to stamp on what this transaction records. Args: after_lock: an advisory lock to wait for before."""
    if after_lock is not None:
        return await _moment(session, _SHARED_AFTER, city_id, first=after_lock)
    return await _moment(session, _SHARED, city_id)


async def fixed_moment(session: WriteSession, city_id: int) -> datetime:
    """A moment such that what was recorded up to it will always be the same."""
    return await _moment(session, _ALONE, city_id)


async def _moment(session: WriteSession, query: str, city_id: int, **locks: int) -> datetime:
    moment = (await session.sql(query, {"key": _CITY + city_id, **locks})).scalar_one()
    assert isinstance(moment, datetime)
    return moment
