"""Mistakes of the bank while it works a file: tried again, then told, and mended by sending the file again."""

from __future__ import annotations

from random import Random
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy.exc

from carbon_bank.foundation.database import Database
from carbon_bank.readings import import_service
from carbon_bank.readings.formats import known, normal, table
from carbon_bank.settings import Settings
from carbon_bank.worker.retries import RETRIES_MAX, is_outage
from tests.readings.test_imports import HEADER, LONG, counts, recorded, seen, send, work
from tests.small_city import SmallCity

TRAIL = "SELECT act FROM trail WHERE subject = %s ORDER BY id"


@pytest.fixture
def utility(client: httpx.AsyncClient, small_city: SmallCity, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """The electricity utility's own machine. Two rows make a chunk."""
    for module in (normal, table):
        monkeypatch.setattr(module, "CHUNK_ROWS", 2)
    return small_city.as_(client, "elec")


def breaks(monkeypatch: pytest.MonkeyPatch, at_chunk: int, error: Exception) -> None:
    record_chunk = import_service.record_chunk

    async def broken(session: Any, now: Any, plan: Any, number: int, chunk: Any) -> bool:
        if number == at_chunk:
            raise error
        return await record_chunk(session, now, plan, number, chunk)

    monkeypatch.setattr(import_service, "record_chunk", broken)


def try_again(owner: psycopg.Connection, attempts: int | None = None) -> None:
    """The waiting job is due now, after so many tries."""
    owner.execute(
        "UPDATE procrastinate_jobs SET scheduled_at = NULL, attempts = coalesce(%s, attempts) WHERE status = 'todo'",
        [attempts],
    )


OUTAGE = sqlalchemy.exc.OperationalError("SELECT 1", {}, psycopg.OperationalError("the server closed the connection"))
TOO_LARGE = sqlalchemy.exc.OperationalError("INSERT", {}, psycopg.errors.ProgramLimitExceeded("index row size"))


async def test_after_its_last_try_an_import_says_that_the_bank_failed_and_goes_on_when_sent_again(
    utility: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = await send(utility, LONG, name="long.csv")
    location, number = answer.headers["Location"], answer.json()["id"]
    with monkeypatch.context() as broken:
        breaks(broken, 2, ZeroDivisionError())
        await work(database, settings)
        assert (await seen(utility, location))["state"] == "running", "it is tried again"
        try_again(owner, RETRIES_MAX)
        await work(database, settings)
    row = await seen(utility, location)
    assert (row["state"], row["failure_code"], row["rows"]) == ("failed", "readings.unexpected", 4)
    assert "long.csv" in row["failure"] and f"the number of the import, {number};" in row["failure"]
    assert len(recorded(owner)) == 4, "what was recorded stays"
    jobs = "SELECT status::text FROM procrastinate_jobs WHERE task_name = 'import_readings'"
    assert owner.execute(jobs).fetchall() == [("failed",)]

    again = await send(utility, LONG, name="long.csv")
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (202, number, "waiting")
    assert (await send(utility, LONG)).status_code == 200, "once it waits, it is only known"
    await work(database, settings)
    row = await seen(utility, location)
    assert (row["state"], row["failure_code"], counts(row)) == ("done", None, (10, 9, 0, 0, 1, 0))
    assert owner.execute(TRAIL, [f"reading_import:{number}"]).fetchall() == [
        ("readings.imported",), ("readings.import_given_up",), ("readings.import_resumed",),
    ]  # fmt: skip


async def test_an_outage_of_the_database_fails_no_import_however_long_it_is(
    utility: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    location = (await send(utility, LONG)).headers["Location"]
    with monkeypatch.context() as broken:
        breaks(broken, 1, OUTAGE)
        for attempts in (0, RETRIES_MAX, 10 * RETRIES_MAX):
            try_again(owner, attempts)
            await work(database, settings)
            assert (await seen(utility, location))["state"] == "running"
            waits = "SELECT scheduled_at - now() < interval '11 minutes' FROM procrastinate_jobs WHERE status = 'todo'"
            assert owner.execute(waits).fetchall() == [(True,)]
    try_again(owner)
    await work(database, settings)
    assert counts(await seen(utility, location)) == (10, 9, 0, 0, 1, 0)


async def test_an_outage_while_an_import_is_given_up_leaves_it_for_another_try(
    utility: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*given: object) -> None:
        raise OUTAGE

    location = (await send(utility, LONG)).headers["Location"]
    breaks(monkeypatch, 0, ZeroDivisionError())
    with monkeypatch.context() as broken:
        broken.setattr(import_service, "give_up", away)
        try_again(owner, RETRIES_MAX)
        await work(database, settings)
    assert (await seen(utility, location))["state"] == "running"
    try_again(owner)
    await work(database, settings)
    assert (await seen(utility, location))["failure_code"] == "readings.unexpected"


async def test_a_mistake_in_reading_ends_an_import_at_once_and_is_mended_alike(
    utility: httpx.AsyncClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> Any:
        raise ZeroDivisionError

    location = (await send(utility, LONG, name="long.csv")).headers["Location"]
    with monkeypatch.context() as reading:
        reading.setattr(known, "read", broken)
        await work(database, settings)
    row = await seen(utility, location)
    assert (row["state"], row["failure_code"]) == ("failed", "formats.unexpected")
    assert "long.csv" in row["failure"]
    assert (await send(utility, LONG)).status_code == 202
    await work(database, settings)
    assert counts(await seen(utility, location)) == (10, 9, 0, 0, 1, 0)


async def test_a_number_too_long_for_an_index_refuses_its_row_and_not_the_file(
    utility: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    """Of signs that compress badly and take four bytes each."""
    random = Random(1)
    customer, meter = ("".join(chr(random.randrange(0x20000, 0x2A000)) for _ in range(201)) for _ in range(2))
    rest = "2026-03-01,2026-04-01,5,kWh\n"
    rows = [f"electricity,{customer[:-1]},{meter[:-1]},{rest}", f"electricity,{customer},,{rest}"]
    header = HEADER.replace("customer_number", "customer_number,meter_number")
    location = (await send(utility, f"{header}\n{''.join(rows)}".encode())).headers["Location"]
    await work(database, settings)
    row = await seen(utility, location)
    assert (row["state"], counts(row)) == ("done", (2, 0, 0, 0, 1, 1))


async def test_a_file_that_was_refused_itself_is_not_taken_up_again(
    utility: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    location = (await send(utility, b"a,b\n1,2\n")).headers["Location"]
    await work(database, settings)
    assert (await send(utility, b"a,b\n1,2\n")).status_code == 200
    assert (await seen(utility, location))["failure_code"] == "formats.column_missing"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OUTAGE, True), (TOO_LARGE, False), (psycopg.InterfaceError(), True), (ConnectionResetError(), True),
        (sqlalchemy.exc.TimeoutError(), True), (sqlalchemy.exc.IntegrityError("INSERT", {}, Exception()), False),
        (sqlalchemy.exc.DBAPIError("SELECT", {}, Exception(), connection_invalidated=True), True),
        (ZeroDivisionError(), False), (MemoryError(), False), (OSError(28, "no space left"), False),
    ],
)  # fmt: skip
def test_an_outage_is_told_from_a_mistake(error: Exception, expected: bool) -> None:
    assert is_outage(error) is expected
