"""Files that came in, kept on disk under their owner and digest until they are no longer needed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from carbon_bank.foundation.errors import InvalidInput, TooLarge, Unavailable

_GATHERED = 2**20
START_BYTES = 64


@dataclass(frozen=True)
class Stored:
    """A file that was taken in. digest: SHA-256 of its bytes, in hexadecimal. start: its first bytes."""

    digest: str
    size: int
    start: bytes


@dataclass(frozen=True)
class Store:
    """Args: folder: made when the first file comes. bytes_max: of one file, as it is sent."""

    folder: Path
    bytes_max: int

    def path_of(self, owner: str, digest: str) -> Path:
        return self.folder / owner / digest

    async def put(self, owner: str, blocks: AsyncIterator[bytes]) -> Stored:
        """Take a file in as it comes: whole and on disk, or not at all.

        Raises: InvalidInput `http.body_empty` (422); TooLarge `http.body_too_large` (413); Unavailable `store.full` (503).
        """
        try:
            coming = await asyncio.to_thread(_Coming, self, owner)
        except OSError as error:
            raise _full(error) from error
        try:
            gathered = bytearray()
            async for block in blocks:
                gathered += block
                if coming.size + len(gathered) > self.bytes_max:
                    raise TooLarge(
                        "http.body_too_large",
                        f"The file is larger than {self.bytes_max} bytes (CARBON_BANK_IMPORT_BYTES_MAX). Compress it, or send "
                        "it in parts.",
                        {"bytes_max": self.bytes_max},
                    )
                if len(gathered) >= _GATHERED:
                    await asyncio.to_thread(coming.write, bytes(gathered))
                    gathered.clear()
            return await asyncio.to_thread(coming.finish, bytes(gathered))
        except OSError as error:
            raise _full(error) from error
        finally:
            coming.forget()

    def sweep(self, needed: Collection[tuple[str, str]], older_than: datetime) -> int:
        """Remove what nobody needs: files that no row names (any more), and halves of files. Returns how many.

        Args: needed: owner and digest of the files to keep. older_than: what came later may get its row yet.
        """
        removed = 0
        for path in [path for path in self.folder.rglob("*") if path.is_file()]:
            came_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            if came_at < older_than and (path.parent.name, path.name) not in needed:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


class _Coming:
    """A file on its way in, beside its place."""

    def __init__(self, store: Store, owner: str) -> None:
        (store.folder / owner).mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="coming-", dir=store.folder)
        self._store, self._owner, self._path = store, owner, Path(name)
        self._file = os.fdopen(handle, "wb")
        self._digest = hashlib.sha256()
        self._start = b""
        self.size = 0

    def write(self, block: bytes) -> None:
        self.size += len(block)
        self._start = (self._start + block[:START_BYTES])[:START_BYTES]
        self._digest.update(block)
        self._file.write(block)

    def finish(self, block: bytes) -> Stored:
        self.write(block)
        if not self.size:
            raise InvalidInput("http.body_empty", "The body is empty. Send the file itself as the body.")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._digest.hexdigest()
        self._path.replace(self._store.path_of(self._owner, digest))
        return Stored(digest, self.size, self._start)

    def forget(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def _full(error: OSError) -> Unavailable:
    return Unavailable(
        "store.full", f"The file cannot be kept: {error.strerror or error}. Nothing was taken; send it again later."
    )
