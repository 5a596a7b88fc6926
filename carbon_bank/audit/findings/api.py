"""The findings report for auditors."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from carbon_bank.audit.findings import scope_service as scopes
from carbon_bank.audit.findings import service
from carbon_bank.audit.findings.kinds import CASES_MAX, Code, Expect
from carbon_bank.audit.findings.sheet import as_document
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Auditor = Annotated[Actor, Depends(allowed(Permission.AUDIT_READ))]
Month = Annotated[str | None, Query(max_length=20, examples=["2026-01"])]


class CaseRead(BaseModel):
    """One thing to look at; `link` is where the API explains it."""

    households: list[int]
    settlement_id: int | None
    commodity: str | None
    figures: dict[str, int | str]
    link: str


class FindingRead(BaseModel):
    """What a look at one kind came to."""

    kind: Code
    expect: Expect = Field(description="Whether an honest city has none of these, or always some.")
    looks_for: str
    then: str = Field(description="What to do with a case.")
    thresholds: dict[str, str]
    looked_at: int
    found: int
    numbers: dict[str, int | str]
    passed_over: str | None = Field(description="Why nothing, or not all, was looked at.")
    cases: list[CaseRead] = Field(description=f"The first {CASES_MAX}, those to look at first.")


class FindingsRead(BaseModel):
    months: str = Field(examples=["2026-01..2026-06"])
    findings: list[FindingRead]


@router.get("/findings", summary="Places to look at, beyond what the rules hold back")
async def get_findings(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Auditor,
    settlement_id: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Its months and awards; or give months.")
    ] = None,
    first: Annotated[Month, Query(alias="from", description="The first month.")] = None,
    last: Annotated[Month, Query(alias="to", description="The last month, included.")] = None,
    kind: Annotated[list[Code] | None, Query(max_length=len(Code), description="Left out: all kinds.")] = None,
    reason: ReadingReason = None,
) -> FindingsRead:
    """Of one settlement, or of months. Takes up to a minute in a large city: name the kinds that you need."""
    await service.begin(session)
    if settlement_id is not None and first is None and last is None:
        scope = await scopes.of_settlement(session, actor, now, settlement_id)
    elif settlement_id is None and first is not None and last is not None:
        scope = await scopes.of_months(session, actor, first, last)
    else:
        raise InvalidInput("audit.scope", "Say what the report is about: settlement_id, or from and to as 2026-01.")
    report = [each async for each in service.report(session, scope, kind or tuple(Code))]
    subject = None if settlement_id is None else f"settlement:{settlement_id}"
    note_look(trail, actor, now, Act.FINDINGS_READ, subject, reason, months=scope.months, kinds=kind)
    return FindingsRead.model_validate(as_document(scope.months, report))
