"""The life of a restatement: requested by one person, computed, approved by another, posted as differences.

Nothing that was posted changes: what a settlement paid stands, and the difference is added or taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation import jobs
from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.settlement import restate_queries as queries
from carbon_bank.settlement.restate_tables import RestatedAward as RestatedAward
from carbon_bank.settlement.restate_tables import Restatement as Restatement
from carbon_bank.settlement.service import check_state, get_settlement, reserve
from carbon_bank.settlement.states import SettlementState as State
from carbon_bank.trail.service import Act, record

COMPUTE_RESTATEMENT_TASK = "restatement.compute"
POST_RESTATEMENT_TASK = "restatement.post"

Totals = Sequence[tuple[str, int, int, int]]
"""By standing: awards, points more, points less."""


async def request_restatement(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    settlement_id: int,
    reason: str,
    points_min: int,
    in_background: bool = True,
) -> Restatement:
    """Ask for a posted settlement to be computed again for the households that are due. A job computes it.

    Raises: NotFound `settlement.unknown` (404); Conflict `settlement.state`, `restatement.exists` (409).
    """
    settlement = await get_settlement(session, actor, settlement_id)
    check_state(settlement, State.POSTED, "restate")
    made = Restatement(
        city_id=settlement.city_id,
        settlement_id=settlement_id,
        reason=reason,
        points_min=points_min,
        prepared_by=actor.subject,
        requested_at=now,
    )
    try:
        async with session.begin_nested():
            await queries.add(session, made)
    except IntegrityError as error:
        if violated(error) != "restatement_one_live_key":
            raise
        raise Conflict(
            "restatement.exists",
            f"A restatement of settlement {settlement_id} is under way. Go on with it, or withdraw it before it is approved.",
        ) from None
    note(session, Act.RESTATEMENT_REQUESTED, actor, now, made, {"settlement_id": settlement_id}, reason)
    if in_background:
        await jobs.enqueue(session, COMPUTE_RESTATEMENT_TASK, {"restatement_id": made.id}, _lock_name(made))
    return made


async def approve(session: WriteSession, actor: Actor, now: datetime, restatement_id: int) -> Restatement:
    """Approve a computed restatement that somebody else prepared. What it grants on balance comes out of the budget.

    Raises: NotFound `restatement.unknown` (404); Conflict `restatement.state`, `ledger.budget` (409);
            Forbidden `restatement.own` (403).
    """
    found = await locked(session, actor, restatement_id)
    require_state(found, "approve", State.COMPUTED)
    if found.prepared_by == actor.subject:
        raise Forbidden(
            "restatement.own",
            f"You prepared restatement {restatement_id}, so another approver has to look at it and approve it.",
        )
    found.state, found.approved_by, found.approved_at = State.APPROVED.value, actor.subject, now
    awards, more, less = to_post(await queries.totals(session, restatement_id))
    await reserve(session, actor, now, found.city_id, name_of(found), max(more - less, 0))
    note(session, Act.RESTATEMENT_APPROVED, actor, now, found, {"awards": awards, "more": more, "less": less})
    return found


async def start_posting(
    session: WriteSession, actor: Actor, now: datetime, restatement_id: int, in_background: bool = True
) -> Restatement:
    """Have an approved restatement posted. Asking again while it is under way changes nothing.

    Raises: NotFound `restatement.unknown` (404); Conflict `restatement.state` (409).
    """
    found = await locked(session, actor, restatement_id)
    require_state(found, "post", State.APPROVED, State.POSTING)
    found.state = State.POSTING.value
    if in_background:
        await jobs.enqueue(session, POST_RESTATEMENT_TASK, {"restatement_id": restatement_id}, _lock_name(found))
    return found


async def withdraw(session: WriteSession, actor: Actor, now: datetime, restatement_id: int, reason: str) -> Restatement:
    """Raises: NotFound `restatement.unknown` (404); Conflict `restatement.state` (409) where it is approved."""
    found = await locked(session, actor, restatement_id)
    require_state(found, "withdraw", State.REQUESTED, State.COMPUTING, State.COMPUTED)
    found.state, found.withdrawn_by, found.withdrawn_reason = State.WITHDRAWN.value, actor.subject, reason
    note(session, Act.RESTATEMENT_WITHDRAWN, actor, now, found, {}, reason)
    return found


async def get_restatement(session: ReadSession, actor: Actor, restatement_id: int) -> Restatement:
    """Raises: NotFound `restatement.unknown` (404), also for another city's."""
    found = await queries.get(session, restatement_id)
    if found is None or found.city_id != actor.of_city():
        raise _unknown(restatement_id)
    return found


async def list_restatements(
    session: ReadSession, actor: Actor, before: int | None, limit: int
) -> Sequence[Restatement]:
    """The city's restatements, the newest first."""
    return await queries.listed(session, actor.of_city(), before, limit)


async def totals_of(session: ReadSession, restatement_id: int) -> Totals:
    return await queries.totals(session, restatement_id)


async def list_awards(
    session: ReadSession, restatement_id: int, standing: str | None, after: Sequence[Any] | None, limit: int
) -> Sequence[RestatedAward]:
    """Its awards by household and commodity, each beside the points that were posted before."""
    return await queries.awards(session, restatement_id, standing, after, limit)


def to_post(totals: Totals) -> tuple[int, int, int]:
    """Of what is to be posted: awards, points more, points less."""
    return next(((awards, more, less) for standing, awards, more, less in totals if standing == "post"), (0, 0, 0))


async def locked(session: WriteSession, actor: Actor | None, restatement_id: int) -> Restatement:
    """Its row, locked. Args: actor: null for the worker, who works for every city."""
    found = await queries.lock(session, restatement_id)
    if found is None or (actor is not None and found.city_id != actor.of_city()):
        raise _unknown(restatement_id)
    return found


def require_state(found: Restatement, verb: str, *states: State) -> None:
    """Raises: Conflict `restatement.state` (409), naming the state it is in and the ones it would have to be in."""
    if found.state not in states:
        raise Conflict(
            "restatement.state",
            f"Restatement {found.id} is {found.state}; to {verb} it, it has to be {' or '.join(states)}.",
            {"state": found.state, "needed": [state.value for state in states]},
        )


def name_of(restatement: Restatement) -> str:
    return f"restatement:{restatement.id}"


def note(
    session: WriteSession,
    act: Act,
    actor: Actor,
    now: datetime,
    found: Restatement,
    facts: dict[str, Any],
    reason: str | None = None,
) -> None:
    """Put a step of its life on the trail."""
    subject = name_of(found)
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=found.city_id, reason=reason, facts=facts)


def _lock_name(found: Restatement) -> str:
    return f"settlement:{found.settlement_id}"


def _unknown(restatement_id: int) -> NotFound:
    return NotFound(
        "restatement.unknown",
        f"There is no restatement {restatement_id} in this city. List them to see which there are.",
    )
