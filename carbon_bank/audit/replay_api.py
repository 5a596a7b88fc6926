"""One household of a settlement computed once more, for an auditor. A whole settlement: `carbon-bank audit replay`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from carbon_bank.audit import replay_service as service
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Auditor = Annotated[Actor, Depends(allowed(Permission.AUDIT_READ))]
Id = Annotated[int, Path(ge=1, lt=2**63)]
HouseholdId = Annotated[int, Query(ge=1, lt=2**63, description="The household to recompute.")]


class DifferenceRead(BaseModel):
    """Household and commodity are null, where it is about the settlement or its policy."""

    household_id: int | None
    commodity: str | None
    table: str = Field(examples=["award"])
    column: str = Field(description="`row`: the whole row is missing, or should not be there.", examples=["points"])
    stands: str = Field(description="Null is the empty text.", examples=["5001"])
    recomputed: str = Field(examples=["5000"])


class ReplayRead(BaseModel):
    settlement_id: int
    household_id: int
    awards: int = Field(description="How many awards the household has, computed once more.")
    differences: list[DifferenceRead]


@router.get("/settlements/{settlement_id}/replay", summary="A household's awards computed once more, and compared")
async def replay_household(
    settlement_id: Id,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Auditor,
    household_id: HouseholdId,
    reason: ReadingReason = None,
) -> ReplayRead:
    """From its readings as they stood when the settlement was computed, by the settlement's own policy. Where the policy
    compares households, against the totals of the city that were kept: whether those are right, a replay of the whole says."""
    part = await service.replay_household(session, actor, settlement_id, household_id)
    asked = {"what": "replay", "settlement": settlement_id}
    note_look(trail, actor, now, Act.AWARD_READ, f"household:{household_id}", reason, **asked)
    found = [DifferenceRead.model_validate(row) for row in part.differences.drop("row").to_dicts()]
    return ReplayRead(settlement_id=settlement_id, household_id=household_id, awards=part.awards, differences=found)
