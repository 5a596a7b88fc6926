"""Two households with an account each, and the ways in which the tests put something into the books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from carbon_bank.foundation.database import APP_ROLE, WriteSession
from carbon_bank.ledger import service as ledger
from carbon_bank.ledger.service import GRANTS, Posted

MARCH = datetime(2026, 3, 10, 1, 0, tzinfo=UTC)
JOURNAL = UUID("0195a000-0000-7000-8000-000000000001")

Grant = tuple[int, str, int]
"""Household, commodity, points."""


def found_accounts(owner: psycopg.Connection, number: int = 2) -> list[int]:
    """A city with some households, each with an empty account. Returns their ids."""
    city = _id(
        owner.execute(
            "INSERT INTO city (code, name, time_zone, currency, created_at) "
            "VALUES ('here', '{}', 'Asia/Seoul', 'KRW', now()) RETURNING id"
        )
    )
    district = _id(
        owner.execute("INSERT INTO district (city_id, code, name) VALUES (%s, 'north', '{}') RETURNING id", [city])
    )
    households = owner.execute(
        "INSERT INTO household (city_id, number, district_id, joined_on) "
        "SELECT %s, 'n' || i, %s, '2023-01-01' FROM generate_series(1, %s) AS i RETURNING id",
        [city, district, number],
    ).fetchall()
    owner.execute("INSERT INTO account SELECT id, 0, 0, 0, 0 FROM household")
    return sorted(each for (each,) in households)


def add_journal(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO journal (id, city_id, kind, settlement_id, by, recorded_at) "
        "SELECT %s, min(id), 'award', 1, 'test', %s FROM city",
        [JOURNAL, MARCH],
    )


def add_posting(connection: psycopg.Connection, household_id: int, seq: int, **given: Any) -> None:
    """One posting as `given`; left out, an award of 100 points that leaves 100 available."""
    values: dict[str, Any] = {
        "household_id": household_id,
        "seq": seq,
        "journal_id": JOURNAL,
        "kind": "award",
        "contra": "issuance",
        "amount": 100,
        "available_after": 100,
        "held_after": 0,
        "debt_after": 0,
        "effective_on": date(2025, 12, 31),
        "recorded_at": MARCH,
        "settlement_id": seq,
        "commodity": "gas",
    } | given
    add_row(connection, "posting", values)


def add_row(connection: psycopg.Connection, table: str, values: Mapping[str, Any]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    holes = sql.SQL(", ").join(sql.Placeholder() * len(values))
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), names, holes), [*values.values()]
    )


@contextmanager
def without_triggers(owner: psycopg.Connection) -> Iterator[None]:
    """As somebody with the run of the server: no trigger and no foreign key stands in the way."""
    owner.execute("SET session_replication_role = replica")
    try:
        yield
    finally:
        owner.execute("SET session_replication_role = origin")


def put_into_debt(owner: psycopg.Connection, household_id: int, points: int) -> None:
    """An account whose one posting left it with a debt, which no operation of the bank can make yet."""
    with without_triggers(owner):
        add_posting(owner, household_id, 1, amount=1, available_after=0, debt_after=points, settlement_id=999)
        owner.execute("UPDATE account SET debt = %s, version = 1 WHERE household_id = %s", [points, household_id])


@contextmanager
def as_application(connection: psycopg.Connection) -> Iterator[None]:
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(APP_ROLE)))
    try:
        yield
    finally:
        connection.execute("RESET ROLE")


async def fill_grants(session: WriteSession, grants: Sequence[Grant]) -> None:
    await session.sql(f"DROP TABLE IF EXISTS {GRANTS}")
    await session.sql(
        f"CREATE TEMPORARY TABLE {GRANTS} (household_id bigint, commodity text, points bigint) ON COMMIT DROP"
    )
    for household_id, commodity, points in grants:
        await session.sql(
            f"INSERT INTO {GRANTS} VALUES (:household_id, :commodity, :points)",
            {"household_id": household_id, "commodity": commodity, "points": points},
        )


async def grant(session: WriteSession, grants: Sequence[Grant], settlement_id: int = 1, **given: Any) -> Posted:
    """Post some awards of a settlement, as the settlement room does."""
    await fill_grants(session, grants)
    city_id = (await session.sql("SELECT min(id) FROM city")).scalar_one()
    values: dict[str, Any] = {
        "city_id": city_id,
        "settlement_id": settlement_id,
        "by": "person:1",
        "effective_on": date(2025, 12, 31),
        "expires_on": date(2031, 3, 31),
        "now": MARCH,
    } | given
    return await ledger.post_awards(session, **values)


def rows(connection: psycopg.Connection, query: str, *parameters: Any) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchall()


def everything(connection: psycopg.Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of the ledger, for comparing what stands before and after."""
    tables = {"account": "1", "journal": "1", "posting": "1, 2", "lot": "1, 2", "lot_use": "1, 2, 3"}
    return {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()
        for table, order in tables.items()
    }


def _id(cursor: psycopg.Cursor[Any]) -> int:
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])
