"""Sessions, and what the application's role can never do."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from carbon_bank.foundation import moments
from carbon_bank.foundation.database import Database, WriteSession, driver, parse_url, plain_url
from carbon_bank.foundation.errors import InvalidInput

APPEND_ONLY = {"award_review", "journal", "lot_use", "policy", "posting", "reading", "reading_batch"}
APPEND_ONLY |= {"settlement_population", "settlement_total", "trail"}
"""Tables of which no row is ever changed or removed."""
KEPT = {"account", "award", "household", "lot", "meter", "policy_adoption", "policy_comparison", "settlement", "tenure"}
APPEND_ONLY |= {"reading_mapping", "reading_rejection"}
KEPT |= {"reading_import", "reading_quarantine"}
APPEND_ONLY |= {"budget_use", "restated_award", "webhook_message", "webhook_received"}
KEPT |= {
    "adjustment",
    "budget",
    "hold",
    "notification",
    "objection",
    "restatement",
    "webhook_delivery",
    "webhook_endpoint",
}
KEPT |= {"payout_payment", "payout_run", "redemption", "reward", "reward_stock", "reward_terms", "voucher"}
APPEND_ONLY |= {"log", "log_checkpoint", "log_cosignature", "log_leaf"}
KEPT |= {"log_tile", "log_witness"}
"""Tables of which no row is ever removed."""
REMOVABLE = {"kept_answer", "log_secret", "payout_account", "payout_choice"}
"""Tables of which the application may remove rows: what was kept long enough, or is a household's own to take back."""
UPDATABLE = {
    "account": None,
    "adjustment": {"state", "decided_by", "decided_at", "decided_reason", "journal_id"},
    "budget": {"used", "approved_by", "approved_at"},
    "hold": {"ended_seq", "spent"},
    "objection": {"state", "answer", "answered_by", "answered_at", "adjustment_id"},
    "inbox_mail": {"state", "attempts", "due_at", "ended_at", "trouble", "code"},
    "inbox_preference": {"language", "email", "muted", "changed_at"},
    "notification": {"read_at", "mail_planned"},
    "payout_account": None,
    "payout_choice": None,
    "payout_payment": {"outcome", "bank_code", "bank_text", "decided_at", "is_live"},
    "payout_run": {
        *(
            "state",
            "approved_by",
            "approved_at",
            "approved_form",
            "sent_at",
            "closed_at",
            "withdrawn_by",
            "withdrawn_reason",
        ),
    },
    "redemption": {
        *("state", "hold_id", "held_at", "fulfilling_at", "ended_at", "ended_by", "reason", "reason_text", "reference"),
        *("pickup_sealed", "pickup_hash", "journal_id", "returned_at"),
    },
    "restatement": {
        *("state", "as_of", "computed_to", "computed_at", "approved_by", "approved_at", "posted_to", "posted_at"),
        *("withdrawn_by", "withdrawn_reason"),
    },
    "reward": {
        *(
            "code",
            "channel",
            "partner_id",
            "points",
            "points_least",
            "points_most",
            "points_step",
            "name",
            "description",
        ),
        *(
            "stocked",
            "per_month_max",
            "starts_on",
            "ends_on",
            "deadline_days",
            "state",
            "prepared_by",
            "prepared_at",
        ),
    },
    "reward_stock": {"stock", "stocked"},
    "reward_terms": {"approved_by", "approved_at"},
    "voucher": {"redemption_id", "given_at"},
    "webhook_delivery": {
        *("state", "attempts", "next_at", "leased_until", "last_tried_at", "last_status", "last_error"),
        *("delivered_at", "dead_at", "replayed_at"),
    },
    "webhook_endpoint": {
        *("secret", "former_secret", "former_until", "disabled_at", "disabled_reason", "removed_at"),
    },
    "award": {"review"},
    "client": {"secret_hash", "disabled_at"},
    "district": {"parent_id"},
    "log_tile": {"width", "data"},
    "log_witness": {"removed_at", "asked_at", "last_error"},
    "lot": {"remaining"},
    "person": {"password_hash", "disabled_at"},
    "policy_adoption": {
        *("policy_id", "active_from", "state", "proposed_by", "proposed_at", "approved_by", "approved_at"),
        *("closed_by", "closed_at", "closed_reason"),
    },
    "policy_comparison": {"state", "as_of", "report", "failure", "finished_at"},
    "reading_import": {
        *("state", "chunks_done", "bytes_done", "rows", "accepted", "duplicate", "revised", "refused", "quarantined"),
        *("passed_over", "findings", "failure_code", "failure", "started_at", "finished_at", "is_kept"),
    },
    "reading_quarantine": {"state", "outcome", "decided_at", "decided_by", "reason"},
    "settlement": None,
    "tenure": {"ends_on", "ended_at"},
}
"""Table -> the columns that the application may change; null: any."""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'procrastinate%'"


def tables(owner: psycopg.Connection) -> set[str]:
    return {name for (name,) in owner.execute(TABLES)}


def change(table: str, column: str) -> list[str]:
    return [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"]


def a_column(owner: psycopg.Connection, table: str) -> str:
    query = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attidentity = '' "
        "AND NOT attisdropped ORDER BY attnum LIMIT 1"
    )
    row = owner.execute(query, [table]).fetchone()
    assert row is not None
    return str(row[0])


