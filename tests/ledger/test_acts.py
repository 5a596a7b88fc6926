"""Any sequence of acts on real PostgreSQL against a notebook that somebody keeps by hand (`oracle.py`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.database import Database, WriteSession
from carbon_bank.foundation.errors import Refusal
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import restate_service
from carbon_bank.ledger.act_service import Context
from tests.ledger.books import fill_grants, found_accounts, grant
from tests.ledger.oracle import NEVER, Book, Refused

FIRST_DAY = date(2026, 3, 10)
COMMODITIES = ("gas", "water")

number = st.integers(0, 7)
few = st.sampled_from([0, 1, 2, 3])
points = st.one_of(st.integers(1, 9), st.integers(1, 300))
days = st.sampled_from([0, 1, 3, 40])
debt = st.sampled_from([0, 5, 100, 10_000])
whose = st.integers(0, 1)
ACTS = st.one_of(
    st.tuples(st.just("award"), few, st.dictionaries(st.tuples(whose, st.sampled_from(COMMODITIES)), points), days),
    st.tuples(st.just("restate"), few, whose, st.sampled_from(COMMODITIES), st.integers(-120, 60), debt),
    st.tuples(st.just("adjust"), whose, points, st.sampled_from([1, 1, -1]), days, debt),
    st.tuples(st.just("hold"), whose, points, st.sampled_from([1, 3, 60])),
    st.tuples(st.just("spend"), whose, number, st.one_of(st.none(), points)),
    st.tuples(st.just("spend_at_once"), whose, points),
    st.tuples(st.just("void"), whose, number),
    st.tuples(st.just("reverse"), number, debt),
    st.tuples(st.just("wait"), days),
    st.tuples(st.just("expire")),
    st.tuples(st.just("close"), whose),
)


T = TypeVar("T")


class Undo(Exception):
    """Ends a transaction so that nothing of it stays."""


@dataclass
class Story:
    """The bank's ledger and the notebooks, act by act."""

    session: WriteSession
    city_id: int
    households: list[int]
    books: list[Book] = field(default_factory=lambda: [Book(), Book()])
    today: date = FIRST_DAY
    journals: list[tuple[UUID, list[tuple[int, int]]]] = field(default_factory=list)
    undone: set[UUID] = field(default_factory=set)
    restatements: int = 0

    def context(self) -> Context:
        return Context(self.city_id, "person:1", datetime.combine(self.today, time(9), UTC), self.today)

    async def award(self, settlement: int, grants: dict[tuple[int, str], int], life: int) -> None:
        last_day = self.today + timedelta(life) if life else NEVER
        made = []
        for (at, commodity), value in sorted(grants.items()):
            if any(line.kind == "award" and line.award == (settlement, commodity) for line in self.books[at].lines):
                continue
            self.books[at].grant("award", value, date(2025, 12, 31), last_day, (settlement, commodity))
            made.append((at, len(self.books[at].lines)))
        rows = [(self.households[at], commodity, value) for (at, commodity), value in grants.items()]
        expires_on = None if life == 0 else last_day
        await grant(self.session, rows, settlement, now=self.context().now, expires_on=expires_on)
        if made:
            at, seq = made[0]
            self.journals.append((await self.journal(at, seq), made))

    async def restate(self, settlement: int, at: int, commodity: str, value: int, debt_max: int) -> None:
        book, award = self.books[at], (settlement, commodity)
        self.restatements += 1
        if value:
            book.open(self.today)
        if value > 0:
            book.grant("restatement", value, date(2025, 12, 31), NEVER, award)
        elif value < 0:
            seqs = [n for n, line in enumerate(book.lines, 1) if line.kind == "award" and line.award == award]
            first = book.lot(seqs[0]) if seqs else None
            book.claw("restatement", -value, first, debt_max, date(2025, 12, 31), award)
        await fill_grants(self.session, [(self.households[at], commodity, value)])
        for _ in range(2):  # run again, it adds nothing
            await restate_service.post_differences(
                self.session,
                self.context(),
                settlement_id=settlement,
                restatement_id=self.restatements,
                effective_on=date(2025, 12, 31),
                expires_on=None,
                debt_max=debt_max,
            )
        if value:
            seq = len(book.lines)
            self.journals.append((await self.journal(at, seq), [(at, seq)]))

    async def adjust(self, at: int, value: int, sign: int, life: int, debt_max: int) -> None:
        book = self.books[at]
        book.open(self.today)
        last_day = self.today + timedelta(life) if life else NEVER
        if sign > 0:
            book.grant("adjustment", value, self.today, last_day)
        else:
            book.claw("adjustment", value, None, debt_max, self.today)
        moved = await acts.adjust(
            self.session, self.context(), self.households[at], sign * value, last_day if life else None, debt_max
        )
        self.journals.append((moved.journal_id, [(at, moved.seq)]))

    async def hold(self, at: int, value: int, until: int) -> None:
        deadline = self.context().now + timedelta(until)
        await self.both(
            lambda: self.books[at].hold(value, self.today + timedelta(until), self.today),
            lambda: acts.hold_points(self.session, self.context(), self.households[at], value, deadline),
        )

    async def spend(self, at: int, which: int, part: int | None) -> None:
        book = self.books[at]
        hold_id = self.hold_of(at, which)
        spent = part or (book.holds[hold_id].points if hold_id in book.holds else 1)
        moved = await self.both(
            lambda: book.end_hold(hold_id, spent, self.today),
            lambda: acts.spend_hold(self.session, self.context(), self.households[at], hold_id, part),
        )
        if moved:
            book.ended_by[hold_id] = moved.seq
            self.journals.append((moved.journal_id, [(at, moved.seq)]))

    async def spend_at_once(self, at: int, value: int) -> None:
        book, until = self.books[at], timedelta(1)

        def by_hand() -> None:
            book.hold(value, self.today + until, self.today)
            book.end_hold(len(book.lines), value, self.today)

        moved = await self.both(
            by_hand,
            lambda: acts.spend_points(
                self.session, self.context(), self.households[at], value, self.context().now + until
            ),
        )
        if moved:
            book.ended_by[moved.seq - 1] = moved.seq
            self.journals.append((moved.journal_id, [(at, moved.seq)]))
            assert await self.journal(at, moved.seq) == moved.journal_id != await self.journal(at, moved.seq - 1)

    async def void(self, at: int, which: int) -> None:
        hold_id = self.hold_of(at, which)
        await self.both(
            lambda: self.books[at].end_hold(hold_id, 0, self.today),
            lambda: acts.void_hold(self.session, self.context(), self.households[at], hold_id),
        )

    async def reverse(self, which: int, debt_max: int) -> None:
        if not self.journals:
            return
        journal_id, places = self.journals[which % len(self.journals)]

        def by_hand() -> None:
            if journal_id in self.undone:
                raise Refused("ledger.reversed")
            if any(self.books[at].is_restated(seq) for at, seq in places):
                raise Refused("ledger.restated")
            for at, seq in places:
                self.books[at].open(self.today)
                self.books[at].reverse(seq, debt_max)
            self.undone.add(journal_id)

        await self.both(by_hand, lambda: acts.reverse_journal(self.session, self.context(), journal_id, debt_max))

    async def wait(self, how_long: int) -> None:
        self.today += timedelta(how_long)

    async def expire(self) -> None:
        for book in self.books:
            book.open(self.today)
        after: int | None = 0
        while after is not None:
            after, _, _ = await acts.book_expiries(self.session, self.context(), after, 1)

    async def close(self, at: int) -> None:
        await self.both(
            lambda: self.books[at].close(self.today),
            lambda: acts.close_account(self.session, self.context(), self.households[at]),
        )

    def hold_of(self, at: int, which: int) -> int:
        holds = list(self.books[at].holds)
        return holds[which % len(holds)] if holds else 999

    async def both(self, by_hand: Callable[[], None], act: Callable[[], Awaitable[T]]) -> T | None:
        """The notebook and the bank do the same, or refuse for the same reason."""
        try:
            by_hand()
        except Refused as refused:
            event(str(refused))
            with pytest.raises(Refusal) as caught:
                async with self.session.begin_nested():
                    await act()
            assert caught.value.code == str(refused)
            return None
        return await act()

    async def journal(self, at: int, seq: int) -> UUID:
        query = "SELECT journal_id FROM posting WHERE household_id = :household AND seq = :seq"
        row = await self.session.sql(query, {"household": self.households[at], "seq": seq})
        return row.scalar_one()

    async def compare(self) -> None:
        for household, book in zip(self.households, self.books, strict=True):
            account = await self.rows(
                "SELECT available, held, debt, version, closed_at IS NOT NULL FROM account", household
            )
            assert account == [(book.available, book.held, book.debt, len(book.lines), book.closed)]
            assert await self.rows(
                "SELECT kind, amount, available_after, held_after, debt_after, effective_on, forgiven FROM posting",
                household,
                "seq",
            ) == [
                (line.kind, line.amount, line.available, line.held, line.debt, line.day, line.forgiven)
                for line in book.lines
            ]
            assert await self.rows("SELECT lot_id, granted, remaining, expires_on FROM lot", household, "lot_id") == [
                (lot.number, lot.granted, lot.left, None if lot.last_day == NEVER else lot.last_day)
                for lot in book.lots
            ]
            assert await self.rows("SELECT hold_id, points, ended_seq IS NOT NULL FROM hold", household, "hold_id") == [
                (hold.number, hold.points, hold.ended) for hold in book.holds.values()
            ]
            uses = "SELECT lot_id, sum(amount)::bigint FROM lot_use"
            assert await self.rows(uses, household, "lot_id", "GROUP BY lot_id HAVING sum(amount) <> 0") == [
                (lot.number, lot.granted - lot.left) for lot in book.lots if lot.granted != lot.left
            ]
            assert sum(lot.left for lot in book.lots) == book.available
        sums = await self.session.sql("SELECT coalesce(sum(amount), 0) FROM entry")
        assert int(sums.scalar_one()) == 0

    async def rows(self, select: str, household: int, order: str = "1", tail: str = "") -> list[tuple[object, ...]]:
        found = await self.session.sql(
            f"{select} WHERE household_id = :household {tail} ORDER BY {order}", {"household": household}
        )
        return [tuple(row) for row in found]


@example(sequence=[("adjust", 0, 100, -1, 0, 0), ("restate", 0, 0, "gas", -1, 0), ("reverse", 1, 0)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(ACTS, min_size=3, max_size=25))
async def test_any_sequence_of_acts_leaves_what_a_notebook_holds(
    database: Database, owner: psycopg.Connection, sequence: list[tuple[object, ...]]
) -> None:
    households = sorted(each for (each,) in owner.execute("SELECT id FROM household")) or found_accounts(owner)
    city = owner.execute("SELECT id FROM city").fetchone()
    assert city is not None
    with pytest.raises(Undo):
        async with database.write() as session:
            story = Story(session, city[0], households)
            await grant(session, [(each, "gas", 100) for each in households], settlement_id=99, expires_on=None)
            for book in story.books:
                book.grant("award", 100, date(2025, 12, 31), NEVER, (99, "gas"))
            for name, *given_values in sequence:
                await getattr(story, str(name))(*given_values)
                await story.compare()
            raise Undo
