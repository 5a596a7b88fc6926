"""`carbon-bank webhooks deliveries | replay`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.runtime import City, command_line_of, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings
from carbon_bank.webhooks import delivery_service as service
from carbon_bank.webhooks.delivery_service import Delivery
from carbon_bank.webhooks.retries import DeliveryState

app = typer.Typer(no_args_is_help=True)

ERROR_SHOWN = 60


@app.command()
def deliveries(
    city: City,
    state: Annotated[DeliveryState | None, typer.Option(help="Left out: all.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
) -> None:
    """What was sent to partners and utilities, and what came of it."""

    async def step(database: Database, settings: Settings) -> list[Delivery]:
        async with database.read() as session:
            found = await registry.find_city(session, city)
            return await service.listed(session, command_line_of(found.id), state, None, limit)

    table = Table(box=SIMPLE_HEAD)
    for column in ("delivery", "event", "endpoint", "state", "attempts", "last status", "last error", "next or end"):
        table.add_column(column)
    for each in run(step):
        row = each.row
        moment = row.next_at or row.delivered_at or row.dead_at
        cells = (
            row.id,
            each.message.event,
            each.endpoint.url,
            row.state,
            row.attempts,
            row.last_status or "",
            (row.last_error or "")[:ERROR_SHOWN],
            f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "",
        )
        table.add_row(*map(str, cells))
    Console(markup=False).print(table)


@app.command()
def replay(number: Annotated[int, typer.Argument(help="Number of the delivery.")]) -> None:
    """Send a dead or delivered one again; a worker does it."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            city_id = await service.city_of(session, number)
            await service.replay(session, command_line_of(city_id), clock.now(), number)

    run(step)
    print(f"Delivery {number} is due again. Its workers run in `carbon-bank serve` or `carbon-bank work`.")
