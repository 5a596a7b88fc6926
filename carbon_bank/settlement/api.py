"""Settlements for the city's staff: prepare, look, approve, post."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.settlement import review_service, service
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.service import Award, Settlement
from carbon_bank.settlement.states import SettlementState
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/settlements", tags=["settlement"])

Id = Annotated[int, Path(ge=1, lt=2**63)]
Reader = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_READ))]
Preparer = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_PREPARE))]
Approver = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_APPROVE))]
Poster = Annotated[Actor, Depends(allowed(Permission.SETTLEMENT_POST))]


class NewSettlement(BaseModel):
    model_config = ConfigDict(extra="forbid")

    period: str = Field(max_length=20, examples=["2026-H1"])


class Withdrawal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000)


class Total(BaseModel):
    commodity: str
    outcome: str
    review: str
    awards: int
    points: int
    avoided_g: int


class InReview(BaseModel):
    """Awards that are `held`, or were and are `released` or `rejected`, with their points."""

    model_config = ConfigDict(from_attributes=True)

    review: str
    awards: int
    points: int


class SettlementRead(BaseModel):
    """`as_of` is the moment up to which it reads what was recorded."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    period: str
    state: SettlementState
    prepared_by: str
    requested_at: datetime
    as_of: datetime | None
    households: int | None
    computed_at: datetime | None
    approved_by: str | None
    approved_at: datetime | None
    posted_at: datetime | None
    withdrawn_by: str | None
    withdrawn_reason: str | None


class SettlementDetail(SettlementRead):
    policy: str
    policy_digest: str
    totals: list[Total] = Field(description="As computed: by what people decided since, see `reviews`.")
    reviews: list[InReview] = Field(description="What is held now, and what was decided about the rest.")


class AwardRead(BaseModel):
    """Quantities in base units (Wh, L; grams CO2e where the commodity is `combined`). The baseline is exact: a fraction."""

    id: str = Field(examples=["12-3456-electricity"])
    settlement_id: int
    household_id: int
    commodity: str
    outcome: str
    usage: int | None
    baseline: str | None = Field(description="Numerator/denominator.", examples=["3500000/2"])
    points: int
    avoided_g: int | None
    tier: int | None = Field(description="Which tier applied, from 1.")
    streak: int = Field(description="The run of reductions after this period.")
    review: str
    findings: list[dict[str, Any]]
    policy_digest: str = Field(description="SHA-256 of the policy that settled it.")

    @classmethod
    def of(cls, award: Award, policy_digest: str) -> AwardRead:
        baseline = None if award.baseline_num is None else f"{award.baseline_num:f}/{award.baseline_den:f}"
        name = AwardId(award.settlement_id, award.household_id, award.commodity)
        told = award.model_dump(exclude={"baseline_num", "baseline_den"})
        return cls(id=str(name), **told, baseline=baseline, policy_digest=policy_digest)


@router.post("", status_code=202, summary="Prepare the settlement of a period")
async def request_settlement(new: NewSettlement, session: Writing, now: Now, actor: Preparer) -> SettlementRead:
    """Under the policy in force for it. A job computes it; look at it until its state is `computed`."""
    return _read(await service.request_settlement(session, actor, now, period=Period.parse(new.period)))


@router.get("", summary="The city's settlements, the newest first")
async def list_settlements(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[SettlementRead]:
    key = read_cursor(cursor, (int,))
    rows = await service.list_settlements(session, actor, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[_read(item) for item in items], next=following)


@router.get("/{settlement_id}", summary="One settlement with its totals")
async def get_settlement(settlement_id: Id, session: Reading, actor: Reader) -> SettlementDetail:
    settlement = await service.get_settlement(session, actor, settlement_id)
    policy = await service.policy_of(session, settlement)
    totals = [Total.model_validate(total.model_dump()) for total in await service.totals_of(session, settlement_id)]
    return SettlementDetail(
        **_read(settlement).model_dump(),
        policy=policy.reference,
        policy_digest=policy.digest,
        totals=totals,
        reviews=[InReview.model_validate(each) for each in await review_service.review_counts(session, settlement_id)],
    )


@router.get("/{settlement_id}/awards", summary="Its awards, by household and commodity")
async def list_awards(
    settlement_id: Id,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[AwardRead]:
    settlement = await service.get_settlement(session, actor, settlement_id)
    key = read_cursor(cursor, (int, str))
    rows = await service.list_awards(session, settlement_id, key, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.household_id, row.commodity])
    asked = {"what": "awards", "rows": len(items), "after": key[0] if key else None}
    note_look(trail, actor, now, Act.AWARD_READ, f"settlement:{settlement_id}", reason, **asked)
    digest = await service.digest_of(session, settlement)
    return Page(items=[AwardRead.of(item, digest) for item in items], next=following)


@router.post("/{settlement_id}/approve", summary="Approve a settlement that somebody else prepared")
async def approve(settlement_id: Id, session: Writing, now: Now, actor: Approver) -> SettlementRead:
    return _read(await service.approve(session, actor, now, settlement_id))


@router.post("/{settlement_id}/post", status_code=202, summary="Post an approved settlement to the ledger")
async def start_posting(settlement_id: Id, session: Writing, now: Now, actor: Poster) -> SettlementRead:
    """A job posts it; look at it until its state is `posted`. Asking again while it is under way changes nothing."""
    return _read(await service.start_posting(session, actor, now, settlement_id))


@router.post("/{settlement_id}/withdraw", summary="Give up a settlement that is not approved")
async def withdraw(
    settlement_id: Id, withdrawal: Withdrawal, session: Writing, now: Now, actor: Preparer
) -> SettlementRead:
    return _read(await service.withdraw(session, actor, now, settlement_id, withdrawal.reason))


def _read(settlement: Settlement) -> SettlementRead:
    return SettlementRead.model_validate(settlement)
