"""A log in memory, grown as a sealer would grow one: by the law alone, file by file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from carbon_bank.audit.formats.checkpoint import Checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import HashAt, leaf_hash, tree_root
from carbon_bank.audit.formats.note import COSIGNATURE, Note, SigningKey
from carbon_bank.audit.formats.receipt import Receipt, receipt_of
from carbon_bank.audit.formats.tiles import Tile, edge_tiles, grow, grow_bundles, hashes_from
from carbon_bank.audit.log.canonical import canonical

ORIGIN = "bank.example/log/springfield"
KEY = SigningKey(ORIGIN, bytes(range(32)))
NEXT_KEY = SigningKey(ORIGIN, bytes(range(1, 33)))
WITNESS = SigningKey("witness.example/w1", bytes(range(2, 34)), COSIGNATURE)
OTHER_WITNESS = SigningKey("witness.example/w2", bytes(range(3, 35)), COSIGNATURE)


def entry(index: int) -> bytes:
    return canonical({"v": 1, "type": "award", "seq": index, "at": "2026-07-20T00:00:00Z", "points": index * 37 % 5000})


class MadeUpLog:
    """All files that the log ever had, by path; nothing is ever written twice with other bytes."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = keys or (KEY,)
        self.size = 0
        self.files: dict[str, bytes] = {}

    def read(self, tile: Tile) -> bytes:
        return self.files[tile.path]

    def add(self, entries: Sequence[bytes]) -> Note:
        edge = {tile: self.read(tile) for tile in edge_tiles(self.size)}
        changed = grow_bundles(self.size, edge, entries) | grow(self.size, edge, map(leaf_hash, entries))
        for tile, data in changed.items():
            assert self.files.setdefault(tile.path, data) == data
        self.size += len(entries)
        return self.publish()

    def publish(self) -> Note:
        checkpoint = Checkpoint(ORIGIN, self.size, tree_root(self.size, self.hash_at()))
        signed = sign_checkpoint(checkpoint, *self.keys)
        self.files["checkpoint"] = bytes(signed)
        return signed

    def hash_at(self, size: int | None = None) -> HashAt:
        return hashes_from(self.size if size is None else size, self.read)

    def receipt(self, index: int, checkpoint: Note | None = None, extra: bytes | None = None) -> Receipt:
        return receipt_of(index, self.size, self.hash_at(), checkpoint or self.publish(), extra)

    def write(self, folder: Path) -> Path:
        for path, data in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder
