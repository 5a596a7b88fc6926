"""The life of a settlement up to its approval, and reading it. Computing and posting have a module each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation import clock, jobs
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound
from carbon_bank.foundation.moments import recording_moment
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import budget_service
from carbon_bank.ledger.act_service import Context
from carbon_bank.programme import adoption_service
from carbon_bank.programme import service as programme
from carbon_bank.programme.policy import Policy
from carbon_bank.registry import service as registry
from carbon_bank.settlement import queries
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Award as Award
from carbon_bank.settlement.tables import Settlement as Settlement
from carbon_bank.settlement.tables import SettlementTotal as SettlementTotal
from carbon_bank.trail.service import Act, record

COMPUTE_TASK = "settlement.compute"
POST_TASK = "settlement.post"


async def request_settlement(
    session: WriteSession, actor: Actor, now: datetime, *, period: Period, in_background: bool = True
) -> Settlement:
    """Ask for the settlement of a period, under the policy that is in force for it. A job computes it.

    Raises: InvalidInput `programme.period`, `settlement.period_not_over` (422);
            Conflict `programme.no_policy`, `settlement.exists` (409).
    """
    city = await registry.get_city(session, actor.of_city())
    assert city.id is not None
    policy_id, policy = await adoption_service.policy_for_period(session, city.id, period)
    today = clock.local_day(now, city.time_zone)
    if today < period.end_day:
        raise InvalidInput(
            "settlement.period_not_over",
            f"The period {period} ends with the day before {period.end_day}, and today is {today}. Settle it from then on.",
        )
    settlement = Settlement(
        city_id=city.id,
        policy_id=policy_id,
        period=str(period),
        first_month=period.first_month,
        months=period.length,
        prepared_by=actor.subject,
        requested_at=now,
    )
    try:
        async with session.begin_nested():
            session.add(settlement)
    except IntegrityError as error:
        if violated(error) != "settlement_one_live_key":
            raise
        there = await queries.live(session, city.id, str(period))
        number = there.id if there else "?"
        raise Conflict(
            "settlement.exists",
            f"Settlement {number} of {period} is there already. Go on with it, or withdraw it before it is approved.",
            {"settlement_id": number},
        ) from None
    assert settlement.id is not None
    facts = {"period": str(period), "policy": policy.reference, "policy_digest": policy.digest}
    _record(session, Act.SETTLEMENT_REQUESTED, actor, now, settlement, facts)
    if in_background:
        await jobs.enqueue(session, COMPUTE_TASK, {"settlement_id": settlement.id}, _lock(settlement))
    return settlement


async def approve(session: WriteSession, actor: Actor, now: datetime, settlement_id: int) -> Settlement:
    """Approve a computed settlement that somebody else prepared.

    The points to post are reserved out of the city's budget, where it has one.

    Raises: NotFound (404); Conflict `settlement.state`, `ledger.budget`, `ledger.no_budget` (409);
            Forbidden `settlement.own` (403).
    """
    settlement = await _locked(session, actor, settlement_id)
    check_state(settlement, SettlementState.COMPUTED, "approve")
    if settlement.prepared_by == actor.subject:
        raise Forbidden(
            "settlement.own",
            f"You prepared settlement {settlement_id}, so another approver has to look at it and approve it.",
        )
    # Which runs of reductions the next period counts from depends on it: wholly before its `as_of`, or wholly after.
    moment = await recording_moment(session, settlement.city_id)
    settlement.state, settlement.approved_by, settlement.approved_at = (
        SettlementState.APPROVED.value,
        actor.subject,
        moment,
    )
    count, points = await queries.to_post(session, settlement_id)
    await reserve(session, actor, now, settlement.city_id, f"settlement:{settlement_id}", points)
    _record(
        session, Act.SETTLEMENT_APPROVED, actor, now, settlement, {"awards_to_post": count, "points_to_post": points}
    )
    return settlement


async def reserve(session: WriteSession, actor: Actor, now: datetime, city_id: int, subject: str, points: int) -> None:
    """Reserve points out of the budget that the city has for today, once for each subject.

    Raises: Conflict `ledger.budget`, `ledger.no_budget` (409).
    """
    context = Context(city_id, actor.subject, now, await registry.today_in(session, city_id, now), subject)
    await budget_service.use(session, context, points)


async def start_posting(
    session: WriteSession, actor: Actor, now: datetime, settlement_id: int, in_background: bool = True
) -> Settlement:
    """Have an approved settlement posted. Asking again while it is under way changes nothing.

    Raises: NotFound (404); Conflict `settlement.state`, `settlement.posted` (409).
    """
    settlement = await _locked(session, actor, settlement_id)
    if settlement.state == SettlementState.POSTED:
        raise Conflict(
            "settlement.posted",
            f"Settlement {settlement_id} was posted at {settlement.posted_at}. There is nothing left to post.",
        )
    if settlement.state != SettlementState.POSTING:
        check_state(settlement, SettlementState.APPROVED, "post")
        settlement.state = SettlementState.POSTING.value
        _record(session, Act.SETTLEMENT_POSTING_STARTED, actor, now, settlement, {})
    if in_background:
        await jobs.enqueue(session, POST_TASK, {"settlement_id": settlement_id}, _lock(settlement))
    return settlement


async def withdraw(session: WriteSession, actor: Actor, now: datetime, settlement_id: int, reason: str) -> Settlement:
    """Give up a settlement that is not approved. It stays on record, and its period can be settled anew.

    Raises: NotFound (404); Conflict `settlement.state` (409).
    """
    settlement = await _locked(session, actor, settlement_id)
    check_state(settlement, SettlementState.COMPUTED, "withdraw", SettlementState.REQUESTED, SettlementState.COMPUTING)
    settlement.state = SettlementState.WITHDRAWN.value
    settlement.withdrawn_by, settlement.withdrawn_reason = actor.subject, reason
    _record(session, Act.SETTLEMENT_WITHDRAWN, actor, now, settlement, {}, reason)
    return settlement


async def get_settlement(session: ReadSession, actor: Actor, settlement_id: int) -> Settlement:
    """Raises: NotFound `settlement.unknown` (404), also for another city's."""
    settlement = await queries.get(session, settlement_id)
    if settlement is None or settlement.city_id != actor.of_city():
        raise _unknown(settlement_id)
    return settlement


