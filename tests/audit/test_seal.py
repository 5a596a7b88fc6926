"""Sealing: all that was committed stands in the log once, in an order that nothing can come before any more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.log import seal_service
from carbon_bank.audit.log.canonical import canonical
from carbon_bank.audit.log.entries import VERSION, act_entry, posting_entries
from carbon_bank.foundation.database import Database, plain_url
from carbon_bank.foundation.errors import Conflict, InvalidInput
from carbon_bank.trail.service import Act, record
from tests.audit.log_reader import check_whole, keys_in, notes, told
from tests.ledger.books import grant, without_triggers
from tests.settlement.test_posting import posting
from tests.small_city import NOW, SmallCity

POSTED = "SELECT count(DISTINCT (journal_id, household_id)) FROM posting"


async def seal(database: Database, city: SmallCity, folder: Path) -> int:
    return await worker.seal_city(database, keys_in(folder), city.city_id, "here")


async def act(database: Database, city: SmallCity, number: int) -> None:
    async with database.write() as session:
        record(session, Act.CITY_ADDED, by="test", at=NOW, subject=f"city:{number}", city_id=city.city_id)


async def test_a_settlement_stands_in_the_log_whole(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    number = await posting(database, small_city)
    await seal(database, small_city, tmp_path)
    await worker.post(database, number, 5)
    await seal(database, small_city, tmp_path)
    assert await seal(database, small_city, tmp_path) == 0, "nothing is left"
    found = told(owner, small_city.city_id)
    assert check_whole(owner, small_city.city_id, keys_in(tmp_path)) == len(found)

    acts = owner.execute("SELECT act FROM trail WHERE city_id = %s ORDER BY id", [small_city.city_id]).fetchall()
    assert [each["act"] for each in found if each["type"] == "act"] == [act for (act,) in acts]
    sides = owner.execute(POSTED).fetchall()[0][0]
    awards = [each for each in found if each["type"] == "posting"]
    assert len(awards) == sides > 0 and {each["kind"] for each in awards} == {"award"}
    (approved,) = (each for each in found if each.get("act") == "settlement.approved")
    assert approved["public"] == {"subject": f"settlement:{number}", "awards_to_post": 24, "points_to_post": 148250}
    closes = [each for each in found if each["type"] == "close"]
    assert len(closes) == 2 * 6, "two utilities, six months"
    assert closes[0] | {"root": ""} == {
        "at": closes[0]["at"],
        "type": "close",
        "seq": closes[0]["seq"],
        "v": VERSION,
        "settlement": number,
        "utility": "elec",
        "commodity": "electricity",
        "month": "2024-01",
        "rows": 23,
        "root": "",
        "quantity": "5805000",
        "unit": "Wh",
    }


async def test_what_is_committed_late_is_sealed_late_and_never_skipped(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """A transaction that began early and commits late holds back all that began after it: its row goes first."""
    await seal(database, small_city, tmp_path)
    url = plain_url(database.url)
    with psycopg.connect(url) as early:
        statement = "INSERT INTO trail (at, city_id, by, act, subject, facts) VALUES (now(), %s, 'test', 'city.added', 'city:1', '{}')"
        early.execute(statement, [small_city.city_id])
        await act(database, small_city, 2)
        assert await seal(database, small_city, tmp_path) == 0, "the early one could still come before it"
        early.commit()
    assert await seal(database, small_city, tmp_path) == 2
    subjects = owner.execute(
        "SELECT t.subject FROM log_leaf l JOIN trail t ON t.id = l.act_id ORDER BY leaf DESC LIMIT 2"
    )
    assert [subject for (subject,) in subjects.fetchall()] == ["city:2", "city:1"]
    check_whole(owner, small_city.city_id, keys_in(tmp_path))


async def test_of_two_sealers_one_works(database: Database, small_city: SmallCity, tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    origin, signing = keys.origin("here"), keys.signing("here")
    async with database.write() as first:
        assert await seal_service.seal(first, NOW, small_city.city_id, origin, signing) is not None
        async with database.write() as second:
            with pytest.raises(Conflict) as refusal:
                await seal_service.seal(second, NOW, small_city.city_id, origin, signing)
        assert refusal.value.code == "audit.sealing"
        assert await seal(database, small_city, tmp_path) == 0, "the worker leaves it to the other"
    assert await seal(database, small_city, tmp_path) == 0


async def test_a_redemption_a_reversal_and_a_closing_each_have_their_leaf(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 10), (small_city.birch, "gas", 20)])
    await seal(database, small_city, tmp_path)
    found = [each for each in told(owner, small_city.city_id) if each["type"] == "posting"]
    assert len(found) == 2
    assert owner.execute("SELECT count(*) FROM log_secret").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_tile SET data = overlay(data placing '\\x00'::bytea from 5) WHERE level = 0 AND city_id = %s",
        "UPDATE log_checkpoint SET root = sha256(root) WHERE city_id = %s",
        "UPDATE log_checkpoint SET note = replace(note, E'\\n\\n', E'x\\n\\n') WHERE city_id = %s",
        "DELETE FROM log_tile WHERE level = 0 AND city_id = %s",
    ],
)
async def test_nothing_is_signed_over_a_log_that_does_not_hold(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path, change: str
) -> None:
    await seal(database, small_city, tmp_path)
    with without_triggers(owner):
        assert owner.execute(change, [small_city.city_id]).rowcount > 0
    before = notes(owner, small_city.city_id)
    await act(database, small_city, 2)
    with pytest.raises(Exception) as refusal:
        await seal(database, small_city, tmp_path)
    assert getattr(refusal.value, "code", "") in {"audit.head", "audit.tile_missing", "audit.checkpoint", "audit.note"}
    assert notes(owner, small_city.city_id) == before


async def test_a_key_is_changed_with_an_overlap(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    keys = keys_in(tmp_path)
    await seal(database, small_city, tmp_path)
    former = keys.signing("here")[0]
    new = keys.rotate("here")
    await act(database, small_city, 2)
    await seal(database, small_city, tmp_path)
    assert notes(owner, small_city.city_id)[-1].count(b"\xe2\x80\x94") == 2
    keys.retire("here", former.verifier.id.hex())
    await act(database, small_city, 3)
    await seal(database, small_city, tmp_path)
    assert keys.signing("here") == [new]
    assert notes(owner, small_city.city_id)[-1].count(b"\xe2\x80\x94") == 1
    with pytest.raises(InvalidInput) as refusal:
        keys.retire("here", "00000000")
    assert refusal.value.code == "audit.log_key_unknown"
    check_whole(owner, small_city.city_id, keys)

    keys.file("here").unlink()  # and made anew: it signed nothing in this log
    await act(database, small_city, 4)
    with pytest.raises(Conflict) as lost:
        await seal(database, small_city, tmp_path)
    assert lost.value.code == "audit.head"


async def test_a_log_keeps_its_name(database: Database, small_city: SmallCity, tmp_path: Path) -> None:
    await seal(database, small_city, tmp_path)
    keys = keys_in(tmp_path)
    moved = type(keys)(tmp_path / "other", "https://elsewhere.example", may_make=True)
    with pytest.raises(Conflict) as refusal:
        await worker.seal_city(database, moved, small_city.city_id, "here")
    assert refusal.value.code == "audit.origin"


async def test_a_log_restored_from_a_dump_is_not_sealed_out_of_order(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """There the server counts transactions from the beginning, and new rows would count as sealed."""
    await seal(database, small_city, tmp_path)
    with without_triggers(owner):
        owner.execute("UPDATE log_checkpoint SET act_made_in = '4000000000'")
    with pytest.raises(Conflict) as refusal:
        await seal(database, small_city, tmp_path)
    assert refusal.value.code == "audit.restored"


async def test_the_worker_seals_each_city_and_one_at_fault_holds_up_no_other(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    keys = keys_in(tmp_path)
    keys.folder.mkdir(parents=True)
    keys.file("here").write_text("no key\n")
    assert await worker.seal_all(database, keys) > 0
    assert check_whole(owner, small_city.other_city_id, keys, "there") > 0
    assert owner.execute("SELECT count(*) FROM log WHERE city_id = %s", [small_city.city_id]).fetchall() == [(0,)]


def test_many_entries_have_the_bytes_of_one() -> None:

    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    for settlement in (None, 12):
        told_of = {"settlement": settlement} if settlement else {}
        expected = [
            canonical(
                {"v": 1, "type": "posting", "seq": seq, "at": "2026-01-02T03:04:05.000006Z", "kind": "award"}
                | told_of
                | {"commitment": bytes([seq] * 32).hex()}
            )
            for seq in (7, 8)
        ]
        made = posting_entries(7, at, "award", settlement, [bytes([7] * 32), bytes([8] * 32)])
        assert list(made) == expected
    assert b'"public"' not in act_entry(1, at, "city.added", {}, bytes(32))


def test_nobody_else_reads_a_key_file(tmp_path: Path) -> None:
    keys = keys_in(tmp_path)
    keys.signing("here")
    assert keys.file("here").stat().st_mode & 0o077 == 0
    keys.rotate("here")
    assert keys.file("here").stat().st_mode & 0o077 == 0
