"""`carbon-bank audit cosigners add | remove | list`: the witnesses that a city asks to sign its checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.audit.witnesses import service
from carbon_bank.cli.runtime import City, command_line_of, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings
from carbon_bank.worker import caller_of

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    city: City,
    vkey: Annotated[str, typer.Option(help="Verifier key of the witness, as those who run it tell it.")],
    url: Annotated[str, typer.Option(help="Its address: https, what stands before /add-checkpoint.")],
) -> None:
    """Ask a witness from the next checkpoint on."""

    async def step(database: Database, settings: Settings) -> str:
        await caller_of(settings).find(url)  # asks a name server: before the transaction, not in it
        async with database.write() as session:
            found = await registry.find_city(session, city)
            added = await service.add(session, command_line_of(found.id), clock.now(), vkey=vkey, url=url)
            return added.name

    print(f"{run(step)} is asked from the next checkpoint on.")


@app.command()
def remove(city: City, name: Annotated[str, typer.Option(help="Name of the witness.")]) -> None:
    """Ask a witness no more. What it signed stays."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            found = await registry.find_city(session, city)
            await service.remove(session, command_line_of(found.id), clock.now(), name)

    run(step)
    print(f"{name} is asked no more.")


@app.command("list")
def list_(city: City) -> None:
    """Whom the city asks, what they signed last, and what keeps them from it."""

    async def step(database: Database, settings: Settings) -> list[service.Listed]:
        async with database.read() as session:
            found = await registry.find_city(session, city)
            return await service.listed(session, command_line_of(found.id))

    table = Table(box=SIMPLE_HEAD)
    for column in ("witness", "address", "signed entries", "at", "last asked", "last error"):
        table.add_column(column)
    for each in run(step):
        moments = [f"{at:%Y-%m-%d %H:%M} UTC" if at else "" for at in (each.cosigned_at, each.witness.asked_at)]
        size = "" if each.size is None else f"{each.size:,}"
        table.add_row(each.witness.name, each.witness.url, size, *moments, each.witness.last_error or "")
    Console(markup=False).print(table)
