"""All SQL of redemptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import col, func, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.rewards.catalogue_tables import Reward
from carbon_bank.rewards.redemption_states import OPEN
from carbon_bank.rewards.redemption_tables import Redemption

Pair = tuple[Redemption, Reward]


@dataclass(frozen=True)
class Wanted:
    """Which redemptions to list; null: whatever it is."""

    city_id: int
    household_id: int | None = None
    partner_id: int | None = None
    state: str | None = None
    channel: str | None = None
    reward_id: int | None = None


async def add(session: WriteSession, row: Redemption) -> None:
    session.add(row)
    await session.flush()


async def find(session: ReadSession, redemption_id: int) -> Pair | None:
    query = select(Redemption, Reward).join(Reward, col(Reward.id) == col(Redemption.reward_id))
    return (await session.exec(query.where(col(Redemption.id) == redemption_id))).one_or_none()


async def lock(session: WriteSession, redemption_id: int) -> Redemption | None:
    """Before the account of its household, always."""
    query = select(Redemption).where(col(Redemption.id) == redemption_id).with_for_update(key_share=True)
    return (await session.exec(query.execution_options(populate_existing=True))).one_or_none()


async def by_pickup(session: ReadSession, city_id: int, hashes: Sequence[bytes]) -> int | None:
    query = select(Redemption.id).where(col(Redemption.pickup_hash).in_(hashes), col(Redemption.city_id) == city_id)
    return (await session.exec(query)).one_or_none()


async def listed(session: ReadSession, wanted: Wanted, before: int | None, limit: int) -> Sequence[Pair]:
    """The newest first."""
    query = select(Redemption, Reward).join(Reward, col(Reward.id) == col(Redemption.reward_id))
    conditions: list[tuple[Any, Any]] = [
        (col(Redemption.city_id), wanted.city_id),
        (col(Redemption.household_id), wanted.household_id),
        (col(Reward.partner_id), wanted.partner_id),
        (col(Redemption.state), wanted.state),
        (col(Reward.channel), wanted.channel),
        (col(Redemption.reward_id), wanted.reward_id),
    ]
    query = query.where(*(column == value for column, value in conditions if value is not None))
    if before is not None:
        query = query.where(col(Redemption.id) < before)
    return (await session.exec(query.order_by(col(Redemption.id).desc()).limit(limit))).all()


async def count_since(session: ReadSession, household_id: int, reward_id: int, since: datetime) -> int:
    """How many of a reward a household has asked for since a moment and not given up, or been given back."""
    query = select(func.count()).where(
        col(Redemption.household_id) == household_id,
        col(Redemption.reward_id) == reward_id,
        col(Redemption.requested_at) >= since,
        col(Redemption.state).in_(["requested", *OPEN, "fulfilled"]),
    )
    return (await session.exec(query)).one()


async def has_occasion(session: ReadSession, household_id: int, occasion: str) -> bool:
    query = select(Redemption.id).where(
        col(Redemption.household_id) == household_id, col(Redemption.occasion) == occasion
    )
    return (await session.exec(query)).one_or_none() is not None


async def past_deadline(session: ReadSession, now: datetime, after: int, limit: int) -> Sequence[int]:
    """The next redemptions that wait and whose deadline has passed; not those whose payment is with a bank."""
    rows = await session.sql(
        """
        SELECT redemption.id FROM redemption
        WHERE state IN ('held', 'fulfilling') AND deadline_at <= :now AND redemption.id > :after AND NOT EXISTS (
            SELECT 1 FROM payout_payment WHERE redemption_id = redemption.id AND is_live)
        ORDER BY redemption.id LIMIT :limit
        """,
        {"now": now, "after": after, "limit": limit},
    )
    return [row[0] for row in rows]


async def in_live_run(session: ReadSession, redemption_id: int) -> int | None:
    """The payout run that pays a redemption and was not withdrawn; null: there is none."""
    rows = await session.sql(
        "SELECT run_id FROM payout_payment WHERE redemption_id = :id AND is_live", {"id": redemption_id}
    )
    return rows.scalar_one_or_none()
