"""Reading an account: what it holds, what expires when, what stood on a day by either clock, line by line."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import NotFound
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import restate_service
from carbon_bank.ledger import service as ledger
from carbon_bank.ledger.act_service import Context
from tests.ledger.books import fill_grants, found_accounts, grant, put_into_debt


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


PERIOD_END = date(2025, 12, 31)


def on(city_id: int, month: int, day: int) -> Context:
    now = datetime(2026, month, day, 9, tzinfo=UTC)
    return Context(city_id, "person:1", now, now.date())


async def live_through_everything(database: Database, home: int, city_id: int) -> None:
    """A posting of every kind: 200 points awarded, and an account that is closed in the end."""
    awards = (("gas", 100, date(2026, 6, 30)), ("water", 60, None), ("electricity", 40, None))
    for number, (commodity, points, expires_on) in enumerate(awards, start=1):
        async with database.write() as session:
            now = on(city_id, 3, 10).now
            await grant(session, [(home, commodity, points)], number, now=now, expires_on=expires_on)
    async with database.write() as session:
        first = on(city_id, 4, 1)
        held = await acts.hold_points(session, first, home, 50, first.now + timedelta(days=9))
        void = await acts.hold_points(session, first, home, 5, first.now + timedelta(days=9))
        await acts.void_hold(session, first, home, void.seq)
        spent = await acts.spend_hold(session, on(city_id, 4, 2), home, held.seq, 30)
        await acts.book_expiries(session, on(city_id, 7, 5), 0, 10)
        await fill_grants(session, [(home, "water", -20)])
        await restate_service.post_differences(
            session,
            on(city_id, 8, 1),
            settlement_id=2,
            restatement_id=1,
            effective_on=PERIOD_END,
            expires_on=None,
            debt_max=99,
        )
        await acts.adjust(session, on(city_id, 8, 10), home, 5, None, 99)
        await acts.adjust(session, on(city_id, 8, 15), home, -70, None, 99)
    async with database.write() as session:
        electricity = (await ledger.statement(session, home, 4, 1))[0].journal_id
        await acts.reverse_journal(session, on(city_id, 9, 1), electricity, 99)
        await acts.reverse_journal(session, on(city_id, 9, 2), spent.journal_id, 99)
        await acts.adjust(session, on(city_id, 9, 20), home, 8, None, 99)
        await acts.close_account(session, on(city_id, 10, 1), home)


async def test_both_balances_are_right_with_every_kind_of_posting(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    (city_id,) = owner.execute("SELECT id FROM city").fetchone() or (0,)
    home = households[0]
    await live_through_everything(database, home, city_id)
    kinds = {kind for (kind,) in owner.execute("SELECT kind FROM posting")}
    assert kinds == {
        "adjustment", "award", "closing", "expiry", "hold", "redemption", "release", "restatement", "reversal",
    }  # fmt: skip
    by_effective = {
        "2025-12-30": 0,
        "2025-12-31": 140,  # 200 awarded; a restatement of -20 and a reversal of -40 belong to the same day
        "2026-04-02": 140,  # 30 spent, and given back as if on that day
        "2026-06-30": 140,
        "2026-07-01": 65,  # 70 expired; of the 30 given back 25 paid off debt, and 5 expired with their lot
        "2026-08-10": 70,
        "2026-08-15": 0,
        "2026-09-20": 8,
        "2026-10-01": 0,
    }
    by_recorded = {
        "2026-03-09": 0,
        "2026-03-10": 200,
        "2026-04-02": 170,
        "2026-07-04": 170,
        "2026-07-05": 100,
        "2026-08-01": 80,
        "2026-08-10": 85,
        "2026-08-15": 15,
        "2026-09-01": -25,  # the reversal found 15, and left a debt
        "2026-09-02": 5,
        "2026-09-20": 8,
        "2026-10-01": 0,
    }
    async with database.read() as session:
        for text, points in by_effective.items():
            day = date.fromisoformat(text)
            assert await ledger.balance_as_of(session, home, day, "effective", datetime.now(UTC)) == points, text
        for text, points in by_recorded.items():
            end = datetime.combine(date.fromisoformat(text), datetime.max.time(), UTC)
            assert await ledger.balance_as_of(session, home, end.date(), "recorded", end) == points, text


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
    assert account.available == 1110, "nothing has booked an expiry"


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
