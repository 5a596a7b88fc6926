"""The bank account to which a household is paid."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import payout_account_service as service

router = APIRouter(prefix="/v1/me/payout-account", tags=["household"])

Reader = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_WRITE))]


class AccountBody(BaseModel):
    """An IBAN (perhaps with a BIC), or, where there are none, bank code and number."""

    model_config = ConfigDict(extra="forbid")

    holder: str = Field(min_length=1, max_length=140, description="As the bank has it.")
    own_account: bool = Field(description="That the account is your own. The bank refuses others.")
    iban: str | None = Field(None, max_length=60)
    bic: str | None = Field(None, max_length=20)
    bank_code: str | None = Field(None, max_length=20)
    number: str | None = Field(None, max_length=60)


class AccountRead(BaseModel):
    """Its last characters: the rest is not shown again."""

    model_config = ConfigDict(from_attributes=True)

    shown: str
    own_account: bool
    changed_at: datetime
    refused_at: datetime | None = Field(description="Since when a bank does not take it: name another one.")
    refused_reason: str | None


@router.put("", summary="Name your own bank account")
async def put_account(new: AccountBody, request: Request, session: Writing, now: Now, actor: Member) -> AccountRead:
    """It is kept sealed. A payment that is with the bank already goes to the account before."""
    given = new.model_dump(exclude_none=True, exclude={"holder", "own_account"})
    sealer = request.app.state.sealer
    row = await service.put(session, actor, now, sealer, new.holder, given, new.own_account)
    return AccountRead.model_validate(row)


@router.get("", summary="Your bank account, masked")
async def get_account(session: Reading, actor: Reader) -> AccountRead:
    return AccountRead.model_validate(await service.get(session, actor))


@router.delete("", status_code=204, summary="Remove your bank account")
async def remove_account(session: Writing, now: Now, actor: Member) -> None:
    await service.remove(session, actor, now)
