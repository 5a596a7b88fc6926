"""The end of a redemption, once: fulfilled, and the points leave; or refused, cancelled, expired, and they return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound, Refusal
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger.act_service import Context, spend_hold, void_hold
from carbon_bank.registry import service as registry
from carbon_bank.rewards import catalogue_queries, news_service
from carbon_bank.rewards import redemption_queries as queries
from carbon_bank.rewards.catalogue_service import offer_of
from carbon_bank.rewards.catalogue_tables import Reward
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.offer import amount_within
from carbon_bank.rewards.redemption_service import Asked, Redemption, redeem
from carbon_bank.rewards.redemption_states import BY_HOUSEHOLD, DEADLINE, OPEN, Reason, RedemptionState
from carbon_bank.trail.service import Act, record

_ACTS = {
    RedemptionState.CANCELLED: Act.REDEMPTION_CANCELLED,
    RedemptionState.EXPIRED: Act.REDEMPTION_EXPIRED,
    RedemptionState.REFUSED: Act.REDEMPTION_REFUSED,
}


@dataclass(frozen=True)
class Open:
    """A redemption that is locked and waits, with its reward."""

    row: Redemption
    reward: Reward


async def opened(session: WriteSession, redemption_id: int) -> Open:
    """Lock a redemption that waits.

    Raises: NotFound `rewards.unknown_redemption` (404); Conflict `rewards.redemption_ended` (409), with its state.
    """
    row = await queries.lock(session, redemption_id)
    found = None if row is None else await queries.find(session, redemption_id)
    if row is None or found is None:
        raise unknown(redemption_id)
    if row.state not in OPEN:
        raise Conflict(
            "rewards.redemption_ended",
            f"Redemption {redemption_id} has ended: it is {row.state} since {row.ended_at:%Y-%m-%d %H:%M} UTC. It ends once.",
            {"id": redemption_id, "state": row.state},
        )
    return Open(row, found[1])


async def fulfil(session: WriteSession, by: str, now: datetime, one: Open, reference: str | None = None) -> Redemption:
    """Let the points leave. Args: reference: the partner's own number for it.

    Raises: Conflict `rewards.late` (409) after the deadline.
    """
    row = one.row
    check_in_time(row, now, one.reward)
    context = await _context(session, row, by, now)
    left = await spend_hold(session, context, row.household_id, row.hold_id or 0)
    row.state, row.journal_id, row.ended_at, row.ended_by = RedemptionState.FULFILLED, left.journal_id, now, by
    row.reference = reference
    await session.flush()
    facts = {"reward": one.reward.code, "points": row.points, "reference": reference}
    _record(session, Act.REDEMPTION_FULFILLED, row, by, now, None, facts)
    await news_service.tell_ended(session, now, row, one.reward)
    return row


async def give_back(
    session: WriteSession, by: str, now: datetime, one: Open, state: RedemptionState, reason: str, words: str | None
) -> Redemption:
    """Return the points to their lots, and the stock. Args: words: what somebody added; the household reads it."""
    row = one.row
    context = await _context(session, row, by, now, reason)
    await void_hold(session, context, row.household_id, row.hold_id or 0)
    row.state, row.ended_at, row.ended_by, row.reason, row.reason_text = state, now, by, reason, words
    await session.flush()
    _record(
        session,
        _ACTS[state],
        row,
        by,
        now,
        words or reason,
        {"reward": one.reward.code, "points": row.points, "reason": reason},
    )
    await news_service.tell_ended(session, now, row, one.reward)
    await session.flush()
    if one.reward.stock is not None:
        await catalogue_queries.return_stock(session, row.reward_id)
    return row


async def cancel(session: WriteSession, actor: Actor, now: datetime, redemption_id: int) -> Redemption:
    """A household takes its own back, as long as nobody has begun to fulfil it.

    Raises: NotFound `rewards.unknown_redemption` (404); Conflict `rewards.redemption_ended`, `rewards.being_fulfilled` (409).
    """
    await get_own(session, actor, redemption_id)
    one = await opened(session, redemption_id)
    run = await queries.in_live_run(session, redemption_id)
    if one.row.state != RedemptionState.HELD or run is not None:
        told = f"it is in payout run {run}" if run is not None else "the partner has begun with it"
        raise Conflict(
            "rewards.being_fulfilled",
            f"Redemption {redemption_id} cannot be cancelled any more: {told}. Wait for its end.",
            {"id": redemption_id, "state": one.row.state},
        )
    return await give_back(session, actor.subject, now, one, RedemptionState.CANCELLED, BY_HOUSEHOLD, None)


async def refuse(
    session: WriteSession, actor: Actor, now: datetime, redemption_id: int, reason: Reason, words: str
) -> Redemption:
    """The city's staff ends a redemption that waits, and says why.

    Raises: NotFound `rewards.unknown_redemption` (404); Conflict `rewards.redemption_ended`, `rewards.in_payout` (409).
    """
    await get_of_city(session, actor, redemption_id)
    one = await opened(session, redemption_id)
    run = await queries.in_live_run(session, redemption_id)
    if run is not None:
        raise Conflict(
            "rewards.in_payout",
            f"Redemption {redemption_id} is in payout run {run}. Withdraw the run, or wait for what the bank says.",
            {"id": redemption_id, "run_id": run},
        )
    return await give_back(session, actor.subject, now, one, RedemptionState.REFUSED, reason.value, words)


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


def check_in_time(row: Redemption, now: datetime, reward: Reward) -> None:
    """Raises: Conflict `rewards.late` (409). A bank transfer is not late: what the bank paid was paid."""
    if reward.channel != Channel.BANK_TRANSFER and row.deadline_at is not None and now >= row.deadline_at:
        raise Conflict(
            "rewards.late",
            f"The deadline of redemption {row.id} passed at {row.deadline_at:%Y-%m-%d %H:%M} UTC, so that its points go back "
            "to the household. Hand out nothing for it.",
            {"id": row.id, "state": row.state, "deadline_at": row.deadline_at.isoformat()},
        )


async def get_own(session: ReadSession, actor: Actor, redemption_id: int) -> queries.Pair:
    """Raises: NotFound `rewards.unknown_redemption` (404)."""
    found = await queries.find(session, redemption_id)
    if found is None or found[0].household_id != actor.of_household():
        raise unknown(redemption_id)
    return found


async def get_of_city(session: ReadSession, actor: Actor, redemption_id: int) -> queries.Pair:
    """Raises: NotFound `rewards.unknown_redemption` (404)."""
    found = await queries.find(session, redemption_id)
    if found is None or found[0].city_id != actor.of_city():
        raise unknown(redemption_id)
    return found


def unknown(redemption_id: int) -> NotFound:
    return NotFound("rewards.unknown_redemption", f"There is no redemption {redemption_id}.")


async def _context(session: ReadSession, row: Redemption, by: str, now: datetime, reason: str | None = None) -> Context:
    city = await registry.get_city(session, row.city_id)
    return Context(row.city_id, by, now, clock.local_day(now, city.time_zone), f"redemption:{row.id}", reason)


def _record(
    session: WriteSession,
    act: Act,
    row: Redemption,
    by: str,
    now: datetime,
    reason: str | None,
    facts: dict[str, object],
) -> None:
    subject = f"redemption:{row.id}"
    record(session, act, by=by, at=now, subject=subject, city_id=row.city_id, reason=reason, facts=facts)
