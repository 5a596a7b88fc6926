"""Posting: every award that is not held becomes points, once, however often it is cut off; and the books are compared."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Conflict
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger.service import Posted, lot_expiry
from carbon_bank.programme.policy import Policy
from carbon_bank.settlement import post_service, service
from tests.ledger.books import everything, without_triggers
from tests.settlement.town import KOREA, found_town, policy_with, request, stored
from tests.small_city import SmallCity

LATER = datetime(2024, 7, 21, 3, 0, tzinfo=UTC)


async def posting(database: Database, city: SmallCity, policy: Policy = KOREA, households: int = 23) -> int:
    """A settlement that is computed, approved and about to be posted."""
    await found_town(database, city, households)
    number = await request(database, city.actors["operator"], policy)
    await worker.compute(database, number, 1000)
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], LATER, number)
        await service.start_posting(session, city.actors["operator"], LATER, number, in_background=False)
    return number


def to_pay(awards: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    paid = [row for row in awards if row["points"] > 0 and row["review"] == "clear"]
    return sorted((row["household_id"], row["commodity"], row["points"]) for row in paid)


def posted_rows(owner: psycopg.Connection) -> list[tuple[Any, ...]]:
    query = "SELECT household_id, commodity, amount FROM posting ORDER BY household_id, commodity"
    return owner.execute(query).fetchall()


def state(owner: psycopg.Connection) -> str:
    return str(owner.execute("SELECT state FROM settlement").fetchall()[0][0])


@pytest.mark.parametrize("bucket", [1, 4, 1000])
async def test_every_award_that_is_not_held_is_posted_once_whatever_the_buckets(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, bucket: int
) -> None:
    number = await posting(database, small_city)
    awards = await stored(database, number)
    expected = to_pay(awards)
    assert any(row["points"] > 0 and row["review"] == "held" for row in awards), "some are held"
    seen: list[int] = []
    posted = await worker.post(database, number, bucket, seen.append)
    assert posted == Posted(len(expected), sum(points for _, _, points in expected))
    assert posted_rows(owner) == expected
    households = {household for household, _, _ in expected}
    assert sum(seen) == len(households)
    assert max(seen) <= bucket
    assert owner.execute("SELECT count(*) FROM journal").fetchall() == [(len(seen),)], "one for each bucket"
    assert owner.execute(
        "SELECT household_id, sum(available)::int FROM account WHERE available > 0 GROUP BY 1"
    ).rowcount == len(households)
    assert state(owner) == "posted"


async def test_points_belong_to_the_last_day_of_the_period_and_expire_months_after_posting(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city)
    await worker.post(database, number, 100)
    today = clock.local_day(clock.now(), "Asia/Seoul")
    assert owner.execute("SELECT DISTINCT effective_on FROM posting").fetchall() == [(date(2024, 6, 30),)]
    assert owner.execute("SELECT DISTINCT expires_on FROM lot").fetchall() == [(lot_expiry(today, 60),)]
    by = owner.execute("SELECT DISTINCT by FROM journal").fetchall()
    assert by == [(small_city.actors["approver"].subject,)]


async def test_points_of_a_policy_without_validity_do_not_expire(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city, policy_with(points={"valid_months": None}))
    await worker.post(database, number, 100)
    assert owner.execute("SELECT DISTINCT expires_on FROM lot").fetchall() == [(None,)]


async def test_posting_that_was_cut_off_between_buckets_goes_on_behind_the_last_one(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city)
    expected = to_pay(await stored(database, number))
    async with database.write() as session:
        bucket = await post_service.post_bucket(session, WORKER, LATER, number, 4)
    assert bucket is not None
    part = everything(owner)
    assert [(row[0], row[12], row[5]) for row in part["posting"]] == [
        each for each in expected if each[0] <= bucket.last
    ]
    posted = await worker.post(database, number, 4)
    assert posted == Posted(len(expected), sum(points for _, _, points in expected))
    assert posted_rows(owner) == expected
    whole = everything(owner)
    assert [row for row in whole["posting"] if row in part["posting"]] == part["posting"]
    assert await worker.post(database, number, 4) == posted
    assert everything(owner) == whole, "posting again changes nothing"


async def test_a_bucket_that_fails_leaves_nothing_of_itself(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city)
    before = everything(owner)

    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        async with database.write() as session:
            assert await post_service.post_bucket(session, WORKER, LATER, number, 4)
            raise Killed
    assert everything(owner) == before
    assert owner.execute("SELECT posted_to FROM settlement").fetchall() == [(0,)]


async def test_workers_at_the_same_settlement_post_each_award_once(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city)
    expected = to_pay(await stored(database, number))
    answers = await asyncio.gather(*(worker.post(database, number, size) for size in (2, 3, 2)))
    assert set(answers) == {Posted(len(expected), sum(points for _, _, points in expected))}
    assert posted_rows(owner) == expected
    assert owner.execute("SELECT count(*) FROM trail WHERE act = 'settlement.posted'").fetchall() == [(1,)]


@pytest.mark.parametrize("change", ["points = points + 1", "points = 0, outcome = 'no_reduction'"])
async def test_a_settlement_whose_awards_were_tampered_with_is_not_closed(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, change: str
) -> None:
    number = await posting(database, small_city)
    async with database.write() as session:
        bucket = await post_service.post_bucket(session, WORKER, LATER, number, 4)
    assert bucket is not None
    with without_triggers(owner):
        tampered = f"""
            UPDATE award SET {change} WHERE (settlement_id, household_id, commodity) =
                (SELECT settlement_id, household_id, commodity FROM posting ORDER BY household_id LIMIT 1)
        """
        assert owner.execute(tampered).rowcount == 1
    with pytest.raises(Conflict, match="Nothing was closed") as caught:
        await worker.post(database, number, 100)
    assert caught.value.code == "settlement.books_differ"
    facts = caught.value.facts
    assert facts["points"] != facts["posted"]
    assert facts["posted"] == owner.execute("SELECT sum(amount)::bigint FROM posting").fetchall()[0][0]
    assert state(owner) == "posting"


async def test_an_award_that_was_put_in_behind_the_posting_is_noticed(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city)
    async with database.write() as session:
        bucket = await post_service.post_bucket(session, WORKER, LATER, number, 10)
    assert bucket is not None
    owner.execute(
        "INSERT INTO award (settlement_id, household_id, commodity, outcome, points, streak, review, findings) "
        "VALUES (%s, %s, 'gas', 'reduction', 3000, 1, 'clear', '[]') "
        "ON CONFLICT (settlement_id, household_id, commodity) DO NOTHING",
        [number, bucket.last],
    )
    with pytest.raises(Conflict) as caught:
        await worker.post(database, number, 100)
    assert caught.value.facts["awards"] == caught.value.facts["postings"] + 1


@pytest.mark.parametrize("review", ["held", "rejected", "released"])
async def test_what_a_person_decided_says_whether_a_held_award_is_posted(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, review: str
) -> None:
    await found_town(database, small_city)
    number = await request(database, small_city.actors["operator"])
    await worker.compute(database, number, 1000)
    held = [row for row in await stored(database, number) if row["review"] == "held" and row["points"] > 0]
    owner.execute("UPDATE award SET review = %s WHERE review = 'held'", [review])
    async with database.write() as session:
        await service.approve(session, small_city.actors["approver"], LATER, number)
        await service.start_posting(session, small_city.actors["operator"], LATER, number, in_background=False)
    await worker.post(database, number, 7)
    there = {(household, commodity) for household, commodity, _ in posted_rows(owner)}
    ours = {(row["household_id"], row["commodity"]) for row in held}
    assert ours
    assert ours & there == (ours if review == "released" else set())
