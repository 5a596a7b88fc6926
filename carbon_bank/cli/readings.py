"""`carbon-bank readings import FILE`: a utility's readings from a CSV file."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console

from carbon_bank.cli import readings_check
from carbon_bank.cli.runtime import COMMAND_LINE, progress_bar, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.csv_file import read_chunks
from carbon_bank.foundation.database import Database
from carbon_bank.readings import service
from carbon_bank.readings.intake import COLUMNS, Status
from carbon_bank.readings.service import BATCH_ROWS_MAX, BatchResult, Refused
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

SHOWN = 20
WHY = ["code", "message"]
"""Columns that a file of refused rows has besides those that were sent. Sent again, they are passed over."""
EXIT_SOME_REFUSED = 1


@app.callback()
def group() -> None:
    """Meter readings from files."""


app.command("check")(readings_check.check)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV, also .gz, with {', '.join(COLUMNS)}.")],
    city: Annotated[str, typer.Option(help="Code of the city.")],
    utility: Annotated[str, typer.Option(help="Code of the utility that sends it.")],
    rejections: Annotated[
        Path | None, typer.Option(help="Write refused rows here, as they were sent, with code and message.")
    ] = None,
) -> None:
    """Record the readings of a file. Sending it again does no harm. Exit 1 where rows were refused, 2 where it can't be read."""

    refused = Refusals(file, rejections)

    async def step(database: Database, settings: Settings) -> dict[str, int]:
        return await import_file(database, file, city, utility, refused.take)

    counts = run(step)
    print(
        ", ".join(f"{counts[status.value]:,} {status.value}" for status in Status)
        + f" of {sum(counts.values()):,} rows."
    )
    if refused.count:
        refused.tell()
        raise typer.Exit(EXIT_SOME_REFUSED)


async def import_file(
    database: Database, file: Path, city: str, utility: str, took: Callable[[pl.DataFrame, BatchResult], None]
) -> dict[str, int]:
    """Record a file chunk by chunk, each its own transaction. Returns the rows by status. `took`: is told of each chunk."""
    counts = dict.fromkeys((status.value for status in Status), 0)
    async with database.read() as session:
        place = await registry.find_utility(session, city, utility)
    columns = COLUMNS | dict.fromkeys(WHY, False)
    with progress_bar() as progress:
        task = progress.add_task("Recording rows", total=None)
        for rows in read_chunks(file, columns, BATCH_ROWS_MAX):
            async with database.write() as session:
                result = await service.record_readings(
                    session, COMMAND_LINE, clock.now(), place, rows.drop(WHY), source=file.name, mode="partial"
                )
            took(rows, result)
            for status in result.statuses:
                counts[status] += 1
            progress.advance(task, rows.height)
    return counts


@dataclass
class Refusals:
    """The refused rows of a file: the first few to be told, all of them for `rejections`."""

    file: Path
    rejections: Path | None
    count: int = 0
    shown: list[Refused] = field(default_factory=list)
    rows: list[pl.DataFrame] = field(default_factory=list)

    def take(self, rows: pl.DataFrame, result: BatchResult) -> None:
        if not result.refused:
            return
        self.count += len(result.refused)
        self.shown += result.refused[: SHOWN - len(self.shown)]
        if self.rejections is not None:
            why = pl.DataFrame(
                [(each.line, each.code, each.message) for each in result.refused],
                schema={"line": pl.Int32, **dict.fromkeys(WHY, pl.String)},
                orient="row",
            )
            self.rows.append(rows.drop(WHY).join(why, on="line", maintain_order="left"))

    def tell(self) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        for each in self.shown:
            value = "" if each.value is None else f" '{each.value}'"
            where = f"{self.file} line {each.line}" + (f", column {each.column}" if each.column else "")
            console.print(f"{where}{value}: {each.message} [{each.code}]", markup=False)
        if self.count > len(self.shown):
            console.print(f"... and {self.count - len(self.shown)} more refused rows.", markup=False)
        if self.rejections is not None:
            # Only now: it may be the file that was just read, with some rows mended.
            sent = [name for name in _sent_columns(self.file) if name not in WHY]
            pl.concat(self.rows).select(*sent, *WHY).write_csv(self.rejections)
            console.print(f"All of them: {self.rejections}", markup=False)


def _sent_columns(file: Path) -> list[str]:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        return [name.strip() for name in next(csv.reader(text), list(COLUMNS))]
