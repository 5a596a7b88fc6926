"""Posting awards in bulk: one posting and one lot for each, once, whoever runs it and how often."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.database import Database
from carbon_bank.ledger.service import Posted, lot_expiry
from tests.ledger.books import MARCH, everything, found_accounts, grant, put_into_debt, rows


@pytest.fixture
def households(owner: psycopg.Connection) -> list[int]:
    return found_accounts(owner)


def account(owner: psycopg.Connection, household_id: int) -> tuple[int, int, int, int]:
    [row] = owner.execute(
        "SELECT available, held, debt, version FROM account WHERE household_id = %s", [household_id]
    ).fetchall()
    return row


def postings(owner: psycopg.Connection, household_id: int) -> list[tuple[Any, ...]]:
    return owner.execute(
        "SELECT seq, commodity, amount, available_after, debt_after FROM posting WHERE household_id = %s ORDER BY seq",
        [household_id],
    ).fetchall()


def lots(owner: psycopg.Connection, household_id: int) -> list[tuple[Any, ...]]:
    return owner.execute(
        "SELECT lot_id, granted, remaining, expires_on FROM lot WHERE household_id = %s ORDER BY lot_id", [household_id]
    ).fetchall()


async def test_several_commodities_of_a_household_become_postings_one_after_the_other(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    first, second = households
    grants = [(first, "water", 750), (second, "gas", 3000), (first, "electricity", 5000), (first, "gas", 6000)]
    async with database.write() as session:
        posted = await grant(session, grants)
    assert posted == Posted(4, 14_750)
    expected = [(1, "electricity", 5000, 5000, 0), (2, "gas", 6000, 11_000, 0), (3, "water", 750, 11_750, 0)]
    assert postings(owner, first) == expected
    assert account(owner, first) == (11_750, 0, 0, 3)
    end = date(2031, 3, 31)
    assert lots(owner, first) == [(1, 5000, 5000, end), (2, 6000, 6000, end), (3, 750, 750, end)]
    assert account(owner, second) == (3000, 0, 0, 1)


async def test_a_posting_says_to_what_it_belongs_and_when_it_was_made(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    async with database.write() as session:
        await grant(session, [(households[0], "gas", 3000)], settlement_id=42)
    [posting] = rows(owner, "SELECT * FROM posting")
    [journal] = rows(owner, "SELECT * FROM journal")
    assert (posting["kind"], posting["contra"], posting["settlement_id"]) == ("award", "issuance", 42)
    assert (posting["effective_on"], posting["recorded_at"]) == (date(2025, 12, 31), MARCH)
    assert posting["journal_id"] == journal["id"]
    assert (journal["kind"], journal["settlement_id"], journal["by"]) == ("award", 42, "person:1")
    assert journal["id"].version == 7


async def test_an_award_without_points_is_not_posted(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    async with database.write() as session:
        posted = await grant(session, [(households[0], "gas", 0), (households[1], "gas", 10)])
    assert posted == Posted(1, 10)
    assert account(owner, households[0]) == (0, 0, 0, 0)


async def test_a_run_again_posts_only_what_is_not_there(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    first, second = households
    async with database.write() as session:
        await grant(session, [(first, "gas", 3000)])
    before = everything(owner)
    async with database.write() as session:
        assert await grant(session, [(first, "gas", 3000)]) == Posted(0, 0)
    assert everything(owner) == before, "a run again leaves no trace"
    async with database.write() as session:
        both = [(first, "gas", 3000), (first, "water", 750), (second, "gas", 6000)]
        assert await grant(session, both) == Posted(2, 6750)
    assert [row[:3] for row in postings(owner, first)] == [(1, "gas", 3000), (2, "water", 750)]
    assert account(owner, first) == (3750, 0, 0, 2)


async def test_another_settlement_posts_the_same_commodity_again(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    for settlement in (1, 2):
        async with database.write() as session:
            await grant(session, [(households[0], "gas", 3000)], settlement_id=settlement)
    assert account(owner, households[0]) == (6000, 0, 0, 2)


async def test_a_debt_is_paid_off_before_anything_becomes_available(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    first, second = households
    put_into_debt(owner, first, 7000)
    put_into_debt(owner, second, 9000)
    async with database.write() as session:
        posted = await grant(
            session, [(first, "electricity", 5000), (first, "gas", 3000), (first, "water", 750), (second, "gas", 8000)]
        )
    assert posted == Posted(4, 16_750)
    assert postings(owner, first)[1:] == [
        (2, "electricity", 5000, 0, 2000),
        (3, "gas", 3000, 1000, 0),
        (4, "water", 750, 1750, 0),
    ]
    assert [lot[:3] for lot in lots(owner, first)] == [(2, 5000, 0), (3, 3000, 1000), (4, 750, 750)]
    assert account(owner, first) == (1750, 0, 0, 4)
    assert account(owner, second) == (0, 0, 1000, 2)
    assert [lot[:3] for lot in lots(owner, second)] == [(2, 8000, 0)]


@pytest.mark.parametrize(
    ("posted_on", "valid_months", "expires_on"),
    [
        (date(2026, 7, 15), 60, date(2031, 7, 31)),
        (date(2026, 7, 31), 1, date(2026, 8, 31)),
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2027, 12, 1), 2, date(2028, 2, 29)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)),
        (date(2026, 7, 15), None, None),
    ],
)
def test_a_lot_expires_at_the_end_of_the_month_so_many_months_after_posting(
    posted_on: date, valid_months: int | None, expires_on: date | None
) -> None:
    assert lot_expiry(posted_on, valid_months) == expires_on


async def test_points_that_do_not_expire_are_lots_without_a_day(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    async with database.write() as session:
        await grant(session, [(households[0], "gas", 3000)], expires_on=None)
    assert lots(owner, households[0]) == [(1, 3000, 3000, None)]


async def test_a_household_without_an_account_is_not_paid_behind_the_books(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    async with database.write() as session:
        posted = await grant(session, [(households[0], "gas", 10), (households[1] + 1000, "gas", 10)])
    assert posted == Posted(1, 10), "the settlement's own count tells that one is missing"


async def test_a_bucket_that_names_an_award_twice_is_refused_whole(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    before = everything(owner)
    with pytest.raises(IntegrityError, match="posting_award_key"):
        async with database.write() as session:
            await grant(session, [(households[0], "gas", 10), (households[1], "gas", 10), (households[1], "gas", 10)])
    assert everything(owner) == before


async def test_two_posters_of_one_bucket_post_it_once(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    grants = [(household, commodity, 100) for household in households for commodity in ("electricity", "gas")]

    async def poster() -> Posted:
        async with database.write() as session:
            return await grant(session, grants)

    posted = await asyncio.gather(*(poster() for _ in range(6)))
    assert sorted(posted, key=lambda each: each.points) == [Posted(0, 0)] * 5 + [Posted(4, 400)]
    for household in households:
        assert account(owner, household) == (200, 0, 0, 2)
    assert len(rows(owner, "SELECT * FROM lot")) == 4


async def test_posters_of_different_settlements_queue_at_the_account(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    async def poster(settlement: int, order: int) -> Posted:
        async with database.write() as session:
            grants = [(household, "gas", settlement) for household in households[::order]]
            return await grant(session, grants, settlement_id=settlement)

    await asyncio.gather(*(poster(settlement, 1 if settlement % 2 else -1) for settlement in range(1, 9)))
    for household in households:
        assert account(owner, household) == (36, 0, 0, 8)
        assert sorted(row[2] for row in postings(owner, household)) == list(range(1, 9))
