"""Rows that wait: for their meter, or for somebody to say that a register rolled over."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, id_in, page_of
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.readings import quarantine_service as service
from carbon_bank.readings.quarantine_service import QuarantinedRow
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/quarantine", tags=["readings"])

Reader = Annotated[Actor, Depends(allowed(Permission.READINGS_READ))]
Reviewer = Annotated[Actor, Depends(allowed(Permission.READINGS_REVIEW))]
RowId = Annotated[int, Path(ge=1, lt=2**63)]
State = Literal["waiting", "recorded", "refused", "dropped", "expired"]


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000, description="Why. It stays on record.")


class QuarantinedRead(BaseModel):
    """A row that could not be recorded when it came. `sent`: as it came. `outcome`: what the intake made of it later."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    batch_id: int
    code: str = Field(
        description="readings.unknown_meter: waits for its meter. readings.rollover_held: for a decision."
    )
    sent: dict[str, str]
    recorded_at: datetime
    kept_until: date
    state: State
    outcome: str | None
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@router.get("", summary="Rows that could not be recorded when they came")
async def list_quarantine(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    utility: Annotated[
        str | None, Query(max_length=100, description="Code of a utility; left out: all that the caller may see.")
    ] = None,
    state: State = "waiting",
    code: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[QuarantinedRead]:
    """A utility sees its own rows, city staff and auditors those of their city."""
    rows = await service.list_rows(session, actor, utility, state, code, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [_id(row)])
    asked = {"what": "quarantine", "rows": len(items), "after": id_in(cursor) or None, "state": state}
    note_look(trail, actor, now, Act.READINGS_READ, None, reason, **asked)
    return Page(items=[QuarantinedRead.model_validate(item) for item in items], next=following)


@router.post("/{row_id}/release", summary="Record a row whose rollover was held")
async def release(row_id: RowId, why: Why, session: Writing, now: Now, actor: Reviewer) -> QuarantinedRead:
    """The register did go through its highest figure. The row is judged again, as if it had just been sent."""
    return QuarantinedRead.model_validate(await service.release(session, actor, now, row_id, why.reason))


@router.post("/{row_id}/drop", summary="End a row's wait without recording it")
async def drop(row_id: RowId, why: Why, session: Writing, now: Now, actor: Reviewer) -> QuarantinedRead:
    return QuarantinedRead.model_validate(await service.drop(session, actor, now, row_id, why.reason))


def _id(row: QuarantinedRow) -> int:
    assert row.id is not None
    return row.id
