"""`carbon-bank ...`: one file for each group of commands. A refusal is printed as a sentence and ends with exit 2."""

from __future__ import annotations

import sys

import psycopg
import sqlalchemy.exc
import typer
from rich.console import Console

from carbon_bank import __version__
from carbon_bank.cli import (
    audit,
    db,
    demo,
    ledger,
    payouts,
    people,
    policy,
    readings,
    registry,
    rewards,
    serve,
    settlement,
    simulate,
    webhooks,
)
from carbon_bank.foundation.errors import Refusal
from carbon_bank.foundation.problems import unreachable_database

FAULTS_SHOWN = 20
EXIT_REFUSED = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The Carbon Bank: meter readings in, carbon points out, each point provable.",
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(serve.work)
app.command()(simulate.simulate)
app.command()(demo.demo)
app.add_typer(db.app, name="db", help="The database: migrate it, see where it stands.")
app.add_typer(registry.app, name="registry", help="Cities, districts, utilities, households, meters, tenures.")
app.add_typer(people.app, name="people", help="Who may sign in.")
app.add_typer(readings.app, name="readings", help="Meter readings from files.")
app.add_typer(settlement.app, name="settlement", help="Compute, look at, approve and post settlements.")
app.add_typer(
    ledger.app, name="ledger", help="The books: prove that they hold, adjust, take back, budgets, statements."
)
app.add_typer(webhooks.app, name="webhooks", help="What was sent to partners and utilities; send it again.")
app.add_typer(rewards.app, name="rewards", help="What can be had for points, and what was asked for.")
app.add_typer(payouts.app, name="payouts", help="Files of bank transfers: prepared, approved, sent, answered.")
app.add_typer(policy.app, name="policy", help="The policies that come with the bank.")
app.add_typer(audit.app, name="audit", help="Follow, recompute and prove what the bank did.")


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """Run a command; turn refusals into a sentence on standard error and exit 2."""
    try:
        app()
    except Refusal as refusal:
        _tell(refusal)
        sys.exit(EXIT_REFUSED)
    except (sqlalchemy.exc.OperationalError, psycopg.OperationalError) as error:
        _tell(unreachable_database(error))
        sys.exit(EXIT_REFUSED)


def _tell(refusal: Refusal) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(refusal.message, style="bold red", markup=False)
    for fault in refusal.faults[:FAULTS_SHOWN]:
        value = "" if fault.value is None else f" '{fault.value}'"
        console.print(f"  {fault.where}{value}: {fault.message} [{fault.code}]", markup=False)
    if len(refusal.faults) > FAULTS_SHOWN:
        console.print(f"  ... and {len(refusal.faults) - FAULTS_SHOWN} more.", markup=False)
    console.print(f"code: {refusal.code}", style="dim", markup=False)
