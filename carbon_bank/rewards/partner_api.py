"""What partners' clients ask for and tell."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import partner_service as service
from carbon_bank.rewards import redemption_view_service
from carbon_bank.rewards.redemption_read_api import PartnerRedemption
from carbon_bank.rewards.redemption_states import Reason, RedemptionState
from carbon_bank.rewards.redemption_view_service import Wanted, show
from carbon_bank.webhooks import received_service

router = APIRouter(prefix="/v1/partner", tags=["partners"])

Partner = Annotated[Actor, Depends(allowed(Permission.REDEMPTION_FULFIL))]
RedemptionId = Annotated[int, Path(ge=1, lt=2**63)]


async def _signed(request: Request, session: Writing, now: Now, actor: Partner) -> bool:
    """A callback may be signed as well, as webhooks are. False: it came before, and is not acted on again."""
    if "webhook-signature" not in request.headers:
        return True
    sealer = request.app.state.sealer
    body = await request.body()
    return await received_service.check_signed(session, now, sealer, actor.of_client(), request.headers, body)


IsNew = Annotated[bool, Depends(_signed)]


class Confirm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reference: str | None = Field(None, min_length=1, max_length=100, description="Your own number for it.")


class Refuse(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason = Reason.PARTNER_REFUSED
    words: str = Field(min_length=3, max_length=500, description="Why; the household reads it.")


class Scan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str = Field(min_length=1, max_length=200, description="As it was scanned or typed.")


@router.get("/redemptions", summary="What households asked of you, the newest first")
async def list_own(
    session: Reading, actor: Partner, state: RedemptionState | None = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[PartnerRedemption]:
    """Should a webhook be lost: here is everything."""
    key = read_cursor(cursor, (int,))
    wanted = Wanted(actor.of_city(), partner_id=actor.of_client(), state=state)
    rows = await redemption_view_service.listed(session, wanted, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda each: [each.row.id or 0])
    return Page(items=[PartnerRedemption.of(item) for item in items], next=following)


@router.get("/redemptions/{redemption_id}", summary="One of them")
async def get_own(redemption_id: RedemptionId, session: Reading, actor: Partner) -> PartnerRedemption:
    row, _ = await service.get_own(session, actor, redemption_id)
    return PartnerRedemption.of(await show(session, row))


@router.post("/redemptions/{redemption_id}/accept", summary="Say that you have begun with it")
async def accept(
    redemption_id: RedemptionId, session: Writing, now: Now, actor: Partner, is_new: IsNew
) -> PartnerRedemption:
    """From now on the household cannot take it back. You need not: it can be confirmed straight away."""
    if not is_new:
        return await get_own(redemption_id, session, actor)
    row = await service.take_up(session, actor, now, redemption_id)
    return PartnerRedemption.of(await show(session, row))


@router.post("/redemptions/{redemption_id}/confirm", summary="Say that the household has it")
async def confirm(
    redemption_id: RedemptionId, told: Confirm, session: Writing, now: Now, actor: Partner, is_new: IsNew
) -> PartnerRedemption:
    """Its points leave. After the deadline, or once it has ended otherwise, it is refused (409), and says its state."""
    if not is_new:
        return await get_own(redemption_id, session, actor)
    row = await service.confirm(session, actor, now, redemption_id, told.reference)
    return PartnerRedemption.of(await show(session, row))


@router.post("/redemptions/{redemption_id}/refuse", summary="Say that you cannot give it")
async def refuse(
    redemption_id: RedemptionId, why: Refuse, session: Writing, now: Now, actor: Partner, is_new: IsNew
) -> PartnerRedemption:
    """Its points return to the household, which reads why."""
    if not is_new:
        return await get_own(redemption_id, session, actor)
    row = await service.refuse(session, actor, now, redemption_id, why.reason, why.words)
    return PartnerRedemption.of(await show(session, row))


@router.post("/pickups", summary="Scan a code at the counter")
async def pick_up(scan: Scan, request: Request, session: Writing, now: Now, actor: Partner) -> PartnerRedemption:
    """Once. The answer says what to hand out."""
    row = await service.pick_up(session, actor, now, request.app.state.sealer, scan.code)
    return PartnerRedemption.of(await show(session, row))