async def any_settlement(session: ReadSession, settlement_id: int) -> Settlement:
    """A settlement of any city: for who works on the machine itself. Raises: NotFound `settlement.unknown` (404)."""
    settlement = await queries.get(session, settlement_id)
    if settlement is None:
        raise NotFound("settlement.unknown", f"There is no settlement {settlement_id}.")
    return settlement


async def list_settlements(session: ReadSession, actor: Actor, before: int | None, limit: int) -> Sequence[Settlement]:
    """The city's settlements, the newest first."""
    return await queries.listed(session, actor.of_city(), before, limit)


async def posted_since(session: ReadSession, since: datetime) -> Sequence[Settlement]:
    """The settlements of all cities that were posted since a moment, in their order."""
    return await queries.posted_since(session, since)


async def totals_of(session: ReadSession, settlement_id: int) -> Sequence[SettlementTotal]:
    return await queries.totals(session, settlement_id)


async def policy_of(session: ReadSession, settlement: Settlement) -> Policy:
    return await programme.policy_on_record(session, settlement.policy_id)


async def list_awards(
    session: ReadSession, settlement_id: int, after: Sequence[Any] | None, limit: int
) -> Sequence[Award]:
    """A settlement's awards by household and commodity."""
    return await queries.awards(session, settlement_id, after, limit)


async def digest_of(session: ReadSession, settlement: Settlement) -> str:
    """The digest of the policy that a settlement pays by."""
    return (await programme.digests(session, [settlement.policy_id]))[settlement.policy_id]


async def award_frame(session: ReadSession, settlement_id: int) -> pl.DataFrame:
    """All awards of a settlement as a frame: `household_id, commodity, outcome, points`."""
    rows = await queries.award_rows(session, settlement_id)
    schema = {"household_id": pl.Int64, "commodity": pl.String, "outcome": pl.String, "points": pl.Int64}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


async def awards_of_household(session: ReadSession, actor: Actor) -> list[tuple[Settlement, str, Award]]:
    """A household's awards of all posted settlements, the newest period first, with their policies' digests."""
    settlements = {settlement.id: settlement for settlement in await queries.posted_of_city(session, actor.of_city())}
    found = await queries.awards_of_household(
        session, actor.of_household(), [key for key in settlements if key is not None]
    )
    digests = await programme.digests(session, {each.policy_id for each in settlements.values()})
    of = [settlements[award.settlement_id] for award in found]
    rows = [(each, digests[each.policy_id], award) for each, award in zip(of, found, strict=True)]
    return sorted(rows, key=lambda row: (-row[0].first_month, row[2].commodity))


def check_state(settlement: Settlement, wanted: SettlementState, verb: str, *others: SettlementState) -> None:
    """Raises: Conflict `settlement.state` (409), naming the state it is in and the ones it would have to be in."""
    states = (wanted, *others)
    if settlement.state not in states:
        raise Conflict(
            "settlement.state",
            f"Settlement {settlement.id} is {settlement.state}; to {verb} it, it has to be {' or '.join(states)}.",
            {"state": settlement.state, "needed": [state.value for state in states]},
        )


async def _locked(session: WriteSession, actor: Actor, settlement_id: int) -> Settlement:
    settlement = await queries.lock(session, settlement_id)
    if settlement is None or settlement.city_id != actor.of_city():
        raise _unknown(settlement_id)
    return settlement


def _unknown(settlement_id: int) -> NotFound:
    return NotFound(
        "settlement.unknown", f"There is no settlement {settlement_id} in this city. List them to see which there are."
    )


def _lock(settlement: Settlement) -> str:
    return f"settlement:{settlement.id}"


def _record(
    session: WriteSession,
    act: Act,
    actor: Actor,
    now: datetime,
    settlement: Settlement,
    facts: dict[str, Any],
    reason: str | None = None,
) -> None:
    subject = f"settlement:{settlement.id}"
    record(
        session, act, by=actor.subject, at=now, subject=subject, city_id=settlement.city_id, reason=reason, facts=facts
    )
