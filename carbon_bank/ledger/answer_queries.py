"""All SQL of kept answers."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.ledger.answer_tables import KeptAnswer


async def take_key(session: WriteSession, household_id: int, key: str) -> bool:
    """Take a key for this transaction; false where another one has it."""
    taken = await session.sql(
        "SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))", {"name": f"kept_answer {household_id} {key}"}
    )
    return bool(taken.scalar_one())


async def find(session: ReadSession, household_id: int, key: str) -> KeptAnswer | None:
    query = select(KeptAnswer).where(col(KeptAnswer.household_id) == household_id, col(KeptAnswer.key) == key)
    return (await session.exec(query)).one_or_none()


async def add(session: WriteSession, row: KeptAnswer) -> None:
    session.add(row)
    await session.flush()


async def purge(session: WriteSession, before: datetime, limit: int) -> int:
    """Remove answers that were kept before a moment, at most so many. Returns how many."""
    done = await session.sql(
        "DELETE FROM kept_answer WHERE ctid = ANY (ARRAY(SELECT ctid FROM kept_answer WHERE recorded_at < :before LIMIT :limit))",
        {"before": before, "limit": limit},
    )
    return int(done.rowcount)  # type: ignore[attr-defined]
