"""Settlements as background jobs: asked for with the act, carried out by whichever worker comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Unavailable
from carbon_bank.settings import Settings
from carbon_bank.settlement import compute_service, service
from tests.settlement.town import H1_2024, JULY_2024, KOREA, adopt, found_town, stored
from tests.small_city import SmallCity

NEW = {"period": "2024-H1"}
ASKED_FOR = "task_name NOT IN (SELECT task_name FROM procrastinate_periodic_defers)"
"""Jobs that somebody asked for, and not those that come round by themselves."""


@pytest.fixture(autouse=True)
async def _policy_in_force(database: Database, small_city: SmallCity) -> None:
    await adopt(database, small_city.city_id)


def jobs(owner: psycopg.Connection) -> list[tuple[Any, ...]]:
    return owner.execute(
        f"SELECT task_name, status::text, args FROM procrastinate_jobs WHERE {ASKED_FOR} ORDER BY id"
    ).fetchall()


async def test_over_http_a_settlement_is_prepared_computed_approved_and_posted(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
    owner: psycopg.Connection,
) -> None:
    town = await found_town(database, small_city)
    operator, approver = small_city.bearer("operator"), small_city.bearer("approver")

    asked = await client.post("/v1/settlements", json=NEW, headers=operator)
    assert (asked.status_code, asked.json()["state"]) == (202, "requested")
    number = asked.json()["id"]
    assert jobs(owner) == [("settlement.compute", "todo", {"settlement_id": number})]
    await worker.work(database, settings, until_empty=True)
    assert await stored(database, number) == town.judged(KOREA, H1_2024)

    detail = (await client.get(f"/v1/settlements/{number}", headers=approver)).json()
    assert (detail["state"], detail["households"]) == ("computed", 25)
    approved = await client.post(f"/v1/settlements/{number}/approve", headers=approver)
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    asked = await client.post(f"/v1/settlements/{number}/post", headers=operator)
    assert (asked.status_code, asked.json()["state"]) == (202, "posting")
    await worker.work(database, settings, until_empty=True)

    detail = (await client.get(f"/v1/settlements/{number}", headers=operator)).json()
    assert detail["state"] == "posted"
    clear = sum(total["points"] for total in detail["totals"] if total["review"] == "clear")
    [(posted,)] = owner.execute("SELECT sum(amount)::bigint FROM posting").fetchall()
    assert clear == posted > 0
    assert [(task, status) for task, status, _ in jobs(owner)] == [
        ("settlement.compute", "succeeded"),
        ("settlement.post", "succeeded"),
    ]
    again = await client.post(f"/v1/settlements/{number}/post", headers=operator)
    assert (again.status_code, again.json()["type"]) == (409, "urn:carbon-bank:problem:settlement.posted")


async def test_a_job_that_is_asked_for_twice_does_its_work_once(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
    owner: psycopg.Connection,
) -> None:
    await found_town(database, small_city)
    number = (await client.post("/v1/settlements", json=NEW, headers=small_city.bearer("operator"))).json()["id"]
    await worker.work(database, settings, until_empty=True)
    await client.post(f"/v1/settlements/{number}/approve", headers=small_city.bearer("approver"))
    for _ in range(3):
        answer = await client.post(f"/v1/settlements/{number}/post", headers=small_city.bearer("operator"))
        assert answer.status_code == 202
    await worker.work(database, settings, until_empty=True)
    assert [status for task, status, _ in jobs(owner) if task == "settlement.post"] == ["succeeded"] * 3
    assert owner.execute(
        "SELECT max(count) FROM (SELECT count(*) FROM posting GROUP BY household_id, commodity) AS awards"
    ).fetchall() == [(1,)]


async def test_a_settlement_that_is_refused_leaves_no_job(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    operator = small_city.bearer("operator")
    assert (await client.post("/v1/settlements", json=NEW, headers=operator)).status_code == 202
    refused = await client.post("/v1/settlements", json=NEW, headers=operator)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:carbon-bank:problem:settlement.exists")
    assert len(jobs(owner)) == 1


async def test_a_transaction_that_is_rolled_back_asked_for_no_job(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        async with database.write() as session:
            await service.request_settlement(session, small_city.actors["operator"], JULY_2024, period=H1_2024)
            raise Killed
    assert jobs(owner) == []
    assert owner.execute("SELECT count(*) FROM settlement").fetchall() == [(0,)]


async def test_a_worker_goes_on_with_a_settlement_that_another_left_half_done(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
) -> None:
    town = await found_town(database, small_city)
    number = (await client.post("/v1/settlements", json=NEW, headers=small_city.bearer("operator"))).json()["id"]
    async with database.write() as session:
        plan = await compute_service.begin_computing(session, number)
        chunk = await compute_service.read_chunk(session, plan, 0, 9)
        assert chunk is not None
        awards = compute_service.award_case(plan, compute_service.evaluate_chunk(plan, chunk), None)
        assert await compute_service.write_chunk(session, plan, chunk, awards)
    await worker.work(database, settings, until_empty=True)
    assert await stored(database, number) == town.judged(KOREA, H1_2024)


async def test_a_job_of_a_settlement_that_was_withdrawn_meanwhile_ends_quietly(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
    owner: psycopg.Connection,
) -> None:
    operator = small_city.bearer("operator")
    number = (await client.post("/v1/settlements", json=NEW, headers=operator)).json()["id"]
    reason = {"reason": "asked for by mistake"}
    withdrawn = await client.post(f"/v1/settlements/{number}/withdraw", json=reason, headers=operator)
    assert (withdrawn.status_code, withdrawn.json()["withdrawn_reason"]) == (200, "asked for by mistake")
    await worker.work(database, settings, until_empty=True)
    assert [status for _, status, _ in jobs(owner)] == ["succeeded"]
    assert await stored(database, number) == []


LOSE = """
    WITH dead AS (
        INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '5 minutes') RETURNING id
    )
    UPDATE procrastinate_jobs SET status = 'doing', worker_id = dead.id FROM dead WHERE status = 'todo'
