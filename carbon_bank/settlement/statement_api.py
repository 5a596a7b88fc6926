"""The statement of an account as JSON, CSV or PDF: for the household, and for the city's staff."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel, Field

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.web import Now, ReadingReason
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import check_download, note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger.statement_file import StatementLine, statement_csv, statement_pdf
from carbon_bank.ledger.statement_service import Statement
from carbon_bank.ledger.statement_words import entry_words
from carbon_bank.settlement import statement_service as service
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1")

Id = Annotated[int, Path(ge=1, lt=2**63)]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]
Reader = Annotated[Actor, Depends(allowed(Permission.LEDGER_READ))]
EARLIEST, LATEST = date(1970, 1, 1), date(2999, 12, 31)
FILES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/pdf": {}}}}


class LineRead(BaseModel):
    """One posting. `balance` is what the household owns after it (available and held, less debt), `held` what of it is set aside."""

    seq: int = Field(description="Its number, to object to it.")
    journal_id: UUID
    day: date = Field(description="When it was made, in the city.")
    kind: str
    commodity: str | None
    entry: str = Field(description="What it was, in words.")
    belongs_to: date = Field(description="The day to which it belongs: of an award, the last of its period.")
    amount: int
    balance: int
    held: int
    forgiven: int = Field(description="What it would have taken beyond `amount`, and did not ask for.")

    @classmethod
    def of(cls, line: StatementLine, language: Language) -> LineRead:
        belongs_to = None if line.belongs_to == line.day else line.belongs_to
        entry = entry_words(line.kind, line.commodity, belongs_to, language)
        return cls(**vars(line), entry=entry)


class ExpiringRead(BaseModel):
    expires_on: date = Field(description="The last day to spend them.")
    points: int


class StatementRead(BaseModel):
    """`first_day` and `last_day` are both included. `lots`: what there is to spend today and when it expires."""

    city: str
    member_number: str
    language: Language
    first_day: date
    last_day: date
    created_at: datetime
    opening: int
    opening_held: int
    lines: list[LineRead]
    closing: int
    closing_held: int
    lots: list[ExpiringRead]

    @classmethod
    def of(cls, statement: Statement, language: Language) -> StatementRead:
        lines = [LineRead.of(line, language) for line in statement.lines]
        lots = [ExpiringRead(expires_on=lot.expires_on, points=lot.points) for lot in statement.lots]
        return cls(**vars(statement.head), language=language, lines=lines, lots=lots)


@dataclass(frozen=True)
class Asked:
    """What a request asks for, and in which form."""

    request: Request
    now: Now
    form: Annotated[Literal["json", "csv", "pdf"], Query(alias="format")] = "json"
    first: Annotated[
        date | None, Query(alias="from", ge=EARLIEST, le=LATEST, description="Left out: the first day of that year.")
    ] = None
    last: Annotated[
        date | None, Query(alias="to", ge=EARLIEST, le=LATEST, description="That day included. Left out: today.")
    ] = None
    accepted: Annotated[
        str | None,
        Header(alias="Accept-Language", max_length=500, description="Where the household has chosen no language."),
    ] = None

    async def answer(self, actor: Actor, household_id: int, reason: str | None = None) -> StatementRead | Response:
        """The transaction ends before the file is written: a PDF takes a while, and a thread."""
        database: Database = self.request.app.state.database
        default: Language = self.request.app.state.language
        is_own = actor.household_id == household_id
        if self.form != "json" and not is_own:
            check_download(actor, reason)
        async with database.read() as session:
            language = await inbox.language_of_household(session, household_id, self.accepted, default)
            found = await service.read_statement(
                session, actor, self.now, household_id, self.first, self.last, language
            )
        if not is_own:
            subject, what = f"household:{household_id}", f"statement.{self.form}"
            async with database.write() as session:
                note_look(session, actor, self.now, Act.ACCOUNT_READ, subject, reason, what=what)
        if self.form == "json":
            return StatementRead.of(found, language)
        name = f"statement-{found.head.first_day}-{found.head.last_day}.{self.form}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Language": language.value}
        if self.form == "csv":
            text = "".join(statement_csv(found.head, found.lines, language))
            return Response(text, media_type="text/csv", headers=headers)
        content = await asyncio.to_thread(statement_pdf, found.head, found.lines, found.lots, language)
        return Response(content, media_type="application/pdf", headers=headers)


Wanted = Annotated[Asked, Depends()]


@router.get(
    "/me/statement",
    summary="Your statement",
    tags=["household"],
    response_model=StatementRead,
    responses=FILES,
)
async def get_own(actor: Member, wanted: Wanted) -> StatementRead | Response:
    """What you owned before and after some days, each posting that was made on them, and what expires when."""
    return await wanted.answer(actor, actor.of_household())


@router.get(
    "/households/{household_id}/statement",
    summary="A household's statement",
    tags=["ledger"],
    response_model=StatementRead,
    responses=FILES,
)
async def get_of_household(
    household_id: Id, actor: Reader, wanted: Wanted, reason: ReadingReason = None
) -> StatementRead | Response:
    """As the household gets it, in its language. The trail says who looked, and why; a file needs a reason."""
    return await wanted.answer(actor, household_id, reason)
