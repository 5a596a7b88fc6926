"""All SQL of what households chose to be paid out by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.rewards.payout_tables import PayoutChoice
from carbon_bank.rewards.redemption_tables import Redemption


async def find(session: ReadSession, household_id: int) -> PayoutChoice | None:
    query = select(PayoutChoice).where(col(PayoutChoice.household_id) == household_id)
    return (await session.exec(query)).one_or_none()


async def put(session: WriteSession, row: PayoutChoice) -> None:
    await session.merge(row)
    await session.flush()


async def remove(session: WriteSession, household_id: int) -> bool:
    done = await session.sql("DELETE FROM payout_choice WHERE household_id = :id", {"id": household_id})
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def next_choices(session: ReadSession, city_id: int, after: int, limit: int) -> Sequence[PayoutChoice]:
    query = select(PayoutChoice).where(col(PayoutChoice.city_id) == city_id, col(PayoutChoice.household_id) > after)
    return (await session.exec(query.order_by(col(PayoutChoice.household_id)).limit(limit))).all()


async def with_choice(session: ReadSession, household_ids: Sequence[int]) -> set[int]:
    query = select(PayoutChoice.household_id).where(col(PayoutChoice.household_id).in_(household_ids))
    return set((await session.exec(query)).all())


async def who_redeemed(session: ReadSession, household_ids: Sequence[int], since: datetime) -> set[int]:
    query = select(Redemption.household_id).where(
        col(Redemption.household_id).in_(household_ids), col(Redemption.requested_at) >= since
    )
    return set((await session.exec(query)).all())
