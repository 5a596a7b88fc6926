"""By what a household wants to be paid out every time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import choice_service as service
from carbon_bank.rewards.offer import POINTS_MAX

router = APIRouter(prefix="/v1/me/payout-choice", tags=["household"])

Reader = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_WRITE))]


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reward_id: int = Field(ge=1, lt=2**63)
    points_least: int | None = Field(
        None, ge=1, le=POINTS_MAX, description="Wait until there are so many. Left out: as soon as it can be had."
    )


class ChoiceRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    reward_id: int
    points_least: int
    changed_at: datetime


@router.put("", summary="Be paid out by a reward every time")
async def put_choice(new: Choice, session: Writing, now: Now, actor: Member) -> ChoiceRead:
    """When a settlement is posted, and each day, as soon as there are points enough."""
    row = await service.put(session, actor, now, new.reward_id, new.points_least)
    return ChoiceRead.model_validate(row)


@router.get("", summary="What you chose")
async def get_choice(session: Reading, actor: Reader) -> ChoiceRead:
    return ChoiceRead.model_validate(await service.get(session, actor))


@router.delete("", status_code=204, summary="Choose nothing any more")
async def remove_choice(session: Writing, now: Now, actor: Member) -> None:
    await service.remove(session, actor, now)
