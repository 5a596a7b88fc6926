"""`carbon-bank readings ...`: files of meter readings, checked or imported, and what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank import worker
from carbon_bank.cli import readings_check, readings_coverage, readings_mapping
from carbon_bank.cli.readings_check import File, Form, Refused, Strict, Sum, SumTo, format_of
from carbon_bank.cli.rejections import Rejections, cut
from carbon_bank.cli.runtime import City, command_line_of, progress_bar, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput, NotFound
from carbon_bank.foundation.store import Store
from carbon_bank.readings import import_service as imports
from carbon_bank.readings.import_service import Asked, ReadingImport
from carbon_bank.readings.import_states import OPEN, ImportState
from carbon_bank.readings.intake import Status
from carbon_bank.readings.service import sentence
from carbon_bank.registry import service as registry
from carbon_bank.registry.service import UtilityPlace
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

SHOWN = 20
EXIT_SOME_REFUSED = 1
_BLOCK = 2**20
_AT_ONCE = 1000

SavedMapping = Annotated[
    str | None,
    typer.Option(help="What a CSV's own columns mean: a YAML file, a mapping that the utility saved, or an example."),
]


@app.callback()
def group() -> None:
    """Meter readings from files."""


app.command("check")(readings_check.check)
app.command("coverage")(readings_coverage.coverage)
app.add_typer(readings_mapping.app, name="mapping")


@app.command("import")
def import_(
    file: File,
    city: City,
    utility: Annotated[str, typer.Option(help="Code of the utility that sends it.")],
    form: Form = None,
    mapping: SavedMapping = None,
    strict: Strict = False,
    sum_to: Sum = SumTo.DAY,
    rejections: Refused = None,
) -> None:
    """Record the readings of a file, as if it had been sent. The same file again is the same import; one that was cut off goes on.

    Exit 1 where rows were refused, 2 where it can't be read."""
    told = format_of(file, form)
    console = Console(stderr=True, highlight=False, soft_wrap=True)

    async def step(database: Database, settings: Settings) -> ReadingImport:
        text = None if mapping is None else await readings_mapping.text_of(database, city, utility, mapping)
        asked = Asked(file.name, told, sum_to.value, strict, text)
        row, is_new = await _imported(database, worker.store_of(settings), file, city, utility, asked)
        if not is_new:
            console.print(f"This file is import {row.id}, of {row.created_at:%Y-%m-%d %H:%M} UTC.", markup=False)
        if row.refused:
            await _tell_refused(database, row, console, rejections)
        return row

    row = run(step)
    if row.state == ImportState.FAILED:
        raise InvalidInput(str(row.failure_code), str(row.failure))
    for finding in row.findings:
        console.print(f"{file}: noted line {finding['at']}: {finding['message']} [{finding['code']}]", markup=False)
    counts = ", ".join(f"{getattr(row, status.value):,} {status.value}" for status in Status)
    print(f"{counts} of {row.rows:,} rows.")
    if row.refused:
        raise typer.Exit(EXIT_SOME_REFUSED)


@app.command("imports")
def list_(
    city: City, utility: Annotated[str | None, typer.Option(help="Code of a utility; left out: all.")] = None
) -> None:
    """The last files that were sent, and how far each is."""

    async def step(database: Database, settings: Settings) -> list[ReadingImport]:
        async with database.read() as session:
            place = await registry.find_city(session, city)
            return list(await imports.listed(session, command_line_of(place.id), utility, None, SHOWN))

    table = Table(box=SIMPLE_HEAD)
    for column in ("import", "file", "state", *(status.value for status in Status)):
        table.add_column(column, justify="left" if column in {"file", "state"} else "right")
    for row in run(step):
        table.add_row(str(row.id), row.name, row.state, *(f"{getattr(row, status.value):,}" for status in Status))
    Console().print(table)


@app.command()
def cancel(import_id: Annotated[int, typer.Argument(help="Number of the import.")], city: City) -> None:
    """Stop an import at its next chunk. What it recorded before stays."""

    async def step(database: Database, settings: Settings) -> ReadingImport:
        async with database.write() as session:
            place = await registry.find_city(session, city)
            return await imports.cancel(session, command_line_of(place.id), clock.now(), import_id)

    row = run(step)
    print(f"Import {import_id} is cancelled; {row.rows:,} rows had been worked.")


@app.command()
def clean() -> None:
    """Do at once what the worker does every five minutes: record rows whose meter has appeared, end waits, remove old originals."""

    async def step(database: Database, settings: Settings) -> None:
        await worker.look_after_readings(database, settings)

    run(step)


async def _imported(
    database: Database, store: Store, file: Path, city: str, utility: str, asked: Asked
) -> tuple[ReadingImport, bool]:
    async with database.read() as session:
        place = await registry.find_utility(session, city, utility)
    if not await asyncio.to_thread(file.is_file):
        raise NotFound("formats.no_file", f"There is no file {file}.", {"file": str(file)})
    stored = await store.put(imports.owner_of(place.utility_id), _blocks(file))
    async with database.write() as session:
        made, is_new = await imports.receive(
            session, command_line_of(place.city_id), clock.now(), place, stored, asked, in_background=False
        )
    assert made.id is not None
    if made.state in OPEN:
        await _work(database, store, made.id)
    return await _looked_up(database, place, made.id), is_new


async def _work(database: Database, store: Store, import_id: int) -> None:
    with progress_bar() as progress:
        task = progress.add_task("Recording rows", total=None)
        await worker.import_readings(database, store, import_id, lambda rows: progress.advance(task, rows))


async def _looked_up(database: Database, place: UtilityPlace, import_id: int) -> ReadingImport:
    async with database.read() as session:
        return await imports.get(session, command_line_of(place.city_id), import_id)


async def _blocks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while block := await asyncio.to_thread(opened.read, _BLOCK):
            yield block


async def _tell_refused(database: Database, row: ReadingImport, console: Console, path: Path | None) -> None:
    assert row.id is not None
    written = None if path is None else Rejections(path)
    shown = after = 0
    while True:
        async with database.read() as session:
            rows = await imports.rejections(session, row.id, after, _AT_ONCE)
        if not rows:
            break
        after = rows[-1].line
        for each in rows[: SHOWN - shown]:
            value = "" if each.value is None else f" '{cut(each.value)}'"
            where = f"{row.name} line {each.at}" + (f", column {each.column}" if each.column else "")
            console.print(f"{where}{value}: {sentence(each.code)} [{each.code}]", markup=False)
            shown += 1
        if written is None:
            break
        for each in rows:
            written.add_row(each.sent["columns"], each.sent["values"], each.code)
    if row.refused > shown:
        console.print(f"... and {row.refused - shown:,} more refused rows.", markup=False)
    if written is not None:
        written.close()
        console.print(f"All of them: {path}", markup=False)
