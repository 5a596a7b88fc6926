"""`carbon-bank ledger check` finds what does not hold, whatever was changed behind the bank's back."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import check_queries, check_service
from carbon_bank.ledger.act_service import Context
from tests.ledger.books import MARCH, found_accounts, grant, without_triggers

TODAY = date(2026, 3, 10)
FORGED = {
    "entries sum to zero": None,  # the view makes one side from the other: no row can break it
    "postings are numbered 1, 2, 3, ... and continue": "UPDATE posting SET amount = amount + 1 WHERE household_id = {a} AND seq = 1",
    "accounts stand at their last posting": "UPDATE account SET available = available + 1 WHERE household_id = {a}",
    "accounts equal the sum of their postings": "UPDATE posting SET amount = amount + 1 WHERE household_id = {a} AND seq = 1",
    "what is available is what remains of the lots": "UPDATE lot SET remaining = remaining - 1 WHERE household_id = {a} AND lot_id = 2",
    "lots hold what was granted, less what was taken": "DELETE FROM lot_use WHERE household_id = {a}",
    "what is held is the open holds": "UPDATE hold SET points = points + 1 WHERE household_id = {a} AND ended_seq IS NULL",
    "every posting has its journal": "DELETE FROM journal WHERE kind = 'hold' AND household_id = {a}",
    "reversals take back what they name": "UPDATE posting SET reverses = 1 WHERE household_id = {b} AND kind = 'reversal'",
    "budgets are used as far as was reserved": "UPDATE budget SET used = used + 1",
    "approved adjustments are posted": "UPDATE adjustment SET points = points + 1",
}


@pytest.fixture
async def households(database: Database, owner: psycopg.Connection) -> list[int]:
    """Two households with some of everything in their accounts, and books that hold."""
    a, b = found_accounts(owner)
    row = owner.execute("SELECT id FROM city").fetchone()
    assert row is not None
    context = Context(row[0], "person:1", MARCH, TODAY)
    async with database.write() as session:
        await grant(session, [(a, "gas", 100), (a, "water", 50), (b, "gas", 70)])
        await acts.hold_points(session, context, a, 20, MARCH + timedelta(days=3))
        spent = await acts.hold_points(session, context, b, 30, MARCH + timedelta(days=3))
        spending = await acts.spend_hold(session, context, b, spent.seq)
    async with database.write() as session:
        await acts.reverse_journal(session, context, spending.journal_id, 0)
        moved = await acts.adjust(session, context, a, 9, None, 0)
    owner.execute(
        "INSERT INTO adjustment (city_id, household_id, points, reason, reason_text, state, prepared_by, prepared_at, decided_by, "
        "decided_at, journal_id) VALUES (%s, %s, 9, 'error', 'why', 'approved', 'p:1', now(), 'p:2', now(), %s)",
        [context.city_id, a, moved.journal_id],
    )
    owner.execute(
        "INSERT INTO budget (city_id, starts_on, ends_on, points, used, prepared_by, prepared_at, approved_by, approved_at) "
        "VALUES (%s, '2026-01-01', '2027-01-01', 500, 0, 'p:1', now(), 'p:2', now())",
        [context.city_id],
    )
    return [a, b]


async def broken(database: Database) -> set[str]:
    async with database.read() as session:
        return {each.promise async for each in check_service.check_books(session) if each.faults}


async def test_each_promise_that_is_broken_is_named(
    database: Database, owner: psycopg.Connection, households: list[int]
) -> None:
    assert set(FORGED) == set(check_queries.CHECKS)
    assert await broken(database) == set()
    a, b = households
    for promise, forgery in FORGED.items():
        if forgery is None:
            continue
        with owner.transaction(force_rollback=True), without_triggers(owner):
            owner.execute(forgery.format(a=a, b=b))  # type: ignore[arg-type]
            found = owner.execute(check_queries.CHECKS[promise]).fetchall()  # type: ignore[arg-type]
            assert len(found) == 1, promise
            assert found[0][0] in {a, b, None} and found[0][1]
    with without_triggers(owner):
        owner.execute("UPDATE account SET held = held + 1 WHERE household_id = %s", [a])
    assert await broken(database) == {
        "accounts stand at their last posting",
        "accounts equal the sum of their postings",
        "what is held is the open holds",
    }
