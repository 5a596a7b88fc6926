"""The log's tiles as the law of the log asks for them: by name and width, whatever the width they are stored in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from carbon_bank.audit.formats.merkle import HASH_BYTES, HashAt
from carbon_bank.audit.formats.tiles import (
    ENTRIES,
    TILE_LEVEL_MAX,
    TILE_WIDTH,
    Tile,
    bundle,
    hashes_from,
    split_bundle,
    width_of,
)
from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log.tables import LogTile
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Unavailable

T = TypeVar("T")


class _MissingError(Exception):
    def __init__(self, tile: Tile) -> None:
        self.tile = tile


class TileStore:
    """Tiles of one city's log, fetched once each."""

    def __init__(self, session: ReadSession, city_id: int) -> None:
        self._session, self._city_id = session, city_id
        self._tiles: dict[tuple[int, int], LogTile] = {}

    async def fetch(self, wanted: Iterable[Tile]) -> None:
        found = await log_queries.tiles(self._session, self._city_id, wanted)
        self._tiles |= {(tile.level, tile.index): stored for tile, stored in found.items()}

    def know(self, changed: Mapping[Tile, bytes]) -> None:
        """Take tiles for stored that were just written."""
        for tile, data in changed.items():
            self._tiles[tile.level, tile.index] = LogTile(
                city_id=self._city_id, level=tile.level, place=tile.index, width=tile.width, data=data
            )

    def read(self, tile: Tile) -> bytes:
        """The bytes of a tile that was fetched, cut to its width.

        Raises: Unavailable `audit.tile_missing` (503) where less of it is stored.
        """
        stored = self._tiles.get((tile.level, tile.index))
        if stored is None:
            raise _MissingError(tile)
        if stored.width < tile.width:
            raise tile_missing(tile)
        return narrowed(stored, tile.width)

    async def with_hashes(self, size: int, make: Callable[[HashAt], T]) -> T:
        """What is made of the hashes of a tree of `size`; what is needed for it is fetched."""
        hash_at = hashes_from(size, self.read)
        while True:
            try:
                return make(hash_at)
            except _MissingError as missing:
                await self.fetch([missing.tile])
                if (missing.tile.level, missing.tile.index) not in self._tiles:
                    raise tile_missing(missing.tile) from None


def narrowed(stored: LogTile, width: int) -> bytes:
    """The first `width` hashes or entries of a tile: what it was when it had no more."""
    if stored.width == width:
        return stored.data
    if stored.level == ENTRIES:
        return bundle(split_bundle(stored.data, stored.width)[:width])
    return stored.data[: width * HASH_BYTES]


def tiles_above(leaf: int, size: int) -> list[Tile]:
    """The tiles of hashes from a leaf up to the root of a tree of `size`: with those of its edge, all that a proof needs."""
    above = []
    for level in range(TILE_LEVEL_MAX + 1):
        leaf //= TILE_WIDTH
        width = width_of(level, leaf, size)
        if not width:
            break
        above.append(Tile(level, leaf, width))
    return above


def tile_missing(tile: Tile) -> Unavailable:
    return Unavailable(
        "audit.tile_missing",
        f"The log lacks {tile.path}, which its checkpoint covers. Restore log_tile from a backup; nothing is signed until then.",
        {"path": tile.path},
    )
