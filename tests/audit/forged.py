"""A posted settlement, and what somebody with the run of the server could do to its rows, behind the bank's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlmodel import SQLModel

from carbon_bank import worker
from carbon_bank.audit.replay import DIFFERENCE_SCHEMA
from carbon_bank.foundation.database import Database
from carbon_bank.programme.policy import Policy
from carbon_bank.settlement import service
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.review_service import Decision, decide
from tests.ledger.books import add_row, rows, without_triggers
from tests.settlement.town import JULY_2024, KOREA, found_town, request
from tests.small_city import SmallCity

HOUSEHOLDS = 16
"""Of the town. Two of them used a third, so that four awards are held."""

Row = dict[str, Any]
Difference = tuple[Any, ...]
"""household_id, commodity, table, column, stands, recomputed."""


async def replayed(database: Database, number: int, chunk: int = 100) -> list[Difference]:
    """All differences, in the order in which they are told."""
    columns = [name for name in DIFFERENCE_SCHEMA.names() if name != "row"]
    parts = worker.replay(database, number, chunk)
    return [row async for part in parts for row in part.differences[columns].iter_rows()]


async def approve(database: Database, city: SmallCity, number: int) -> None:
    """And have it posted, by somebody who is told to."""
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], JULY_2024, number)
        await service.start_posting(session, city.actors["operator"], JULY_2024, number, in_background=False)


async def review(database: Database, city: SmallCity, who: str, award: Row, decision: Decision) -> None:
    award_id = AwardId(award["settlement_id"], award["household_id"], award["commodity"])
    async with database.write() as session:
        await decide(session, city.actors[who], JULY_2024, award_id, decision, "looked at the meter")


async def posted(database: Database, city: SmallCity, owner: psycopg.Connection, policy: Policy = KOREA) -> int:
    """A settlement of which one held award was released before it was posted, one rejected, and one released after; one waits."""
    await found_town(database, city, HOUSEHOLDS, moved_in={2: "2024-01-01"})
    number = await request(database, city.actors["operator"], policy)
    await worker.compute(database, number, 7)
    first, second, third, _ = rows(owner, "SELECT * FROM award WHERE review = 'held' ORDER BY household_id, commodity")
    await review(database, city, "operator", first, Decision.RELEASED)
    await review(database, city, "operator", second, Decision.REJECTED)
    await approve(database, city, number)
    await worker.post(database, number, 5)
    await review(database, city, "approver", third, Decision.RELEASED)
    return number


def one(owner: psycopg.Connection, table: str, condition: str = "true") -> Row:
    """The first row of a table that is so."""
    return rows(owner, f"SELECT * FROM {table} WHERE {condition} ORDER BY 1, 2, 3 LIMIT 1")[0]


@contextmanager
def other(owner: psycopg.Connection, table: str, row: Row, **values: Any) -> Iterator[None]:
    """A row has other values, for a while."""
    _change(owner, table, row, values)
    yield
    _change(owner, table, row | values, {name: row[name] for name in values})


@contextmanager
def gone(owner: psycopg.Connection, table: str, row: Row) -> Iterator[None]:
    """A row is not there, for a while."""
    _remove(owner, table, row)
    yield
    _put(owner, table, row)


@contextmanager
def too_many(owner: psycopg.Connection, table: str, row: Row) -> Iterator[None]:
    """A row is there that should not be, for a while."""
    _put(owner, table, row)
    yield
    _remove(owner, table, row)


def change_reading(owner: psycopg.Connection, household_id: int, commodity: str, starts_on: date, by: int) -> None:
    """A reading of a household is more, or less, than it was."""
    statement = """
        UPDATE reading SET quantity = quantity + %s FROM tenure JOIN meter ON meter.id = tenure.meter_id
        WHERE tenure.meter_id = reading.meter_id AND household_id = %s AND commodity = %s AND period_start = %s
    """
    with without_triggers(owner):
        assert owner.execute(statement, [by, household_id, commodity, starts_on]).rowcount == 1


def _put(owner: psycopg.Connection, table: str, row: Row) -> None:
    with without_triggers(owner):
        add_row(owner, table, {name: _adapted(value) for name, value in row.items()})


def _remove(owner: psycopg.Connection, table: str, row: Row) -> None:
    _run(owner, sql.SQL("DELETE FROM {} WHERE ").format(sql.Identifier(table)), table, row, [])


def _change(owner: psycopg.Connection, table: str, row: Row, values: Row) -> None:
    pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)
    start = sql.SQL("UPDATE {} SET {} WHERE ").format(sql.Identifier(table), pairs)
    _run(owner, start, table, row, [_adapted(value) for value in values.values()])


def _run(owner: psycopg.Connection, start: sql.Composed, table: str, row: Row, parameters: list[Any]) -> None:
    key = [column.name for column in SQLModel.metadata.tables[table].primary_key]
    where = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in key)
    with without_triggers(owner):
        assert owner.execute(start + where, [*parameters, *(row[name] for name in key)]).rowcount == 1


def _adapted(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, list | dict) else value
