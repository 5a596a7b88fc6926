"""All SQL of adjustments."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.ledger.adjustment_tables import Adjustment


async def lock(session: WriteSession, adjustment_id: int) -> Adjustment | None:
    statement = select(Adjustment).where(col(Adjustment.id) == adjustment_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def add(session: WriteSession, adjustment: Adjustment) -> None:
    session.add(adjustment)
    await session.flush()


async def listed(
    session: ReadSession, city_id: int, state: str | None, before: int | None, limit: int
) -> Sequence[Adjustment]:
    statement = select(Adjustment).where(col(Adjustment.city_id) == city_id)
    if state is not None:
        statement = statement.where(col(Adjustment.state) == state)
    if before is not None:
        statement = statement.where(col(Adjustment.id) < before)
    return (await session.exec(statement.order_by(col(Adjustment.id).desc()).limit(limit))).all()
