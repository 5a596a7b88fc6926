"""All SQL about comparisons of policies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.programme.tables import PolicyComparison


async def get(session: ReadSession, comparison_id: int) -> PolicyComparison | None:
    statement = select(PolicyComparison).where(col(PolicyComparison.id) == comparison_id)
    return (await session.exec(statement)).one_or_none()


async def lock(session: WriteSession, comparison_id: int) -> PolicyComparison | None:
    statement = select(PolicyComparison).where(col(PolicyComparison.id) == comparison_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def listed(session: ReadSession, city_id: int, before: int | None, limit: int) -> Sequence[PolicyComparison]:
    statement = select(PolicyComparison).where(col(PolicyComparison.city_id) == city_id)
    if before is not None:
        statement = statement.where(col(PolicyComparison.id) < before)
    return (await session.exec(statement.order_by(col(PolicyComparison.id).desc()).limit(limit))).all()
