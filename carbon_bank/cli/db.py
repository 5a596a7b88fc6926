"""`carbon-bank db upgrade | status`."""

from __future__ import annotations

import typer

from carbon_bank import schema
from carbon_bank.cli.runtime import database_url, settings_and_logs

app = typer.Typer(no_args_is_help=True)

EXIT_BEHIND = 1


@app.command()
def upgrade() -> None:
    """Bring the database to this program's revision. Safe to run again."""
    url = database_url(settings_and_logs())
    schema.upgrade(url)
    print(f"The database is at revision {schema.status(url).current}.")


@app.command()
def status() -> None:
    """Say which revision the database is at. Exit 1 where it is not this program's."""
    found = schema.status(database_url(settings_and_logs()))
    print(f"database: {found.current or '(empty)'}\nprogram:  {found.head}")
    if not found.is_current:
        print("Run `carbon-bank db upgrade`.")
        raise typer.Exit(EXIT_BEHIND)
