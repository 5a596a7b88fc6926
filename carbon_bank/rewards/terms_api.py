"""The terms on which a city gives rewards."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import terms_service as service
from carbon_bank.rewards.offer import POINTS_MAX

router = APIRouter(prefix="/v1/reward-terms", tags=["rewards"])

Reader = Annotated[Actor, Depends(allowed(Permission.REDEMPTION_READ))]
EveryReader = Annotated[Actor, Depends(allowed(Permission.REWARDS_READ))]
Preparer = Annotated[Actor, Depends(allowed(Permission.REWARDS_WRITE))]
Approver = Annotated[Actor, Depends(allowed(Permission.REWARDS_APPROVE))]
RewardNumber = Annotated[int, Field(ge=1, lt=2**63)]


class PayerBody(BaseModel):
    """The city's own bank account: an IBAN, or bank code and number."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=140)
    iban: str | None = Field(None, max_length=60)
    bic: str | None = Field(None, max_length=20)
    bank_code: str | None = Field(None, max_length=20)
    number: str | None = Field(None, max_length=60)
    system: str | None = Field(None, max_length=5)
    service_level: str | None = Field(None, max_length=4)


class NewTermsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    point_value: str = Field(
        max_length=40,
        description="Of one point, in the city's currency: a decimal or a fraction.",
        examples=["2", "1.4"],
    )
    claim_days: int = Field(
        ge=1, le=366, description="How long something waits for a household, and points wait for its choice."
    )
    unclaimed_reward_id: RewardNumber | None = Field(
        None, description="A donation that gets what nobody picked up. Left out: the points go back to the household."
    )
    default_reward_id: RewardNumber | None = Field(
        None, description="What a household gets that made no choice in time."
    )
    default_points_least: int | None = Field(None, ge=1, le=POINTS_MAX)
    payer: PayerBody | None = Field(None, description="Needed before payouts by bank transfer.")

    def given(self) -> service.NewTerms:
        payer = None if self.payer is None else self.payer.model_dump(exclude_none=True)
        return service.NewTerms(**self.model_dump(exclude={"payer"}), payer=payer)


class TermsRead(BaseModel):
    """In force are the last ones that were approved."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    point_value: str
    currency: str
    claim_days: int
    unclaimed: str
    unclaimed_reward_id: int | None
    default_reward_id: int | None
    default_points_least: int | None
    payer: dict[str, str] | None
    prepared_by: str
    prepared_at: datetime
    approved_by: str | None
    approved_at: datetime | None

    @classmethod
    def of(cls, row: service.RewardTerms) -> TermsRead:
        return cls.model_validate({**row.model_dump(), "point_value": str(service.value_of(row))})


class TermsInForce(BaseModel):
    """What everybody in the city may know of the terms."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    point_value: str = Field(description="Of one point, exact.")
    currency: str
    claim_days: int
    unclaimed: str
    unclaimed_reward_id: int | None
    default_reward_id: int | None
    default_points_least: int | None


@router.get("/in-force", summary="What a point is worth, and what becomes of points that nobody claims")
async def get_in_force(session: Reading, actor: EveryReader) -> TermsInForce:
    row = await service.get_in_force(session, actor)
    return TermsInForce.model_validate({**row.model_dump(), "point_value": str(service.value_of(row))})


@router.get("", summary="The city's terms, the newest first")
async def list_terms(session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100) -> Page[TermsRead]:
    key = read_cursor(cursor, (int,))
    rows = await service.listed(session, actor, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[TermsRead.of(item) for item in items], next=following)


@router.post("", status_code=201, summary="Prepare terms")
async def prepare(new: NewTermsBody, session: Writing, now: Now, actor: Preparer) -> TermsRead:
    return TermsRead.of(await service.prepare(session, actor, now, new.given()))


@router.post("/{terms_id}/approve", summary="Put terms in force that somebody else prepared")
async def approve(
    terms_id: Annotated[int, Path(ge=1, lt=2**63)], session: Writing, now: Now, actor: Approver
) -> TermsRead:
    return TermsRead.of(await service.approve(session, actor, now, terms_id))
