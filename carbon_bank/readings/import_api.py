"""Sending files of readings, and seeing what becomes of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.paging import Cursor, Limit, Page, page_of, read_cursor
from carbon_bank.foundation.store import Store
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import check_download, note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.readings import import_service as service
from carbon_bank.readings import mapping_service
from carbon_bank.readings.formats.known import FORMATS, recognise
from carbon_bank.readings.import_service import ReadingImport
from carbon_bank.readings.import_states import ImportState
from carbon_bank.readings.service import sentence
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1/imports", tags=["readings"])

_BLOCK = 2**18
_REJECTIONS_AT_ONCE = 1000

Reader = Annotated[Actor, Depends(allowed(Permission.READINGS_READ))]
Sender = Annotated[Actor, Depends(allowed(Permission.READINGS_WRITE))]
ImportId = Annotated[int, Path(ge=1, lt=2**63)]


class FindingRead(BaseModel):
    """Something odd that was read all the same. `at`: its first line."""

    at: int | None
    code: str
    message: str
    value: str | None
    count: int


class ImportRead(BaseModel):
    """A file that was sent, and how far it has been worked."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    digest: str = Field(description="SHA-256 of the file as it was sent.")
    format: str
    state: ImportState
    bytes: int
    bytes_done: int = Field(description="Of the decompressed file, so that it may be more than `bytes`.")
    rows: int
    accepted: int
    duplicate: int
    revised: int
    refused: int
    quarantined: int
    passed_over: int = Field(description="Rows that the mapping leaves out.")
    rows_per_second: int | None
    findings: list[FindingRead]
    failure_code: str | None
    failure: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: ReadingImport, now: datetime) -> ImportRead:
        seconds = ((row.finished_at or now) - row.started_at).total_seconds() if row.started_at else 0
        rate = int(row.rows / seconds) if seconds > 0 else None
        return cls.model_validate({**row.model_dump(), "rows_per_second": rate})


@router.post(
    "",
    status_code=202,
    summary="Send a file of readings",
    responses={200: {"model": ImportRead, "description": "This file was sent before: its import."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                **{
                    media_type: {"schema": {"type": "string", "format": "binary"}}
                    for each in FORMATS.values()
                    for media_type in each.media_types[:1]
                },
                "multipart/form-data": {
                    "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
                },
            },
        }
    },
)
async def send_file(
    request: Request,
    response: Response,
    now: Now,
    actor: Sender,
    name: Annotated[str, Query(max_length=200, description="What refusals call the file.")] = "",
    form: Annotated[
        str | None, Query(alias="format", max_length=40, description="Left out: told by the Content-Type, or the file.")
    ] = None,
    mapping: Annotated[
        str | None, Query(max_length=61, description="A saved mapping: what a CSV's own columns mean.")
    ] = None,
    sum_to: Annotated[Literal["day", "month"], Query(description="What intervals finer than a day become.")] = "day",
    strict: Annotated[bool, Query(description="Refuse what would be noted and read.")] = False,
) -> ImportRead:
    """The file is the body, or the one part of a form; plain, or gzip-compressed. It is kept, then worked in the background:
    ask the Location for how far it is. The same file again is the same import."""
    database: Database = request.app.state.database
    store: Store = request.app.state.store
    utility_id = actor.of_utility()
    async with database.read() as session:
        place = await registry.place_of_utility(session, utility_id)
        await service.check_room(session, place.city_id, request.app.state.imports_waiting_max)
        text = None if mapping is None else (await mapping_service.named(session, utility_id, mapping)).text
    try:
        blocks, sent_name, media_type = await _body(request)
        stored = await store.put(service.owner_of(utility_id), blocks)
    finally:
        await request.close()
    called = name or sent_name or "the file"
    asked = service.Asked(called, recognise(form, media_type, called, stored.start), sum_to, strict, text)
    async with database.write() as session:
        made, is_new = await service.receive(session, actor, now, place, stored, asked, in_background=True)
    response.status_code = 202 if is_new else 200
    response.headers["Location"] = f"/v1/imports/{made.id}"
    return ImportRead.of(made, now)


