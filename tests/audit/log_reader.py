"""A city's log read back from its tables, as a stranger would who has the files: through the law of the log alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from carbon_bank.audit.formats.checkpoint import Checkpoint, open_checkpoint
from carbon_bank.audit.formats.merkle import leaf_hash, tree_root
from carbon_bank.audit.formats.tiles import Tile, grow, grow_bundles, hashes_from, split_bundle
from carbon_bank.audit.log.canonical import parse_canonical
from carbon_bank.audit.log.keys import LogKeys

BASE = "https://bank.example"


def keys_in(folder: Path) -> LogKeys:
    return LogKeys(folder / "log-keys", BASE, may_make=True)


def entries(owner: psycopg.Connection, city_id: int) -> list[bytes]:
    query = "SELECT width, data FROM log_tile WHERE level = -1 AND city_id = %s ORDER BY place"
    return [each for width, data in owner.execute(query, [city_id]).fetchall() for each in split_bundle(data, width)]


def told(owner: psycopg.Connection, city_id: int) -> list[dict[str, Any]]:
    """The entries as values."""
    return [parse_canonical(each) for each in entries(owner, city_id)]


def notes(owner: psycopg.Connection, city_id: int) -> list[bytes]:
    """All checkpoints that were ever signed, the smallest first."""
    query = "SELECT note FROM log_checkpoint WHERE city_id = %s ORDER BY size"
    return [note.encode() for (note,) in owner.execute(query, [city_id]).fetchall()]


def opened(owner: psycopg.Connection, city_id: int, keys: LogKeys, code: str = "here") -> list[Checkpoint]:
    return [open_checkpoint(note, keys.verifying(code)).checkpoint for note in notes(owner, city_id)]


def check_whole(owner: psycopg.Connection, city_id: int, keys: LogKeys, code: str = "here") -> int:
    """Tiles are those of the entries, and each checkpoint ever signed is one of a beginning of them. Returns the size."""
    stored = {
        Tile(level, place, width): bytes(data)
        for level, place, width, data in owner.execute(
            "SELECT level, place, width, data FROM log_tile WHERE city_id = %s", [city_id]
        ).fetchall()
    }
    all_entries = entries(owner, city_id)
    leaves = [leaf_hash(each) for each in all_entries]
    assert stored == grow_bundles(0, {}, all_entries) | grow(0, {}, leaves)
    assert [each["seq"] for each in told(owner, city_id)] == list(range(len(leaves)))
    sizes = [each.size for each in opened(owner, city_id, keys, code)]
    assert sizes == sorted(set(sizes)) and sizes[-1] == len(leaves)
    for each in opened(owner, city_id, keys, code):
        tiles = grow(0, {}, leaves[: each.size])
        assert each.root == tree_root(each.size, hashes_from(each.size, tiles.__getitem__))
    return len(leaves)


def check_order(owner: psycopg.Connection, city_id: int) -> None:
    """Leaves stand in the order of the transactions that made what they are about; in each acts, then journals by household."""
    query = """
        SELECT coalesce(t.made_in, j.made_in)::text::bigint, l.act_id IS NULL, coalesce(l.act_id, 0), coalesce(l.part, 0),
               coalesce(l.journal_id::text, ''), coalesce(l.household_id, 0)
        FROM log_leaf l LEFT JOIN trail t ON t.id = l.act_id LEFT JOIN journal j ON j.id = l.journal_id
        WHERE l.city_id = %s ORDER BY l.leaf
    """
    order = owner.execute(query, [city_id]).fetchall()
    assert order == sorted(set(order))
