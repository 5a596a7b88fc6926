"""The one frame that every format gives: rows in the columns of a reading, as text, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from carbon_bank.readings.intake import COLUMNS

CHUNK_ROWS = 50_000

NORMAL_SCHEMA = pl.Schema(
    {
        "line": pl.Int32(),
        "at": pl.Int32(),
        **dict.fromkeys(COLUMNS, pl.String()),
        "code": pl.String(),
        "column": pl.String(),
    }
)
"""`line`: the number of the row, rising through the file, unique: what statuses are told by. `at`: where it stands for a
person who opens the file: its line (CSV, NDJSON, XML), or its number (Parquet). Two readings of one line have one `at`.
`code`, `column`: what the format itself found wrong with the row; null where the intake is to judge it."""


@dataclass(frozen=True)
class Finding:
    """Something odd about a file that was read all the same, or a part of it that was passed over.

    Args: at: its line (or row number), null where it is about the whole file. code: dotted and stable. message: a sentence:
          what stands there, how it was read, what to do. count: how many times, of which `at` is the first.
    """

    at: int | None
    code: str
    message: str
    value: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file.

    Args: rows: NORMAL_SCHEMA, at most CHUNK_ROWS. sent: the same rows, `line` and then the columns as they were sent, as
          text (the columns of COLUMNS where a row was made of others, as a sum of intervals is). findings: new ones.
          passed_over: rows of the file that its mapping leaves out. position: bytes of the (decompressed) file read so far.
    """

    rows: pl.DataFrame
    sent: pl.DataFrame
    findings: list[Finding] = field(default_factory=list)
    passed_over: int = 0
    position: int = 0


Chunks = Iterator[Chunk]
