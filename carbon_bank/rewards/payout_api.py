"""Payout runs: prepare, approve, hand out, and take in what the bank says."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.errors import Fault
from carbon_bank.foundation.paging import Cursor, Limit, Page, id_in, page_of, read_cursor
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import payout_return_service
from carbon_bank.rewards import payout_service as service
from carbon_bank.rewards.bank_return import FAULTS_MAX, read_csv, read_pain002
from carbon_bank.rewards.worth import amount_text
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/payouts", tags=["payouts"])

Reader = Annotated[Actor, Depends(allowed(Permission.REDEMPTION_READ))]
Preparer = Annotated[Actor, Depends(allowed(Permission.PAYOUT_PREPARE))]
Approver = Annotated[Actor, Depends(allowed(Permission.PAYOUT_APPROVE))]
RunId = Annotated[int, Path(ge=1, lt=2**63)]
FILE = {"schema": {"type": "string", "format": "binary"}}
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "pain.001": "application/xml"}


class Prepare(BaseModel):
    model_config = ConfigDict(extra="forbid")

    execute_on: date = Field(description="The day on which the bank is to pay.")


class Approve(BaseModel):
    model_config = ConfigDict(extra="forbid")

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file that is to go to the bank.")


class Withdraw(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=3, max_length=500)


class RunRead(BaseModel):
    """`pain001_sha256`, `csv_sha256`: of the file in either form. The approver names one of them, and that one is handed out."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    state: str
    message_id: str
    currency: str
    execute_on: date
    payments: int
    total: str
    pain001_sha256: str
    csv_sha256: str
    prepared_by: str
    prepared_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    approved_form: str | None
    sent_at: datetime | None
    closed_at: datetime | None
    withdrawn_reason: str | None

    @classmethod
    def of(cls, row: service.PayoutRun) -> RunRead:
        return cls.model_validate({**row.model_dump(), "total": amount_text(row.total_minor, row.currency)})


class RunWithOutcomes(RunRead):
    outcomes: dict[str, int] = Field(description="Payments by what became of them: open, paid, refused, returned.")


class PaymentRead(BaseModel):
    """One transfer, without the account, which stands in the file only."""

    model_config = ConfigDict(from_attributes=True)

    redemption_id: int
    household_id: int
    end_to_end_id: str
    amount: str
    outcome: str
    bank_code: str | None
    bank_text: str | None
    decided_at: datetime | None


class FaultRead(BaseModel):
    where: str
    code: str
    message: str
    value: str | None


class ReturnRead(BaseModel):
    """What a file did. `fault_count` counts all that could not be used; `faults` has the first ones."""

    state: str
    counts: dict[str, int]
    fault_count: int
    faults: list[FaultRead]


@router.get("", summary="The city's payout runs, the newest first")
async def list_runs(
    session: Reading,
    actor: Reader,
    state: Literal["prepared", "approved", "sent", "closed", "withdrawn"] | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[RunRead]:
    key = read_cursor(cursor, (int,))
    rows = await service.listed(session, actor, state, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[RunRead.of(item) for item in items], next=following)


@router.get("/{run_id}", summary="One payout run, and what became of its payments")
async def get_run(run_id: RunId, session: Reading, actor: Reader) -> RunWithOutcomes:
    run = await service.get(session, actor, run_id)
    return RunWithOutcomes(**RunRead.of(run).model_dump(), outcomes=await service.outcomes_of(session, run_id))


@router.get("/{run_id}/payments", summary="Its payments")
async def list_payments(
    run_id: RunId,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[PaymentRead]:
    run = await service.get(session, actor, run_id)
    rows = await service.payments_of(session, actor, run_id, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.redemption_id])
    subject, after = f"payout_run:{run_id}", id_in(cursor) or None
    note_look(trail, actor, now, Act.PAYOUT_READ, subject, reason, rows=len(items), after=after)
    shown = [
        PaymentRead.model_validate({**item.model_dump(), "amount": amount_text(item.amount_minor, run.currency)})
        for item in items
    ]
    return Page(items=shown, next=following)


@router.post("", status_code=201, summary="Prepare a run of all redemptions that wait to be paid")
async def prepare(new: Prepare, request: Request, session: Writing, now: Now, actor: Preparer) -> RunRead:
    return RunRead.of(await service.prepare(session, actor, now, request.app.state.sealer, new.execute_on))


@router.post("/{run_id}/approve", summary="Approve a run that somebody else prepared")
async def approve(run_id: RunId, named: Approve, session: Writing, now: Now, actor: Approver) -> RunRead:
    """By the digest of its file, so that what was looked at is what is paid. Its households cannot cancel any more."""
    return RunRead.of(await service.approve(session, actor, now, run_id, named.digest))


@router.post("/{run_id}/withdraw", summary="Give up a run whose file nobody has")
async def withdraw(run_id: RunId, why: Withdraw, session: Writing, now: Now, actor: Preparer) -> RunRead:
    return RunRead.of(await service.withdraw(session, actor, now, run_id, why.reason))


@router.post(
    "/{run_id}/file",
    summary="The approved file, for the bank",
    response_class=Response,
    responses={200: {"content": {"text/csv": FILE, "application/xml": FILE}}},
)
async def hand_out(
    run_id: RunId, request: Request, session: Writing, now: Now, actor: Preparer, reason: ReadingReason = None
) -> Response:
    """From the first time on the run counts as sent. Each time is recorded: say why, where it is not the first."""
    file = await service.hand_out(session, actor, now, request.app.state.sealer, run_id, reason)
    name = f"payout-{run_id}.{'csv' if file.form == 'csv' else 'xml'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(file.content, media_type=_MEDIA_TYPES[file.form], headers=headers)


@router.post(
    "/{run_id}/return",
    summary="Take in what the bank says of a run",
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": FILE, "application/xml": FILE}}},
)
async def take_in(
    run_id: RunId,
    request: Request,
    now: Now,
    actor: Preparer,
    form: Annotated[
        Literal["csv", "pain.002"] | None, Query(alias="format", description="Left out: told by the Content-Type.")
    ] = None,
) -> ReturnRead:
    """A CSV or a pain.002. Each payment that was paid is fulfilled, each that was refused gives its points back. What cannot be
    used is told by its line, and the rest is done. The same file again does no harm."""
    database = request.app.state.database
    async with database.read() as session:
        await payout_return_service.check_sent(session, actor, run_id)
    content = await request.body()
    is_csv = form == "csv" or (form is None and "csv" in request.headers.get("content-type", ""))
    read = await asyncio.to_thread(read_csv if is_csv else read_pain002, content, "the file")
    async with database.read() as session:
        marks = await payout_return_service.marks_of(session, actor, run_id, read)
    counts: Counter[str] = Counter()
    faults: list[Fault] = list(read.faults)
    more = 0
    for chunk in payout_return_service.chunks_of(marks):
        async with database.write() as session:
            applied = await payout_return_service.apply(
                session, actor, now, run_id, chunk, "line" if is_csv else "TxInfAndSts"
            )
        counts += applied.counts
        more += len(applied.faults)
        faults += applied.faults[: FAULTS_MAX - len(faults)]
    async with database.read() as session:
        run = await service.get(session, actor, run_id)
    told = [FaultRead(where=each.where, code=each.code, message=each.message, value=each.value) for each in faults]
    return ReturnRead(state=run.state, counts=dict(counts), fault_count=read.fault_count + more, faults=told)
