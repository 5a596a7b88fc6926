"""Races for the same points, with real commits: as many connections as there are clients, all let loose at once.

Each round ends with the proof of the books (`carbon-bank ledger check`), so that a point lost or made on the way is found even
where the account looks right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date, datetime, time, timedelta
from itertools import product
from typing import Any

import psycopg
import pytest

from carbon_bank.foundation.database import Database, WriteSession
from carbon_bank.foundation.errors import Refusal
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import adjustment_service, budget_service, check_service, restate_service
from carbon_bank.ledger.act_service import Context
from carbon_bank.ledger.adjustment_service import Reason, Why
from tests.ledger.books import MARCH, fill_grants, found_accounts, grant

CLIENTS = 32
TODAY = date(2026, 3, 10)
LAST_DAY = date(2026, 3, 31)
SOON = MARCH + timedelta(days=3)
WHY = Why(Reason.ERROR, "counted again")

Act = Callable[[WriteSession], Awaitable[Any]]


@pytest.fixture
async def clients(database_url: str, owner: psycopg.Connection) -> AsyncIterator[Database]:
    """A connection for each client. Whatever happened, the books hold in the end."""
    made = Database(database_url, pool_size=CLIENTS)
    yield made
    async with made.read() as session:
        assert [each for each in [check async for check in check_service.check_books(session)] if each.faults] == []
    await made.close()


def city(owner: psycopg.Connection) -> int:
    return int(owner.execute("SELECT min(id) FROM city").fetchall()[0][0])


def context(owner: psycopg.Connection, today: date = TODAY, now: datetime = MARCH) -> Context:
    return Context(city(owner), "person:1", now, today)


async def race(clients: Database, contenders: Sequence[Act]) -> list[str]:
    """Each in a transaction of its own; all wait until every connection stands. Returns `done`, or why it was refused."""
    ready = asyncio.Barrier(len(contenders))

    async def run(act: Act) -> str:
        try:
            async with clients.write() as session:
                await session.sql("SELECT 1")
                await ready.wait()
                await act(session)
        except Refusal as refusal:
            return refusal.code
        return "done"

    return await asyncio.gather(*map(run, contenders))


def total(owner: psycopg.Connection, column: str, table: str = "account", where: str = "true") -> int:
    query = f"SELECT coalesce(sum({column}), 0)::bigint FROM {table} WHERE {where}"
    return int(owner.execute(query).fetchall()[0][0])


async def test_of_many_who_spend_the_same_balance_as_many_are_served_as_there_are_points_for(
    clients: Database, owner: psycopg.Connection
) -> None:
    household, _ = found_accounts(owner)
    async with clients.write() as session:
        await grant(session, [(household, "gas", 60), (household, "water", 40)])

    def hold(session: WriteSession) -> Awaitable[Any]:
        return acts.hold_points(session, context(owner), household, 7, SOON)

    outcomes = Counter(await race(clients, [hold] * CLIENTS))
    assert outcomes == {"done": 14, "ledger.insufficient": CLIENTS - 14}
    assert (total(owner, "held"), total(owner, "available")) == (98, 2)
    assert owner.execute("SELECT count(*) FROM journal WHERE kind = 'hold'").fetchall() == [(14,)]


async def test_of_many_who_take_back_one_journal_exactly_one_does(clients: Database, owner: psycopg.Connection) -> None:
    households = found_accounts(owner, 5)
    async with clients.write() as session:
        await grant(session, list(product(households, ["gas", "water"], [30])))
        await acts.adjust(session, context(owner), households[2], -50, None, 0)
    (journal,) = [row[0] for row in owner.execute("SELECT id FROM journal WHERE kind = 'award'")]

    def reverse(session: WriteSession) -> Awaitable[Any]:
        return acts.reverse_journal(session, context(owner), journal, 40)

    outcomes = Counter(await race(clients, [reverse] * 16))
    assert outcomes == {"done": 1, "ledger.reversed": 15}
    assert owner.execute("SELECT count(*) FROM posting WHERE kind = 'reversal'").fetchall() == [(10,)]
    assert (total(owner, "available"), total(owner, "debt"), total(owner, "forgiven", "posting")) == (0, 40, 10)


async def test_a_hold_that_is_spent_given_back_and_past_its_deadline_at_once_ends_once(
    clients: Database, owner: psycopg.Connection
) -> None:
    households = found_accounts(owner, 6)
    async with clients.write() as session:
        await grant(session, [(each, "gas", 50) for each in households])
        holds = [(each, (await acts.hold_points(session, context(owner), each, 30, SOON)).seq) for each in households]

    def ends(household: int, hold: int) -> list[Act]:
        late = context(owner, SOON.date(), SOON)
        return [
            lambda session: acts.spend_hold(session, context(owner), household, hold),
            lambda session: acts.spend_hold(session, context(owner), household, hold, 10),
            lambda session: acts.void_hold(session, context(owner), household, hold),
            lambda session: acts.void_hold(session, late, household, hold),
            lambda session: acts.spend_hold(session, late, household, hold),
        ]

    contenders = [act for household, hold in holds for act in ends(household, hold)]
    outcomes = Counter(await race(clients, contenders))
    assert outcomes["done"] == len(holds)
    assert outcomes["ledger.hold_ended"] + outcomes["ledger.hold_lapsed"] == 4 * len(holds)
    assert owner.execute("SELECT hold_id FROM posting WHERE kind IN ('release', 'redemption')").rowcount == len(holds)
    assert total(owner, "held") == 0
    assert total(owner, "available") + total(owner, "spent", "hold") == 50 * len(holds)


async def test_points_are_spent_on_their_last_day_or_expire_after_it_and_never_both(
    clients: Database, owner: psycopg.Connection
) -> None:
    households = found_accounts(owner, 4)
    async with clients.write() as session:
        await grant(session, [(each, "gas", 50) for each in households], expires_on=LAST_DAY)
        await grant(session, [(each, "gas", 9) for each in households], settlement_id=2)
    midnight = datetime.combine(LAST_DAY, time(15), MARCH.tzinfo)  # in Seoul
    before, after = context(owner, LAST_DAY, midnight), context(owner, LAST_DAY + timedelta(1), midnight)

    def hold(household: int, by: Context) -> Act:
        return lambda session: acts.hold_points(session, by, household, 20, midnight + timedelta(1))

    def book(session: WriteSession) -> Awaitable[Any]:
        return acts.book_expiries(session, after, 0, 100)

    in_time = [hold(each, before) for each in households for _ in range(3)]
    too_late = [hold(each, after) for each in households for _ in range(2)]
    outcomes = await race(clients, [book, *in_time, *too_late, book])
    assert set(outcomes[len(in_time) + 1 : -1]) == {"ledger.insufficient"}, "nine are left of the day after"
    assert (outcomes[0], outcomes[-1]) == ("done", "done")
    served = Counter(outcomes[1 : len(in_time) + 1])["done"]
    assert total(owner, "held") == 20 * served
    assert total(owner, "-amount", "posting", "kind = 'expiry'") == 50 * len(households) - total(owner, "held")
    assert total(owner, "available") == 9 * len(households)


async def test_postings_in_bulk_and_clients_of_the_same_households_wait_for_each_other_and_lose_nothing(
    clients: Database, owner: psycopg.Connection
) -> None:
    households = found_accounts(owner, 12)
    async with clients.write() as session:
        await grant(session, [(each, "gas", 100) for each in households], settlement_id=9)
    buckets = [households[:8], households[4:], households[::-1]]

    def post(settlement: int, bucket: list[int]) -> Act:
        return lambda session: grant(session, list(product(bucket, ["gas", "water"], [10])), settlement_id=settlement)

    def restate(bucket: list[int]) -> Act:
        async def post_differences(session: WriteSession) -> None:
            await fill_grants(session, [(each, "gas", -30 if each % 2 else 5) for each in bucket])
            await restate_service.post_differences(
                session,
                context(owner),
                settlement_id=9,
                restatement_id=1,
                effective_on=date(2025, 12, 31),
                expires_on=None,
                debt_max=1000,
            )

        return post_differences

    def redeem(household: int) -> Act:
        async def hold_and_spend(session: WriteSession) -> None:
            held = await acts.hold_points(session, context(owner), household, 60, SOON)
            await acts.spend_hold(session, context(owner), household, held.seq, 45)

        return hold_and_spend

    bulk = [*(post(settlement, each) for each in buckets for settlement in (1, 2)), *map(restate, buckets)]
    outcomes = await race(clients, [*bulk, *map(redeem, households[:11]), *map(redeem, households[:11])])
    assert outcomes[: len(bulk)] == ["done"] * len(bulk), "whatever was posted already is left out"
    assert set(outcomes[len(bulk) :]) <= {"done", "ledger.insufficient"}
    spent = 45 * Counter(outcomes[len(bulk) :])["done"]
    changed = sum(-30 if each % 2 else 5 for each in households)
    assert total(owner, "available - debt") == 12 * (100 + 2 * 20) + changed - spent
    posted = owner.execute("SELECT kind, count(*) FROM posting WHERE settlement_id IS NOT NULL GROUP BY 1 ORDER BY 1")
    assert posted.fetchall() == [("award", 12 + 2 * 24), ("restatement", 12)]


def approver(owner: psycopg.Connection, number: int) -> Actor:
    return Actor(f"person:{100 + number}", city_id=city(owner))


async def prepared(clients: Database, owner: psycopg.Connection, points: int, number: int) -> list[int]:
    """Adjustments of one household that wait for their approval."""
    (household, *_) = [row[0] for row in owner.execute("SELECT id FROM household ORDER BY id")]
    made = []
    async with clients.write() as session:
        for _ in range(number):
            found = await adjustment_service.prepare(
                session, approver(owner, 0), MARCH, household, points, WHY, TODAY, None
            )
            made.append(found.id or 0)
    return made


def approve(owner: psycopg.Connection, number: int, adjustment: int) -> Act:
    return lambda session: adjustment_service.approve(session, approver(owner, number), MARCH, adjustment, TODAY, 0)


async def test_an_adjustment_that_many_approve_at_once_is_posted_once(
    clients: Database, owner: psycopg.Connection
) -> None:
    found_accounts(owner)
    (adjustment,) = await prepared(clients, owner, 10, 1)
    outcomes = Counter(await race(clients, [approve(owner, number, adjustment) for number in range(1, 17)]))
    assert outcomes == {"done": 1, "ledger.adjustment_state": 15}
    assert total(owner, "available") == 10


async def test_the_last_points_of_a_budget_go_to_as_many_as_fit(clients: Database, owner: psycopg.Connection) -> None:
    found_accounts(owner)
    async with clients.write() as session:
        days = {"starts_on": date(2026, 1, 1), "ends_on": date(2027, 1, 1)}
        budget = await budget_service.prepare(session, approver(owner, 0), MARCH, points=95, **days)
        await budget_service.approve(session, approver(owner, 1), MARCH, budget.id or 0)
    adjustments = await prepared(clients, owner, 10, 24)
    outcomes = Counter(await race(clients, [approve(owner, 1, each) for each in adjustments]))
    assert outcomes == {"done": 9, "ledger.budget": 15}
    assert (total(owner, "used", "budget"), total(owner, "available")) == (90, 90)

    async def reserve(session: WriteSession) -> None:
        reserving = Context(city(owner), "person:1", MARCH, TODAY, subject="settlement:7")
        await budget_service.use(session, reserving, 5)

    assert set(await race(clients, [reserve] * 16)) == {"done"}, "of one settlement, whoever asks"
    assert total(owner, "used", "budget") == 95
