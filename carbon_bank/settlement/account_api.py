"""Accounts as auditors and operators see them: balance on a day, statement, both sides of each posting."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation import clock
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/households/{household_id}", tags=["ledger"])

Id = Annotated[int, Path(ge=1, lt=2**63)]
Reader = Annotated[Actor, Depends(allowed(Permission.LEDGER_READ))]
Closer = Annotated[Actor, Depends(allowed(Permission.ACCOUNT_CLOSE))]


class PostingRead(BaseModel):
    """One movement of points. `effective_on` is the day it belongs to, `recorded_at` when it was made."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    journal_id: UUID
    kind: str
    contra: str | None = Field(
        description="The programme's account on the other side, which moves by the same amount, negated. None where points "
        "only change between available and held."
    )
    amount: int
    available_after: int
    held_after: int
    debt_after: int
    effective_on: date
    recorded_at: datetime
    settlement_id: int | None
    commodity: str | None
    hold_id: int | None = Field(description="The hold that it begins (then its own `seq`) or ends.")
    reverses: int | None = Field(description="The `seq` that it takes back.")
    forgiven: int = Field(description="What it would have taken beyond `amount`, and did not ask for.")


class Lot(BaseModel):
    """Points of one posting (`lot_id` is its seq) that expire together; `expires_on` is the last day to spend them."""

    model_config = ConfigDict(from_attributes=True)

    lot_id: int
    granted: int
    remaining: int
    expires_on: date | None


class Close(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


class Closed(BaseModel):
    household_id: int
    closed_at: datetime
    given_up: int = Field(description="Points that were left.")


class Balance(BaseModel):
    household_id: int
    day: date
    by: ledger.Clock
    points: int


@router.get("/balance", summary="What a household owned on a day")
async def get_balance(
    household_id: Id,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    day: date,
    by: Annotated[
        ledger.Clock, Query(description="The month that postings belong to, or when they were made.")
    ] = "effective",
    reason: ReadingReason = None,
) -> Balance:
    await registry.get_household(session, actor, household_id)
    city = await registry.get_city(session, actor.of_city())
    end_of_day = clock.day_begins(min(day, date.max - timedelta(days=2)) + timedelta(days=1), city.time_zone)
    points = await ledger.balance_as_of(session, household_id, day, by, end_of_day)
    note_look(trail, actor, now, Act.ACCOUNT_READ, f"household:{household_id}", reason, what="balance")
    return Balance(household_id=household_id, day=day, by=by, points=points)


@router.get("/postings", summary="A household's postings, the newest first")
async def list_postings(
    household_id: Id,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[PostingRead]:
    await registry.get_household(session, actor, household_id)
    key = read_cursor(cursor, (int,))
    rows = await ledger.statement(session, household_id, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.seq])
    note_look(trail, actor, now, Act.ACCOUNT_READ, f"household:{household_id}", reason, what="postings")
    return Page(items=[PostingRead.model_validate(item) for item in items], next=following)


@router.post("/closure", summary="Close an account; points that are left are given up")
async def close(household_id: Id, why: Close, session: Writing, now: Now, actor: Closer) -> Closed:
    """Refused while points are on hold. What later settlements still award is posted, and given up when it is closed again."""
    await registry.get_household(session, actor, household_id)
    today = await registry.today_in(session, actor.of_city(), now)
    given_up = await ledger.close_account(session, actor, now, today, household_id, why.reason)
    return Closed(household_id=household_id, closed_at=now, given_up=given_up)
