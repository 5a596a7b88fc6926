"""Sessions on PostgreSQL.

A `WriteSession` commits when its block ends well and rolls back otherwise; only the edge opens one. A `ReadSession`
cannot write: PostgreSQL refuses, too. Both work under the role `carbon_bank_app`, which the migrations make and which
has no right to change or remove what counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL, Result, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import MetaData, SQLModel, text
from sqlmodel.ext.asyncio.session import AsyncSession

from carbon_bank.foundation.errors import InvalidInput

APP_ROLE = "carbon_bank_app"

SQLModel.metadata.naming_convention = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}
METADATA: MetaData = SQLModel.metadata
_DRIVER = "driver"


class ReadSession(AsyncSession):
    """A transaction that only reads."""

    async def sql(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Result[Any]:
        """Run a statement as it is written, with `:name` parameters."""
        result: Result[Any] = await self.exec(text(statement), params=parameters)  # type: ignore[call-overload]
        return result


class WriteSession(ReadSession):
    """A transaction that may write. Whoever opened it commits it."""


SessionT = TypeVar("SessionT", bound=ReadSession)


class Database:
    """The pools of one PostgreSQL database.

    Args: url: postgresql://... . pool_size: connections for writing, and as many for reading.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = parse_url(url)
        self._writing = self._engine(pool_size, "")
        self._reading = self._engine(pool_size, " -c default_transaction_read_only=on")

    def _engine(self, pool_size: int, options: str) -> AsyncEngine:
        return create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text goes to the log, which holds nothing personal
            connect_args={
                "options": f"-c role={APP_ROLE} -c timezone=UTC -c lock_timeout=30s{options}",
                "connect_timeout": 5,
                "application_name": "carbon-bank",
            },
        )

    @asynccontextmanager
    async def read(self) -> AsyncIterator[ReadSession]:
        async with (
            ReadSession(self._reading, expire_on_commit=False) as session,
            session.begin(),
            _given_back_in_order(session),
        ):
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[WriteSession]:
        async with (
            WriteSession(self._writing, expire_on_commit=False) as session,
            session.begin(),
            _given_back_in_order(session),
        ):
            yield session

    async def close(self) -> None:
        await self._writing.dispose()
        await self._reading.dispose()


@asynccontextmanager
async def _given_back_in_order(session: ReadSession) -> AsyncIterator[None]:
    """Close a connection that a cancelled request left in the middle of a command, as a COPY that was just beginning: it
    cannot be rolled back, and the next one who got it would fail.
    """
    try:
        yield
    except asyncio.CancelledError:
        used = session.info.get(_DRIVER)
        if used is not None and used.info.transaction_status is TransactionStatus.ACTIVE:
            await (await session.connection()).invalidate()
        raise


def parse_url(text: str) -> URL:
    """A PostgreSQL address with the driver that the bank uses.

    Raises: InvalidInput `database.url`.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        raise InvalidInput(
            "database.url",
            "CARBON_BANK_DATABASE_URL is no PostgreSQL address. Write postgresql://user:password@host:5432/name.",
        )
    return url.set(drivername="postgresql+psycopg")


def plain_url(url: URL, database: str | None = None) -> str:
    """The address as libpq reads it, for psycopg itself."""
    return url.set(drivername="postgresql", database=database or url.database).render_as_string(hide_password=False)


async def driver(session: ReadSession) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection under a session, inside the same transaction: for COPY and columns."""
    connection = await (await session.connection()).get_raw_connection()
    assert isinstance(connection.driver_connection, psycopg.AsyncConnection)
    session.info[_DRIVER] = connection.driver_connection
    return connection.driver_connection
