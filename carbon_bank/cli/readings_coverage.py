"""`carbon-bank readings coverage`: which meters have which months, and the list of what to ask a utility for."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.runtime import City, command_line_of, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import Commodity
from carbon_bank.readings import coverage_service as service
from carbon_bank.readings.months_read import MonthState
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings


def coverage(
    city: City,
    months: Annotated[str, typer.Option(help="2026-03, 2026-H1 or a range as 2026-01..2026-04.")],
    utility: Annotated[str | None, typer.Option(help="Code of a utility; left out: all.")] = None,
    district: Annotated[str | None, typer.Option(help="Code of a district, with all within it.")] = None,
    commodity: Annotated[Commodity | None, typer.Option(help="One commodity alone.")] = None,
    due_days: Annotated[
        int, typer.Option(min=0, max=400, help="A month is due this many days after its end.")
    ] = service.DUE_DAYS,
    reminders: Annotated[
        Path | None, typer.Option(help="Write what was due and has not come to this CSV file, a line for each meter.")
    ] = None,
) -> None:
    """How many meters have their months, by the law by which a settlement counts them."""

    async def step(database: Database, settings: Settings) -> tuple[pl.DataFrame, int]:
        async with database.read() as session:
            place = await registry.find_city(session, city)
            asked = await service.question(
                session, command_line_of(place.id), clock.now(),
                months=months, utility=utility, district=district, commodity=commodity, due_days=due_days,
            )  # fmt: skip
            table = await service.totals(session, asked)
        return table, 0 if reminders is None else await _write_reminders(database, asked, reminders)

    table, reminded = run(step)
    Console().print(_shown(table))
    if reminders is not None:
        print(f"{reminded:,} meters lack months that were due: {reminders}")


def _shown(table: pl.DataFrame) -> Table:
    """By month, utility and commodity: the districts are added up, which the API tells apart."""
    counts = ["meters", *(state.value for state in MonthState), "late"]
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("month", "utility", "commodity"):
        shown.add_column(column, no_wrap=True)
    for column in counts:
        shown.add_column(column, justify="right")
    if table.is_empty():
        return shown
    keys = ["month", "utility", "commodity"]
    for month, name, commodity, *numbers in table.group_by(keys).agg(pl.col(counts).sum()).sort(keys).rows():
        shown.add_row(month_text(month), name, commodity, *(f"{number:,}" for number in numbers))
    return shown


async def _write_reminders(database: Database, asked: service.Question, path: Path) -> int:
    written = 0
    following: int | None = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(service.REMINDER_COLUMNS)
        while following is not None:
            async with database.read() as session:
                rows, following = await service.reminders(session, asked, following, service.CHUNK_METERS)
            for row in rows:
                writer.writerow(row.line())
            written += len(rows)
    return written
