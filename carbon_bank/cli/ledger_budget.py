"""`carbon-bank ledger budget prepare | approve | list`, each in a person's name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import budget_service as service
from carbon_bank.ledger.budget_service import Budget
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]


@app.command()
def prepare(
    from_: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="Its first day.")],
    to: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day that it no longer covers.")],
    points: Annotated[int, typer.Option(min=1, help="How many may be granted in these days.")],
    login: As,
) -> None:
    """Prepare a budget. Once a city has one, nothing is granted beyond it, nor on a day that none covers."""

    async def step(database: Database, settings: Settings) -> Budget:
        async with database.write() as session:
            actor = await acting(session, login, Permission.BUDGET_PREPARE)
            return await service.prepare(
                session, actor, clock.now(), starts_on=from_.date(), ends_on=to.date(), points=points
            )

    number = run(step).id
    print(f"Budget {number} of {points:,} points from {from_:%Y-%m-%d} up to {to:%Y-%m-%d} is prepared.")
    print(f"Another person approves it: carbon-bank ledger budget approve {number} --as LOGIN")


@app.command()
def approve(number: Annotated[int, typer.Argument(help="Number of the budget.")], login: As) -> None:
    """Approve a budget that somebody else prepared. It is in force on its days."""

    async def step(database: Database, settings: Settings) -> Budget:
        async with database.write() as session:
            return await service.approve(
                session, await acting(session, login, Permission.BUDGET_APPROVE), clock.now(), number
            )

    budget = run(step)
    print(f"Budget {number} of {budget.points:,} points is in force from {budget.starts_on} up to {budget.ends_on}.")


@app.command("list")
def list_(login: As) -> None:
    """The city's budgets, the latest first, and what is used of them."""

    async def step(database: Database, settings: Settings) -> Sequence[Budget]:
        async with database.read() as session:
            return await service.list_budgets(session, await acting(session, login, Permission.LEDGER_READ))

    table = Table("number", "from", "up to", box=SIMPLE_HEAD)
    for name in ("points", "used", "left"):
        table.add_column(name, justify="right")
    for name in ("prepared by", "approved by"):
        table.add_column(name)
    for each in run(step):
        sums = (each.points, each.used, each.points - each.used)
        people = (each.prepared_by, each.approved_by or "(nobody yet)")
        table.add_row(*map(str, (each.id, each.starts_on, each.ends_on)), *(f"{value:,}" for value in sums), *people)
    Console(markup=False).print(table)
