"""What Polars puts together by the hundred thousand is, byte for byte, the canonical form of the rows read one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.audit.log import source_queries
from carbon_bank.audit.log.canonical import canonical, parse_canonical
from carbon_bank.audit.log.records import COMMODITIES, CONTRAS, KINDS, posting_records
from carbon_bank.foundation.database import METADATA, Database, ReadSession, WriteSession
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import restate_service
from carbon_bank.ledger.act_service import Context
from tests.ledger.books import MARCH, fill_grants, found_accounts, grant
from tests.ledger.test_acts import ACTS, Story, Undo

TODAY = date(2026, 3, 10)
ELSEWHERE = {
    "posting": {"household_id": "is the record's `household`", "journal_id": "is the `id` of the record's `journal`"},
    "journal": {},
    "lot": {
        "household_id": "its posting's",
        "lot_id": "the `seq` of the posting that it stands in",
        "remaining": "what was granted, less all uses, each of which stands in a record; `ledger check` compares",
        "is_left": "computed from `remaining`",
    },
    "lot_use": {"household_id": "its posting's", "seq": "that of the posting that it stands in"},
    "hold": {
        "household_id": "its posting's",
        "hold_id": "the `seq` of the posting that it stands in",
        "ended_seq": "comes later: the posting that ends it names it by `hold_id`",
        "spent": "comes later: the `amount` of that posting",
    },
}
"""Columns that a record tells in another place than their own, or leaves out, and why."""
PARTS = {"hold", "lot", "uses"}
"""What a posting made, told in it."""


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return str(value) if isinstance(value, date | UUID) else value


async def rows(session: ReadSession, table: str, where: str, **given: Any) -> list[dict[str, Any]]:
    """Rows with all of their columns, as plain values."""
    found = await session.sql(f"SELECT * FROM {table} WHERE {where}", given)
    return [{name: plain(value) for name, value in row.items()} for row in found.mappings()]


def told(row: dict[str, Any], table: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ELSEWHERE[table]}


async def by_hand(session: ReadSession, journal_id: UUID) -> dict[int, bytes]:
    """The record of each household's side of a journal, from row after row."""
    (journal,) = await rows(session, "journal", "id = :id", id=journal_id)
    journal["made_in"] = str(journal["made_in"])
    sides: dict[int, list[dict[str, Any]]] = {}
    for posting in await rows(session, "posting", "journal_id = :id ORDER BY household_id, seq", id=journal_id):
        household_id, seq = posting["household_id"], posting["seq"]
        key = {"household_id": household_id, "seq": seq}
        lots = await rows(session, "lot", "household_id = :household_id AND lot_id = :seq", **key)
        holds = await rows(session, "hold", "household_id = :household_id AND hold_id = :seq", **key)
        uses = await rows(session, "lot_use", "household_id = :household_id AND seq = :seq ORDER BY lot_id", **key)
        made = {
            "lot": told(lots[0], "lot") if lots else None,
            "hold": told(holds[0], "hold") if holds else None,
            "uses": [[use["lot_id"], use["amount"]] for use in uses],
        }
        sides.setdefault(household_id, []).append(told(posting, "posting") | made)
    there = {name: value for name, value in journal.items() if value is not None}
    return {
        household_id: canonical({"household": household_id, "journal": there, "postings": postings})
        for household_id, postings in sides.items()
    }


async def by_polars(session: ReadSession, journal_ids: Sequence[UUID]) -> dict[UUID, dict[int, bytes]]:
    """As the sealer makes them, all journals in one go."""
    found = await source_queries.journals(session, journal_ids)
    listed = [found[each] for each in journal_ids]
    postings, uses = await source_queries.journal_postings(session, listed)
    records = posting_records([each.record for each in listed], postings, uses)
    made: dict[UUID, dict[int, bytes]] = {each: {} for each in journal_ids}
    order = [(place, household_id) for place, household_id, _ in records.iter_rows()]
    assert order == sorted(set(order)), "each side once, in order"
    for place, household_id, record in records.iter_rows():
        made[listed[place].id][household_id] = record.encode()
    return made


async def all_alike(session: ReadSession, city_id: int) -> list[dict[str, Any]]:
    """Compare the records of all journals. Returns them as values."""
    listed = await session.sql("SELECT id FROM journal WHERE city_id = :city ORDER BY id", {"city": city_id})
    ids = [each for (each,) in listed]
    expected = {each: await by_hand(session, each) for each in ids}
    assert await by_polars(session, ids) == expected
    return [parse_canonical(record) for sides in expected.values() for record in sides.values()]


async def restate(session: WriteSession, context: Context, grants: list[tuple[int, str, int]]) -> None:
    await fill_grants(session, grants)
    of = {"settlement_id": 1, "restatement_id": 1, "effective_on": date(2025, 12, 31)}
    await restate_service.post_differences(session, context, **of, expires_on=date(2030, 1, 1), debt_max=1000)


