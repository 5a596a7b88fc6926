"""Redemptions for the city's staff and auditors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import redemption_end_service as service
from carbon_bank.rewards import redemption_view_service
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.redemption_read_api import RedemptionRead
from carbon_bank.rewards.redemption_states import Reason, RedemptionState
from carbon_bank.rewards.redemption_view_service import Wanted, show
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/redemptions", tags=["rewards"])

Reader = Annotated[Actor, Depends(allowed(Permission.REDEMPTION_READ))]
Reviewer = Annotated[Actor, Depends(allowed(Permission.REDEMPTION_REVIEW))]
RedemptionId = Annotated[int, Path(ge=1, lt=2**63)]
Number = Annotated[int | None, Query(ge=1, lt=2**63)]


class Refuse(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason = Reason.OTHER
    words: str = Field(min_length=3, max_length=500, description="Why. It stays on record, and the household reads it.")


@router.get("", summary="The city's redemptions, the newest first")
async def list_redemptions(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    state: RedemptionState | None = None,
    channel: Channel | None = None,
    reward_id: Number = None,
    household_id: Number = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[RedemptionRead]:
    key = read_cursor(cursor, (int,))
    wanted = Wanted(actor.of_city(), household_id, None, state, channel, reward_id)
    before = int(key[0]) if key else None
    rows = await redemption_view_service.listed(session, wanted, before, limit + 1)
    items, following = page_of(rows, limit, lambda each: [each.row.id or 0])
    note_look(
        trail,
        actor,
        now,
        Act.REDEMPTION_READ,
        None if household_id is None else f"household:{household_id}",
        reason,
        what="list",
        rows=len(items),
        before=before,
        state=state,
        channel=channel,
        reward=reward_id,
    )
    return Page(items=[RedemptionRead.of(item) for item in items], next=following)


@router.get("/{redemption_id}", summary="One redemption")
async def get_redemption(
    redemption_id: RedemptionId,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    reason: ReadingReason = None,
) -> RedemptionRead:
    """Without its codes, which only its household sees."""
    row, _ = await service.get_of_city(session, actor, redemption_id)
    shown = await show(session, row)
    note_look(trail, actor, now, Act.REDEMPTION_READ, f"redemption:{redemption_id}", reason)
    return RedemptionRead.of(shown)


@router.post("/{redemption_id}/refuse", summary="End a redemption that waits, and say why")
async def refuse(
    redemption_id: RedemptionId, why: Refuse, session: Writing, now: Now, actor: Reviewer
) -> RedemptionRead:
    """Its points and its stock return."""
    row = await service.refuse(session, actor, now, redemption_id, why.reason, why.words)
    return RedemptionRead.of(await show(session, row))
