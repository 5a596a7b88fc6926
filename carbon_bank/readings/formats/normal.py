"""The one frame that every format gives: rows in the columns of a reading, as text, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.readings.intake import COLUMNS

CHUNK_ROWS = 50_000
NAMES_SHOWN = 30
METER = ["commodity", "customer_number", "meter_number"]
"""What a reading's meter is found by."""

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


PASSED_OVER = ("line", "code", "message")
"""Columns that a file of refused rows has besides those that were sent."""


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


def normal_form(made: pl.DataFrame) -> pl.DataFrame:
    """NORMAL_SCHEMA, of a frame that has some of its columns: the others are null, and `line` 0 until it is numbered."""
    absent = {"line": pl.lit(0, pl.Int32)}
    given = {name: pl.col(name) for name in made.columns}
    return made.select(
        given.get(name, absent.get(name, pl.lit(None))).cast(kind).alias(name) for name, kind in NORMAL_SCHEMA.items()
    )


def numbered(rows: pl.DataFrame, line: int) -> pl.DataFrame:
    """The rows with their `line`, from this one on."""
    return rows.with_columns(line=pl.int_range(line, line + rows.height, dtype=pl.Int32))


def own_columns(where: str, names: list[str]) -> list[str]:
    """The columns of a reading among a file's, in its order.

    Args:   where: what a refusal calls the place that names them.
    Raises: InvalidInput `formats.column_missing`, `formats.column_unknown`.
    """
    missing = [name for name, needed in COLUMNS.items() if needed and name not in names]
    if "quantity" not in names and not {"register_start", "register_end"} <= set(names):
        missing.append("quantity (or register_start and register_end)")
    if missing:
        raise InvalidInput(
            "formats.column_missing",
            f"{where} lacks the columns {', '.join(missing)}. It has {', '.join(names[:NAMES_SHOWN]) or 'none'}. Name them so; "
            "of a CSV, a mapping can tell what your own columns mean.",
            {"where": where, "missing": missing},
        )
    unknown = [name for name in names if name not in COLUMNS and name not in PASSED_OVER]
    if unknown:
        raise InvalidInput(
            "formats.column_unknown",
            f"{where} has the column '{unknown[0][:80]}', which is unknown. Known are {', '.join(COLUMNS)}. Leave it out; of a "
            "CSV, a mapping can tell what your own columns mean.",
            {"where": where, "unknown": unknown[:NAMES_SHOWN]},
        )
    return [name for name in names if name in COLUMNS]
