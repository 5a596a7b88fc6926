"""Coverage: which meters have which months, and what to remind a utility of."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.database import Database, ReadSession
from carbon_bank.foundation.paging import Cursor, Limit, Page, cursor_of, id_in
from carbon_bank.foundation.units import Commodity
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import check_download, note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.readings import coverage_service as service
from carbon_bank.readings.coverage_service import MeterMonths, Question
from carbon_bank.readings.months_read import MonthState
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/coverage", tags=["readings"])

Reader = Annotated[Actor, Depends(allowed(Permission.READINGS_READ))]
Form = Annotated[Literal["json", "csv"], Query(alias="format")]

Some = Callable[[ReadSession, int], Awaitable[tuple[list[list[Any]], int | None]]]
"""The lines of the next meters behind an id, and the id to go on behind."""


class TotalRead(BaseModel):
    """How many meters stand how in a month. A meter counts where a household holds it on some day of the month."""

    month: str
    utility: str
    district: str
    commodity: Commodity
    meters: int
    actual: int
    estimated: int
    partial: int
    missing: int
    awaited: int
    late: int
    days_held: int
    days_covered: int


class CoverageRead(BaseModel):
    months: str
    due_days: int
    rows: list[TotalRead]


class MonthRead(BaseModel):
    """`actual` or `estimated`: every day that somebody holds the meter is read. `partial`, `missing`: some days, or all, are
    not, and were due. `awaited`: they are not due yet. `is_late`: what covers it came after it was due."""

    month: str
    state: MonthState
    days_held: int
    days_covered: int
    days_estimated: int
    is_late: bool


class MeterRead(BaseModel):
    meter_id: int
    utility: str
    district: str
    commodity: Commodity
    customer_number: str
    meter_number: str
    months: list[MonthRead]

    @classmethod
    def of(cls, row: MeterMonths) -> MeterRead:
        months = [MonthRead.model_validate({**each, "month": month_text(each["month"])}) for each in row.months]
        return cls.model_validate({**row.__dict__, "months": months})


class ReminderRead(BaseModel):
    """A meter whose readings were due and are not here: the months, and the days that are not covered."""

    model_config = ConfigDict(from_attributes=True)

    utility: str
    district: str
    commodity: Commodity
    customer_number: str
    meter_number: str
    months: list[str]
    days_missing: int


async def _asked(
    session: Reading,
    actor: Reader,
    now: Now,
    months: Annotated[
        str, Query(max_length=40, examples=["2026-H1"], description="2026-03, 2026-H1 or a range as 2026-01..2026-04.")
    ],
    utility: Annotated[str | None, Query(max_length=100, description="Code of a utility; left out: all.")] = None,
    district: Annotated[
        str | None, Query(max_length=100, description="Code of a district, with all that lie within it.")
    ] = None,
    commodity: Commodity | None = None,
    due_days: Annotated[
        int, Query(ge=0, le=400, description="A month is due this many days after its end.")
    ] = service.DUE_DAYS,
) -> Question:
    return await service.question(
        session, actor, now, months=months, utility=utility, district=district, commodity=commodity, due_days=due_days
    )


Asked = Annotated[Question, Depends(_asked)]


@dataclass(frozen=True)
class Looking:
    """Who looks at single meters, in which form, and why."""

    trail: Writing
    now: Now
    actor: Reader
    form: Form = "json"
    reason: ReadingReason = None

    def note(self, asked: Question, what: str, rows: int | None = None, after: int | None = None) -> None:
        """Before a file is made, and it needs a reason; of a page with its rows."""
        if self.form != "json":
            check_download(self.actor, self.reason)
        months = f"{month_text(asked.months[0])}..{month_text(asked.months[-1])}"
        facts = {"what": f"{what}.{self.form}", "months": months, "rows": rows, "after": after}
        note_look(self.trail, self.actor, self.now, Act.METER_READ, None, self.reason, **facts)


Look = Annotated[Looking, Depends()]


@router.get(
    "", summary="How many meters have their months, by utility, district and commodity", response_model=CoverageRead
)
async def get_coverage(session: Reading, asked: Asked, form: Form = "json") -> CoverageRead | Response:
    """Counted by the law by which a settlement cuts readings into months. A utility sees its own meters."""
    table = await service.totals(session, asked)
    rows = [TotalRead.model_validate({**row, "month": month_text(row["month"])}) for row in table.to_dicts()]
    if form == "csv":
        lines = _lines([list(TotalRead.model_fields), *_values(rows)])
        return Response(lines, media_type="text/csv", headers=_called("coverage.csv"))
    span = month_text(asked.months[0]), month_text(asked.months[-1])
    return CoverageRead(months="..".join(span), due_days=asked.due_days, rows=rows)


@router.get("/meters", summary="Meters and how each of their months stands", response_model=Page[MeterRead])
async def list_meters(
    request: Request,
    session: Reading,
    look: Look,
    asked: Asked,
    state: Annotated[
        list[MonthState] | None,
        Query(description="Only meters with a month in this state; may be given several times."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[MeterRead] | Response:
    """A page may hold fewer than `limit` meters, or none, and still have a `next`: follow it until it is null."""
    states = state or []
    if look.form == "csv":
        look.note(asked, "coverage")
        columns = [*list(MeterRead.model_fields)[1:-1], *MonthRead.model_fields]

        async def some(session: ReadSession, after: int) -> tuple[list[list[Any]], int | None]:
            rows, following = await service.meters(session, asked, states, after, service.CHUNK_METERS)
            return [line for row in rows for line in _meter_lines(row)], following

        return _csv_stream(request, "coverage-meters.csv", columns, some)
    rows, following = await service.meters(session, asked, states, id_in(cursor), limit)
    look.note(asked, "coverage", len(rows), id_in(cursor) or None)
    return Page(items=[MeterRead.of(row) for row in rows], next=None if following is None else cursor_of([following]))


@router.get("/reminders", summary="What was due and has not come, meter by meter", response_model=Page[ReminderRead])
async def list_reminders(
    request: Request, session: Reading, look: Look, asked: Asked, cursor: Cursor = None, limit: Limit = 100
) -> Page[ReminderRead] | Response:
    """What to send a utility, or what a utility should send. A page may hold fewer than `limit` and still have a `next`."""
    if look.form == "csv":
        look.note(asked, "reminders")

        async def some(session: ReadSession, after: int) -> tuple[list[list[Any]], int | None]:
            rows, following = await service.reminders(session, asked, after, service.CHUNK_METERS)
            return [row.line() for row in rows], following

        return _csv_stream(request, "reminders.csv", service.REMINDER_COLUMNS, some)
    rows, following = await service.reminders(session, asked, id_in(cursor), limit)
    look.note(asked, "reminders", len(rows), id_in(cursor) or None)
    items = [ReminderRead.model_validate(row) for row in rows]
    return Page(items=items, next=None if following is None else cursor_of([following]))


def _meter_lines(row: MeterMonths) -> Iterable[list[Any]]:
    told = MeterRead.of(row)
    who = [getattr(told, name) for name in list(MeterRead.model_fields)[1:-1]]
    return [[*who, *values] for values in _values(told.months)]


def _values(rows: Iterable[BaseModel]) -> list[list[Any]]:
    return [[getattr(row, name) for name in type(row).model_fields] for row in rows]


def _lines(rows: Iterable[list[Any]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()


def _called(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def _csv_stream(request: Request, name: str, columns: list[str], some: Some) -> StreamingResponse:
    """All rows, those of CHUNK_METERS meters at a time: memory stays flat however large the city is."""
    database: Database = request.app.state.database

    async def written() -> AsyncIterator[str]:
        yield _lines([columns])
        after: int | None = 0
        while after is not None:
            async with database.read() as session:
                rows, after = await some(session, after)
            yield _lines(rows)

    return StreamingResponse(written(), media_type="text/csv", headers=_called(name))
