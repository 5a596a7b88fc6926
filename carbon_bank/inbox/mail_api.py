"""How e-mail goes, for the city's staff: numbers, and neither addresses nor texts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.web import Now, Reading
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.inbox import mail_service
from carbon_bank.inbox.mail_states import MailState

router = APIRouter(prefix="/v1/inbox", tags=["inbox"])

Reader = Annotated[Actor, Depends(allowed(Permission.INBOX_READ))]
DAYS_MAX = 366


class TroubleRead(BaseModel):
    """Mails that something stood in the way of."""

    model_config = ConfigDict(from_attributes=True)

    state: MailState
    trouble: str = Field(
        description="Of the server as a whole: `unreachable`, `tls`, `credentials`, `sender`. Of one mail: `later`, `refused`, "
        "`unwritable`, `no_address`, `not_wanted`."
    )
    code: int | None = Field(description="The reply code of the mail server, where it gave one.")
    mails: int


class MailRead(BaseModel):
    is_on: bool = Field(description="Whether the bank has a mail server. Where it has none, no mail waits.")
    days: int
    states: dict[MailState, int]
    troubles: list[TroubleRead]
    oldest_waiting_at: datetime | None


@router.get("/mail", summary="How many mails wait, were sent, or failed")
async def get_mail(
    request: Request,
    session: Reading,
    now: Now,
    actor: Reader,
    days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="Of the mails of so many days.")] = 30,
) -> MailRead:
    counts = await mail_service.counts(session, actor, now, days)
    return MailRead(
        is_on=request.app.state.sends_mail,
        days=days,
        states=counts.states,
        troubles=[TroubleRead.model_validate(each) for each in counts.troubles],
        oldest_waiting_at=counts.oldest_waiting_at,
    )
