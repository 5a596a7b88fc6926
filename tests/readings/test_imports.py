"""Files of readings: sent, kept, worked chunk by chunk, resumed, cancelled, and never counted twice."""

from __future__ import annotations

import asyncio
import csv
import gzip
import hashlib
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from carbon_bank import main, worker
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.readings import import_service
from carbon_bank.readings.formats import normal, table
from carbon_bank.settings import Settings
from tests.small_city import SmallCity

HEADER = "commodity,customer_number,period_start,period_end,quantity,unit"
COUNTS = ("rows", "accepted", "duplicate", "revised", "refused", "quarantined")


def line(customer: str = "A-e", month: int = 3, quantity: str = "100") -> str:
    return f"electricity,{customer},2026-{month:02d}-01,2026-{month + 1:02d}-01,{quantity},kWh"


def file_of(*lines: str) -> bytes:
    return ("\n".join([HEADER, *lines]) + "\n").encode()


MARCH = file_of(line(), line("B-e"), line("A-e", 4, "x"), line("N-e"))
COUNTS_OF_MARCH = (4, 2, 0, 0, 1, 1)


@pytest.fixture
def utility(client: httpx.AsyncClient, small_city: SmallCity) -> httpx.AsyncClient:
    """The electricity utility's own machine."""
    return small_city.as_(client, "elec")


async def send(
    client: httpx.AsyncClient, content: Any = MARCH, media_type: str = "text/csv", **asked: str
) -> httpx.Response:
    return await client.post("/v1/imports", params=asked, content=content, headers={"Content-Type": media_type})


async def work(database: Database, settings: Settings) -> None:
    """All jobs that wait, as the worker does them."""
    await worker.work(database, settings, until_empty=True)


async def seen(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    answer = await client.get(location)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in COUNTS)


def recorded(owner: psycopg.Connection) -> list[tuple[str, str, int]]:
    query = "SELECT customer_number, period_start::text, quantity FROM reading JOIN meter ON meter.id = meter_id ORDER BY 1, 2"
    return owner.execute(query).fetchall()


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_a_file_is_kept_at_once_and_worked_in_the_background(
    utility: httpx.AsyncClient, database: Database, settings: Settings, owner: psycopg.Connection
) -> None:
    answer = await send(utility, name="march.csv")
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["state"], made["format"], made["digest"]) == ("waiting", "csv", hashlib.sha256(MARCH).hexdigest())
    assert recorded(owner) == []
    await work(database, settings)
    row = await seen(utility, answer.headers["Location"])
    assert (row["state"], counts(row), row["bytes_done"]) == ("done", COUNTS_OF_MARCH, len(MARCH))
    assert row["rows_per_second"] > 0
    assert recorded(owner) == [("A-e", "2026-03-01", 100_000), ("B-e", "2026-03-01", 100_000)]


async def test_the_same_file_again_is_the_same_import(
    utility: httpx.AsyncClient, database: Database, settings: Settings, owner: psycopg.Connection
) -> None:
    first = await send(utility)
    await work(database, settings)
    again = await send(utility)
    assert (again.status_code, again.json()["id"], again.headers["Location"]) == (
        200,
        first.json()["id"],
        first.headers["Location"],
    )
    await work(database, settings)
    assert owner.execute("SELECT count(*) FROM reading_batch").fetchone() == (1,)
    other = await send(utility, strict="true")
    assert other.status_code == 202, "read in another way it is another import, and its rows are duplicates"
    await work(database, settings)
    assert counts(await seen(utility, other.headers["Location"])) == (4, 0, 2, 0, 1, 1)
    assert len(recorded(owner)) == 2


