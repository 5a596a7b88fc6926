"""Adjustments: what no rule gives or takes, and taking back what was posted. Prepared by one person, approved by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation import jobs
from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import act_service, adjustment_queries, budget_service, correction_service
from carbon_bank.ledger.act_service import Context, Moved
from carbon_bank.ledger.adjustment_tables import Adjustment as Adjustment
from carbon_bank.trail.service import Act, record


class Reason(StrEnum):
    COMPLAINT_UPHELD = "complaint_upheld"
    ERROR = "error"
    GOODWILL = "goodwill"
    OTHER = "other"


POINTS_MAX = 10**9
TAKEN_BACK_TASK = "ledger.redemption_taken_back"


@dataclass(frozen=True)
class Why:
    """The reason for an adjustment, and in words."""

    reason: Reason
    text: str


async def prepare(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    household_id: int,
    points: int,
    why: Why,
    today: date,
    expires_on: date | None,
) -> Adjustment:
    """Prepare points to be added to a household's account, or taken from it where they are negative.

    Raises: InvalidInput `ledger.adjustment_points`, `ledger.adjustment_expiry` (422); NotFound `ledger.unknown_account` (404).
    """
    if points == 0 or abs(points) > POINTS_MAX:
        raise InvalidInput(
            "ledger.adjustment_points",
            f"An adjustment moves between 1 and {POINTS_MAX} points, added or, below zero, taken; {points} were given.",
        )
    if expires_on is not None and (points < 0 or expires_on < today):
        raise InvalidInput(
            "ledger.adjustment_expiry",
            f"Points that are added may have a last day from {today} on; {expires_on} was given for {points} points.",
        )
    return await _prepared(
        session,
        Adjustment(
            city_id=actor.of_city(),
            household_id=household_id,
            points=points,
            reason=why.reason.value,
            reason_text=why.text,
            expires_on=expires_on,
            prepared_by=actor.subject,
            prepared_at=now,
        ),
    )


async def prepare_reversal(
    session: WriteSession, actor: Actor, now: datetime, journal_id: UUID, why: Why
) -> Adjustment:
    """Prepare the taking back of all that a journal posted.

    Raises: NotFound `ledger.unknown_journal` (404); Conflict `ledger.not_reversible`, `ledger.reversed` (409).
    """
    await act_service.require_reversible(session, actor.of_city(), journal_id)
    return await _prepared(
        session,
        Adjustment(
            city_id=actor.of_city(),
            reverses=journal_id,
            reason=why.reason.value,
            reason_text=why.text,
            prepared_by=actor.subject,
            prepared_at=now,
        ),
    )


async def approve(
    session: WriteSession, actor: Actor, now: datetime, adjustment_id: int, today: date, debt_max: int
) -> tuple[Adjustment, list[tuple[int, Moved]]]:
    """Approve and post what somebody else prepared, and tell the households. Returns each account that moved, as it stands now.

    Raises: NotFound `ledger.unknown_adjustment` (404); Forbidden `ledger.adjustment_own` (403);
            Conflict `ledger.adjustment_state`, `ledger.budget` (409), and what the acts raise.
    """
    found = await _open(session, actor, adjustment_id, "approve")
    if found.prepared_by == actor.subject:
        raise Forbidden(
            "ledger.adjustment_own",
            f"You prepared adjustment {adjustment_id}, so another approver has to look at it and approve it.",
        )
    context = Context(found.city_id, actor.subject, now, today, _name(found), found.reason_text)
    if found.reverses is not None:
        was = await act_service.require_reversible(session, found.city_id, found.reverses)
        moved = await act_service.reverse_journal(session, context, found.reverses, debt_max)
        journal_id = moved[0][1].journal_id
        if was.kind == "redemption":  # the rewards lie above: they are told by a job
            await jobs.enqueue(session, TAKEN_BACK_TASK, {"journal_id": str(was.id)}, _name(found))
    else:
        assert found.household_id is not None and found.points is not None
        if found.points > 0:
            await budget_service.use(session, context, found.points)
        one = await act_service.adjust(session, context, found.household_id, found.points, found.expires_on, debt_max)
        moved, journal_id = [(found.household_id, one)], one.journal_id
    found.state, found.decided_by, found.decided_at, found.journal_id = "approved", actor.subject, now, journal_id
    forgiven = sum(each.forgiven for _, each in moved)
    facts = {"points": found.points, "accounts": len(moved), "forgiven": forgiven}
    _record(session, Act.ADJUSTMENT_APPROVED, actor, now, found, facts)
    await correction_service.tell_corrected(
        session, now, city_id=found.city_id, journals=[journal_id], reason=found.reason, subject=_name(found)
    )
    return found, moved


async def reject(session: WriteSession, actor: Actor, now: datetime, adjustment_id: int, reason: str) -> Adjustment:
    """Raises: NotFound `ledger.unknown_adjustment` (404); Conflict `ledger.adjustment_state` (409)."""
    found = await _open(session, actor, adjustment_id, "reject")
    return _closed(session, actor, now, found, "rejected", reason, Act.ADJUSTMENT_REJECTED)


async def withdraw(session: WriteSession, actor: Actor, now: datetime, adjustment_id: int, reason: str) -> Adjustment:
    """Raises: NotFound `ledger.unknown_adjustment` (404); Conflict `ledger.adjustment_state` (409)."""
    found = await _open(session, actor, adjustment_id, "withdraw")
    return _closed(session, actor, now, found, "withdrawn", reason, Act.ADJUSTMENT_WITHDRAWN)


async def list_adjustments(
    session: ReadSession, actor: Actor, state: str | None, before: int | None, limit: int
) -> Sequence[Adjustment]:
    """The city's adjustments, the newest first."""
    return await adjustment_queries.listed(session, actor.of_city(), state, before, limit)


