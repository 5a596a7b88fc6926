"""Held awards for the city's staff: look at them, release or reject each with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.settlement import review_service as service
from carbon_bank.settlement.api import AwardRead
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.review_service import Decision, Reviewed
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1", tags=["settlement"])

Reader = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_READ))]
Reviewer = Annotated[Actor, Depends(allowed(Permission.AWARD_REVIEW))]
Name = Annotated[str, Path(max_length=60, examples=["12-3456-electricity"])]


class Decide(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=3, max_length=1000, description="Why. It stays on record, and the household can read it."
    )


class Decided(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    decision: Decision
    by: str
    at: datetime
    reason: str


class ReviewRead(AwardRead):
    """An award that is or was held, with what was decided about it (null: nothing yet)."""

    decided: Decided | None

    @classmethod
    def with_decision(cls, reviewed: Reviewed) -> ReviewRead:
        decided = None if reviewed.decided is None else Decided.model_validate(reviewed.decided)
        return cls(**AwardRead.of(reviewed.award, reviewed.policy_digest).model_dump(), decided=decided)


@router.get("/settlements/{settlement_id}/reviews", summary="Its awards that are or were held")
async def list_reviews(
    settlement_id: Annotated[int, Path(ge=1, lt=2**63)],
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    review: Annotated[Literal["held", "released", "rejected"] | None, Query(description="Left out: all three.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[ReviewRead]:
    after = read_cursor(cursor, (int, str))
    rows = await service.awards_in_review(session, actor, settlement_id, review, after, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.award.household_id, row.award.commodity])
    asked = {"what": "reviews", "rows": len(items), "after": after[0] if after else None, "review": review}
    note_look(trail, actor, now, Act.AWARD_READ, f"settlement:{settlement_id}", reason, **asked)
    return Page(items=[ReviewRead.with_decision(item) for item in items], next=following)


@router.post("/awards/{award_id}/release", summary="Release a held award, so that it is posted")
async def release(award_id: Name, why: Decide, session: Writing, now: Now, actor: Reviewer) -> ReviewRead:
    """Where the settlement is posted, its points are posted at once. After approval, only an approver may."""
    decided = await service.decide(session, actor, now, AwardId.parse(award_id), Decision.RELEASED, why.reason)
    return ReviewRead.with_decision(decided)


@router.post("/awards/{award_id}/reject", summary="Reject a held award, so that it is never posted")
async def reject(award_id: Name, why: Decide, session: Writing, now: Now, actor: Reviewer) -> ReviewRead:
    """After the settlement's approval, only an approver may."""
    decided = await service.decide(session, actor, now, AwardId.parse(award_id), Decision.REJECTED, why.reason)
    return ReviewRead.with_decision(decided)
