"""The end of a redemption, once: fulfilled, and the points leave; or refused, cancelled, expired, and they return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger.act_service import Context, spend_hold, void_hold
from carbon_bank.registry import service as registry
from carbon_bank.rewards import news_service, stock_queries
from carbon_bank.rewards import redemption_queries as queries
from carbon_bank.rewards.catalogue_tables import Reward
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.redemption_service import Redemption
from carbon_bank.rewards.redemption_states import BY_HOUSEHOLD, OPEN, Reason, RedemptionState
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
    left = await spend_hold(session, context, row.household_id, row.hold_id or 0, row.points)
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
    if one.reward.stocked is not None:
        await stock_queries.put_back(session, row.reward_id)
    return row


async def mark_returned(
    session: WriteSession, by: str, now: datetime, row: Redemption, reason: Reason, words: str
) -> None:
    """Note that the points of a fulfilled redemption came back; what it took out of stock does, too."""
    row.returned_at, row.reason, row.reason_text = now, reason.value, words
    await session.flush()
    _record(session, Act.REDEMPTION_RETURNED, row, by, now, words, {})
    await stock_queries.put_back(session, row.reward_id)


async def taken_back(session: WriteSession, by: str, now: datetime, journal_id: UUID) -> None:
    """An adjustment took back the journal of a redemption: its points are with the household already."""
    redemption_id = await queries.by_journal(session, journal_id)
    row = None if redemption_id is None else await queries.lock(session, redemption_id)
    if row is not None and row.returned_at is None:
        await mark_returned(session, by, now, row, Reason.OTHER, "taken back by the city")


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
    today = await registry.today_in(session, row.city_id, now)
    return Context(row.city_id, by, now, today, f"redemption:{row.id}", reason)


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
