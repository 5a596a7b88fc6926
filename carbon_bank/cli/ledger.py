"""`carbon-bank ledger ...`: prove the books, put them right by two people, read an account."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console

from carbon_bank.cli import ledger_adjust, ledger_budget, ledger_statement
from carbon_bank.cli.runtime import run
from carbon_bank.foundation.database import Database
from carbon_bank.ledger import check_service
from carbon_bank.ledger.check_service import Check
from carbon_bank.rewards import check_service as rewards
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

EXIT_AT_FAULT = 1


app.command("adjust")(ledger_adjust.adjust)
app.command("reverse")(ledger_adjust.reverse)
app.command("adjustments")(ledger_adjust.adjustments)
app.command("approve")(ledger_adjust.approve)
app.command("reject")(ledger_adjust.reject)
app.command("statement")(ledger_statement.statement)
app.add_typer(ledger_budget.app, name="budget", help="How many points a city may grant, and when.")


@app.command()
def check(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what does not hold.")] = False,
) -> None:
    """Prove the books of all cities, one line for each thing that must hold. Exit 1 with the rows at fault where one does not."""
    console = Console(highlight=False, soft_wrap=True)

    async def step(database: Database, settings: Settings) -> tuple[int, int, float]:
        began, broken = time.monotonic(), 0
        async with database.read() as session:
            async for each in check_service.check_books(session):
                broken += _told(console, each, quiet)
            async for each in rewards.check_rewards(session):
                broken += _told(console, each, quiet)
            return broken, await check_service.count_postings(session), time.monotonic() - began

    broken, postings, seconds = run(step)
    verdict = f"{broken} of the books' promises are broken" if broken else "The books hold"
    console.print(f"{verdict}: {postings:,} postings looked at in {seconds:.1f} s.", markup=False)
    if broken:
        raise typer.Exit(EXIT_AT_FAULT)


def _told(console: Console, check: Check, quiet: bool) -> bool:
    """Whether a promise is broken; its line is printed, and the rows at fault."""
    if check.faults or not quiet:
        console.print("FAULT" if check.faults else "ok   ", check.promise, markup=False)
    for household_id, fault in check.faults:
        whose = "" if household_id is None else f"household {household_id}: "
        console.print(f"        {whose}{fault}", markup=False)
    return bool(check.faults)
