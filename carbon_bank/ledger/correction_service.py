"""Telling households that a correction changed their points, in the transaction that posts it. Nobody is told of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from carbon_bank.foundation.database import WriteSession
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import Kind
from carbon_bank.ledger import queries


async def tell_corrected(
    session: WriteSession,
    now: datetime,
    *,
    city_id: int,
    journals: Sequence[UUID],
    reason: str,
    subject: str,
    period: str | None = None,
) -> int:
    """Tell each household what restatements, adjustments or reversals of some journals come to. Returns how many were told now.

    Args: reason: a code of the kind `correction`. subject: what it is about, as `adjustment:12`. period: of a restatement.
    """
    await queries.corrected(session, journals, reason, period)
    return await inbox.notify_many(session, now, city_id=city_id, kind=Kind.CORRECTION, subject=subject)


async def tell_restated(
    session: WriteSession, now: datetime, *, city_id: int, settlement_id: int, period: str, subject: str
) -> int:
    """Tell each household what a restatement, now posted, comes to. Returns how many were told now."""
    journals = await queries.journals_about(session, settlement_id, subject)
    return await tell_corrected(
        session,
        now,
        city_id=city_id,
        journals=journals,
        reason="readings_revised",
        subject=subject,
        period=period,
    )
