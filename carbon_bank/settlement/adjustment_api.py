"""Adjustments, reversals and budgets for the city's staff: prepared by one person, approved by another."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import adjustment_service as service
from carbon_bank.ledger import budget_service
from carbon_bank.ledger.adjustment_service import Reason, Why
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1", tags=["ledger"])

Id = Annotated[int, Path(ge=1, lt=2**63)]
Preparer = Annotated[Actor, Depends(allowed(Permission.ADJUSTMENT_PREPARE))]
Approver = Annotated[Actor, Depends(allowed(Permission.ADJUSTMENT_APPROVE))]
Reader = Annotated[Actor, Depends(allowed(Permission.LEDGER_READ))]
BudgetPreparer = Annotated[Actor, Depends(allowed(Permission.BUDGET_PREPARE))]
BudgetApprover = Annotated[Actor, Depends(allowed(Permission.BUDGET_APPROVE))]


class WhyGiven(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason
    reason_text: str = Field(min_length=3, max_length=1000, description="In words; the household can read it.")


class AdjustmentNew(WhyGiven):
    points: int = Field(description="Added or, below zero, taken. What is not there any more becomes debt.")
    expires_on: date | None = Field(
        None, description="Last day of points that are added. Left out: they do not expire."
    )


class Decide(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


class AdjustmentRead(BaseModel):
    """`reverses`: the journal that is taken back, where it is no adjustment of `points`."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    household_id: int | None
    points: int | None
    reverses: UUID | None
    reason: Reason
    reason_text: str
    expires_on: date | None
    state: Literal["prepared", "approved", "rejected", "withdrawn"]
    prepared_by: str
    prepared_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decided_reason: str | None
    journal_id: UUID | None


class AccountMoved(BaseModel):
    """What an account holds after it; `forgiven`: points not asked back, since they expired or the debt has a limit."""

    household_id: int
    available: int
    held: int
    debt: int
    forgiven: int


class Approved(AdjustmentRead):
    accounts: list[AccountMoved] = Field(description=f"The first {100} accounts that moved.")


class BudgetNew(BaseModel):
    model_config = ConfigDict(extra="forbid")

    starts_on: date
    ends_on: date = Field(description="The first day that it no longer covers.")
    points: int = Field(ge=1, lt=2**53)


class BudgetRead(BaseModel):
    """`used`: what settlements, restatements, released awards and adjustments have reserved."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    starts_on: date
    ends_on: date
    points: int
    used: int
    prepared_by: str
    approved_by: str | None
    approved_at: datetime | None


@router.post("/households/{household_id}/adjustments", status_code=201, summary="Prepare an adjustment")
async def prepare(
    household_id: Id, given: AdjustmentNew, session: Writing, now: Now, actor: Preparer
) -> AdjustmentRead:
    why, today = Why(given.reason, given.reason_text), await registry.today_in(session, actor.of_city(), now)
    made = await service.prepare(session, actor, now, household_id, given.points, why, today, given.expires_on)
    return AdjustmentRead.model_validate(made)


@router.post("/journals/{journal_id}/reversal", status_code=201, summary="Prepare the taking back of a journal")
async def prepare_reversal(
    journal_id: UUID, given: WhyGiven, session: Writing, now: Now, actor: Preparer
) -> AdjustmentRead:
    """Of everything that it posted: awards, a restatement, an adjustment or a redemption. Once, by another person's approval."""
    why = Why(given.reason, given.reason_text)
    return AdjustmentRead.model_validate(await service.prepare_reversal(session, actor, now, journal_id, why))


@router.get("/adjustments", summary="Adjustments and reversals, the newest first")
async def list_adjustments(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    state: Annotated[Literal["prepared", "approved", "rejected", "withdrawn"] | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[AdjustmentRead]:
    key = read_cursor(cursor, (int,))
    before = int(key[0]) if key else None
    rows = await service.list_adjustments(session, actor, state, before, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    asked = {"what": "adjustments", "rows": len(items), "before": before, "state": state}
    note_look(trail, actor, now, Act.ACCOUNT_READ, None, reason, **asked)
    return Page(items=[AdjustmentRead.model_validate(item) for item in items], next=following)


@router.post("/adjustments/{adjustment_id}/approve", summary="Approve and post what somebody else prepared")
async def approve(adjustment_id: Id, request: Request, session: Writing, now: Now, actor: Approver) -> Approved:
    debt_max = request.app.state.debt_points_max
    today = await registry.today_in(session, actor.of_city(), now)
    made, moved = await service.approve(session, actor, now, adjustment_id, today, debt_max)
    accounts = [
        AccountMoved(
            household_id=household_id,
            available=each.available,
            held=each.held,
            debt=each.debt,
            forgiven=each.forgiven,
        )
        for household_id, each in moved[:100]
    ]
    return Approved(**AdjustmentRead.model_validate(made).model_dump(), accounts=accounts)


@router.post("/adjustments/{adjustment_id}/reject", summary="Reject what somebody prepared")
async def reject(adjustment_id: Id, why: Decide, session: Writing, now: Now, actor: Approver) -> AdjustmentRead:
    return AdjustmentRead.model_validate(await service.reject(session, actor, now, adjustment_id, why.reason))


@router.post("/adjustments/{adjustment_id}/withdraw", summary="Withdraw an adjustment before it is approved")
async def withdraw(adjustment_id: Id, why: Decide, session: Writing, now: Now, actor: Preparer) -> AdjustmentRead:
    return AdjustmentRead.model_validate(await service.withdraw(session, actor, now, adjustment_id, why.reason))


@router.post("/budgets", status_code=201, summary="Prepare a budget of points")
async def prepare_budget(given: BudgetNew, session: Writing, now: Now, actor: BudgetPreparer) -> BudgetRead:
    """Once a city has a budget, nothing is granted beyond it, nor on a day that none covers."""
    made = await budget_service.prepare(
        session, actor, now, starts_on=given.starts_on, ends_on=given.ends_on, points=given.points
    )
    return BudgetRead.model_validate(made)


@router.get("/budgets", summary="Budgets, the latest first, with what is used")
async def list_budgets(session: Reading, actor: Reader) -> list[BudgetRead]:
    return [BudgetRead.model_validate(each) for each in await budget_service.list_budgets(session, actor)]


@router.post("/budgets/{budget_id}/approve", summary="Approve a budget that somebody else prepared")
async def approve_budget(budget_id: Id, session: Writing, now: Now, actor: BudgetApprover) -> BudgetRead:
    return BudgetRead.model_validate(await budget_service.approve(session, actor, now, budget_id))
