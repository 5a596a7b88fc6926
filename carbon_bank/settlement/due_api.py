"""What revisions did to settlements that are posted: who is due for restatement."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from carbon_bank.foundation.paging import Cursor, Limit, Page, id_in, page_of
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.settlement import due_service as service
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1", tags=["settlement"])

Reader = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_READ))]
Id = Annotated[int, Path(ge=1, lt=2**63)]
BatchId = Annotated[
    int | None, Query(ge=1, lt=2**63, description="A batch of readings: what it alone touches. Left out: everything.")
]


class DueSettlementRead(BaseModel):
    """`readings`: recorded after `as_of`, in months that the settlement reads; `revised`: of them, those in place of an earlier
    one."""

    settlement_id: int
    period: str
    as_of: datetime | None
    households: int
    readings: int
    revised: int


class DueHouseholdRead(BaseModel):
    household_id: int
    commodities: list[str]
    readings: int
    revised: int
    tenure_changed: bool


@router.get("/restatements/due", summary="Posted settlements that were overtaken by what was recorded since")
async def list_due(session: Reading, actor: Reader, batch_id: BatchId = None) -> list[DueSettlementRead]:
    """The oldest period first. With `batch_id` it is what a batch of readings did."""
    return [
        DueSettlementRead(
            settlement_id=each.settlement.id or 0,
            period=each.settlement.period,
            as_of=each.settlement.as_of,
            households=each.households.height,
            readings=int(each.households["readings"].sum()),
            revised=int(each.households["revised"].sum()),
        )
        for each in await service.due_settlements(session, actor, batch_id)
    ]


@router.get("/settlements/{settlement_id}/due", summary="The households that are due for restatement in a settlement")
async def list_due_households(
    settlement_id: Id,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    batch_id: BatchId = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[DueHouseholdRead]:
    """Something that the settlement would read was recorded after it looked. Whether points differ, the restatement says."""
    found = await service.due_households(session, actor, settlement_id, batch_id)
    rows = found.filter(found["household_id"] > id_in(cursor)).head(limit + 1).to_dicts()
    items, following = page_of(rows, limit, lambda row: [row["household_id"]])
    asked = {"what": "due", "rows": len(items), "after": id_in(cursor) or None, "batch": batch_id}
    note_look(trail, actor, now, Act.AWARD_READ, f"settlement:{settlement_id}", reason, **asked)
    return Page(items=[DueHouseholdRead.model_validate(item) for item in items], next=following)
