"""The deadlines of redemptions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Refusal
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.rewards import catalogue_queries
from carbon_bank.rewards import redemption_queries as queries
from carbon_bank.rewards.catalogue_service import offer_of
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.offer import amount_within
from carbon_bank.rewards.redemption_end_service import give_back, opened
from carbon_bank.rewards.redemption_service import Asked, Redemption, redeem
from carbon_bank.rewards.redemption_states import DEADLINE, RedemptionState


async def due(session: ReadSession, now: datetime, after: int, limit: int) -> Sequence[int]:
    """The next redemptions whose deadline has passed, behind one; not those whose payment is with a bank."""
    return await queries.past_deadline(session, now, after, limit)


async def expire(
    session: WriteSession, by: str, now: datetime, sealer: Sealer, redemption_id: int
) -> Redemption | None:
    """End a redemption whose deadline has passed. What nobody picked up is donated, where its terms say so.

    Returns null where somebody ended it first.
    """
    try:
        one = await opened(session, redemption_id)
    except Conflict:
        return None
    if one.row.deadline_at is None or now < one.row.deadline_at or await queries.in_live_run(session, redemption_id):
        return None
    row = await give_back(session, by, now, one, RedemptionState.EXPIRED, DEADLINE, None)
    terms = await catalogue_queries.terms(session, row.city_id, row.terms_id)
    if one.reward.channel == Channel.PICKUP and terms is not None and terms.unclaimed_reward_id is not None:
        await _donate(session, by, now, sealer, row, terms.unclaimed_reward_id)
    return row


async def _donate(
    session: WriteSession, by: str, now: datetime, sealer: Sealer, row: Redemption, reward_id: int
) -> None:
    """As a redemption of its own. Where that cannot be (points that expired on hold), they stay as they are."""
    reward = await catalogue_queries.find(session, row.city_id, reward_id)
    points = None if reward is None else amount_within(offer_of(reward), row.points)
    if points is None:
        return
    asked = Asked(row.city_id, row.household_id, reward_id, points, by, occasion=f"unclaimed:{row.id}")
    try:
        async with session.begin_nested():
            await redeem(session, now, sealer, asked)
    except Refusal:
        return
