"""Reading a log over HTTP: its checkpoint and its tiles, none larger and none slower than it may be.

Source: C2SP tlog-tiles, Checkpoints; Merkle Tree; Partial Tiles.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import httpx

from carbon_bank.audit.formats.merkle import HASH_BYTES
from carbon_bank.audit.formats.note import NOTE_BYTES_MAX
from carbon_bank.audit.formats.tiles import TILE_WIDTH, Tile
from carbon_bank.foundation.errors import InvalidInput, Unavailable

TIMEOUT_SECONDS = 30.0
FULL_TILE_BYTES = TILE_WIDTH * HASH_BYTES
HEADERS = {"Accept-Encoding": "identity", "Cache-Control": "no-cache", "User-Agent": "Carbon-Bank-Witness/1"}


@dataclass(frozen=True)
class Source:
    """A log at an address: what stands before `/checkpoint`."""

    url: str
    client: httpx.Client

    def checkpoint(self) -> bytes:
        """Raises: Unavailable witness.unreachable."""
        data = self._get("checkpoint", NOTE_BYTES_MAX)
        if data is None:
            raise self._unreachable("checkpoint", "there is none")
        return data

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile. A partial one that is gone is the beginning of the full one that took its place.

        Raises: Unavailable witness.unreachable.
        """
        data = self._get(tile.path, FULL_TILE_BYTES)
        if data is None and tile.width < TILE_WIDTH:
            full = self._get(Tile(tile.level, tile.index).path, FULL_TILE_BYTES)
            data = None if full is None else full[: tile.width * HASH_BYTES]
        if data is None:
            raise self._unreachable(tile.path, "there is none")
        return data

    def _get(self, path: str, bytes_max: int) -> bytes | None:
        """The body of an answer; null where there is nothing at the path."""
        ends = time.monotonic() + TIMEOUT_SECONDS
        body = bytearray()
        try:
            with self.client.stream("GET", f"{self.url}/{path}", headers=HEADERS) as answer:
                if answer.status_code in {httpx.codes.NOT_FOUND, httpx.codes.GONE}:
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise self._unreachable(path, f"answered {answer.status_code}")
                for piece in answer.iter_raw():
                    body += piece
                    if len(body) > bytes_max:
                        raise self._unreachable(path, f"more than {bytes_max} bytes")
                    if time.monotonic() > ends:
                        raise self._unreachable(path, f"not whole within {TIMEOUT_SECONDS:g} seconds")
        except httpx.HTTPError as error:
            raise self._unreachable(path, str(error) or type(error).__name__) from None
        return bytes(body)

    def _unreachable(self, path: str, what: str) -> Unavailable:
        return Unavailable("witness.unreachable", f"{self.url}/{path} cannot be read: {what}")


def open_client() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)


def check_url(url: str) -> str:
    """The prefix of a log's address. Raises: InvalidInput witness.url."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.query or parsed.fragment:
        message = f"'{url[:80]}' is no address of a log; write what stands before /checkpoint, as https://bank.example/log/springfield"
        raise InvalidInput("witness.url", message)
    return url.rstrip("/")
