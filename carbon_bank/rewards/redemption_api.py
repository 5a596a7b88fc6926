"""What a household has asked for, and asks for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import answer_service
from carbon_bank.ledger.answer_service import Answer
from carbon_bank.rewards import redemption_end_service, redemption_view_service
from carbon_bank.rewards.offer import POINTS_MAX
from carbon_bank.rewards.pickup_code import qr_svg
from carbon_bank.rewards.redemption_read_api import OwnRedemption, RedemptionRead
from carbon_bank.rewards.redemption_service import Asked, redeem
from carbon_bank.rewards.redemption_view_service import Wanted, show

router = APIRouter(prefix="/v1/me/redemptions", tags=["household"])

Reader = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_WRITE))]
RedemptionId = Annotated[int, Path(ge=1, lt=2**63)]


class NewRedemption(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reward_id: int = Field(ge=1, lt=2**63)
    points: int | None = Field(None, ge=1, le=POINTS_MAX, description="Left out where the reward has a fixed price.")


@router.post(
    "",
    status_code=201,
    summary="Exchange points for a reward",
    response_model=RedemptionRead,
    responses={409: {"description": "Not now: too few points, none left, a limit, or a request under the same key."}},
)
async def ask(
    request: Request,
    new: NewRedemption,
    session: Writing,
    now: Now,
    actor: Member,
    idempotency_key: Annotated[
        str | None, Header(description="1 to 200 printable characters; another one for each thing that you want.")
    ] = None,
) -> Response:
    """The points go on hold, and leave when the reward is yours. Sent again with the same Idempotency-Key and the same bytes, it
    is the same redemption, and the answer says `Idempotent-Replayed: true`. Codes are at `GET /v1/me/redemptions/{id}`."""
    household_id = actor.of_household()
    keyed = answer_service.request_of(household_id, idempotency_key, "POST", request.url.path, await request.body())
    earlier = await answer_service.earlier_answer(session, keyed)
    if earlier is not None:
        return _answered(earlier, {"Idempotent-Replayed": "true"})
    asked = Asked(actor.of_city(), household_id, new.reward_id, new.points, actor.subject)
    sealer: Sealer = request.app.state.sealer
    row = await redeem(session, now, sealer, asked)
    told = RedemptionRead.of(await show(session, row)).model_dump_json().encode()
    answer = Answer(201, told)
    await answer_service.keep_answer(session, now, keyed, answer)
    return _answered(answer, {"Location": f"/v1/me/redemptions/{row.id}"})


def _answered(answer: Answer, headers: dict[str, str]) -> Response:
    return Response(answer.body, answer.status, headers=headers, media_type="application/json")


@router.get("", summary="Your redemptions, the newest first")
async def list_own(session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100) -> Page[RedemptionRead]:
    key = read_cursor(cursor, (int,))
    wanted = Wanted(actor.of_city(), household_id=actor.of_household())
    rows = await redemption_view_service.listed(session, wanted, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda each: [each.row.id or 0])
    return Page(items=[RedemptionRead.of(item) for item in items], next=following)


@router.get("/{redemption_id}", summary="One of your redemptions, with its codes")
async def get_own(redemption_id: RedemptionId, request: Request, session: Reading, actor: Reader) -> OwnRedemption:
    row, _ = await redemption_end_service.get_own(session, actor, redemption_id)
    codes = await redemption_view_service.own_codes(session, actor, request.app.state.sealer, redemption_id)
    pickup = codes.pickup
    return OwnRedemption(
        **RedemptionRead.of(await show(session, row)).model_dump(),
        voucher=codes.voucher,
        voucher_expires_on=codes.voucher_expires_on,
        pickup_code=None if pickup is None else str(pickup),
        pickup_svg=None if pickup is None else qr_svg(pickup, f"Pickup code of redemption {row.id}"),
    )


@router.post("/{redemption_id}/cancel", summary="Take a redemption back, and have its points again")
async def cancel(redemption_id: RedemptionId, session: Writing, now: Now, actor: Member) -> RedemptionRead:
    """As long as nobody has begun to fulfil it."""
    row = await redemption_end_service.cancel(session, actor, now, redemption_id)
    return RedemptionRead.of(await show(session, row))
