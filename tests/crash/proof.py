"""What must be true after a round, whatever was killed when. Each fault is a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from carbon_bank.foundation.database import Database
from carbon_bank.ledger import check_service
from tests.crash.city import EXPIRED, STOCK, City
from tests.crash.clients import ASKED, ENDINGS, JOURNAL_KINDS, Operation, Refused

OWNED = "SELECT household_id, available + held - debt FROM account"
MOVED = """
    SELECT (SELECT count(*) FROM journal), (SELECT count(*) FROM posting), (SELECT count(*) FROM lot_use),
           (SELECT count(*) FROM hold), (SELECT count(*) FROM redemption), (SELECT count(*) FROM kept_answer),
           (SELECT sum(stock) FROM reward_stock), (SELECT count(*) FROM voucher WHERE redemption_id IS NOT NULL),
           (SELECT md5(string_agg(account::text, ';' ORDER BY household_id)) FROM account)
"""
"""What would differ if anything had happened twice."""


def owned(connection: psycopg.Connection) -> dict[int, int]:
    return dict(connection.execute(OWNED).fetchall())


async def books(database: Database) -> list[str]:
    """Faults that `carbon-bank ledger check` finds."""
    async with database.read() as session:
        return [
            f"{check.promise}: household {household}: {fault}"
            async for check in check_service.check_books(session)
            for household, fault in check.faults
        ]


def faults(
    connection: psycopg.Connection, city: City, before: dict[int, int], sent: Sequence[Operation]
) -> Iterator[str]:
    """Args: before: what each household owned when the round began."""
    yield from _settlement(connection, city)
    yield from _acts(connection, sent)
    yield from _redemptions(connection, city, sent)
    yield from _holds(connection)
    yield from _sums(connection, city, before, sent)


def _rows(connection: psycopg.Connection, query: str, *given: Any) -> list[tuple[Any, ...]]:
    return connection.execute(query, given).fetchall()  # type: ignore[arg-type]


def _settlement(connection: psycopg.Connection, city: City) -> Iterator[str]:
    due = """
        SELECT household_id, commodity::text, points FROM award
        WHERE settlement_id = %s AND points > 0 AND review IN ('clear', 'released')
    """
    posted = "SELECT household_id, commodity, amount FROM posting WHERE kind = 'award' AND settlement_id = %s"
    wanted, stands = (
        Counter(_rows(connection, due, city.settlement_id)),
        Counter(_rows(connection, posted, city.settlement_id)),
    )
    if not wanted:
        yield "the settlement has nothing to post"
    for row in (wanted - stands) | (stands - wanted):
        yield f"award {row} is due {wanted[row]} times and posted {stands[row]} times"
    state = _rows(connection, "SELECT state FROM settlement WHERE id = %s", city.settlement_id)
    told = _rows(connection, "SELECT count(*) FROM trail WHERE act = 'settlement.posted'")
    if (state, told) != ([("posted",)], [(1,)]):
        yield f"the settlement is {state}, and the trail tells {told} times that it was posted"


def _acts(connection: psycopg.Connection, sent: Sequence[Operation]) -> Iterator[str]:
    """Each act of the ledger that was answered has one journal, the one that the answer names; what was refused has none."""
    found = _rows(connection, "SELECT subject, kind, id::text FROM journal WHERE subject LIKE 'crash:%%'")
    wanted = [
        (f"crash:{each.key}", JOURNAL_KINDS[each.name], each.answer["journal"])
        for each in sent
        if each.name in JOURNAL_KINDS and each.answer is not None
    ]
    for row in (Counter(found) - Counter(wanted)) | (Counter(wanted) - Counter(found)):
        yield f"act {row} is in the books {found.count(row)} times and was answered {wanted.count(row)} times"
    kept = {key for (key,) in _rows(connection, "SELECT key FROM kept_answer")}
    keyed = {each.key for each in sent if each.is_done and each.name not in ENDINGS}
    for key in kept ^ keyed:
        yield f"the answer under key {key} is {'kept' if key in kept else 'not kept'}"


def _redemptions(connection: psycopg.Connection, city: City, sent: Sequence[Operation]) -> Iterator[str]:
    wanted = {each.answer["id"]: "fulfilled" for each in sent if each.name in ASKED and each.answer is not None}
    asked = [each for each in sent if each.name in ASKED and each.is_done]
    if len(wanted) != len(asked):
        yield f"{len(asked)} redemptions were answered, under {len(wanted)} numbers"
    wanted |= {each.answer["id"]: "held" for each in asked if each.name == "partner" and each.answer is not None}
    wanted |= {each.answer["id"]: ENDINGS[each.name][1] for each in sent if each.name in ENDINGS and each.answer}
    stands = dict(_rows(connection, "SELECT id, state FROM redemption"))
    for number in {each for each in wanted | stands if wanted.get(each) != stands.get(each)}:
        yield f"redemption {number} is {stands.get(number)}, and its clients were told {wanted.get(number)}"
    given = _rows(connection, "SELECT count(redemption_id), count(DISTINCT redemption_id) FROM voucher")[0]
    vouchers = sum(each.name == "voucher_pool" for each in asked)
    if given != (vouchers, vouchers):
        yield f"{vouchers} redemptions were promised a voucher, and {given} have one"
    out = sum(each.name == "partner" for each in asked) - sum(each.name == "cancel" and each.is_done for each in sent)
    stock = _rows(connection, "SELECT sum(stock)::int FROM reward_stock WHERE reward_id = %s", city.rewards["partner"])
    if stock != [(STOCK - out,)]:
        yield f"{out} of {STOCK} were given out, and {stock} are in stock"


def _holds(connection: psycopg.Connection) -> Iterator[str]:
    ended = """
        SELECT household_id, hold_id, count(*) FROM posting JOIN hold USING (household_id, hold_id)
        WHERE posting.kind IN ('release', 'redemption') GROUP BY 1, 2, hold.ended_seq
        HAVING count(*) <> 1 OR hold.ended_seq IS DISTINCT FROM max(posting.seq)
    """
    for household, hold, times in _rows(connection, ended):
        yield f"hold {hold} of household {household} ended {times} times"


def _sums(
    connection: psycopg.Connection, city: City, before: dict[int, int], sent: Sequence[Operation]
) -> Iterator[str]:
    """What each household owns is what it owned, its awards, and what its clients were told; less what expired."""
    changed: Counter[int] = Counter()
    for each in sent:
        changed[each.household_id] += each.owned
    for household, points in _rows(
        connection, "SELECT household_id, sum(points)::bigint FROM award WHERE review <> 'held' GROUP BY 1"
    ):
        changed[household] += points
    for at, household in enumerate(city.households):
        changed[household] -= EXPIRED if at % 5 == 0 else 0
    for household, points in owned(connection).items():
        if points != before[household] + changed[household]:
            yield f"household {household} owns {points}: it owned {before[household]}, and {changed[household]} were to come"


async def replayed(connection: psycopg.Connection, bank: Any, sent: Sequence[Operation]) -> list[str]:
    """Args: sent: things that were done. Sent once more, each gets the same answer, and nothing happens."""
    before, wrong = connection.execute(MOVED).fetchone(), []
    for each in sent:
        try:
            answer, again = await bank.try_once(each)
        except Refused as refused:
            answer, again = {"refused": str(refused)}, False
        if (answer, again) != (each.answer, True):
            wrong.append(f"{each.name} under key {each.key} was answered {each.answer}, and again {answer}")
    if connection.execute(MOVED).fetchone() != before:
        wrong.append("what was sent again after the end has changed the books")
    return wrong
