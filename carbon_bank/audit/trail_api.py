"""The trail for auditors: who did what, from where, and what it changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.audit import trail_service as service
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Reading
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.trail.service import Act, Wanted

router = APIRouter(prefix="/v1/audit", tags=["audit"])

EARLIEST, LATEST = date(1970, 1, 1), date(2999, 12, 31)
Day = Annotated[date | None, Query(ge=EARLIEST, le=LATEST)]


class ActRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    by: str = Field(examples=["person:12", "client:7", "system:worker"])
    role: str | None = Field(
        description="In which role; null: a program of the bank's own, or from before it was kept."
    )
    client: str | None = Field(description="The address that the request came from. Of households none is kept.")
    act: str
    subject: str = Field(description="To what it was done.", examples=["settlement:12"])
    reason: str | None
    request_id: str | None
    facts: dict[str, Any] = Field(
        description="Numbers and names. Where a thing was changed, `before` and `after`; of what is long its digest."
    )


@router.get("/trail", summary="Who did what in the city, the newest first")
async def list_acts(
    session: Reading,
    actor: Annotated[Actor, Depends(allowed(Permission.AUDIT_READ))],
    act: Annotated[Act | None, Query(description="Only this act.")] = None,
    subject: Annotated[
        str | None, Query(max_length=200, description="Only what was done to this, as settlement:12.")
    ] = None,
    by: Annotated[str | None, Query(max_length=100, description="Only what somebody did, as person:12.")] = None,
    first: Annotated[Day, Query(alias="from", description="The first day, in the city.")] = None,
    last: Annotated[Day, Query(alias="to", description="The last day, included.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ActRead]:
    """Acts of an admin that are of no city are not among them."""
    key = read_cursor(cursor, (int,))
    wanted = Wanted(act, subject, by)
    rows = await service.acts(session, actor, wanted, (first, last), int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[ActRead.model_validate(item) for item in items], next=following)
