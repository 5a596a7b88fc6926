"""Reading an account: what it holds, what expires when, what stood on a day by either clock, line by line."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import NotFound
from carbon_bank.ledger import service as ledger
from tests.ledger.books import found_accounts, grant, put_into_debt


@pytest.fixture
def households(owner: psycopg.Connection) -> list[int]:
    return found_accounts(owner)


async def post_three_half_years(database: Database, household_id: int) -> None:
    """2025-H1 posted late, after 2025-H2: 100 points for 2024-H2, then 1000 for 2025-H2, then 10 for 2025-H1."""
    halves = [
        (date(2024, 12, 31), datetime(2025, 2, 1, 9, tzinfo=UTC), date(2026, 2, 28), 100),
        (date(2025, 12, 31), datetime(2026, 2, 1, 9, tzinfo=UTC), date(2027, 2, 28), 1000),
        (date(2025, 6, 30), datetime(2026, 3, 1, 9, tzinfo=UTC), date(2026, 9, 30), 10),
    ]
    for number, (effective_on, now, expires_on, points) in enumerate(halves, start=1):
        async with database.write() as session:
            await grant(
                session,
                [(household_id, "gas", points)],
                settlement_id=number,
                effective_on=effective_on,
                expires_on=expires_on,
                now=now,
            )


@pytest.mark.parametrize(
    ("day", "effective", "recorded"),
    [
        (date(2024, 12, 30), 0, 0),
        (date(2024, 12, 31), 100, 0),
        (date(2025, 2, 1), 100, 100),
        (date(2025, 6, 30), 110, 100),
        (date(2025, 12, 31), 1110, 100),
        (date(2026, 2, 1), 1110, 1100),
        (date(2026, 3, 1), 1110, 1110),
    ],
)
async def test_the_balance_of_a_day_by_the_month_it_belongs_to_and_by_when_it_was_made(
    database: Database, households: list[int], day: date, effective: int, recorded: int
) -> None:
    await post_three_half_years(database, households[0])
    end_of_day = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
    async with database.read() as session:
        assert await ledger.balance_as_of(session, households[0], day, "effective", end_of_day) == effective
        assert await ledger.balance_as_of(session, households[0], day, "recorded", end_of_day) == recorded
        assert await ledger.balance_as_of(session, households[1], day, "effective", end_of_day) == 0


async def test_a_day_ends_before_what_is_recorded_at_its_end(database: Database, households: list[int]) -> None:
    midnight = datetime(2026, 3, 10, 15, tzinfo=UTC)
    async with database.write() as session:
        await grant(session, [(households[0], "gas", 100)], now=midnight)
    async with database.read() as session:
        day = date(2026, 3, 10)
        assert await ledger.balance_as_of(session, households[0], day, "recorded", midnight) == 0


async def test_a_debt_counts_against_what_a_household_owns(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    put_into_debt(owner, households[0], 700)
    async with database.write() as session:
        await grant(session, [(households[0], "gas", 500)])
    async with database.read() as session:
        account = await ledger.get_account(session, households[0])
    assert (account.available, account.held, account.debt) == (0, 0, 200)


async def test_a_statement_runs_from_the_newest_and_goes_on_behind_a_number(
    database: Database, households: list[int]
) -> None:
    await post_three_half_years(database, households[0])
    async with database.read() as session:
        first = await ledger.statement(session, households[0], None, 2)
        rest = await ledger.statement(session, households[0], first[-1].seq, 2)
        beyond = await ledger.statement(session, households[0], rest[-1].seq, 2)
    assert [(line.seq, line.amount, line.available_after) for line in [*first, *rest]] == [
        (3, 10, 1110),
        (2, 1000, 1100),
        (1, 100, 100),
    ]
    assert list(beyond) == []


async def test_lots_come_in_the_order_in_which_they_expire(database: Database, households: list[int]) -> None:
    await post_three_half_years(database, households[0])
    async with database.write() as session:
        await grant(session, [(households[0], "water", 7)], settlement_id=4, expires_on=None)
        await grant(session, [(households[0], "water", 8)], settlement_id=5, expires_on=date(2026, 9, 30))
    async with database.read() as session:
        lots = await ledger.spendable_lots(session, households[0], date(2026, 1, 1))
    assert [lot.granted for lot in lots] == [100, 10, 8, 1000, 7], "the older one first, then those that never expire"


@pytest.mark.parametrize(
    ("today", "spendable"),
    [(date(2026, 2, 28), [100, 10, 1000]), (date(2026, 3, 1), [10, 1000]), (date(2027, 3, 1), [])],
)
async def test_a_lot_can_be_spent_through_its_last_day_and_no_longer_whatever_was_swept(
    database: Database, households: list[int], today: date, spendable: list[int]
) -> None:
    await post_three_half_years(database, households[0])
    async with database.read() as session:
        lots = await ledger.spendable_lots(session, households[0], today)
        account = await ledger.get_account(session, households[0])
    assert [lot.granted for lot in lots] == spendable
    assert account.available == 1110, "nothing books an expiry yet"


async def test_a_lot_that_is_used_up_is_not_shown(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    await post_three_half_years(database, households[0])
    owner.execute("UPDATE lot SET remaining = 0 WHERE granted = 1000")
    owner.execute("UPDATE lot SET remaining = 4 WHERE granted = 10")
    async with database.read() as session:
        lots = await ledger.spendable_lots(session, households[0], date(2026, 1, 1))
    assert [(lot.granted, lot.remaining) for lot in lots] == [(100, 100), (10, 4)]


async def test_an_account_that_is_not_there_is_not_an_empty_one(database: Database, households: list[int]) -> None:
    stranger = households[-1] + 1000
    async with database.read() as session:
        with pytest.raises(NotFound) as caught:
            await ledger.get_account(session, stranger)
        with pytest.raises(NotFound):
            await ledger.balance_as_of(session, stranger, date(2026, 1, 1), "effective", datetime.now(UTC))
    assert caught.value.code == "ledger.unknown_account"
