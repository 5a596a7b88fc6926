"""A file to read: opened from its beginning as often as needed, decompressed, bounded in bytes and in expansion."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from carbon_bank.foundation.errors import InvalidInput, NotFound, TooLarge

FILE_BYTES_MAX = 20 * 2**30
EXPANSION_MAX = 200
"""How many times larger a compressed file may become. Readings as text shrink to a tenth or a twentieth."""
EXPANSION_FREE_BYTES = 10 * 2**20
"""Below this nobody asks how well a file was compressed."""

GZIP = b"\x1f\x8b"
_BUFFER = 2**18
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive (or an Excel file)",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"\x89PNG": "a picture",
}
START_BYTES = 8


@dataclass(frozen=True)
class Source:
    """Args: path: plain or gzip (told by its first bytes, not its name). name: what refusals call it."""

    path: Path
    name: str
    bytes_max: int = FILE_BYTES_MAX

    def open(self) -> BinaryIO:
        """The decompressed bytes from the beginning.

        Raises: NotFound `formats.no_file`; InvalidInput `formats.empty`, `formats.not_text`, `formats.damaged`; TooLarge
                `formats.too_large`, `formats.expansion` (the last three also while reading).
        """
        if not self.path.is_file():
            raise NotFound("formats.no_file", f"There is no file {self.name}.", {"file": self.name})
        raw = self.path.open("rb")
        try:
            start = raw.read(START_BYTES)
            raw.seek(0)
            if not start:
                raise InvalidInput("formats.empty", f"{self.name} is empty.", {"file": self.name})
            self._refuse_other_kinds(start)
            if not start.startswith(GZIP):
                return cast(BinaryIO, io.BufferedReader(_Bounded(self, raw, raw), _BUFFER))
            inflated = gzip.GzipFile(fileobj=raw, mode="rb")
            opened = io.BufferedReader(_Bounded(self, inflated, raw), _BUFFER)
            if opened.peek(2)[:2] == GZIP:
                raise self._damaged("it was compressed twice; decompress it once")
            if not opened.peek(1):
                raise InvalidInput("formats.empty", f"{self.name} is empty.", {"file": self.name})
            return cast(BinaryIO, opened)
        except BaseException:
            raw.close()
            raise

    def _refuse_other_kinds(self, start: bytes) -> None:
        for magic, kind in _OTHERS.items():
            if start.startswith(magic):
                raise InvalidInput(
                    "formats.not_text",
                    f"{self.name} is {kind}. Send CSV, NDJSON or XML as text, plain or as .gz, or Parquet.",
                    {"file": self.name, "kind": kind},
                )

    def _damaged(self, why: str) -> InvalidInput:
        return InvalidInput(
            "formats.damaged", f"{self.name} cannot be decompressed: {why}. Send it again.", {"file": self.name}
        )


class _Bounded(io.RawIOBase):
    """What is read of a file, counted: never more than its source allows."""

    def __init__(self, source: Source, content: Any, raw: BinaryIO) -> None:
        self._source, self._content, self._raw = source, content, raw
        self._is_compressed = content is not raw
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        source = self._source
        try:
            block = self._content.read(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise source._damaged(str(error)) from None
        self._read += len(block)
        if self._read > source.bytes_max:
            raise TooLarge(
                "formats.too_large",
                f"{source.name} holds more than {source.bytes_max} bytes. Split it, by meters or by months.",
                {"file": source.name, "bytes_max": source.bytes_max},
            )
        if self._is_compressed and self._read > EXPANSION_FREE_BYTES and self._read > EXPANSION_MAX * self._raw.tell():
            raise TooLarge(
                "formats.expansion",
                f"{source.name} becomes more than {EXPANSION_MAX} times its size when it is decompressed. Send it plain.",
                {"file": source.name, "expansion_max": EXPANSION_MAX},
            )
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        if not self.closed:
            self._content.close()
            self._raw.close()
        super().close()