async def test_one_file_sent_many_times_at_once_is_one_import(
    utility: httpx.AsyncClient, owner: psycopg.Connection
) -> None:
    answers = await asyncio.gather(*(send(utility) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert owner.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (1,)


async def test_a_form_and_a_compressed_body_are_taken_too(
    utility: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    answer = await utility.post("/v1/imports", files={"file": ("march.csv", MARCH, "text/csv")})
    assert (answer.status_code, answer.json()["name"]) == (202, "march.csv")
    packed = await send(utility, gzip.compress(MARCH))
    await work(database, settings)
    assert counts(await seen(utility, answer.headers["Location"])) == COUNTS_OF_MARCH
    assert counts(await seen(utility, packed.headers["Location"])) == (4, 0, 2, 0, 1, 1)


async def test_refused_rows_come_back_to_be_mended_and_sent_again(
    utility: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    location = (await send(utility)).headers["Location"]
    await work(database, settings)
    answer = await utility.get(f"{location}/rejections")
    assert answer.headers["content-type"].startswith("text/csv")
    [refused] = list(csv.DictReader(io.StringIO(answer.text)))
    assert (refused["period_start"], refused["quantity"], refused["code"]) == (
        "2026-04-01",
        "x",
        "readings.not_a_number",
    )
    [told] = [
        json.loads(each) for each in (await utility.get(f"{location}/rejections?format=ndjson")).text.splitlines()
    ]
    assert told == refused
    mended = await send(utility, answer.text.replace(",x,", ",7,").encode())
    await work(database, settings)
    assert counts(await seen(utility, mended.headers["Location"])) == (1, 1, 0, 0, 0, 0)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows a chunk, so that a short file has several."""
    for module in (normal, table):
        monkeypatch.setattr(module, "CHUNK_ROWS", 2)


LONG = file_of(*(line("A-e", month) for month in range(1, 10)), line("B-e", 1, "x"))


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("fails_at", range(6))
async def test_after_a_crash_it_goes_on_at_the_next_chunk(
    utility: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    fails_at: int,
) -> None:
    location = (await send(utility, LONG)).headers["Location"]
    import_id, store = int(location.rpartition("/")[2]), worker.store_of(settings)
    record_chunk, calls = import_service.record_chunk, 0

    async def crash(*given: Any) -> bool:
        nonlocal calls
        calls += 1
        done = await record_chunk(*given)
        if calls == fails_at + 1:
            raise RuntimeError("the machine stops, before the commit")
        return done

    monkeypatch.setattr(import_service, "record_chunk", crash)
    if fails_at < 5:
        with pytest.raises(RuntimeError):
            await worker.import_readings(database, store, import_id)
        row = await seen(utility, location)
        assert (row["state"], row["rows"]) == ("running", 2 * fails_at)
    await worker.import_readings(database, store, import_id)
    row = await seen(utility, location)
    assert (row["state"], counts(row)) == ("done", (10, 9, 0, 0, 1, 0))
    assert len(recorded(owner)) == 9
    assert owner.execute("SELECT count(*) FROM reading_rejection").fetchone() == (1,)
    assert calls == 5 + (fails_at < 5)


@pytest.mark.usefixtures("small_chunks")
async def test_two_workers_at_one_import_record_each_row_once(
    utility: httpx.AsyncClient, database: Database, settings: Settings, owner: psycopg.Connection
) -> None:
    location = (await send(utility, LONG)).headers["Location"]
    import_id, store = int(location.rpartition("/")[2]), worker.store_of(settings)
    await asyncio.gather(*(worker.import_readings(database, store, import_id) for _ in range(3)))
    await worker.import_readings(database, store, import_id)
    assert counts(await seen(utility, location)) == (10, 9, 0, 0, 1, 0)
    assert owner.execute("SELECT sum(accepted), sum(duplicate) FROM reading_batch").fetchone() == (9, 0)


@pytest.mark.usefixtures("small_chunks")
async def test_a_cancelled_import_stops_at_its_next_chunk_and_keeps_what_it_recorded(
    utility: httpx.AsyncClient, database: Database, settings: Settings, owner: psycopg.Connection
) -> None:
    location = (await send(utility, LONG)).headers["Location"]
    import_id, store = int(location.rpartition("/")[2]), worker.store_of(settings)
    stopping: list[asyncio.Task[httpx.Response]] = []

    def stop(rows: int) -> None:
        if not stopping:
            stopping.append(asyncio.create_task(utility.post(f"{location}/cancel")))

    working = asyncio.create_task(worker.import_readings(database, store, import_id, stop))
    await working
    [answer] = await asyncio.gather(*stopping)
    row = await seen(utility, location)
    if answer.status_code == 200:
        assert row["state"] == "cancelled"
        assert len(recorded(owner)) == row["accepted"]
    else:
        assert (answer.status_code, row["state"]) == (409, "done"), "it was over before"
    again = await utility.post(f"{location}/cancel")
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "readings.import_ended")


async def test_a_waiting_import_is_cancelled_before_a_row_is_read(
    utility: httpx.AsyncClient, database: Database, settings: Settings, owner: psycopg.Connection
) -> None:
    location = (await send(utility)).headers["Location"]
    assert (await utility.post(f"{location}/cancel")).json()["state"] == "cancelled"
    await work(database, settings)
    assert recorded(owner) == []
    acts = owner.execute("SELECT act FROM trail WHERE act LIKE 'readings.import%' ORDER BY id").fetchall()
    assert acts == [("readings.imported",), ("readings.import_cancelled",)]


async def test_a_file_that_cannot_be_read_fails_with_its_reason(
    utility: httpx.AsyncClient, database: Database, settings: Settings, owner: psycopg.Connection
) -> None:
    for content, code in (
        (b"a,b\n1,2\n", "formats.column_missing"),
        (MARCH + b"electricity,\xff,", "formats.encoding"),
        (gzip.compress(MARCH)[:-9], "formats.damaged"),
    ):
        location = (await send(utility, content)).headers["Location"]
        await work(database, settings)
        row = await seen(utility, location)
        assert (row["state"], row["failure_code"]) == ("failed", code)
        assert row["failure"].startswith("the file")
    assert recorded(owner) == []


async def test_what_is_sent_is_bounded_and_told(
    utility: httpx.AsyncClient, app: FastAPI, settings: Settings, owner: psycopg.Connection
) -> None:
    async def refused(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    assert await refused(await send(utility, b"")) == (422, "http.body_empty")
    assert await refused(await send(utility, b"what is this", "application/octet-stream")) == (422, "formats.unknown")
    two = {"a": ("a.csv", MARCH), "b": ("b.csv", MARCH)}
    assert (await utility.post("/v1/imports", files=two)).status_code in {400, 422}
    app.state.store = type(app.state.store)(app.state.store.folder, 1000)
    assert await refused(await send(utility, b"x" * 1001)) == (413, "http.body_too_large")
    assert owner.execute("SELECT count(*) FROM reading_import").fetchone() == (0,)
    assert [name for name in files_in(app.state.store.folder) if name.startswith("coming")] == [], (
        "nothing half is left"
    )


async def test_with_too_much_waiting_a_file_is_sent_away_before_it_is_read(
    utility: httpx.AsyncClient, app: FastAPI
) -> None:
    app.state.imports_waiting_max = 1
    assert (await send(utility)).status_code == 202
    was_read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal was_read
        was_read = True
        yield b"x"

    answer = await send(utility, body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "30")
    assert answer.json()["type"].endswith("readings.too_many_imports")
    assert not was_read


async def test_an_upload_that_breaks_off_leaves_nothing(app: FastAPI, settings: Settings) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"x" * 3_000_000
        raise ConnectionError

    with pytest.raises(Exception, match="cannot be kept") as failed:
        await app.state.store.put("1", breaks())
    assert failed.value.code == "store.full"  # type: ignore[attr-defined]
    assert files_in(app.state.store.folder) == []


async def test_a_utility_sees_its_own_imports_and_the_city_all_of_them(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    location = (await send(small_city.as_(client, "elec"))).headers["Location"]
    for name, status in (
        ("elec", 200),
        ("gas", 404),
        ("operator", 200),
        ("auditor", 200),
        ("far_operator", 404),
        ("far_utility", 404),
    ):
        small_city.as_(client, name)
        assert (await client.get(location)).status_code == status, name
        why = {"reason": "the utility asks"}
        assert (await client.get(f"{location}/rejections", params=why)).status_code == status, name
        assert len((await client.get("/v1/imports")).json()["items"]) == (status == 200), name
    assert (await small_city.as_(client, "gas").post(f"{location}/cancel")).status_code == 404
    assert (await small_city.as_(client, "operator").post(f"{location}/cancel")).status_code == 403


async def test_originals_go_after_their_days_and_the_import_stays(
    utility: httpx.AsyncClient, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = await send(utility), await send(utility, file_of(line("B-e", 5)))
    await work(database, settings)
    third = await send(utility, file_of(line("B-e", 6)))
    store = worker.store_of(settings)
    assert (await send(utility, b"what is this", "application/octet-stream")).status_code == 422
    assert len(files_in(store.folder)) == 4, "the last has no import: it goes as well"
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=31))
    await worker.look_after_readings(database, settings)
    assert files_in(store.folder) == [third.json()["digest"]]
    for answer in (first, other):
        assert (await seen(utility, answer.headers["Location"]))["state"] == "done"
    again = await send(utility)
    assert again.status_code == 200, "known by its digest, though its original is gone"
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=33))
    await worker.look_after_readings(database, settings)
    assert files_in(store.folder) == [third.json()["digest"]], "and what was sent again for nothing goes, too"


async def test_a_form_is_bounded_before_it_is_kept(
    app: FastAPI, database: Database, database_url: str, settings: Settings, small_city: SmallCity
) -> None:
    small = main.create_app(settings.model_copy(update={"import_bytes_max": 1024}), database_url)
    small.state.database, small.state.keys = database, app.state.keys
    transport = httpx.ASGITransport(small, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://bank.test") as client:
        small_city.as_(client, "elec")
        for size in (2_000, 200_000):
            answer = await client.post("/v1/imports", files={"file": ("a.csv", b"x" * size, "text/csv")})
            assert answer.status_code == 413, answer.text
            assert "CARBON_BANK_IMPORT_BYTES_MAX" in answer.json()["detail"]


async def test_rows_that_waited_for_their_meter_are_recorded_by_the_worker(
    utility: httpx.AsyncClient, database: Database, settings: Settings, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await send(utility)
    await work(database, settings)
    owner.execute(
        "INSERT INTO meter (city_id, utility_id, commodity, customer_number, meter_number) "
        "SELECT city_id, utility_id, commodity, 'N-e', '' FROM meter WHERE customer_number = 'A-e'"
    )
    await worker.look_after_readings(database, settings)
    assert ("N-e", "2026-03-01", 100_000) in recorded(owner)
