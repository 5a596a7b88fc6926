"""A privacy officer has the log forget a household."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.audit.log import erasure_service
from carbon_bank.foundation.web import Now, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission

router = APIRouter(prefix="/v1/households/{household_id}", tags=["audit"])

Officer = Annotated[Actor, Depends(allowed(Permission.PRIVACY_ERASE))]


class Forgetting(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=1000, description="It stays on the trail.")


@router.post("/forgetting", summary="Make what the log has of a household meaningless", status_code=204)
async def forget(
    household_id: Annotated[int, Path(ge=1, lt=2**63)], body: Forgetting, actor: Officer, session: Writing, now: Now
) -> None:
    """For good: its leaves stay where they are, proofs hold, and nobody can show any more what they meant.

    The account has to be closed, and all that moved it sealed.
    """
    await erasure_service.forget(session, actor, now, household_id, body.reason)