"""


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what another task does."""
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not come about")


async def test_a_job_whose_worker_died_is_taken_up_by_the_next_one(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
    owner: psycopg.Connection,
) -> None:
    assert (await client.post("/v1/settlements", json=NEW, headers=small_city.bearer("operator"))).status_code == 202
    assert owner.execute(LOSE).rowcount == 1
    # Two come at once, as in a city that restarts its machines; the jobs are taken up by one of them.
    await asyncio.gather(*(worker.work(database, settings, until_empty=True) for _ in range(2)))
    await worker.work(database, settings, until_empty=True)
    assert [status for _, status, _ in jobs(owner)] == ["succeeded"]


async def test_a_worker_that_is_at_work_takes_up_what_another_lost_meanwhile(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
    owner: psycopg.Connection,
) -> None:
    asked = await client.post("/v1/settlements", json=NEW, headers=small_city.bearer("operator"))
    # Killed a moment ago: its heart still seems to beat when the next worker begins.
    owner.execute(LOSE)
    owner.execute("UPDATE procrastinate_workers SET last_heartbeat = now()")
    working = asyncio.create_task(worker.work(database, settings, look_again_seconds=0.05))
    try:
        # The dead one, and the worker of each of the two queues.
        await until(lambda: owner.execute("SELECT count(*) FROM procrastinate_workers").fetchall() == [(3,)])
        assert [status for _, status, _ in jobs(owner)] == ["doing"]
        owner.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '5 minutes' "
            f"WHERE id = (SELECT worker_id FROM procrastinate_jobs WHERE {ASKED_FOR})"
        )
        await until(lambda: [status for _, status, _ in jobs(owner)] == ["succeeded"])
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    detail = await client.get(f"/v1/settlements/{asked.json()['id']}", headers=small_city.bearer("operator"))
    assert detail.json()["state"] == "computed"


async def test_a_worker_that_loses_the_database_says_so_and_ends(
    database: Database, settings: Settings, owner: psycopg.Connection, server_url: str
) -> None:
    listening = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    working = asyncio.create_task(worker.work(database, settings))
    await until(lambda: owner.execute(f"SELECT 1 {listening}").rowcount == 2)
    with psycopg.connect(server_url, autocommit=True) as elsewhere:
        elsewhere.execute(f"ALTER DATABASE {owner.info.dbname} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
    owner.execute(f"SELECT pg_terminate_backend(pid) {listening} AND query LIKE '%#calls%'")
    with pytest.raises(Unavailable, match="has lost the database"):
        await asyncio.wait_for(working, 60)
    assert owner.execute("SELECT * FROM procrastinate_workers").fetchall() == [], "the other one has ended, too"
