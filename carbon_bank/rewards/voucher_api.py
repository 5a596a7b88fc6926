"""Filling a pool with codes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from carbon_bank.foundation.web import Now, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import voucher_service
from carbon_bank.rewards.voucher_file import read_vouchers

router = APIRouter(prefix="/v1/rewards", tags=["rewards"])

Writer = Annotated[Actor, Depends(allowed(Permission.REWARDS_WRITE))]
CSV = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string", "format": "binary"}}}}}


class AddedRead(BaseModel):
    vouchers: int
    sha256: str = Field(description="Of the file, as the trail has it.")


@router.post("/{reward_id}/vouchers", status_code=201, summary="Add codes to a pool", openapi_extra=CSV)
async def add_vouchers(
    reward_id: Annotated[int, Path(ge=1, lt=2**63)], request: Request, session: Writing, now: Now, actor: Writer
) -> AddedRead:
    """The body is a CSV with the column `code`, and perhaps `expires_on`. All of it is added, or nothing: a wrong line, a code
    that stands twice, and one that is in the pool already are told with their lines."""
    reward = await voucher_service.open_pool(session, actor, reward_id)
    content = await request.body()
    read = read_vouchers(content, "the file")
    added = await voucher_service.add_vouchers(session, actor, now, reward, content, read)
    return AddedRead(vouchers=added.vouchers, sha256=added.sha256)