async def _body(request: Request) -> tuple[AsyncIterator[bytes], str, str | None]:
    """The file as it comes, its name and its media type. A form's file is on disk by then, not in memory."""
    media_type = request.headers.get("content-type")
    if not (media_type or "").startswith("multipart/form-data"):
        return request.stream(), "", media_type
    form = await request.form(max_files=1, max_fields=0)
    parts = [part for part in form.values() if isinstance(part, UploadFile)]
    if len(parts) != 1:
        raise InvalidInput("http.one_file", "Send one file in the form, under any name.")
    return _blocks_of(parts[0]), parts[0].filename or "", parts[0].content_type


async def _blocks_of(part: UploadFile) -> AsyncIterator[bytes]:
    while block := await part.read(_BLOCK):
        yield block


@router.get("", summary="Files that were sent, the newest first")
async def list_imports(
    session: Reading,
    now: Now,
    actor: Reader,
    utility: Annotated[
        str | None, Query(max_length=100, description="Code of a utility; left out: all of them.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ImportRead]:
    """A utility sees its own, city staff and auditors those of their city."""
    key = read_cursor(cursor, (int,))
    rows = await service.listed(session, actor, utility, int(key[0]) if key else None, limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[ImportRead.of(item, now) for item in items], next=following)


@router.get("/{import_id}", summary="How far an import is, and what came of it")
async def get_import(import_id: ImportId, session: Reading, now: Now, actor: Reader) -> ImportRead:
    return ImportRead.of(await service.get(session, actor, import_id), now)


@router.post("/{import_id}/cancel", summary="Stop an import at its next chunk")
async def cancel(import_id: ImportId, session: Writing, now: Now, actor: Sender) -> ImportRead:
    """What it recorded before stays recorded: the rows that were taken are told by its counts."""
    return ImportRead.of(await service.cancel(session, actor, now, import_id), now)


@router.get(
    "/{import_id}/rejections", summary="Its refused rows, to mend and send again", response_class=StreamingResponse
)
async def get_rejections(
    import_id: ImportId,
    request: Request,
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    form: Annotated[Literal["csv", "ndjson"], Query(alias="format")] = "csv",
    reason: ReadingReason = None,
) -> StreamingResponse:
    """As they were sent, with two more columns, `code` and `message`, which are passed over when they are sent again.
    The city's staff say why they take them."""
    row = await service.get(session, actor, import_id)
    check_download(actor, reason)
    assert row.id is not None
    note_look(trail, actor, now, Act.READINGS_READ, f"reading_import:{row.id}", reason, what=f"rejections.{form}")
    media_type = FORMATS[form].media_types[0]
    headers = {"Content-Disposition": f'attachment; filename="import-{row.id}-refused.{form}"'}
    return StreamingResponse(
        _rejected(request.app.state.database, row.id, form), media_type=media_type, headers=headers
    )


async def _rejected(database: Database, import_id: int, form: str) -> AsyncIterator[str]:
    after, header = 0, None
    while True:
        async with database.read() as session:
            rows = await service.rejections(session, import_id, after, _REJECTIONS_AT_ONCE)
        if not rows:
            return
        after = rows[-1].line
        written = io.StringIO()
        for row in rows:
            columns = [*row.sent["columns"], "code", "message"]
            values = [*row.sent["values"], row.code, sentence(row.code)]
            if form == "ndjson":
                written.write(json.dumps(_named(columns, values), ensure_ascii=False) + "\n")
                continue
            writer = csv.writer(written, lineterminator="\n")
            if columns != header:
                writer.writerow(columns)
                header = columns
            writer.writerow(values)
        yield written.getvalue()


def _named(columns: list[str], values: list[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(columns, values, strict=True) if value is not None}