async def _prepared(session: WriteSession, adjustment: Adjustment) -> Adjustment:
    try:
        async with session.begin_nested():
            await adjustment_queries.add(session, adjustment)
    except IntegrityError as error:
        if violated(error) != "adjustment_city_id_household_id_fkey":
            raise
        raise NotFound(
            "ledger.unknown_account", f"There is no household {adjustment.household_id} in this city."
        ) from None
    facts = {"points": adjustment.points, "reverses": str(adjustment.reverses) if adjustment.reverses else None}
    actor = Actor(adjustment.prepared_by, city_id=adjustment.city_id)
    _record(session, Act.ADJUSTMENT_PREPARED, actor, adjustment.prepared_at, adjustment, facts)
    return adjustment


async def _open(session: WriteSession, actor: Actor, adjustment_id: int, verb: str) -> Adjustment:
    found = await adjustment_queries.lock(session, adjustment_id)
    if found is None or found.city_id != actor.of_city():
        raise NotFound("ledger.unknown_adjustment", f"There is no adjustment {adjustment_id} in this city.")
    if found.state != "prepared":
        raise Conflict(
            "ledger.adjustment_state",
            f"Adjustment {adjustment_id} is {found.state}; to {verb} it, it has to be prepared. Prepare another one.",
            {"state": found.state},
        )
    return found


def _closed(
    session: WriteSession, actor: Actor, now: datetime, found: Adjustment, state: str, reason: str, act: Act
) -> Adjustment:
    found.state, found.decided_by, found.decided_at, found.decided_reason = state, actor.subject, now, reason
    _record(session, act, actor, now, found, {}, reason)
    return found


def _name(adjustment: Adjustment) -> str:
    return f"adjustment:{adjustment.id}"


def _record(
    session: WriteSession,
    act: Act,
    actor: Actor,
    now: datetime,
    adjustment: Adjustment,
    facts: dict[str, Any],
    reason: str | None = None,
) -> None:
    record(
        session,
        act,
        by=actor.subject,
        at=now,
        subject=_name(adjustment),
        city_id=adjustment.city_id,
        reason=reason or adjustment.reason_text,
        facts=facts,
    )
