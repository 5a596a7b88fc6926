"""`carbon-bank ledger statement`: an account's statement in the terminal, or as a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.ledger_adjust import As, Household
from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.look_service import check_download, note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger.statement_file import statement_csv, statement_pdf
from carbon_bank.ledger.statement_service import Statement
from carbon_bank.ledger.statement_words import entry_words
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings
from carbon_bank.settlement import statement_service as service
from carbon_bank.trail.service import Act


def statement(
    household: Household,
    login: As,
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day. Left out: the first of that year."),
    ] = None,
    to: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day, included. Left out: today.")
    ] = None,
    form: Annotated[
        Literal["csv", "pdf"] | None, typer.Option("--format", help="Left out: a table in the terminal.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write. Left out: CSV is printed.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why you look; the trail keeps it. A file needs it.")] = None,
) -> None:
    """What a household owned before and after some days, and each posting between, in the household's language."""
    if form == "pdf" and out is None:
        raise InvalidInput("ledger.statement_file", "A PDF is for a file: name it with --out statement.pdf.")
    if form is None and out is not None:
        raise InvalidInput("ledger.statement_file", f"Say how {out} is to be written: --format csv or --format pdf.")

    async def step(database: Database, settings: Settings) -> tuple[Statement, Language]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.LEDGER_READ)
            if form is not None:
                check_download(actor, reason)
            found = await registry.find_household(session, actor.of_city(), household)
            assert found.id is not None
            language = await inbox.language_of_household(session, found.id, None, Language(settings.language))
            first, last = (day.date() if day else None for day in (from_, to))
            read = await service.read_statement(session, actor, clock.now(), found.id, first, last, language)
        async with database.write() as session:
            subject, what = f"household:{found.id}", f"statement.{form or 'table'}"
            note_look(session, actor, clock.now(), Act.ACCOUNT_READ, subject, reason, what=what)
        return read, language

    told, language = run(step)
    if form is None:
        _show(told, language)
        return
    if form == "pdf":
        content = statement_pdf(told.head, told.lines, told.lots, language)
    else:
        content = "".join(statement_csv(told.head, told.lines, language)).encode()
    if out is None:
        typer.echo(content, nl=False)
    else:
        out.write_bytes(content)
        print(f"The statement of household {household} is in {out}.")


def _show(told: Statement, language: Language) -> None:
    head, console = told.head, Console(markup=False)
    console.print(f"{head.city}, household {head.member_number}: {head.first_day} to {head.last_day}", highlight=False)
    table = Table("seq", "day", "entry", box=SIMPLE_HEAD)
    for name in ("points", "balance", "held", "not asked back"):
        table.add_column(name, justify="right")
    table.add_row("", str(head.first_day), "opening", "", f"{head.opening:,}", f"{head.opening_held:,}", "")
    for line in told.lines:
        belongs_to = None if line.belongs_to == line.day else line.belongs_to
        entry = entry_words(line.kind, line.commodity, belongs_to, language)
        amount, forgiven = (f"{line.amount:+,}" if line.amount else "", f"{line.forgiven:,}" if line.forgiven else "")
        table.add_row(str(line.seq), str(line.day), entry, amount, f"{line.balance:,}", f"{line.held:,}", forgiven)
    table.add_row("", str(head.last_day), "closing", "", f"{head.closing:,}", f"{head.closing_held:,}", "")
    console.print(table)
    for lot in told.lots:
        console.print(f"{lot.points:,} points can be spent until {lot.expires_on}.", highlight=False)
