"""`carbon-bank audit verify`: one line for each thing that must hold."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console

from carbon_bank import worker
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.cli.runtime import COMMAND_LINE, run
from carbon_bank.foundation.database import Database
from carbon_bank.ledger.check_service import FAULTS_SHOWN, Check
from carbon_bank.settings import Settings

EXIT_AT_FAULT = 1


def verify(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what does not hold.")] = False,
    closes: Annotated[
        bool, typer.Option(help="Add up the months that settlements closed once more: all their readings are read.")
    ] = True,
) -> None:
    """Prove the books, the settlements and the logs of all cities. Exit 1 with the rows at fault where something does not hold."""
    console = Console(highlight=False, soft_wrap=True)

    async def step(database: Database, settings: Settings) -> tuple[int, int, tuple[int, int]]:
        keys, checks, broken = worker.log_keys_of(settings), 0, 0
        async with database.read() as session:
            async for check in verify_service.verify(session, COMMAND_LINE, keys.verifying, with_closes=closes):
                checks += 1
                broken += print_check(console, check, quiet)
            return checks, broken, await verify_service.waiting(session)

    began = time.monotonic()
    checks, broken, (acts, journals) = run(step)
    told = f"{broken} of {checks} do not hold" if broken else f"All {checks} hold"
    console.print(f"{told}, in {time.monotonic() - began:.1f} s.", markup=False)
    if acts or journals:
        console.print(f"Not yet sealed: {acts:,} acts and {journals:,} journals.", markup=False)
    if broken:
        raise typer.Exit(EXIT_AT_FAULT)


def print_check(console: Console, check: Check, quiet: bool) -> bool:
    """Whether a promise is broken; its line is printed, and the rows at fault."""
    if check.faults or not quiet:
        console.print("FAULT" if check.faults else "ok   ", check.promise, markup=False)
    for household_id, fault in check.faults[:FAULTS_SHOWN]:
        whose = "" if household_id is None else f"household {household_id}: "
        console.print(f"        {whose}{fault}", markup=False)
    if len(check.faults) > FAULTS_SHOWN:
        console.print(f"        ... and {len(check.faults) - FAULTS_SHOWN} more", markup=False)
    return bool(check.faults)
