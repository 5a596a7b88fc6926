"""`carbon-bank payouts list | prepare | approve | file | return | withdraw`, each in a person's name."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carbon_bank import worker
from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Fault
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import payout_return_service, payout_service
from carbon_bank.rewards.bank_return import read_csv, read_pain002
from carbon_bank.rewards.payout_service import PayoutFile, PayoutRun
from carbon_bank.rewards.worth import amount_text
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]
Number = Annotated[int, typer.Argument(help="Number of the payout run.")]
FAULTS_SHOWN = 20


@app.command("list")
def list_(login: As) -> None:
    """The city's payout runs, the newest first."""

    async def step(database: Database, settings: Settings) -> list[PayoutRun]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.REDEMPTION_READ)
            return list(await payout_service.listed(session, actor, None, None, 1000))

    table = Table("number", "state", "payments", "total", "pay on", "prepared by", "approved by")
    for row in run(step):
        total = f"{amount_text(row.total_minor, row.currency)} {row.currency}"
        cells = (row.id, row.state, f"{row.payments:,}", total, row.execute_on, row.prepared_by, row.approved_by or "")
        table.add_row(*map(str, cells))
    Console().print(table)


@app.command()
def prepare(
    login: As,
    execute_on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="The day on which the bank is to pay.")],
) -> None:
    """Prepare a run of all redemptions that wait to be paid."""

    async def step(database: Database, settings: Settings) -> PayoutRun:
        async with database.write() as session:
            actor = await acting(session, login, Permission.PAYOUT_PREPARE)
            sealer = worker.sealer_of(settings)
            return await payout_service.prepare(session, actor, clock.now(), sealer, execute_on.date())

    made = run(step)
    total = f"{amount_text(made.total_minor, made.currency)} {made.currency}"
    print(f"Payout run {made.id}: {made.payments:,} payments, {total}.")
    print(f"SHA-256 as pain.001: {made.pain001_sha256}\nSHA-256 as CSV:      {made.csv_sha256}")
    print(f"Another person approves it: carbon-bank payouts approve {made.id} --digest ... --as LOGIN")


@app.command()
def approve(
    number: Number,
    login: As,
    digest: Annotated[str, typer.Option(help="SHA-256 of the file that is to go to the bank.")],
) -> None:
    """Approve a run that somebody else prepared, by the digest of its file."""

    async def step(database: Database, settings: Settings) -> PayoutRun:
        async with database.write() as session:
            actor = await acting(session, login, Permission.PAYOUT_APPROVE)
            return await payout_service.approve(session, actor, clock.now(), number, digest)

    print(
        f"Payout run {number} is approved as {run(step).approved_form}. Hand it out: carbon-bank payouts file {number} ..."
    )


@app.command()
def file(
    number: Number,
    to: Annotated[Path, typer.Argument(help="Where to write it.")],
    login: As,
    reason: Annotated[str | None, typer.Option(help="Why, where it is not the first time.")] = None,
) -> None:
    """Write the approved file, for the bank. From the first time on the run counts as sent."""

    async def step(database: Database, settings: Settings) -> PayoutFile:
        async with database.write() as session:
            actor = await acting(session, login, Permission.PAYOUT_PREPARE)
            sealer = worker.sealer_of(settings)
            made = await payout_service.hand_out(session, actor, clock.now(), sealer, number, reason)
            to.write_bytes(made.content)
            return made

    print(f"{to} holds payout run {number} as {run(step).form}.")


@app.command("return")
def take_in(
    number: Number,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or pain.002 as .xml.")],
    login: As,
) -> None:
    """Take in what the bank says of a run. The same file again does no harm."""
    is_csv = file.suffix.lower() != ".xml"

    async def step(database: Database, settings: Settings) -> tuple[Counter[str], list[Fault]]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.PAYOUT_PREPARE)
            await payout_return_service.check_sent(session, actor, number)
            read = (read_csv if is_csv else read_pain002)(file.read_bytes(), file.name)
            marks = await payout_return_service.marks_of(session, actor, number, read)
        counts: Counter[str] = Counter()
        faults = list(read.faults)
        for chunk in payout_return_service.chunks_of(marks):
            async with database.write() as session:
                place = "line" if is_csv else "TxInfAndSts"
                done = await payout_return_service.apply(session, actor, clock.now(), number, chunk, place)
            counts += done.counts
            faults += done.faults
        return counts, faults

    counts, faults = run(step)
    print(", ".join(f"{many:,} {what}" for what, many in sorted(counts.items())) or "Nothing new.")
    for fault in faults[:FAULTS_SHOWN]:
        print(f"  {fault.where}: {fault.message} [{fault.code}]")
    if len(faults) > FAULTS_SHOWN:
        print(f"  ... and {len(faults) - FAULTS_SHOWN} more.")


@app.command()
def withdraw(number: Number, login: As, reason: Annotated[str, typer.Option(help="Why; it stays on record.")]) -> None:
    """Give up a run whose file nobody has. Its redemptions wait for the next one."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.PAYOUT_PREPARE)
            await payout_service.withdraw(session, actor, clock.now(), number, reason)

    run(step)
    print(f"Payout run {number} is withdrawn.")
