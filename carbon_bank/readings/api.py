"""Sending readings, and seeing what stands."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.units import Commodity, Quality
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.readings import service
from carbon_bank.readings.intake import Reason, Status
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/readings", tags=["readings"])

ROWS_MAX = 1000

Text = Annotated[str | None, Field(max_length=1000)]


def _exact_text(value: object) -> object:
    if isinstance(value, str):  # nearly always
        return value
    if isinstance(value, bool | float):
        raise PydanticCustomError(
            "not_exact",
            'Send a quantity as text, as "310.5": a number with a fraction is rounded on its way through JSON.',
        )
    return str(value) if isinstance(value, int) else value


Quantity = Annotated[Text, BeforeValidator(_exact_text)]


@with_config(ConfigDict(extra="forbid"))
class Row(TypedDict, total=False):
    """One reading as it stands on a bill. Everything is text, so that no number is rounded on the way.

    A row that does not hold is refused on its own; only an unknown field refuses the whole request.
    """

    commodity: Annotated[Text, Field(description="electricity, gas or water.", examples=["electricity"])]
    customer_number: Annotated[Text, Field(examples=["3001"])]
    meter_number: Annotated[Text, Field(description="Where one customer has several meters.")]
    period_start: Annotated[Text, Field(description="First day, counted.", examples=["2026-03-01"])]
    period_end: Annotated[
        Text, Field(description="Last day, not counted: the first day of the next reading.", examples=["2026-04-01"])
    ]
    quantity: Annotated[Quantity, Field(description="Decimal text, or a whole number.", examples=["310.5"])]
    unit: Annotated[Text, Field(description="kWh, m3, ...", examples=["kWh"])]
    register_start: Annotated[
        Quantity,
        Field(
            description="What the register showed at the start, and register_end at the end, in place of a quantity."
        ),
    ]
    register_end: Quantity
    quality: Annotated[Text, Field(description="actual (if left out), estimated, customer or corrected.")]
    reason: Annotated[Text, Field(description="Needed where another value stands: " + ", ".join(Reason) + ".")]
    reason_text: Annotated[Text, Field(description="Needed with the reason other.")]
    cancel: Annotated[
        Text, Field(description="`yes` takes back the reading of exactly this period; needs a reason, no quantity.")
    ]


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: service.Mode = Field("partial", description="`partial`: each row on its own. `atomic`: all or none.")
    readings: list[Row] = Field(min_length=1, max_length=ROWS_MAX)


class RowResult(TypedDict):
    row: Annotated[int, Field(description="1 for the first row sent.")]
    status: Status
    code: str | None
    column: str | None
    value: str | None
    message: str | None


_TAKEN = '{"row":%d,"status":"%s","code":null,"column":null,"value":null,"message":null}'


class BatchCounts(BaseModel):
    batch_id: int
    recorded_at: datetime
    accepted: int
    duplicate: int
    revised: int
    refused: int
    quarantined: int = Field(
        description="Kept, and recorded when their meter appears, or when the operator has decided."
    )


class BatchRead(BatchCounts):
    results: list[RowResult]


class RevisionRead(BaseModel):
    """Quantity in base units: Wh, or litres. Null: this revision cancels the reading."""

    model_config = ConfigDict(from_attributes=True)

    period_start: date
    period_end: date
    revision: int
    quantity: int | None
    quality: Quality
    reason: Reason | None
    reason_text: str | None
    recorded_at: datetime


@router.post(
    "",
    summary="Send up to 1,000 readings",
    response_model=BatchRead,
    responses={207: {"model": BatchRead, "description": "Some rows were refused or wait."}},
)
async def send_readings(
    batch: Batch,
    session: Writing,
    now: Now,
    actor: Annotated[Actor, Depends(allowed(Permission.READINGS_WRITE))],
) -> Response:
    """Answers 200 when every row was taken (accepted, duplicate or revised) and 207 when one was refused, or waits in
    quarantine. Sending a batch again does no harm: its rows are duplicates."""
    place = await registry.place_of_utility(session, actor.of_utility())
    rows = service.rows_from(batch.readings)
    result = await service.record_readings(session, actor, now, place, rows, source="api", mode=batch.mode)
    counts = BatchCounts(
        batch_id=result.batch_id,
        recorded_at=result.recorded_at,
        accepted=result.accepted,
        duplicate=result.duplicate,
        revised=result.revised,
        refused=len(result.refused) - result.quarantined,
        quarantined=result.quarantined,
    )
    body = counts.model_dump_json().removesuffix("}") + f',"results":[{",".join(_results(result))}]}}'
    return Response(body, 207 if result.refused else 200, media_type="application/json")


def _results(result: service.BatchResult) -> list[str]:
    """The JSON of a RowResult for each row that was sent. Of those that were taken, nearly all, it is known but for two places."""
    results = [_TAKEN % row for row in enumerate(result.statuses, 1)]
    for each in result.refused:
        told = RowResult(
            row=each.line,
            status=Status(result.statuses[each.line - 1]),
            code=each.code,
            column=each.column or None,
            value=each.value,
            message=each.message,
        )
        results[each.line - 1] = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return results


@router.get("", summary="Every revision of a meter's readings")
async def list_readings(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Annotated[Actor, Depends(allowed(Permission.READINGS_READ))],
    commodity: Commodity,
    customer_number: Annotated[str, Query(max_length=1000)],
    meter_number: Annotated[str, Query(max_length=1000)] = "",
    utility: Annotated[
        str | None, Query(max_length=100, description="Code of the utility; a utility's client leaves it out.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[RevisionRead]:
    """A utility sees its own meters, city staff and auditors those of their city."""
    meter_id = await registry.find_meter(session, actor, utility, commodity, customer_number, meter_number)
    key = read_cursor(cursor, (str, str, int))
    rows = await service.list_revisions(session, meter_id, None if key is None else _days(key), limit + 1)
    items, following = page_of(rows, limit, lambda row: (str(row.period_start), str(row.period_end), row.revision))
    if meter_id is not None:
        note_look(trail, actor, now, Act.READINGS_READ, f"meter:{meter_id}", reason, rows=len(items))
    return Page(items=[RevisionRead.model_validate(item) for item in items], next=following)


def _days(key: list[int | str]) -> list[object]:
    try:
        return [date.fromisoformat(str(key[0])), date.fromisoformat(str(key[1])), key[2]]
    except ValueError:
        raise InvalidInput("paging.cursor", "The cursor is not one that this list gave. Leave it out.") from None
