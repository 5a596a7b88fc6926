"""All SQL of budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.ledger.budget_tables import Budget, BudgetUse


async def lock_city(session: WriteSession, city_id: int) -> None:
    """One after the other: budgets of a city must not overlap, and that is for its other rows to say."""
    await session.sql("SELECT pg_advisory_xact_lock(hashtextextended('budget', :city_id))", {"city_id": city_id})


async def get(session: ReadSession, budget_id: int) -> Budget | None:
    return (await session.exec(select(Budget).where(col(Budget.id) == budget_id))).one_or_none()


async def approved_overlapping(session: ReadSession, city_id: int, starts_on: date, ends_on: date) -> Budget | None:
    statement = select(Budget).where(
        col(Budget.city_id) == city_id,
        col(Budget.approved_at).is_not(None),
        col(Budget.starts_on) < ends_on,
        col(Budget.ends_on) > starts_on,
    )
    return (await session.exec(statement.limit(1))).one_or_none()


async def lock_in_force(session: WriteSession, city_id: int, day: date) -> Budget | None:
    statement = select(Budget).where(
        col(Budget.city_id) == city_id,
        col(Budget.approved_at).is_not(None),
        col(Budget.starts_on) <= day,
        col(Budget.ends_on) > day,
    )
    statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.exec(statement)).one_or_none()


async def any_approved(session: ReadSession, city_id: int) -> bool:
    statement = select(Budget.id).where(col(Budget.city_id) == city_id, col(Budget.approved_at).is_not(None))
    return (await session.exec(statement.limit(1))).one_or_none() is not None


async def add(session: WriteSession, row: Budget | BudgetUse) -> None:
    session.add(row)
    await session.flush()


async def use_of(session: ReadSession, subject: str) -> BudgetUse | None:
    return (await session.exec(select(BudgetUse).where(col(BudgetUse.subject) == subject))).one_or_none()


async def listed(session: ReadSession, city_id: int) -> Sequence[Budget]:
    statement = (
        select(Budget).where(col(Budget.city_id) == city_id).order_by(col(Budget.starts_on).desc(), col(Budget.id))
    )
    return (await session.exec(statement)).all()
