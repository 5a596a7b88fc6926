"""`carbon-bank settlement restate | restatements | restatement ...`: a posted settlement computed again, in a person's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank import worker
from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Permission
from carbon_bank.settings import Settings
from carbon_bank.settlement import restate_service as service
from carbon_bank.settlement.restate_service import Restatement, Totals

app = typer.Typer(no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]
Number = Annotated[int, typer.Argument(help="Number of the restatement.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
SHOWN = 100
STANDINGS = {
    "held": "a finding holds it",
    "post": "to post",
    "rejected": "rejected before",
    "reversed": "taken back before",
    "same": "no difference",
    "small": "too small to post",
}


def restate(
    settlement: Annotated[int, typer.Argument(help="Number of the posted settlement.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; households can read it.")],
    login: As,
    points_min: Annotated[int, typer.Option(min=1, help="A smaller difference is recorded and not posted.")] = 1,
) -> None:
    """Compute a posted settlement again, now, for the households that something recorded since touches."""

    async def step(database: Database, settings: Settings) -> int:
        async with database.write() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_PREPARE)
            made = await service.request_restatement(
                session, actor, clock.now(), settlement, reason, points_min, in_background=False
            )
        assert made.id is not None
        await worker.compute_restatement(database, made.id, settings.chunk_households)
        return made.id

    number = run(step)
    print(f"Restatement {number} of settlement {settlement} is computed.")
    print(f"Look at it: carbon-bank settlement restatement show {number} --as {login}")


def restatements(login: As) -> None:
    """The city's restatements, the newest first."""

    async def step(database: Database, settings: Settings) -> Sequence[Restatement]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_READ)
            return await service.list_restatements(session, actor, None, SHOWN)

    table = Table("number", "settlement", "state", "as of", "reason", "prepared by", "approved by", box=SIMPLE_HEAD)
    for each in run(step):
        as_of = f"{each.as_of:%Y-%m-%d %H:%M:%S}" if each.as_of else ""
        cells = (each.id, each.settlement_id, each.state, as_of, each.reason, each.prepared_by, each.approved_by or "")
        table.add_row(*map(str, cells))
    Console(markup=False).print(table)


@app.command()
def show(number: Number, login: As) -> None:
    """One restatement: where it stands, and what it comes to."""

    async def step(database: Database, settings: Settings) -> tuple[Restatement, Totals]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_READ)
            return await service.get_restatement(session, actor, number), await service.totals_of(session, number)

    found, totals = run(step)
    print(f"restatement {number} of settlement {found.settlement_id}: {found.state}")
    print(f"reason      {found.reason}\nas of       {found.as_of}")
    print(f"prepared by {found.prepared_by}, approved by {found.approved_by or '(nobody yet)'}")
    table = Table("awards that are", box=SIMPLE_HEAD)
    for name in ("awards", "points more", "points less"):
        table.add_column(name, justify="right")
    for standing, *numbers in totals:
        table.add_row(STANDINGS[standing], *(f"{value:,}" for value in numbers))
    Console(markup=False).print(table)


@app.command()
def approve(number: Number, login: As) -> None:
    """Approve a restatement that somebody else prepared."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_APPROVE)
            await service.approve(session, actor, clock.now(), number)

    run(step)
    print(f"Restatement {number} is approved. Post it: carbon-bank settlement restatement post {number} --as LOGIN")


@app.command()
def post(number: Number, login: As) -> None:
    """Post the differences to the ledger now. Interrupted, run it again: it goes on where it stopped."""

    async def step(database: Database, settings: Settings) -> str:
        async with database.write() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_POST)
            await service.start_posting(session, actor, clock.now(), number, in_background=False)
        posted = await worker.post_restatement(database, number, settings.bucket_households, settings.debt_points_max)
        return f"{posted.postings} postings, {posted.points:+,} points"

    print(f"Restatement {number} is posted: {run(step)}.")


@app.command()
def withdraw(number: Number, login: As, reason: Why) -> None:
    """Give up a restatement that is not approved."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_PREPARE)
            await service.withdraw(session, actor, clock.now(), number, reason)

    run(step)
    print(f"Restatement {number} is withdrawn.")
