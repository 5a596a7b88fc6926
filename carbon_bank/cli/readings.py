"""`carbon-bank readings import FILE`: a utility's readings from a CSV file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from carbon_bank.cli.runtime import COMMAND_LINE, progress_bar, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.csv_file import read_chunks
from carbon_bank.foundation.database import Database
from carbon_bank.readings import service
from carbon_bank.readings.intake import COLUMNS, Status
from carbon_bank.readings.service import BATCH_ROWS_MAX, Refused
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

SHOWN = 20
EXIT_SOME_REFUSED = 1


@app.callback()
def group() -> None:
    """Meter readings from files."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help=f"CSV, also .gz, with {', '.join(COLUMNS)}.")],
    city: Annotated[str, typer.Option(help="Code of the city.")],
    utility: Annotated[str, typer.Option(help="Code of the utility that sends it.")],
    rejections: Annotated[Path | None, typer.Option(help="Write refused rows to this CSV file.")] = None,
) -> None:
    """Record the readings of a file. Sending it again does no harm. Exit 1 where rows were refused, 2 where it can't be read."""

    async def step(database: Database, settings: Settings) -> tuple[dict[str, int], list[Refused]]:
        return await import_file(database, file, city, utility)

    counts, refused = run(step)
    print(
        ", ".join(f"{counts[status.value]:,} {status.value}" for status in Status)
        + f" of {sum(counts.values()):,} rows."
    )
    if refused:
        tell(file, refused, rejections)
        raise typer.Exit(EXIT_SOME_REFUSED)


async def import_file(database: Database, file: Path, city: str, utility: str) -> tuple[dict[str, int], list[Refused]]:
    """Record a file chunk by chunk, each its own transaction. Returns the rows by status, and the refused ones."""
    counts = dict.fromkeys((status.value for status in Status), 0)
    refused: list[Refused] = []
    async with database.read() as session:
        place = await registry.find_utility(session, city, utility)
    with progress_bar() as progress:
        task = progress.add_task("Recording rows", total=None)
        for rows in read_chunks(file, COLUMNS, BATCH_ROWS_MAX):
            async with database.write() as session:
                result = await service.record_readings(
                    session, COMMAND_LINE, clock.now(), place, rows, source=file.name, mode="partial"
                )
            for status in result.statuses:
                counts[status] += 1
            refused += result.refused
            progress.advance(task, rows.height)
    return counts, refused


def tell(file: Path, refused: list[Refused], rejections: Path | None) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for each in refused[:SHOWN]:
        value = "" if each.value is None else f" '{each.value}'"
        console.print(
            f"{file} line {each.line}, column {each.column}{value}: {each.message} [{each.code}]", markup=False
        )
    if len(refused) > SHOWN:
        console.print(f"... and {len(refused) - SHOWN} more refused rows.", markup=False)
    if rejections is not None:
        with rejections.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["line", "column", "value", "code", "message"])
            writer.writerows([each.line, each.column, each.value, each.code, each.message] for each in refused)
        console.print(f"All of them: {rejections}", markup=False)
