"""`carbon-bank readings mapping ...`: what a utility's own columns mean, saved with the bank under a name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.readings_check import mapping_text
from carbon_bank.cli.runtime import City, command_line_of, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import NotFound
from carbon_bank.readings import mapping_service as service
from carbon_bank.readings.mapping_service import SavedMapping
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

Utility = Annotated[str, typer.Option(help="Code of the utility whose columns they are.")]
Name = Annotated[str, typer.Argument(help="Name of the mapping, as monthly-export.")]


@app.callback()
def group() -> None:
    """What a utility's own columns mean, saved under a name."""


@app.command()
def save(
    name: Name,
    source: Annotated[str, typer.Argument(metavar="FILE", help="The mapping's file, or the name of an example.")],
    city: City,
    utility: Utility,
) -> None:
    """Save a mapping, or a new version of it. Imports that were read by an earlier version keep it."""
    text = mapping_text(source)

    async def step(database: Database, settings: Settings) -> SavedMapping:
        async with database.write() as session:
            place = await registry.find_utility(session, city, utility)
            return await service.save(session, command_line_of(place.city_id), clock.now(), place, name, text)

    saved = run(step)
    print(f"{saved.name} version {saved.version} of {utility}. Name it: --mapping {saved.name}")


@app.command("list")
def list_(city: City, utility: Utility) -> None:
    """The mappings of a utility, each in its last version."""

    async def step(database: Database, settings: Settings) -> list[SavedMapping]:
        async with database.read() as session:
            place = await registry.find_utility(session, city, utility)
            return list(await service.listed(session, command_line_of(place.city_id), utility))

    table = Table(box=SIMPLE_HEAD)
    for column in ("mapping", "version", "saved by", "at"):
        table.add_column(column)
    for row in run(step):
        table.add_row(row.name, str(row.version), row.by, f"{row.recorded_at:%Y-%m-%d %H:%M} UTC")
    Console().print(table)


@app.command()
def show(name: Name, city: City, utility: Utility) -> None:
    """A mapping as it was saved, in its last version."""

    async def step(database: Database, settings: Settings) -> SavedMapping:
        async with database.read() as session:
            place = await registry.find_utility(session, city, utility)
            return await service.named(session, place.utility_id, name)

    print(run(step).text, end="")


async def text_of(database: Database, city: str, utility: str, name: str) -> str:
    """A mapping as `--mapping` names it: a file, one that the utility saved, or an example, in this order.

    Raises: NotFound `formats.no_mapping`, or of the city and the utility; InvalidInput `formats.mapping_invalid`.
    """
    if not await asyncio.to_thread(Path(name).is_file):
        async with database.read() as session:
            place = await registry.find_utility(session, city, utility)
            try:
                return (await service.named(session, place.utility_id, name)).text
            except NotFound:
                pass
    return mapping_text(name, f"no mapping of that name that {utility} saved, ")
