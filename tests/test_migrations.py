"""Migrations go up, down and up again, and lead to exactly the tables that the rooms describe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from carbon_bank import schema
from carbon_bank.foundation.database import parse_url, plain_url
from carbon_bank.foundation.errors import Unavailable

NOTHING_LISTENS = "postgresql://nobody@127.0.0.1:1/none"
OURS = """
SELECT 'relation', relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S', 'i')
UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT 'type', typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal
"""


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database in which nothing has been made."""
    name, url = f"bank_empty_{os.getpid()}", parse_url(server_url)
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        yield plain_url(url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def what_is_there(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return sorted(connection.execute(OURS).fetchall())


def test_migrations_go_up_down_and_up_again(empty_url: str) -> None:
    schema.upgrade(empty_url)
    first = what_is_there(empty_url)
    assert {("relation", "posting"), ("relation", "entry"), ("function", "posting_continues")} <= set(first)
    schema.upgrade(empty_url, "base")
    assert what_is_there(empty_url) == [("relation", "alembic_version"), ("relation", "alembic_version_pkc")]
    assert schema.status(empty_url).current is None
    schema.upgrade(empty_url)
    assert what_is_there(empty_url) == first


def test_the_database_has_exactly_the_tables_that_the_rooms_describe(database_url: str) -> None:
    engine = sa.create_engine(parse_url(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        options = {"include_object": schema.is_ours, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), schema.METADATA) == []


def test_a_table_that_differs_is_seen(database_url: str, owner: psycopg.Connection) -> None:
    owner.execute("CREATE TABLE more (id bigint)")
    owner.execute("ALTER TABLE city DROP COLUMN currency")
    owner.execute("DROP INDEX trail_at_idx")
    engine = sa.create_engine(parse_url(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        options = {"include_object": schema.is_ours, "compare_type": True}
        found = compare_metadata(MigrationContext.configure(connection, opts=options), schema.METADATA)
    assert {difference[0] for difference in found} == {"remove_table", "add_column", "add_index"}


def test_the_checks_are_those_that_the_rooms_describe(owner: psycopg.Connection) -> None:
    """Alembic compares no checks: here their names are."""
    rows = owner.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace "
        "AND conrelid <> 0 AND conrelid::regclass::text NOT LIKE 'procrastinate%'"
    ).fetchall()
    assert sorted(name for (name,) in rows) == sorted(
        str(check.name)
        for table in schema.METADATA.tables.values()
        for check in table.constraints
        if isinstance(check, sa.CheckConstraint)
    )


def test_a_database_says_where_it_stands(empty_url: str) -> None:
    fresh = schema.status(empty_url)
    assert (fresh.current, fresh.is_current) == (None, False)
    schema.upgrade(empty_url, "0001")
    assert (schema.status(empty_url).current, schema.status(empty_url).is_current) == ("0001", False)
    schema.upgrade(empty_url)
    assert schema.status(empty_url) == schema.Status(fresh.head, fresh.head)
    assert schema.status(empty_url).is_current


def test_to_upgrade_again_changes_nothing(database_url: str) -> None:
    before = what_is_there(database_url)
    schema.upgrade(database_url)
    assert what_is_there(database_url) == before


def test_of_two_upgrades_at_once_both_succeed(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(schema.upgrade, [empty_url, empty_url])) == [None, None]
    assert schema.status(empty_url).is_current


def test_a_server_that_is_too_old_is_refused(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "POSTGRES_VERSION_MIN", 999)
    with pytest.raises(Unavailable, match="is too old: the bank needs 999 or newer") as refused:
        schema.upgrade(empty_url)
    assert refused.value.code == "database.too_old"
    assert what_is_there(empty_url) == []


def test_a_server_that_does_not_answer_is_named_with_what_to_check() -> None:
    for ask in (schema.upgrade, schema.status):
        with pytest.raises(Unavailable, match="CARBON_BANK_DATABASE_URL") as refused:
            ask(NOTHING_LISTENS)
        assert refused.value.code == "database.unreachable"
