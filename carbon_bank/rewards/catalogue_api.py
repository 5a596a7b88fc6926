"""The catalogue: what can be had for points, and the terms on which."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, id_in, page_of
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import catalogue_service as service
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.offer import POINTS_MAX, Offer

router = APIRouter(prefix="/v1/rewards", tags=["rewards"])

Reader = Annotated[Actor, Depends(allowed(Permission.REWARDS_READ))]
Writer = Annotated[Actor, Depends(allowed(Permission.REWARDS_WRITE))]
RewardId = Annotated[int, Path(ge=1, lt=2**63)]
Texts = Annotated[dict[str, Annotated[str, Field(min_length=1, max_length=2000)]], Field(max_length=20)]
Points = Annotated[int, Field(ge=1, le=POINTS_MAX)]


class OfferBody(BaseModel):
    """A reward has a fixed price in `points`; a bank transfer or a donation may have `points_least`, `_most`, `_step` instead."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{
        "code": "bus-card", "channel": "partner", "partner": "partner-0a1b2c3d4e5f", "points": 3000,
        "name": {"en": "Bus card", "ko": "교통카드"}, "stock": 500, "per_month_max": 1, "deadline_days": 14,
    }]})  # fmt: skip

    channel: Channel
    name: Texts = Field(description="By language code.")
    description: Texts = {}
    points: Points | None = None
    points_least: Points | None = None
    points_most: Points | None = None
    points_step: Points | None = None
    partner: str | None = Field(None, max_length=100, description="The client id of the partner who fulfils it.")
    stock: int | None = Field(None, ge=0, le=10**9, description="Left out: there is no end of it.")
    per_month_max: int | None = Field(None, ge=1, le=10_000, description="Redemptions of one household in a month.")
    starts_on: date | None = None
    ends_on: date | None = Field(None, description="The first day on which it can no longer be had.")
    deadline_days: int | None = Field(
        None, ge=1, le=366, description="In which it must be fulfilled. Left out: the claim days of the terms."
    )

    def offer(self) -> Offer:
        return Offer(**{name: getattr(self, name) for name in Offer.__dataclass_fields__})


class NewReward(OfferBody):
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")


class StockChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    change: int = Field(ge=-(10**9), le=10**9, description="How many are added; taken out, where it is negative.")


class RewardRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    code: str
    channel: Channel
    name: dict[str, str]
    description: dict[str, str]
    points: int | None
    points_least: int | None
    points_most: int | None
    points_step: int | None
    stock: int | None = Field(description="Null: there is no end of it. Of a pool: the codes that are left.")
    per_month_max: int | None
    starts_on: date | None
    ends_on: date | None
    deadline_days: int | None
    state: str
    prepared_at: datetime


async def _shown(session: Reading, actor: Actor, now: datetime, rows: list[service.Reward]) -> list[RewardRead]:
    left = await service.stocks(session, actor, now, rows)
    return [RewardRead.model_validate({**row.model_dump(), "stock": left[row.id or 0]}) for row in rows]


@router.get("", summary="What can be had for points today")
async def list_rewards(
    session: Reading,
    now: Now,
    actor: Reader,
    state: Annotated[Literal["draft", "active", "ended"] | None, Query(description="For the city's staff.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[RewardRead]:
    rows = await service.listed(session, actor, now, state, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=await _shown(session, actor, now, items), next=following)


@router.get("/{reward_id}", summary="One reward")
async def get_reward(reward_id: RewardId, session: Reading, now: Now, actor: Reader) -> RewardRead:
    return (await _shown(session, actor, now, [await service.get(session, actor, reward_id)]))[0]


@router.post("", status_code=201, summary="Draft a reward")
async def draft(new: NewReward, session: Writing, now: Now, actor: Writer) -> RewardRead:
    row = await service.draft(session, actor, now, new.code, new.offer())
    return (await _shown(session, actor, now, [row]))[0]


@router.put("/{reward_id}", summary="Describe a draft anew")
async def change(reward_id: RewardId, new: OfferBody, session: Writing, now: Now, actor: Writer) -> RewardRead:
    row = await service.change(session, actor, now, reward_id, new.offer())
    return (await _shown(session, actor, now, [row]))[0]


@router.post("/{reward_id}/activate", summary="Offer a reward")
async def activate(reward_id: RewardId, session: Writing, now: Now, actor: Writer) -> RewardRead:
    """From now on its price and its limits stay; end it, and draft another, to change them."""
    return (await _shown(session, actor, now, [await service.activate(session, actor, now, reward_id)]))[0]


@router.post("/{reward_id}/end", summary="Offer a reward no more")
async def end(reward_id: RewardId, session: Writing, now: Now, actor: Writer) -> RewardRead:
    """Redemptions that are under way go on."""
    return (await _shown(session, actor, now, [await service.end(session, actor, now, reward_id)]))[0]


@router.post("/{reward_id}/stock", summary="Add to the stock of a reward, or take from it")
async def add_stock(reward_id: RewardId, by: StockChange, session: Writing, now: Now, actor: Writer) -> RewardRead:
    row = await service.add_stock(session, actor, now, reward_id, by.change)
    return (await _shown(session, actor, now, [row]))[0]
