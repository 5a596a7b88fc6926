"""All SQL of the catalogue and of its terms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlmodel import col, func, or_, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.rewards.catalogue_tables import Reward, RewardTerms
from carbon_bank.rewards.redemption_tables import Voucher


async def add(session: WriteSession, row: Reward | RewardTerms) -> None:
    session.add(row)
    await session.flush()


async def find(session: ReadSession, city_id: int, reward_id: int) -> Reward | None:
    query = select(Reward).where(col(Reward.city_id) == city_id, col(Reward.id) == reward_id)
    return (await session.exec(query)).one_or_none()


async def lock(session: WriteSession, city_id: int, reward_id: int) -> Reward | None:
    query = select(Reward).where(col(Reward.city_id) == city_id, col(Reward.id) == reward_id)
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.exec(locked)).one_or_none()


async def listed(
    session: ReadSession, city_id: int, open_on: date | None, states: Sequence[str], after: int, limit: int
) -> Sequence[Reward]:
    """Args: open_on: only those that can be had on a day."""
    query = select(Reward).where(col(Reward.city_id) == city_id, col(Reward.state).in_(states), col(Reward.id) > after)
    if open_on is not None:
        query = query.where(
            or_(col(Reward.starts_on).is_(None), col(Reward.starts_on) <= open_on),
            or_(col(Reward.ends_on).is_(None), col(Reward.ends_on) > open_on),
        )
    return (await session.exec(query.order_by(col(Reward.id)).limit(limit))).all()


async def vouchers_left(session: ReadSession, reward_ids: Sequence[int], today: date) -> dict[int, int]:
    """How many codes of each pool can be given."""
    query = (
        select(col(Voucher.reward_id), func.count())
        .where(col(Voucher.reward_id).in_(reward_ids), col(Voucher.redemption_id).is_(None))
        .where(func.coalesce(col(Voucher.expires_on), today) >= today)
        .group_by(col(Voucher.reward_id))
    )
    return dict((await session.exec(query)).all())


async def terms_in_force(session: ReadSession, city_id: int) -> RewardTerms | None:
    query = select(RewardTerms).where(col(RewardTerms.city_id) == city_id, col(RewardTerms.approved_at).is_not(None))
    latest = query.order_by(col(RewardTerms.approved_at).desc(), col(RewardTerms.id).desc()).limit(1)
    return (await session.exec(latest)).one_or_none()


async def terms(session: ReadSession, city_id: int, terms_id: int, *, lock: bool = False) -> RewardTerms | None:
    query = select(RewardTerms).where(col(RewardTerms.city_id) == city_id, col(RewardTerms.id) == terms_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.exec(query)).one_or_none()


async def terms_listed(session: ReadSession, city_id: int, before: int | None, limit: int) -> Sequence[RewardTerms]:
    """The newest first."""
    query = select(RewardTerms).where(col(RewardTerms.city_id) == city_id)
    if before is not None:
        query = query.where(col(RewardTerms.id) < before)
    return (await session.exec(query.order_by(col(RewardTerms.id).desc()).limit(limit))).all()


async def cities_with_terms(session: ReadSession) -> Sequence[int]:
    query = select(RewardTerms.city_id).where(col(RewardTerms.approved_at).is_not(None)).distinct()
    return (await session.exec(query.order_by(col(RewardTerms.city_id)))).all()
