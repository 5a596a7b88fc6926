"""What every command needs: the settings, the database they name, and a loop to run in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, TypeVar

import psycopg
import structlog
import typer
from psycopg import sql
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from carbon_bank import schema
from carbon_bank.foundation import embedded, logs
from carbon_bank.foundation.database import Database, ReadSession, parse_url, plain_url
from carbon_bank.foundation.errors import Conflict
from carbon_bank.identity import service as identity
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.settings import Settings, read_settings

EMBEDDED_NAME = "carbon_bank"
COMMAND_LINE = Actor("system:command-line")
"""Whoever can run commands on the machine: sets up cities and lets in the first people."""

City = Annotated[str, typer.Option(help="Code of the city.")]

T = TypeVar("T")


def command_line_of(city_id: int | None) -> Actor:
    """The command line, acting within one city."""
    return Actor(COMMAND_LINE.subject, city_id=city_id)


def settings_and_logs(**given: object) -> Settings:
    settings = read_settings(**given)
    logs.configure(settings.log_format, settings.log_level)
    return settings


def database_url(settings: Settings) -> str:
    """The database that the settings name, or the embedded one, started and migrated.

    Raises: Unavailable `database.embedded`, `database.unreachable` (503).
    """
    if settings.database_url is not None:
        return settings.database_url
    maintenance = embedded.start(settings.data_dir)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [EMBEDDED_NAME]).fetchone()
        if there is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(EMBEDDED_NAME)))
    url = plain_url(parse_url(maintenance), EMBEDDED_NAME)
    schema.upgrade(url)
    return url


def require_current(url: str) -> None:
    """Raises: Conflict `database.not_migrated` where the database is not at this program's revision."""
    status = schema.status(url)
    if not status.is_current:
        raise Conflict(
            "database.not_migrated",
            f"The database is at revision {status.current or '(empty)'}, and this program needs {status.head}. "
            "Run `carbon-bank db upgrade`.",
        )


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    url = database_url(settings)
    require_current(url)
    database = Database(url, settings.pool_size)
    try:
        yield database
    finally:
        await database.close()


def run(step: Callable[[Database, Settings], Awaitable[T]]) -> T:
    """Run one coroutine with the database open."""
    settings = settings_and_logs()

    async def with_database() -> T:
        async with open_database(settings) as database:
            return await step(database, settings)

    return asyncio.run(with_database())


async def acting(session: ReadSession, login: str, permission: Permission) -> Actor:
    """The person in whose name a command acts, if they may do this themselves.

    Raises: NotFound `identity.unknown_login`; Forbidden `identity.forbidden`.
    """
    actor = await identity.person_acting(session, login)
    actor.require(permission)
    structlog.contextvars.bind_contextvars(role=actor.role_names)
    return actor


def progress_bar() -> Progress:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
