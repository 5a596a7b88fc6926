"""Making a log's tree anew from its entries: are its tiles and all the checkpoints that were ever signed those of the entries?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from carbon_bank.audit.formats.checkpoint import Checkpoint, open_checkpoint
from carbon_bank.audit.formats.merkle import SIZE_MAX, fold, leaf_hash, node_hash
from carbon_bank.audit.formats.note import VerifierKey
from carbon_bank.audit.formats.tiles import ENTRIES, TILE_WIDTH, Tile, changed_tiles, grow, split_bundle, width_of
from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log.tables import Log, LogCheckpoint
from carbon_bank.audit.log.tile_service import tile_missing
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Refusal

BUNDLES_TOGETHER = 16
"""Of 256 entries each: as many as are looked at in one go."""
FAULTS_MAX = 100
"""More are not collected: one of them is enough to trust nothing."""


class TreeCheck:
    """One reading of a log, from its first entry on. `faults` grows as it is read. Args: size: of the last checkpoint."""

    def __init__(self, session: ReadSession, log: Log, size: int, keys: Sequence[VerifierKey]) -> None:
        self._session, self._log, self._keys = session, log, keys
        self.size = size
        self._heads: dict[int, LogCheckpoint] = {}
        """The checkpoints of the leaves that are being looked at: one comes each minute, so that all of them are many."""
        self._frontier: list[tuple[int, bytes]] = []
        self._edge: dict[Tile, bytes] = {}
        self.faults: list[str] = []

    async def entries(self) -> AsyncIterator[tuple[int, list[bytes]]]:
        """The log's entries in their order, some thousand at a time: the first one's place, and the entries."""
        step, above = BUNDLES_TOGETHER * TILE_WIDTH, -SIZE_MAX  # a size that no tree has is not passed over either
        for first in range(0, self.size, step):
            end = min(self.size, first + step)
            heads = await log_queries.checkpoints(self._session, self._log.city_id, above, end)
            self._heads, above = {head.size: head for head in heads}, end
            for head in heads:
                self._check_signed(head)
            try:
                found = await self._bundles(first, end)
            except Refusal as refusal:
                self._fault(f"from leaf {first} on: {refusal.message}")
                return
            hashes = [leaf_hash(each) for each in found]
            self._follow(first, hashes)
            await self._compare(first, hashes)
            yield first, found

    def _check_signed(self, head: LogCheckpoint) -> None:
        try:
            signed = open_checkpoint(head.note.encode(), self._keys).checkpoint
        except Refusal as refusal:
            self._fault(f"the checkpoint of {head.size} leaves: {refusal.message}")
            return
        if signed != Checkpoint(self._log.origin, head.size, head.root):
            self._fault(
                f"the checkpoint of {head.size} leaves is stored with another name, size or root than was signed"
            )

    async def _bundles(self, first: int, end: int) -> list[bytes]:
        wanted = [
            Tile(ENTRIES, place, width_of(ENTRIES, place, self.size))
            for place in range(first // TILE_WIDTH, -(-end // TILE_WIDTH))
        ]
        stored = await log_queries.tiles(self._session, self._log.city_id, wanted)
        for tile in wanted:
            if tile not in stored or stored[tile].width != tile.width:
                raise tile_missing(tile)
        return [each for tile in wanted for each in split_bundle(stored[tile].data, tile.width)]

    def _follow(self, first: int, hashes: Sequence[bytes]) -> None:
        """Grow the complete subtrees leaf by leaf, and look at each checkpoint whose size is passed."""
        for size, leaf in enumerate(hashes, first + 1):
            level, node = 0, leaf
            while self._frontier and self._frontier[-1][0] == level:
                level, node = level + 1, node_hash(self._frontier.pop()[1], node)
            self._frontier.append((level, node))
            head = self._heads.get(size)
            if head is not None and head.root != fold([each for _, each in self._frontier]):
                self._fault(f"the checkpoint of {size} leaves has another root than its entries make")

    async def _compare(self, first: int, hashes: Sequence[bytes]) -> None:
        """Compare the tiles that these leaves complete, and at the end those that are not full."""
        changed = grow(first, self._edge, hashes)
        is_last = first + len(hashes) == self.size
        self._edge = {tile: data for tile, data in (self._edge | changed).items() if tile.width < TILE_WIDTH}
        due = {tile: data for tile, data in changed.items() if tile.width == TILE_WIDTH}
        if is_last:
            due |= {
                tile: data
                for tile, data in self._edge.items()
                if tile.width == width_of(tile.level, tile.index, self.size)
            }
        stored = await log_queries.tiles(self._session, self._log.city_id, due)
        for tile, data in due.items():
            if tile not in stored or (stored[tile].width, stored[tile].data) != (tile.width, data):
                self._fault(f"{tile.path} is not what the entries make")

    def _fault(self, fault: str) -> None:
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault)


def tiles_of(size: int) -> int:
    """How many tiles and bundles a log of a size has."""
    return sum(1 for _ in changed_tiles(0, size))
