"""Objections of households to their postings, and the answers of the city's staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import objection_service as service
from carbon_bank.ledger.objection_service import TEXT_MAX, TEXT_MIN, ObjectionState
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1")

Id = Annotated[int, Path(ge=1, lt=2**63)]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Owner = Annotated[Actor, Depends(allowed(Permission.OWN_WRITE))]
Reader = Annotated[Actor, Depends(allowed(Permission.LEDGER_READ))]
Answerer = Annotated[Actor, Depends(allowed(Permission.OBJECTION_ANSWER))]
Text = Annotated[str, Field(min_length=TEXT_MIN, max_length=TEXT_MAX)]


class ObjectionNew(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seq: int = Field(ge=1, lt=2**63, description="Of the posting, as the statement tells it.")
    text: Text = Field(description="What is wrong with it.")


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    upheld: bool
    answer: Text = Field(description="Why; the household reads it.")
    adjustment_id: int | None = Field(
        None, ge=1, lt=2**63, description="What puts it right. It is prepared and approved by itself, by two people."
    )


class OwnObjection(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    seq: int
    text: str
    state: ObjectionState
    raised_at: datetime
    answer: str | None
    answered_at: datetime | None


class ObjectionRead(OwnObjection):
    household_id: int
    raised_by: str
    answered_by: str | None
    adjustment_id: int | None


@router.post("/me/objections", status_code=201, summary="Object to an entry of your statement", tags=["household"])
async def raise_objection(given: ObjectionNew, session: Writing, now: Now, actor: Owner) -> OwnObjection:
    """One at a time to each entry. The answer comes to your inbox."""
    return OwnObjection.model_validate(await service.object_to(session, actor, now, given.seq, given.text))


@router.get("/me/objections", summary="Your objections and their answers", tags=["household"])
async def list_own(session: Reading, actor: Member, cursor: Cursor = None, limit: Limit = 50) -> Page[OwnObjection]:
    key = read_cursor(cursor, (int,))
    rows = await service.list_own(session, actor, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[OwnObjection.model_validate(item) for item in items], next=following)


@router.get("/objections", summary="Objections of households, the newest first", tags=["ledger"])
async def list_objections(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    state: Annotated[ObjectionState | None, Query(description="Left out: all.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[ObjectionRead]:
    key = read_cursor(cursor, (int,))
    before = int(key[0]) if key else None
    rows = await service.list_objections(session, actor, state, before, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    note_look(trail, actor, now, Act.OBJECTION_READ, None, reason, rows=len(items), before=before, state=state)
    return Page(items=[ObjectionRead.model_validate(item) for item in items], next=following)


@router.post("/objections/{objection_id}/answer", summary="Answer an objection, once", tags=["ledger"])
async def answer(objection_id: Id, given: Answer, session: Writing, now: Now, actor: Answerer) -> ObjectionRead:
    """It moves no points. One that is upheld usually needs an adjustment: prepare it first, and name it here."""
    answered = await service.answer(
        session,
        actor,
        now,
        objection_id,
        upheld=given.upheld,
        text=given.answer,
        adjustment_id=given.adjustment_id,
    )
    return ObjectionRead.model_validate(answered)
