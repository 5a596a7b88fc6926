"""Any sequence of postings against books kept in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.database import Database, WriteSession
from carbon_bank.ledger.service import Posted
from tests.ledger.books import Grant, found_accounts, grant

COMMODITIES = ("combined", "electricity", "gas", "water")
HOUSEHOLDS = 3


@dataclass
class Book:
    """What one household has, as anybody would write it down."""

    available: int = 0
    debt: int = 0
    lines: list[tuple[int, int, str, int, int, int]] = field(default_factory=list)
    lots: dict[int, tuple[int, int]] = field(default_factory=dict)

    def grant(self, settlement: int, commodity: str, points: int) -> bool:
        """Whether it was not there already."""
        if points == 0 or any((settlement, commodity) == (line[1], line[2]) for line in self.lines):
            return False
        repaid = min(points, self.debt)
        self.debt -= repaid
        self.available += points - repaid
        number = len(self.lines) + 1
        self.lines.append((number, settlement, commodity, points, self.available, self.debt))
        self.lots[number] = (points, points - repaid)
        return True


@dataclass(frozen=True)
class Batch:
    settlement: int
    grants: dict[tuple[int, str], int]


points = st.one_of(st.integers(0, 3), st.integers(0, 20_000), st.just(10**12))
batches = st.builds(
    Batch,
    settlement=st.integers(1, 3),
    grants=st.dictionaries(
        st.tuples(st.integers(0, HOUSEHOLDS - 1), st.sampled_from(COMMODITIES)), points, max_size=HOUSEHOLDS * 4
    ),
)
debts = st.lists(st.one_of(st.just(0), st.integers(1, 15_000)), min_size=HOUSEHOLDS, max_size=HOUSEHOLDS)


class Undo(Exception):
    """Ends a transaction so that nothing of it stays."""


async def put_into_debt(session: WriteSession, household_id: int, debt: int) -> None:
    """A first posting that left a debt; only somebody with the run of the server can write one now."""
    await session.sql("SET LOCAL ROLE NONE")
    await session.sql("SET LOCAL session_replication_role = replica")
    await session.sql(
        "INSERT INTO posting SELECT :household, 1, gen_random_uuid(), 'award', 'issuance', 1, 0, 0, :debt, '2025-06-30', "
        "now(), 0, 'gas'",
        {"household": household_id, "debt": debt},
    )
    await session.sql(
        "UPDATE account SET debt = :debt, version = 1 WHERE household_id = :household",
        {"household": household_id, "debt": debt},
    )
    await session.sql("SET LOCAL session_replication_role = origin")
    await session.sql("SET LOCAL ROLE carbon_bank_app")


async def compare(session: WriteSession, households: Sequence[int], books: Sequence[Book]) -> None:
    for household_id, book in zip(households, books, strict=True):
        only = {"household": household_id}
        account = (
            await session.sql(
                "SELECT available, held, debt, version FROM account WHERE household_id = :household", only
            )
        ).one()
        assert tuple(account) == (book.available, 0, book.debt, len(book.lines))
        lines = await session.sql(
            "SELECT seq, settlement_id, commodity, amount, available_after, debt_after FROM posting "
            "WHERE household_id = :household ORDER BY seq",
            only,
        )
        assert [tuple(line) for line in lines] == book.lines
        lots = await session.sql("SELECT lot_id, granted, remaining FROM lot WHERE household_id = :household", only)
        assert {lot_id: (granted, remaining) for lot_id, granted, remaining in lots} == book.lots
    sums = await session.sql("SELECT coalesce(sum(amount), 0), count(*) FROM entry")
    assert int(sums.one()[0]) == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(debts=debts, sequence=st.lists(batches, min_size=1, max_size=6))
async def test_any_sequence_of_postings_leaves_what_books_kept_by_hand_hold(
    database: Database, owner: psycopg.Connection, debts: list[int], sequence: list[Batch]
) -> None:
    households = _households(owner)
    books = [Book() for _ in households]
    with pytest.raises(Undo):
        async with database.write() as session:
            for household_id, book, debt in zip(households, books, debts, strict=True):
                if debt:
                    await put_into_debt(session, household_id, debt)
                    book.debt, book.lines = debt, [(1, 0, "gas", 1, 0, debt)]
            for batch in sequence:
                grants: list[Grant] = [(households[at], name, n) for (at, name), n in batch.grants.items()]
                new = [
                    number
                    for (at, name), number in sorted(batch.grants.items())
                    if books[at].grant(batch.settlement, name, number)
                ]
                posted = await grant(session, grants, settlement_id=batch.settlement)
                assert posted == Posted(len(new), sum(new))
                await compare(session, households, books)
            raise Undo


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=batches.filter(lambda batch: any(batch.grants.values())))
async def test_a_posting_that_is_refused_changes_nothing(
    database: Database, owner: psycopg.Connection, batch: Batch
) -> None:
    households = _households(owner)
    grants: list[Grant] = [(households[at], name, n) for (at, name), n in batch.grants.items()]
    twice = next(each for each in grants if each[2])
    with pytest.raises(Undo):
        async with database.write() as session:
            with pytest.raises(IntegrityError, match="posting_award_key"):
                async with session.begin_nested():
                    await grant(session, [*grants, twice], settlement_id=batch.settlement)
            await compare(session, households, [Book() for _ in households])
            raise Undo


def _households(owner: psycopg.Connection) -> list[int]:
    """The households of the test's database, made by the first example."""
    there = sorted(each for (each,) in owner.execute("SELECT id FROM household"))
    return there or found_accounts(owner, HOUSEHOLDS)
