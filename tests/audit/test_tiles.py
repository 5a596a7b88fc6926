"""Tiles and bundles: their names, which change, and that nothing already full ever does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.audit.formats.merkle import leaf_hash, root_of, tree_root
from carbon_bank.audit.formats.tiles import (
    ENTRIES,
    ENTRY_BYTES_MAX,
    Tile,
    bundle,
    changed_tiles,
    edge_tiles,
    hashes_from,
    parse_path,
    split_bundle,
    width_of,
)
from carbon_bank.foundation.errors import InvalidInput
from tests.audit.made_up import MadeUpLog, entry


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(1, 999, 8), "tile/1/999.p/8"),
        (Tile(63, 1000, 255), "tile/63/x001/000.p/255"),
        (Tile(ENTRIES, 273, 112), "tile/entries/273.p/112"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/300",
        "tile/0/000.p/",
        "tile/data/000",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/../000",
        "",
    ],
)
def test_what_is_no_path_of_a_tile_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="names no tile"):
        parse_path(path)


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts() -> None:
    tiles = list(changed_tiles(0, 70_000))
    full = {level: sum(1 for each in tiles if (each.level, each.width) == (level, 256)) for level in range(3)}
    assert full == {0: 273, 1: 1, 2: 0}
    assert edge_tiles(70_000) == [Tile(ENTRIES, 273, 112), Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [width_of(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert edge_tiles(256) == [Tile(1, 0, 1)]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 700), st.integers(0, 700), st.sampled_from([0, 65_536 - 300]))
def test_as_a_tree_grows_exactly_the_named_tiles_change(before: int, added: int, base: int) -> None:
    before += base
    after = before + added
    assert set(changed_tiles(before, after)) == set(changed_tiles(0, after)) - set(changed_tiles(0, before))
    full = {each for each in changed_tiles(0, before) if each.width == 256}
    assert full <= set(changed_tiles(0, after))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 400), max_size=5))
def test_a_log_grown_in_steps_has_the_files_of_one_grown_at_once(steps: list[int]) -> None:
    log, size = MadeUpLog(), 0
    for step in steps:
        had = set(log.files)
        log.add([entry(index) for index in range(size, size + step)])
        assert {each.path for each in changed_tiles(size, size + step)} == set(log.files) - had - {"checkpoint"}
        size += step
    leaves = [leaf_hash(entry(index)) for index in range(size)]
    assert tree_root(size, log.hash_at()) == root_of(leaves)
    for tile in changed_tiles(0, size):
        if tile.level == ENTRIES:
            here = split_bundle(log.read(tile), tile.width)
            assert [leaf_hash(each) for each in here] == leaves[tile.index * 256 : tile.index * 256 + tile.width]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=256))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    assert split_bundle(bundle(entries), len(entries)) == entries


def test_an_entry_takes_at_most_what_two_bytes_can_tell() -> None:
    assert bundle([b"x" * ENTRY_BYTES_MAX]) == b"\xff\xff" + b"x" * ENTRY_BYTES_MAX
    with pytest.raises(InvalidInput, match="at most 65535"):
        bundle([b"x" * (ENTRY_BYTES_MAX + 1)])


@pytest.mark.parametrize(("data", "width"), [(b"\0", 1), (b"\0\2a", 1), (b"\0\1ab", 1), (b"\0\1a", 2), (b"\0\1a", 0)])
def test_a_bundle_that_ends_elsewhere_is_refused(data: bytes, width: int) -> None:
    with pytest.raises(InvalidInput, match="bundle"):
        split_bundle(data, width)


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidInput, match="96 bytes, not 95"):
        tree_root(3, hashes_from(3, lambda _: b"x" * 95))
