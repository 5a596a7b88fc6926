"""Logs of awkward sizes, grown by the sealer: each checkpoint leads to each later one, leaves are proved, changed bytes are found."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.formats.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from carbon_bank.audit.formats.tiles import Tile, grow, hashes_from, width_of
from carbon_bank.audit.log import seal_service
from carbon_bank.audit.log.queries import find_log
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.audit.verify.queries import counts
from carbon_bank.audit.verify.tree_service import TreeCheck, tiles_of
from carbon_bank.foundation.database import Database
from tests.audit.log_reader import entries, keys_in, opened
from tests.ledger.books import without_triggers
from tests.small_city import SmallCity

SEED = 2008
SMALL = [1, 2, 3, 255, 256, 257, 511, 513]
LARGE = [65_535, 65_536, 65_537, 70_000]
SAMPLED = 200
ACTS = """
    INSERT INTO trail (at, city_id, by, act, subject, facts)
    SELECT now(), %s, 'test', 'meter.added', 'meter:' || n, '{}' FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def bare(small_city: SmallCity, owner: psycopg.Connection) -> Iterator[SmallCity]:
    """The city with an empty trail, so that a log begins with nothing."""
    with without_triggers(owner):
        owner.execute("DELETE FROM trail")
    yield small_city


async def grown(
    database: Database, city: SmallCity, owner: psycopg.Connection, folder: Path, sizes: list[int], steps: int
) -> None:
    """A log that was sealed at each of the sizes, and at some between them."""
    chance, size = random.Random(SEED), 0
    between = {chance.randrange(1, sizes[-1]) for _ in range(steps)}
    for wanted in sorted({*sizes, *between}):
        owner.execute(ACTS, [city.city_id, wanted - size])
        size = wanted
        await worker.seal_city(database, keys_in(folder), city.city_id, "here")


def proved(owner: psycopg.Connection, city: SmallCity, folder: Path, pairs: int) -> list[int]:
    """Prove checkpoints and leaves by the law alone, from the entries. Returns the sizes that were signed."""
    chance = random.Random(SEED)
    leaves = [leaf_hash(each) for each in entries(owner, city.city_id)]
    signed = opened(owner, city.city_id, keys_in(folder))
    last = signed[-1]
    tiles: dict[tuple[int, int], bytes] = {(tile.level, tile.index): data for tile, data in grow(0, {}, leaves).items()}

    def read(tile: Tile) -> bytes:
        assert tile.width == width_of(tile.level, tile.index, last.size)
        return tiles[tile.level, tile.index]

    hash_at = hashes_from(last.size, read)
    both = [(old, new) for at, old in enumerate(signed) for new in signed[at + 1 :]]
    for old, new in both if len(both) <= pairs else chance.sample(both, pairs):
        proof = consistency_proof(old.size, new.size, hash_at)
        verify_consistency(old.size, new.size, old.root, new.root, proof)
    places = range(last.size) if last.size <= 1000 else chance.sample(range(last.size), SAMPLED)
    for place in places:
        verify_inclusion(place, last.size, leaves[place], inclusion_proof(place, last.size, hash_at), last.root)
    return [each.size for each in signed]


async def faults(database: Database, city: SmallCity, folder: Path) -> tuple[list[str], list[str]]:
    async with database.read() as session:
        log = await find_log(session, city.city_id)
        assert log is not None
        found = await verify_service.verify_log(session, log, keys_in(folder).verifying("here"))
        return found.tree, [fault for _, fault in found.leaves]


async def test_small_logs_hold_at_every_size(
    database: Database, bare: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    await grown(database, bare, owner, tmp_path, SMALL, 12)
    sizes = proved(owner, bare, tmp_path, 1000)
    assert set(SMALL) <= set(sizes) and sizes[-1] == SMALL[-1]
    assert await faults(database, bare, tmp_path) == ([], [])


async def test_a_byte_changed_anywhere_is_found(
    database: Database, bare: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    await grown(database, bare, owner, tmp_path, [300, 520], 0)
    chance = random.Random(SEED)
    rows = owner.execute("SELECT level, place, octet_length(data) FROM log_tile").fetchall()
    flip = "UPDATE log_tile SET data = set_byte(data, %s, get_byte(data, %s) # 1) WHERE level = %s AND place = %s"
    with without_triggers(owner):
        for level, place, length in rows:
            for at in {0, length - 1, chance.randrange(length)}:
                owner.execute(flip, [at, at, level, place])
                assert (await faults(database, bare, tmp_path))[0], (level, place, at)
                owner.execute(flip, [at, at, level, place])
        for (size,) in owner.execute("SELECT size FROM log_checkpoint").fetchall():
            (note,) = owner.execute("SELECT note FROM log_checkpoint WHERE size = %s", [size]).fetchall()[0]
            for at in chance.sample(range(len(note)), 5):
                other = note[:at] + ("B" if note[at] == "A" else "A") + note[at + 1 :]
                owner.execute("UPDATE log_checkpoint SET note = %s WHERE size = %s", [other, size])
                assert (await faults(database, bare, tmp_path))[0], (size, at)
            owner.execute("UPDATE log_checkpoint SET note = %s WHERE size = %s", [note, size])
    assert await faults(database, bare, tmp_path) == ([], [])


async def test_a_log_of_seventy_thousand_leaves_holds(
    database: Database,
    bare: SmallCity,
    owner: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two levels of full tiles, and the beginning of a third."""
    monkeypatch.setattr(seal_service, "SOURCES_MAX", 20_000)
    await grown(database, bare, owner, tmp_path, LARGE, 4)
    sizes = proved(owner, bare, tmp_path, SAMPLED)
    assert set(LARGE) <= set(sizes)
    async with database.read() as session:  # its rows, as in the small ones, would take as long again
        log = await find_log(session, bare.city_id)
        assert log is not None
        tree = TreeCheck(session, log, LARGE[-1], keys_in(tmp_path).verifying("here"))
        assert sum([len(each) async for _, each in tree.entries()]) == LARGE[-1]
        assert tree.faults == []
        assert (await counts(session, bare.city_id)) == (LARGE[-1], tiles_of(LARGE[-1]))
