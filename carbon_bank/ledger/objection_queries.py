"""All SQL of objections."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.ledger.adjustment_tables import Adjustment
from carbon_bank.ledger.objection_tables import Objection


async def add(session: WriteSession, objection: Objection) -> None:
    session.add(objection)
    await session.flush()


async def lock(session: WriteSession, city_id: int, objection_id: int) -> Objection | None:
    statement = select(Objection).where(col(Objection.city_id) == city_id, col(Objection.id) == objection_id)
    return (await session.exec(statement.with_for_update())).one_or_none()


async def of_household(session: ReadSession, household_id: int, before: int | None, limit: int) -> Sequence[Objection]:
    statement = select(Objection).where(col(Objection.household_id) == household_id)
    if before is not None:
        statement = statement.where(col(Objection.id) < before)
    return (await session.exec(statement.order_by(col(Objection.id).desc()).limit(limit))).all()


async def of_city(
    session: ReadSession, city_id: int, state: str | None, before: int | None, limit: int
) -> Sequence[Objection]:
    statement = select(Objection).where(col(Objection.city_id) == city_id)
    if state is not None:
        statement = statement.where(col(Objection.state) == state)
    if before is not None:
        statement = statement.where(col(Objection.id) < before)
    return (await session.exec(statement.order_by(col(Objection.id).desc()).limit(limit))).all()


async def adjustment_for(
    session: ReadSession, city_id: int, household_id: int, adjustment_id: int
) -> Adjustment | None:
    """An adjustment of a household, or the taking back of a journal in its city."""
    statement = select(Adjustment).where(col(Adjustment.city_id) == city_id, col(Adjustment.id) == adjustment_id)
    is_theirs = col(Adjustment.household_id).is_(None) | (col(Adjustment.household_id) == household_id)
    return (await session.exec(statement.where(is_theirs))).one_or_none()