def test_the_application_may_change_these_columns_and_remove_hardly_anything(owner: psycopg.Connection) -> None:
    for table in tables(owner):
        rights = owner.execute(
            "SELECT p, has_table_privilege('carbon_bank_app', %s, p) FROM unnest(%s::text[]) AS p",
            [table, ["UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]],
        ).fetchall()
        held = {right for right, has in rights if has}
        whole = {"UPDATE"} if table in UPDATABLE and UPDATABLE[table] is None else set()
        assert held == whole | ({"DELETE"} if table in REMOVABLE else set()), table
        columns = owner.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
            "AND has_column_privilege('carbon_bank_app', attrelid, attnum, 'UPDATE')",
            [table],
        ).fetchall()
        if not whole:
            assert {name for (name,) in columns} == (UPDATABLE.get(table) or set()), table


def test_the_application_is_stopped_by_its_rights(owner: psycopg.Connection) -> None:
    columns = {table: a_column(owner, table) for table in APPEND_ONLY}
    owner.execute("SET ROLE carbon_bank_app")
    for table, column in columns.items():
        for statement in change(table, column):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(statement)


def test_even_the_owner_is_stopped_by_the_triggers(owner: psycopg.Connection) -> None:
    assert tables(owner) >= APPEND_ONLY | KEPT
    for table in APPEND_ONLY | KEPT:
        statements = change(table, a_column(owner, table))
        for statement in statements if table in APPEND_ONLY else statements[1:]:
            with pytest.raises(psycopg.errors.RestrictViolation, match="what counted is never changed or removed"):
                owner.execute(statement)


def test_every_table_with_such_a_trigger_is_listed_here(owner: psycopg.Connection) -> None:
    query = (
        "SELECT tgrelid::regclass::text, bool_or(tgtype & 16 > 0 AND tgattr = '') FROM pg_trigger "
        "WHERE tgfoid = 'forbid_change'::regproc GROUP BY 1"
    )
    found = dict(owner.execute(query).fetchall())
    assert {table for table, updates in found.items() if updates} == APPEND_ONLY
    assert {table for table, updates in found.items() if not updates} == KEPT


async def test_a_write_session_commits_and_rolls_back_when_it_ends_badly(
    database: Database, owner: psycopg.Connection
) -> None:
    insert = "INSERT INTO city (code, name, time_zone, currency, created_at) VALUES (:code, '{}', 'UTC', 'EUR', now())"
    async with database.write() as session:
        await session.sql(insert, {"code": "kept"})
    with pytest.raises(RuntimeError):
        async with database.write() as session:
            await session.sql(insert, {"code": "lost"})
            raise RuntimeError
    assert owner.execute("SELECT code FROM city").fetchall() == [("kept",)]


async def test_a_connection_that_is_cancelled_in_the_middle_of_a_copy_is_closed_and_the_next_one_works(
    database: Database, owner: psycopg.Connection
) -> None:
    """Whoever waited sees the cancellation, and not that nothing can be rolled back any more."""
    begun = asyncio.Event()

    async def copy() -> None:
        async with database.write() as session:
            (await driver(session)).pgconn.send_query(b"COPY city (code) FROM STDIN")  # and before it is answered:
            begun.set()
            await asyncio.sleep(30)

    copying = asyncio.create_task(copy())
    await begun.wait()
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    async with database.write() as session:
        assert (await session.sql("SELECT count(*) FROM city")).scalar_one() == 0


async def test_a_read_session_cannot_write(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(DBAPIError, match="read-only transaction"):
            await session.sql("INSERT INTO account VALUES (1, 0, 0, 0, 0)")


async def test_sessions_work_under_the_applications_role_in_utc(database: Database) -> None:
    for opened in (database.read, database.write):
        async with opened() as session:
            row = (await session.sql("SELECT current_user, current_setting('TimeZone')")).one()
            assert tuple(row) == ("carbon_bank_app", "UTC")


@pytest.mark.parametrize("text", ["", "nonsense", "mysql://x/y", "sqlite:///x", "http://127.0.0.1"])
def test_an_address_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="CARBON_BANK_DATABASE_URL is no PostgreSQL address"):
        parse_url(text)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_address_is_read_however_its_scheme_is_written(scheme: str) -> None:
    url = parse_url(f"{scheme}://me:p%40ss@host:5433/bank")
    assert (url.drivername, url.password, url.database) == ("postgresql+psycopg", "p@ss", "bank")
    assert plain_url(url) == "postgresql://me:p%40ss@host:5433/bank"
    assert plain_url(url, "other").endswith("/other")


async def waits(owner: psycopg.Connection) -> None:
    """Until somebody waits for an advisory lock."""
    query = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
    )
    for _ in range(1000):
        if owner.execute(query).fetchone() != (0,):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waits")


async def test_a_fixed_moment_waits_for_what_is_being_recorded(database: Database, owner: psycopg.Connection) -> None:
    async def fix() -> object:
        async with database.write() as session:
            return await moments.fixed_moment(session, 1)

    async with database.write() as first, database.write() as second:
        recorded = [await moments.recording_moment(first, 1), await moments.recording_moment(second, 1)]
        fixing = asyncio.create_task(fix())
        await waits(owner)
        assert not fixing.done()
    assert await fixing > max(recorded)


async def test_what_is_recorded_while_a_moment_is_fixed_comes_after_it(
    database: Database, owner: psycopg.Connection
) -> None:
    async def record(session: WriteSession) -> object:
        await session.sql("SELECT 1")  # the transaction has begun long before it has its turn
        begun.set()
        return await moments.recording_moment(session, 1)

    begun = asyncio.Event()
    async with database.write() as late:
        async with database.write() as session:
            fixed = await moments.fixed_moment(session, 1)
            recording = asyncio.create_task(record(late))
            await begun.wait()
            await waits(owner)
        assert await recording > fixed


async def test_cities_do_not_wait_for_each_other(database: Database) -> None:
    async with database.write() as here, database.write() as there:
        assert await moments.recording_moment(here, 1) < await moments.fixed_moment(there, 2)