async def some_of_everything(session: WriteSession, city_id: int, a: int, b: int) -> None:
    """Postings of each kind, with each counterpart, of each commodity, with odd reasons, and a debt that is repaid."""
    text = 'why "not"?\nBecause\t\\ of \u2028 \U0001f331 \x7f\x01 \u00e9'
    context = Context(city_id, "person:1", MARCH, TODAY, "redemption:1", text)
    later = Context(city_id, "person:1", MARCH + timedelta(days=9, microseconds=1), TODAY + timedelta(9))
    deadline = MARCH + timedelta(days=3, microseconds=7)
    every = [each for each in COMMODITIES.categories if each not in {"", "?"}]
    await grant(session, [(who, commodity, 100) for who in (a, b) for commodity in every])
    await acts.adjust(session, context, a, 40, TODAY + timedelta(2), 0)
    await acts.adjust(session, context, a, 5, None, 0)
    whole = await acts.hold_points(session, context, a, 60, deadline)
    part = await acts.hold_points(session, context, a, 70, deadline)
    void = await acts.hold_points(session, context, a, 9, deadline)
    spent = await acts.spend_hold(session, context, a, whole.seq)
    await acts.spend_hold(session, context, a, part.seq, 33)
    await acts.void_hold(session, context, a, void.seq)
    await acts.spend_points(session, context, b, 50, deadline)
    await acts.reverse_journal(session, context, spent.journal_id, 0)
    await restate(session, context, [(a, "gas", 11), (b, "gas", -30)])
    taken = await acts.adjust(session, context, a, -5000, None, 700)
    assert taken.debt == 700 and taken.forgiven > 0
    await acts.adjust(session, context, a, 900, TODAY + timedelta(4), 0)
    await grant(session, [(b, "gas", 10**12)], settlement_id=2)
    given_back = await acts.adjust(session, context, b, 77, None, 0)
    await acts.reverse_journal(session, context, given_back.journal_id, 0)
    assert (await acts.book_expiries(session, later, 0, 10))[1] == 1
    await acts.close_account(session, later, b)


@pytest.fixture
def households(owner: psycopg.Connection) -> tuple[int, int, int]:
    """A city, and two households in it."""
    a, b = found_accounts(owner)
    ((city_id,),) = owner.execute("SELECT id FROM city").fetchall()
    return city_id, a, b


def kept(records: Iterable[dict[str, Any]], name: str) -> set[Any]:
    return {posting[name] for record in records for posting in record["postings"]}


async def test_records_of_every_kind_are_the_canonical_form_of_their_rows(
    database: Database, households: tuple[int, int, int]
) -> None:
    async with database.write() as session:
        await some_of_everything(session, *households)
    async with database.read() as session:
        records = await all_alike(session, households[0])
    assert kept(records, "kind") == set(KINDS.categories) - {"?"}
    assert kept(records, "contra") == {each or None for each in CONTRAS.categories} - {"?"}
    assert kept(records, "commodity") == {each or None for each in COMMODITIES.categories} - {"?"}
    postings = [posting for record in records for posting in record["postings"]]
    assert any(posting["debt_after"] for posting in postings)
    assert any(amount < 0 for posting in postings for _, amount in posting["uses"]), "something was given back"
    assert any(len(posting["uses"]) > 1 for posting in postings)
    assert any(len(record["postings"]) > 1 for record in records), "a journal with several postings of one household"
    assert {posting["lot"]["expires_on"] is None for posting in postings if posting["lot"]} == {True, False}


async def test_every_column_of_what_counts_is_in_what_a_leaf_commits_to(
    database: Database, households: tuple[int, int, int]
) -> None:
    """A new column needs a place in `records.py`, or a reason in ELSEWHERE."""
    async with database.write() as session:
        await some_of_everything(session, *households)
    async with database.read() as session:
        made = await by_polars(session, [each for (each,) in await session.sql("SELECT id FROM journal")])
    records = [parse_canonical(record) for sides in made.values() for record in sides.values()]
    postings = [posting for record in records for posting in record["postings"]]
    places = {
        "posting": set(postings[0]) - PARTS,
        "journal": {name for record in records for name in record["journal"]},
        "lot": {name for posting in postings if posting["lot"] for name in posting["lot"]},
        "hold": {name for posting in postings if posting["hold"] for name in posting["hold"]},
        "lot_use": {"lot_id", "amount"},
    }
    for table, names in places.items():
        columns = {column.name for column in METADATA.tables[table].columns}
        assert ELSEWHERE[table].keys() <= columns
        assert names == columns - ELSEWHERE[table].keys(), table
    assert all(len(use) == len(places["lot_use"]) for posting in postings for use in posting["uses"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(ACTS, min_size=5, max_size=25))
async def test_records_after_any_sequence_of_acts_are_the_canonical_form_of_their_rows(
    database: Database, owner: psycopg.Connection, sequence: list[tuple[object, ...]]
) -> None:
    accounts = sorted(each for (each,) in owner.execute("SELECT id FROM household")) or found_accounts(owner)
    ((city_id,),) = owner.execute("SELECT id FROM city").fetchall()
    with pytest.raises(Undo):
        async with database.write() as session:
            story = Story(session, city_id, accounts)
            for name, *given_values in sequence:
                await getattr(story, str(name))(*given_values)
            await all_alike(session, city_id)
            raise Undo
