"""All SQL of saved mappings."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.readings.mapping_tables import SavedMapping


async def alone(session: WriteSession, utility_id: int, name: str) -> None:
    """Let one version of a name be saved at a time."""
    key = f"reading_mapping {utility_id} {name}"
    await session.sql("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", {"key": key})


async def latest(session: ReadSession, utility_id: int, name: str) -> SavedMapping | None:
    query = select(SavedMapping).where(col(SavedMapping.utility_id) == utility_id, col(SavedMapping.name) == name)
    return (await session.exec(query.order_by(col(SavedMapping.version).desc()).limit(1))).one_or_none()


async def listed(session: ReadSession, utility_id: int) -> Sequence[SavedMapping]:
    """The last version of each name."""
    query = select(SavedMapping).where(col(SavedMapping.utility_id) == utility_id)
    rows = (await session.exec(query.order_by(col(SavedMapping.name), col(SavedMapping.version)))).all()
    return list({row.name: row for row in rows}.values())
