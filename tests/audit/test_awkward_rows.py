"""Rows that are hard to tell do not stop a log: what is true of them is sealed, and verified."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.formats.tiles import ENTRY_BYTES_MAX
from carbon_bank.audit.log.entries import act_entry
from carbon_bank.audit.log.evidence_service import PUBLIC, TOLD_CHARACTERS_MAX, public_of
from carbon_bank.audit.log.queries import find_log
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.foundation.database import Database
from carbon_bank.trail.service import Act
from tests.audit.log_reader import check_whole, keys_in, notes, told
from tests.ledger.books import add_journal
from tests.small_city import NOW, SmallCity

DEEP = '{"a":' * 40 + "1" + "}" * 40
FACTS = [
    '{"points": 1.5, "low": 1e-300, "rows": -0.0}',
    f'{{"points": {2**53}, "rows": {10**40}, "accepted": true, "awards": -{2**70}}}',
    '{"policy": "\\\\u0000 \\u2028 \\u001f \\"\\n", "\\ud83c\\udf31": "\\ud83c\\udf31 \\u0301 \\ufeff"}',
    '{"points": null, "policy": {"x": [null, 1e400]}, "rows": [1.25]}',
    f'{{"points": {DEEP}}}',
    json.dumps({"policy": "x" * 70_000, "policy_digest": "\u00e9" * 40_000}),
]
AWKWARD = 'first\nsecond\r\t"\\ \u2028 \U0001f331 \x01\x7f \u0301'
ACTS = [Act.BUDGET_APPROVED, Act.READINGS_IMPORTED, Act.SETTLEMENT_COMPUTED, Act.METER_ADDED, Act.RESTATEMENT_APPROVED]


@pytest.mark.parametrize("facts", FACTS, ids=["fractions", "huge", "odd texts", "nulls", "nested", "long"])
async def test_facts_of_any_kind_are_sealed(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path, facts: str
) -> None:
    for act in ACTS:
        owner.execute(
            "INSERT INTO trail (at, city_id, by, act, subject, reason, facts) VALUES (now(), %s, %s, %s, %s, %s, %s)",
            [small_city.city_id, AWKWARD, act.value, AWKWARD, AWKWARD, facts],
        )
    owner.execute(
        "INSERT INTO trail (at, city_id, by, act, subject, facts) SELECT now(), %s, 'test', act, 'settlement:1' || repeat('0', 17), %s "
        "FROM unnest(%s::text[]) AS act",
        [small_city.city_id, facts, [Act.POLICY_APPROVED.value, Act.SETTLEMENT_WITHDRAWN.value]],
    )
    await holds(database, small_city, owner, tmp_path)


def test_an_entry_has_room_for_all_that_is_told_of_an_act() -> None:
    longest = "\x01" * TOLD_CHARACTERS_MAX
    for act, names in PUBLIC.items():
        told_of = public_of(act, longest, dict.fromkeys(names, longest))
        assert len(told_of) == len(names) + 1
        assert len(act_entry(2**53 - 1, NOW, act, told_of, bytes(32))) < ENTRY_BYTES_MAX
        assert public_of(act, longest + "x", dict.fromkeys(names, longest + "x")) == {}
    amounts = {"awards": 2**53, "up": 2**53 - 1, "down": -(2**53)}
    assert public_of(Act.RESTATEMENT_APPROVED, "restatement:1", amounts) == {
        "subject": "restatement:1",
        "up": 2**53 - 1,
    }


async def test_an_act_that_makes_no_sense_stops_its_own_city_alone(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    await worker.seal_all(database, keys_in(tmp_path))
    acts = [
        (small_city.city_id, "readings.recorded", "nobody knows"),
        (small_city.other_city_id, "meter.added", "meter:1"),
    ]
    for act in acts:
        statement = "INSERT INTO trail (at, city_id, by, act, subject, facts) VALUES (now(), %s, 'test', %s, %s, '{}')"
        owner.execute(statement, act)
    before = notes(owner, small_city.city_id), notes(owner, small_city.other_city_id)
    with pytest.raises(ValueError, match="nobody knows"):
        await worker.seal_all(database, keys_in(tmp_path))
    assert notes(owner, small_city.city_id) == before[0]
    assert len(notes(owner, small_city.other_city_id)) == len(before[1]) + 1


async def test_a_journal_without_postings_makes_no_leaf_and_stops_nothing(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here")
    add_journal(owner)
    assert await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here") == 0
    for number, household_id in ((9, None), (600, small_city.alder)):  # more than a step takes, of either kind
        owner.execute(
            "INSERT INTO journal (id, city_id, kind, by, recorded_at, household_id, reason) "
            "SELECT gen_random_uuid(), %s, 'hold', 'x', now(), %s, %s FROM generate_series(1, %s)",
            [small_city.city_id, household_id, AWKWARD, number],
        )
    owner.execute(
        "INSERT INTO trail (at, city_id, by, act, subject, facts) VALUES (now(), %s, 'test', 'meter.added', 'meter:1', '{}')",
        [small_city.city_id],
    )
    assert await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here") == 1
    await holds(database, small_city, owner, tmp_path)


async def holds(database: Database, city: SmallCity, owner: psycopg.Connection, folder: Path) -> None:
    keys = keys_in(folder)
    await worker.seal_city(database, keys, city.city_id, "here")
    sealed = check_whole(owner, city.city_id, keys)
    assert sealed == len(told(owner, city.city_id))
    acts = owner.execute("SELECT count(*) FROM trail WHERE city_id = %s", [city.city_id]).fetchall()
    assert acts == [(sealed,)]
    async with database.read() as session:
        log = await find_log(session, city.city_id)
        assert log is not None
        found = await verify_service.verify_log(session, log, keys.verifying("here"))
    assert (found.tree, found.leaves) == ([], [])
