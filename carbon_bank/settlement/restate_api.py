"""Restatements for the city's staff: a posted settlement computed again, and the difference posted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.settlement import restate_service as service
from carbon_bank.settlement.restate_service import RestatedAward, Restatement
from carbon_bank.settlement.states import SettlementState
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1", tags=["settlement"])

Id = Annotated[int, Path(ge=1, lt=2**63)]
Reader = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_READ))]
Preparer = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_PREPARE))]
Approver = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_APPROVE))]
Poster = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_POST))]
Standing = Literal["held", "post", "rejected", "reversed", "same", "small"]


class RestatementNew(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000, description="Why; households can read it.")
    points_min: int = Field(1, ge=1, lt=2**31, description="A smaller difference is recorded and not posted.")


class Withdraw(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


class StandingTotal(BaseModel):
    """`post`: what is or will be posted. `same`: no difference; `small`: below `points_min`; `held`, `rejected`, `reversed`: a
    finding, a person's decision or a reversal keeps it out."""

    standing: Standing
    awards: int
    points_more: int
    points_less: int


class RestatementRead(BaseModel):
    """`as_of` is the moment up to which it reads what was recorded."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    settlement_id: int
    state: SettlementState
    reason: str
    points_min: int
    prepared_by: str
    requested_at: datetime
    as_of: datetime | None
    computed_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    posted_at: datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str | None


class RestatementDetail(RestatementRead):
    totals: list[StandingTotal]


class RestatedRead(BaseModel):
    """An award as it comes out now, beside the points that the ledger holds for it. Quantities in Wh, L or grams CO2e."""

    household_id: int
    commodity: str
    outcome: str | None = Field(description="Null where the household has no such award any more.")
    usage: int | None
    baseline: str | None = Field(description="Numerator/denominator.", examples=["3500000/2"])
    points_before: int
    points: int
    standing: Standing
    findings: list[dict[str, Any]]


@router.post("/settlements/{settlement_id}/restatements", status_code=202, summary="Compute a posted settlement again")
async def request_restatement(
    settlement_id: Id, new: RestatementNew, session: Writing, now: Now, actor: Preparer
) -> RestatementRead:
    """For the households that something recorded since touches, under the same policy. A job computes it."""
    return _read(await service.request_restatement(session, actor, now, settlement_id, new.reason, new.points_min))


@router.get("/restatements", summary="The city's restatements, the newest first")
async def list_restatements(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[RestatementRead]:
    key = read_cursor(cursor, (int,))
    rows = await service.list_restatements(session, actor, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[_read(item) for item in items], next=following)


@router.get("/restatements/{restatement_id}", summary="One restatement with its totals")
async def get_restatement(restatement_id: Id, session: Reading, actor: Reader) -> RestatementDetail:
    return await _detail(session, await service.get_restatement(session, actor, restatement_id))


@router.get("/restatements/{restatement_id}/awards", summary="Its awards, each beside the points posted before")
async def list_awards(
    restatement_id: Id,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    standing: Annotated[Standing | None, Query(description="Left out: all.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[RestatedRead]:
    await service.get_restatement(session, actor, restatement_id)
    after = read_cursor(cursor, (int, str))
    rows = await service.list_awards(session, restatement_id, standing, after, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.household_id, row.commodity])
    asked = {"what": "awards", "rows": len(items), "after": after[0] if after else None, "standing": standing}
    note_look(trail, actor, now, Act.AWARD_READ, f"restatement:{restatement_id}", reason, **asked)
    return Page(items=[_award(item) for item in items], next=following)


@router.post("/restatements/{restatement_id}/approve", summary="Approve what somebody else prepared")
async def approve(restatement_id: Id, session: Writing, now: Now, actor: Approver) -> RestatementDetail:
    return await _detail(session, await service.approve(session, actor, now, restatement_id))


@router.post("/restatements/{restatement_id}/post", status_code=202, summary="Have an approved restatement posted")
async def post(restatement_id: Id, session: Writing, now: Now, actor: Poster) -> RestatementRead:
    return _read(await service.start_posting(session, actor, now, restatement_id))


@router.post("/restatements/{restatement_id}/withdraw", summary="Give up a restatement before it is approved")
async def withdraw(restatement_id: Id, why: Withdraw, session: Writing, now: Now, actor: Preparer) -> RestatementRead:
    return _read(await service.withdraw(session, actor, now, restatement_id, why.reason))


def _read(found: Restatement) -> RestatementRead:
    return RestatementRead.model_validate(found)


async def _detail(session: ReadSession, found: Restatement) -> RestatementDetail:
    totals = [
        StandingTotal.model_validate({"standing": standing, "awards": awards, "points_more": more, "points_less": less})
        for standing, awards, more, less in await service.totals_of(session, found.id or 0)
    ]
    return RestatementDetail(**_read(found).model_dump(), totals=totals)


def _award(row: RestatedAward) -> RestatedRead:
    baseline = None if row.baseline_num is None else f"{row.baseline_num:f}/{row.baseline_den:f}"
    return RestatedRead.model_validate(row.model_dump() | {"baseline": baseline})
