"""Objecting to a posting, and answering. An answer moves no points: what is to be put right is an adjustment, by two people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, InvalidInput, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import Kind
from carbon_bank.ledger import objection_queries as queries
from carbon_bank.ledger.objection_tables import Objection as Objection
from carbon_bank.trail.service import Act, record

TEXT_MIN, TEXT_MAX = 3, 2000


class ObjectionState(StrEnum):
    OPEN = "open"
    REJECTED = "rejected"
    UPHELD = "upheld"


async def object_to(session: WriteSession, actor: Actor, now: datetime, seq: int, text: str) -> Objection:
    """A household objects to a posting of its own.

    Raises: NotFound `ledger.posting_unknown` (404); Conflict `ledger.objection_open` (409) while one to it waits for an answer.
    """
    made = Objection(
        household_id=actor.of_household(),
        city_id=actor.of_city(),
        seq=seq,
        text=text,
        raised_by=actor.subject,
        raised_at=now,
    )
    try:
        async with session.begin_nested():
            await queries.add(session, made)
    except IntegrityError as error:
        match violated(error):
            case "objection_household_id_seq_fkey":
                raise NotFound(
                    "ledger.posting_unknown", f"Your account has no posting {seq}. Look at your statement."
                ) from None
            case "objection_open_key":
                raise Conflict(
                    "ledger.objection_open",
                    f"You have objected to posting {seq}, and the city has not answered yet. Wait for its answer.",
                    {"seq": seq},
                ) from None
        raise
    _record(session, Act.OBJECTION_RAISED, actor, now, made)
    return made


async def answer(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    objection_id: int,
    *,
    upheld: bool,
    text: str,
    adjustment_id: int | None = None,
) -> Objection:
    """Answer an objection, once, and tell the household.

    Args:   adjustment_id: what puts it right, where it was prepared already; only of an objection that is upheld.
    Raises: NotFound `ledger.unknown_objection`, `ledger.unknown_adjustment` (404); Conflict `ledger.objection_answered` (409);
            InvalidInput `ledger.objection_adjustment` (422).
    """
    found = await queries.lock(session, actor.of_city(), objection_id)
    if found is None:
        raise NotFound("ledger.unknown_objection", f"There is no objection {objection_id} in this city.")
    if found.state != ObjectionState.OPEN:
        raise Conflict(
            "ledger.objection_answered",
            f"Objection {objection_id} was answered at {found.answered_at:%Y-%m-%d %H:%M} UTC: {found.state}. An answer stands.",
            {"state": found.state},
        )
    if adjustment_id is not None:
        await _require_adjustment(session, found, adjustment_id, upheld)
    found.state = (ObjectionState.UPHELD if upheld else ObjectionState.REJECTED).value
    found.answer, found.answered_by, found.answered_at = text, actor.subject, now
    found.adjustment_id = adjustment_id
    _record(session, Act.OBJECTION_ANSWERED, actor, now, found)
    await inbox.notify(
        session,
        now,
        city_id=found.city_id,
        household_id=found.household_id,
        kind=Kind.OBJECTION_ANSWERED,
        facts={"answer": found.state, "objection": objection_id},
        subject=f"objection:{objection_id}",
    )
    return found


async def list_own(session: ReadSession, actor: Actor, before: int | None, limit: int) -> Sequence[Objection]:
    """The household's objections, the newest first."""
    return await queries.of_household(session, actor.of_household(), before, limit)


async def list_objections(
    session: ReadSession, actor: Actor, state: ObjectionState | None, before: int | None, limit: int
) -> Sequence[Objection]:
    """The city's objections, the newest first."""
    return await queries.of_city(session, actor.of_city(), state, before, limit)


async def _require_adjustment(session: ReadSession, found: Objection, adjustment_id: int, upheld: bool) -> None:
    if not upheld:
        raise InvalidInput(
            "ledger.objection_adjustment",
            "An objection that is rejected is put right by no adjustment. Leave the adjustment out, or uphold the objection.",
        )
    if await queries.adjustment_for(session, found.city_id, found.household_id, adjustment_id) is None:
        raise NotFound(
            "ledger.unknown_adjustment",
            f"There is no adjustment {adjustment_id} for household {found.household_id}. Prepare it first, or leave it out.",
        )


def _record(session: WriteSession, act: Act, actor: Actor, now: datetime, objection: Objection) -> None:
    """What is said stays with the objection: the trail holds nothing personal."""
    facts = {
        "household_id": objection.household_id,
        "seq": objection.seq,
        "state": objection.state,
        "adjustment_id": objection.adjustment_id,
    }
    subject = f"objection:{objection.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=objection.city_id, facts=facts)
