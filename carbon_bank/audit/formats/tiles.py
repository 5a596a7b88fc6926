"""The log as files that never change: tiles of hashes, bundles of entries.

A tile holds up to 256 neighbouring hashes of one tree level out of eight; a full one makes one hash of the tile above. A
partial one is named with its width, so that no name ever has two contents.
Source: C2SP tlog-tiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from carbon_bank.audit.formats.merkle import HASH_BYTES, SIZE_MAX, HashAt, root_of
from carbon_bank.foundation.errors import InvalidInput

TILE_WIDTH = 256
LEVELS_PER_TILE = 8
TILE_LEVEL_MAX = 63
ENTRIES = -1
"""The level of bundles: below the leaves' hashes."""
ENTRY_BYTES_MAX = 65_535
LENGTH_BYTES = 2
TILES_KEPT = 64
"""Of 8 KiB each, while a proof is made."""

PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


@dataclass(frozen=True, order=True)
class Tile:
    """Which tile: its level (`ENTRIES` for a bundle), its index in the level, and how much of it there is."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The name of its file, below the log's prefix. Source: tlog-tiles, Merkle Tree; Log entries."""
        digits = str(self.index)
        digits = digits.zfill(len(digits) + -len(digits) % 3)
        groups = [digits[place : place + 3] for place in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{number}" + ("" if self.width == TILE_WIDTH else f".p/{self.width}")


ReadTile = Callable[[Tile], bytes]


def parse_path(path: str) -> Tile:
    """The tile of a path. A tile has one path: what is written in another way is refused.

    Raises: InvalidInput audit.tile_path.
    """
    found = PATH.fullmatch(path)
    if found is not None:
        level, number, width = found.groups()
        index = int(number.replace("x", "").replace("/", ""))
        tile = Tile(ENTRIES if level == "entries" else int(level), index, int(width or TILE_WIDTH))
        whole_is_plain = width is None or tile.width < TILE_WIDTH
        if tile.level <= TILE_LEVEL_MAX and index <= SIZE_MAX and whole_is_plain and tile.path == path:
            return tile
    raise InvalidInput(
        "audit.tile_path",
        f"'{path[:80]}' names no tile; write tile/<level>/<number>[.p/<width>] as in tile/0/x001/x234/067.p/8",
        {"path": path[:80]},
    )


def width_of(level: int, index: int, size: int) -> int:
    """How many hashes (or entries) the tile has in a tree of `size`; 0 where there is none. Source: tlog-tiles, Partial Tiles."""
    return max(0, min(TILE_WIDTH, (size >> LEVELS_PER_TILE * max(level, 0)) - index * TILE_WIDTH))


def changed_tiles(before: int, after: int) -> Iterator[Tile]:
    """The tiles that a tree of `after` leaves has and one of `before` has not, bundles first, then level by level."""
    yield from _changed(ENTRIES, before, after)
    for level in range(TILE_LEVEL_MAX + 1):
        if before == after:
            return
        yield from _changed(level, before, after)
        before, after = before // TILE_WIDTH, after // TILE_WIDTH


def _changed(level: int, before: int, after: int) -> Iterator[Tile]:
    for index in range(before // TILE_WIDTH, -(-after // TILE_WIDTH) if after > before else 0):
        yield Tile(level, index, min(TILE_WIDTH, after - index * TILE_WIDTH))


def edge_tiles(size: int) -> list[Tile]:
    """The partial tiles of a tree, its partial bundle first: all that has to be read to let it grow."""
    counts = [(ENTRIES, size), *((level, size >> LEVELS_PER_TILE * level) for level in range(TILE_LEVEL_MAX + 1))]
    return [Tile(level, count // TILE_WIDTH, count % TILE_WIDTH) for level, count in counts if count % TILE_WIDTH]


def split_hashes(data: bytes, width: int) -> list[bytes]:
    """The hashes in a tile of this width. Raises: InvalidInput audit.tile."""
    if len(data) != width * HASH_BYTES:
        message = f"a tile of {width} hashes has {width * HASH_BYTES} bytes, not {len(data)}; fetch it again"
        raise InvalidInput("audit.tile", message, {"width": width, "bytes": len(data)})
    return [data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES)]


def grow(size: int, edge: Mapping[Tile, bytes], leaves: Iterable[bytes]) -> dict[Tile, bytes]:
    """The tiles that change as leaves' hashes are added to a tree of `size`, lower levels first.

    Args:   edge: the partial tiles of the tree (`edge_tiles`), with their bytes.
    Source: tlog-tiles, Merkle Tree: only a full tile is hashed into the level above.
    """
    changed: dict[Tile, bytes] = {}
    level, added = 0, list(leaves)
    while added:
        first, width = divmod(size, TILE_WIDTH)
        here = split_hashes(edge[Tile(level, first, width)], width) if width else []
        here += added
        added = []
        for place in range(0, len(here), TILE_WIDTH):
            piece = here[place : place + TILE_WIDTH]
            changed[Tile(level, first + place // TILE_WIDTH, len(piece))] = b"".join(piece)
            if len(piece) == TILE_WIDTH:
                added.append(root_of(piece))
        level, size = level + 1, first
    return changed


def hashes_from(size: int, read: ReadTile) -> HashAt:
    """`hash_at` of a tree of `size`, from its tiles.

    Args:   read: gives the bytes of a tile; asked for partial tiles of exactly this tree.
    Raises: InvalidInput audit.tile, when a tile has not the length that its width asks for.
    Source: tlog-tiles, Merkle Tree: levels between those of tiles are hashed anew.
    """

    @lru_cache(maxsize=TILES_KEPT)
    def hashes_of(tile: Tile) -> list[bytes]:
        return split_hashes(read(tile), tile.width)

    def hash_at(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, LEVELS_PER_TILE)
        number, place = divmod(index << height, TILE_WIDTH)
        width = width_of(tile_level, number, size)
        assert place + (1 << height) <= width, "no complete subtree of this tree"
        return root_of(hashes_of(Tile(tile_level, number, width))[place : place + (1 << height)])

    return hash_at


def bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle has them: the length in two bytes, big-endian, then the entry. Raises: InvalidInput audit.entry.

    Source: tlog-tiles, Log entries.
    """
    longest = max(map(len, entries), default=0)
    if longest > ENTRY_BYTES_MAX:
        message = f"an entry of {longest} bytes is too long: at most {ENTRY_BYTES_MAX}; log its digest in its place"
        raise InvalidInput("audit.entry", message, {"bytes": longest, "bytes_max": ENTRY_BYTES_MAX})
    return b"".join(len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries)


def split_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries of a bundle of this width. Raises: InvalidInput audit.bundle, when it ends early, late or between."""
    entries, place = [], 0
    while place < len(data):
        start = place + LENGTH_BYTES
        place = start + int.from_bytes(data[place:start], "big")
        entries.append(data[start:place])
    if place != len(data) or len(entries) != width:
        message = (
            f"a bundle of {width} entries does not end with entry {len(entries)} at byte {len(data)}; fetch it again"
        )
        raise InvalidInput("audit.bundle", message, {"width": width, "entries": len(entries), "bytes": len(data)})
    return entries


def grow_bundles(size: int, edge: Mapping[Tile, bytes], entries: Sequence[bytes]) -> dict[Tile, bytes]:
    """The bundles that change as entries are added to a log of `size`. Args: edge: its partial bundle, if it has one."""
    first, width = divmod(size, TILE_WIDTH)
    begun = split_bundle(edge[Tile(ENTRIES, first, width)], width) if width else []
    here = [*begun, *entries] if entries else []
    return {
        Tile(ENTRIES, first + place // TILE_WIDTH, len(piece)): bundle(piece)
        for place in range(0, len(here), TILE_WIDTH)
        for piece in [here[place : place + TILE_WIDTH]]
    }
