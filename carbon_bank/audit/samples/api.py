"""Samples for auditors, as JSON."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.audit.findings.kinds import explanation
from carbon_bank.audit.samples import service
from carbon_bank.audit.samples.sampling import NONCE_MAX, SIZE_MAX, Method, Sample, Strata
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Auditor = Annotated[Actor, Depends(allowed(Permission.AUDIT_READ))]


class SeedRead(BaseModel):
    text: str = Field(description="What is hashed, its line feeds included.")
    sha256: str


class StratumRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    items: int
    points: int
    size: int


class ChosenRead(BaseModel):
    """An award of the sample. `place`: its row in the population by household and commodity, from 0."""

    place: int
    household_id: int
    commodity: str
    outcome: str
    review: str
    points: int = Field(description="What it pays: none while it is held, or when it was rejected.")
    stratum: str
    hits: int = Field(description="How many selections fell on it; more than one only by `points`.")
    explanation: str


class SampleRead(BaseModel):
    settlement_id: int
    method: Method
    strata: list[StratumRead]
    size: int
    items: int = Field(description="Awards of the population.")
    points: int = Field(description="Points that they pay.")
    interval: str | None = Field(description="Points from one selection to the next, exact; null but for `points`.")
    root: str = Field(description="In hexadecimal.")
    nonce: str
    seed: SeedRead
    rows: list[ChosenRead]

    @classmethod
    def of(cls, sample: Sample) -> SampleRead:
        asked = sample.asked
        rows = [
            ChosenRead(**vars(row), explanation=explanation(asked.settlement_id, row.household_id, row.commodity))
            for row in sample.rows
        ]
        return cls(
            settlement_id=asked.settlement_id,
            method=asked.method,
            strata=[StratumRead.model_validate(each) for each in sample.strata],
            size=asked.size,
            items=sample.items,
            points=sample.points,
            interval=None if sample.interval is None else str(sample.interval),
            root=asked.root.hex(),
            nonce=asked.nonce,
            seed=SeedRead(text=asked.seed_text(), sha256=asked.seed().hex()),
            rows=rows,
        )


@router.get("/settlements/{settlement_id}/sample", summary="A sample of a settlement's awards that can be drawn again")
async def get_sample(
    settlement_id: Annotated[int, Path(ge=1, lt=2**63)],
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Auditor,
    method: Method,
    size: Annotated[int, Query(ge=1, le=SIZE_MAX)],
    nonce: Annotated[str, Query(max_length=NONCE_MAX, description="The auditor's own; say it to nobody before.")],
    root: Annotated[
        str | None,
        Query(max_length=100, description="Root of the city's log, in base64 or hexadecimal. Left out: its last one."),
    ] = None,
    strata: Annotated[Strata | None, Query(description="For `stratified`; left out: commodity and outcome.")] = None,
    reason: ReadingReason = None,
) -> SampleRead:
    """The same root, nonce, method and awards give the same sample: docs/sampling.md has the recipe."""
    found = await service.sample(
        session, actor, settlement_id, method=method, size=size, nonce=nonce, root=root, strata=strata
    )
    asked = {"what": "sample", "rows": len(found.rows), "method": method}
    note_look(trail, actor, now, Act.AWARD_READ, f"settlement:{settlement_id}", reason, **asked)
    return SampleRead.of(found)
