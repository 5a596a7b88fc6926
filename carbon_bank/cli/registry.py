"""`carbon-bank registry city | import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carbon_bank.cli.runtime import COMMAND_LINE, City, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.csv_file import read_chunks
from carbon_bank.foundation.database import Database
from carbon_bank.registry import enrol_service
from carbon_bank.registry.import_rows import COLUMNS, Kind
from carbon_bank.registry.import_service import Imported, import_rows
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def city(
    code: Annotated[str, typer.Argument(help="As gwangju: small letters, digits and -.")],
    name: Annotated[str, typer.Option(help="Its name in English.")],
    time_zone: Annotated[str, typer.Option(help="As Asia/Seoul.")],
    currency: Annotated[str, typer.Option(help="As KRW.")],
    name_local: Annotated[str | None, typer.Option(help="Its name in its own language, as ko=광주.")] = None,
) -> None:
    """Add a city."""
    names = {"en": name}
    if name_local is not None:
        language, _, text = name_local.partition("=")
        names[language] = text or language

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            await enrol_service.add_city(
                session, COMMAND_LINE, clock.now(), code=code, name=names, time_zone=time_zone, currency=currency
            )

    run(step)
    print(f"The city '{code}' is there. Fill it: carbon-bank registry import districts FILE --city {code}")


@app.command("import")
def import_(
    kind: Annotated[Kind, typer.Argument(help="What the file holds.")],
    file: Annotated[Path, typer.Argument(help="CSV, also .gz. Its columns: docs/registry.md.")],
    city: City,
) -> None:
    """Take a file into the registry, whole or not at all. The same file again changes nothing."""

    async def step(database: Database, settings: Settings) -> Imported:
        async with database.write() as session:
            chunks = read_chunks(file, COLUMNS[kind])
            return await import_rows(session, COMMAND_LINE, clock.now(), city, kind, chunks)

    done = run(step)
    print(f"{kind}: {done.added:,} of {done.rows:,} rows added; the others were there.")
