"""CSV files as frames of text, a chunk at a time, with line numbers: exact, bounded, and strict about its own form.

Everything stays text: what a column means is its room's business. Read with the standard library's reader, so that a
quoted line break or a ragged row is seen for what it is.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from carbon_bank.foundation.errors import InvalidInput

FIELD_CHARACTERS_MAX = 1000
CHUNK_ROWS = 10_000


def read_chunks(path: Path, columns: Mapping[str, bool], chunk_rows: int = CHUNK_ROWS) -> Iterator[pl.DataFrame]:
    """Read a file (UTF-8, comma; `.gz` compressed) as frames of `line` Int32 and the given columns as text.

    Args:   columns: name -> whether it must be there. An empty field is null, an absent optional column all null.
    Raises: InvalidInput `csv.unreadable`, `csv.empty`, `csv.column_missing`, `csv.column_unknown`, `csv.ragged`,
            `csv.field_too_long`, each with its line.
    """
    try:
        with _open(path) as stream:
            reader = csv.reader(stream, strict=True)
            header = _header(path, next(reader, None), columns)
            rows: list[list[str]] = []
            lines: list[int] = []
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise _refuse(
                        path, "csv.ragged", reader.line_num, f"has {len(row)} fields, the header has {len(header)}"
                    )
                if max(map(len, row)) > FIELD_CHARACTERS_MAX:
                    limit = f"has a field longer than {FIELD_CHARACTERS_MAX} characters"
                    raise _refuse(path, "csv.field_too_long", reader.line_num, limit)
                rows.append(row)
                lines.append(reader.line_num)
                if len(rows) == chunk_rows:
                    yield _frame(rows, lines, header, columns)
                    rows, lines = [], []
            if rows:
                yield _frame(rows, lines, header, columns)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise InvalidInput(
            "csv.unreadable",
            f"{path} cannot be read: {error}. It must be a UTF-8 CSV file with commas, plain or as .gz.",
        ) from error


def _open(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _header(path: Path, header: list[str] | None, columns: Mapping[str, bool]) -> list[str]:
    if header is None:
        raise _refuse(path, "csv.empty", 1, "is missing: the file is empty. The first line names the columns")
    names = [name.strip() for name in header]
    missing = [name for name, needed in columns.items() if needed and name not in names]
    if missing:
        raise _refuse(path, "csv.column_missing", 1, f"lacks the columns {', '.join(missing)}")
    unknown = [name for name in names if name not in columns] or [name for name in names if names.count(name) > 1]
    if unknown:
        known = ", ".join(columns)
        raise _refuse(
            path, "csv.column_unknown", 1, f"has '{unknown[0]}', which is unknown or there twice. Known are {known}"
        )
    return names


def _frame(rows: list[list[str]], lines: list[int], header: list[str], columns: Mapping[str, bool]) -> pl.DataFrame:
    by_name = dict(zip(header, zip(*rows, strict=True), strict=True))
    text = {name: pl.Series(name, by_name.get(name, [None] * len(rows)), dtype=pl.String) for name in columns}
    frame = pl.DataFrame({"line": pl.Series(lines, dtype=pl.Int32), **text})
    return frame.with_columns(pl.when(pl.col(name).str.strip_chars() != "").then(name).alias(name) for name in columns)


def _refuse(path: Path, code: str, line: int, what: str) -> InvalidInput:
    return InvalidInput(
        code, f"{path}: line {line} {what}. Mend it and send the file again.", {"file": str(path), "line": line}
    )
