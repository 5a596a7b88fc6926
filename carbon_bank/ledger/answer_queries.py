"""All SQL of kept answers."""

from __future__ import annotations

from datetime import datetime

from carbon_bank.foundation.database import WriteSession
from carbon_bank.ledger.answer_tables import KeptAnswer

TAKE_KEY = "SELECT * FROM kept_answer_take(:household_id, :key)"


async def take_key(session: WriteSession, household_id: int, key: str) -> tuple[bool, KeptAnswer | None]:
    """Take a key for this transaction; false where another one has it. Returns what was answered under it before, too.

    The function looks after it has taken the key, so that it sees the answer of whoever had the key just before.
    """
    found = (await session.sql(TAKE_KEY, {"household_id": household_id, "key": key})).one()
    is_taken, sha256, status, body, recorded_at = tuple(found)
    if sha256 is None:
        return bool(is_taken), None
    kept = KeptAnswer(
        household_id=household_id, key=key, request_sha256=sha256, status=status, body=body, recorded_at=recorded_at
    )
    return True, kept


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
