"""Asking for a reward: points go on hold, and leave at once where nobody has to do anything for it.

The order in which things are locked: the redemption, the account of its household (with the hold), a voucher, and the stock of
the reward last, since everybody wants that row. What ends a redemption is in `redemption_end_service`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict, InvalidInput
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.ledger.act_service import Context, hold_points, spend_points
from carbon_bank.registry import service as registry
from carbon_bank.rewards import (
    catalogue_queries,
    news_service,
    payout_queries,
    pickup_service,
    stock_queries,
    terms_service,
    voucher_queries,
)
from carbon_bank.rewards import redemption_queries as queries
from carbon_bank.rewards.catalogue_service import offer_of, unknown
from carbon_bank.rewards.catalogue_tables import Reward, RewardTerms
from carbon_bank.rewards.channels import AT_ONCE, IN_MONEY, Channel
from carbon_bank.rewards.offer import check_amount
from carbon_bank.rewards.redemption_states import RedemptionState
from carbon_bank.rewards.redemption_tables import Redemption as Redemption
from carbon_bank.rewards.worth import worth_of
from carbon_bank.trail.service import Act, record

AT_ONCE_WITHIN = timedelta(minutes=5)
BANK_GRACE = timedelta(days=366)
"""How much longer the points of a bank transfer stay on hold: a payment that the bank made is never found without them."""


@dataclass(frozen=True)
class Asked:
    """Args: points: left out where the price is fixed. occasion: what makes it, where no person does."""

    city_id: int
    household_id: int
    reward_id: int
    points: int | None
    by: str
    occasion: str | None = None


async def redeem(session: WriteSession, now: datetime, sealer: Sealer, asked: Asked) -> Redemption:
    """Put points of a household into a reward.

    Raises: NotFound `rewards.unknown_reward` (404); InvalidInput `rewards.points`, `rewards.worthless` (422);
            Conflict `rewards.not_available`, `rewards.no_terms`, `rewards.no_account`, `rewards.month_limit`,
            `rewards.out_of_stock`, `ledger.insufficient`, `ledger.closed` (409).
    """
    city = await registry.get_city(session, asked.city_id)
    today = clock.local_day(now, city.time_zone)
    reward = await _available(session, asked, now, city.time_zone)
    terms = await terms_service.in_force(session, asked.city_id)
    row = _described(asked, now, reward, terms)
    if reward.channel == Channel.BANK_TRANSFER:
        await _check_account(session, asked.household_id)
    await queries.add(session, row)
    context = Context(asked.city_id, asked.by, now, today, subject=f"redemption:{row.id}")
    await _set_aside(session, context, row, reward)
    await _check_month(session, row, reward, today, city.time_zone)
    if reward.channel == Channel.VOUCHER_POOL and not await voucher_queries.give(
        session, asked.reward_id, row.id or 0, today, now
    ):
        raise _out_of_stock(reward)
    if reward.channel == Channel.PICKUP:
        pickup_service.add_code(row, sealer, secrets.token_bytes(pickup_service.SECRET_BYTES))
    await session.flush()
    facts = {"reward": reward.code, "points": row.points, "state": str(row.state), "occasion": row.occasion}
    record(
        session,
        Act.REDEMPTION_REQUESTED,
        by=asked.by,
        at=now,
        subject=context.subject or "",
        city_id=row.city_id,
        facts=facts,
    )
    await news_service.tell_requested(session, now, row, reward)
    await session.flush()
    if reward.stocked is not None and not await stock_queries.take(session, asked.reward_id):
        raise _out_of_stock(reward)
    return row


async def _available(session: WriteSession, asked: Asked, now: datetime, time_zone: str) -> Reward:
    reward = await catalogue_queries.find(session, asked.city_id, asked.reward_id)
    if reward is None or reward.state == "draft":
        raise unknown(asked.reward_id)
    today = clock.local_day(now, time_zone)
    is_early = reward.starts_on is not None and today < reward.starts_on
    is_late = reward.state == "ended" or (reward.ends_on is not None and today >= reward.ends_on)
    if is_early or is_late:
        told = f"can be had from {reward.starts_on}" if is_early else "can no longer be had"
        raise Conflict(
            "rewards.not_available",
            f"Reward {reward.id} {told}. See GET /v1/rewards for what can be had today.",
            {"reward_id": reward.id, "state": reward.state},
        )
    return reward


def _described(asked: Asked, now: datetime, reward: Reward, terms: RewardTerms) -> Redemption:
    points = check_amount(offer_of(reward), asked.points)
    row = Redemption(
        city_id=asked.city_id,
        household_id=asked.household_id,
        reward_id=asked.reward_id,
        terms_id=terms.id or 0,
        points=points,
        occasion=asked.occasion,
        requested_by=asked.by,
        requested_at=now,
    )
    if reward.channel in IN_MONEY:
        worth = worth_of(points, terms_service.value_of(terms), terms.currency)
        if worth.minor == 0:
            raise InvalidInput(
                "rewards.worthless",
                f"{points} points are worth less than the smallest amount of {terms.currency}. Choose more points.",
                {"points": points, "currency": terms.currency},
            )
        row.money_minor, row.currency = worth.minor, terms.currency
    if reward.channel not in AT_ONCE:
        row.deadline_at = now + timedelta(days=reward.deadline_days or terms.claim_days)
    return row


async def _set_aside(session: WriteSession, context: Context, row: Redemption, reward: Reward) -> None:
    """Put the points on hold; where nobody has to do anything for it, they leave at once."""
    until = _hold_until(row, reward, context.now)
    if reward.channel in AT_ONCE:
        left = await spend_points(session, context, row.household_id, row.points, until)
        row.state, row.hold_id, row.held_at = RedemptionState.FULFILLED, left.seq - 1, context.now
        row.journal_id, row.ended_at, row.ended_by = left.journal_id, context.now, context.by
    else:
        held = await hold_points(session, context, row.household_id, row.points, until)
        row.state, row.hold_id, row.held_at = RedemptionState.HELD, held.seq, context.now


def _hold_until(row: Redemption, reward: Reward, now: datetime) -> datetime:
    if row.deadline_at is None:
        return now + AT_ONCE_WITHIN
    return row.deadline_at + BANK_GRACE if reward.channel == Channel.BANK_TRANSFER else row.deadline_at


async def _check_month(session: WriteSession, row: Redemption, reward: Reward, today: date, time_zone: str) -> None:
    """After the hold: the account is locked, so that of two clients at once the second one counts the first one's."""
    if reward.per_month_max is None:
        return
    since = datetime.combine(today.replace(day=1), time(), ZoneInfo(time_zone))
    await session.flush()
    if await queries.count_since(session, row.household_id, row.reward_id, since) > reward.per_month_max:
        raise Conflict(
            "rewards.month_limit",
            f"Reward {reward.id} can be had {reward.per_month_max} times a month, and you had so many. Ask again next month.",
            {"per_month_max": reward.per_month_max},
        )


async def _check_account(session: WriteSession, household_id: int) -> None:
    account = await payout_queries.account(session, household_id)
    if account is None or account.refused_at is not None:
        why = (
            "There is no bank account"
            if account is None
            else f"The bank refused your account ({account.refused_reason})"
        )
        raise Conflict(
            "rewards.no_account", f"{why}. Name your own one with PUT /v1/me/payout-account, then ask again."
        )


def _out_of_stock(reward: Reward) -> Conflict:
    return Conflict(
        "rewards.out_of_stock",
        f"Nothing of reward {reward.id} is left. Your points stay with you; choose another, or look again later.",
        {"reward_id": reward.id},
    )
