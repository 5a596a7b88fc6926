"""Files of rows for `simulate`: every column as text, every row with its line.

Bounded: a file is refused above FILE_BYTES_MAX (after decompression) or ROWS_MAX rows before its rows are looked at.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from carbon_bank.foundation.errors import InvalidInput, NotFound, TooLarge
from carbon_bank.readings.formats.parquet import BROKEN, frames_of, open_parquet

FILE_BYTES_MAX = 2 * 1024**3
ROWS_MAX = 20_000_000
_GZIP, _PARQUET, _BOM = b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf"


def read_rows(path: Path, required: Sequence[str]) -> pl.DataFrame:
    """The rows of a CSV (plain or gzip) or Parquet file.

    Returns: its columns as String, empty values as null, and `line` (Int64): in CSV the line that the row starts in, in
             Parquet its number. Columns beyond the required ones are kept.
    Raises:  NotFound `simulate.file`; InvalidInput `simulate.file_format`, `simulate.columns`; TooLarge `simulate.file_size`.
    """
    if not path.is_file():
        raise NotFound("simulate.file", f"There is no file {path}.", {"path": str(path)})
    with path.open("rb") as file:
        start = file.read(4)
    rows = _parquet(path) if start == _PARQUET else _csv(path, _content(path, start))
    lacking = [name for name in required if name not in rows.columns]
    if lacking:
        raise InvalidInput(
            "simulate.columns",
            f"{path} lacks the column {', '.join(lacking)}. It has {', '.join(rows.columns[1:]) or 'none'}; "
            f"needed are {', '.join(required)}.",
            {"lacking": lacking, "needed": list(required)},
        )
    return rows


def _content(path: Path, start: bytes) -> bytes:
    try:
        with gzip.open(path, "rb") if start.startswith(_GZIP) else path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _unreadable(path, f"it is damaged ({error})") from None
    if len(content) > FILE_BYTES_MAX:
        raise _too_large(path, f"more than {FILE_BYTES_MAX} bytes of text")
    return content.removeprefix(_BOM)


def _csv(path: Path, content: bytes) -> pl.DataFrame:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"line {line} is not UTF-8") from None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if lines > ROWS_MAX + 1:
        raise _too_large(path, f"{lines} lines")
    if not content.strip():
        raise _unreadable(path, "it is empty")
    if b'"' not in content:
        try:
            rows = pl.read_csv(content, infer_schema=False, quote_char=None)
        except PolarsError:
            return _csv_with_care(path, content)
        if rows.height + 1 == lines:
            numbered = _numbered(rows.rename(str.strip), pl.int_range(2, rows.height + 2, eager=True))
            return _trimmed(numbered) if b" " in content or b"\t" in content else numbered
    return _csv_with_care(path, content)


def _csv_with_care(path: Path, content: bytes) -> pl.DataFrame:
    """Quoted values that span lines, empty lines, rows of another width: slower, and every row keeps its line."""
    reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
    lines: list[int] = []
    values: list[list[str]] = []
    try:
        names = [name.strip() for name in next(reader)]
        line = reader.line_num + 1
        for row in reader:
            if row:
                if len(row) != len(names):
                    raise _unreadable(path, f"line {line} has {len(row)} values and the header {len(names)}")
                lines.append(line)
                values.append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        raise _unreadable(path, f"line {reader.line_num}: {error}") from None
    if len(set(names)) != len(names):
        raise _unreadable(path, "two columns have one name")
    columns = zip(*values, strict=True) if values else ([] for _ in names)
    rows = pl.DataFrame(
        [pl.Series(name, list(column), dtype=pl.String) for name, column in zip(names, columns, strict=True)]
    )
    return _trimmed(_numbered(rows, pl.Series(lines, dtype=pl.Int64)))


def _parquet(path: Path) -> pl.DataFrame:
    try:
        file, schema = open_parquet(path)
        with file:
            count = file.metadata.num_rows
            if count > ROWS_MAX:
                raise _too_large(path, f"{count} rows")
            exact = [_as_text(path, name, dtype) for name, dtype in schema.items()]
            empty = pl.DataFrame(schema=dict.fromkeys(schema, pl.String))
            rows = pl.concat([empty, *(each.select(exact) for each in frames_of(file))])
        return _trimmed(_numbered(rows, pl.int_range(1, rows.height + 1, eager=True)))
    except BROKEN as error:
        why = (str(error).splitlines() or ["it is damaged"])[0][:200]
        raise _unreadable(path, f"it is no Parquet that can be read ({why})") from None


def _as_text(path: Path, name: str, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_float():
        raise InvalidInput(
            "simulate.float",
            f"The column {name} of {path} is floating point, which is not exact. Store it as text or as a decimal.",
            {"column": name},
        )
    if isinstance(dtype, pl.Datetime):
        moment = pl.col(name)
        is_day = moment == moment.dt.truncate("1d")
        return pl.when(is_day).then(moment.dt.strftime("%Y-%m-%d")).otherwise(moment.cast(pl.String)).alias(name)
    return pl.col(name).cast(pl.String)


def _trimmed(rows: pl.DataFrame) -> pl.DataFrame:
    """Without space around values; nothing but space is no value."""
    text = pl.col(pl.String).str.strip_chars()
    return rows.with_columns(pl.when(text != "").then(text))


def _numbered(rows: pl.DataFrame, lines: pl.Series) -> pl.DataFrame:
    """The rows with their `line` first; a column of that name in the file, as refused rows have, gives way."""
    kept = rows.drop("line", strict=False)
    return kept.insert_column(0, lines.cast(pl.Int64).alias("line"))


def _unreadable(path: Path, why: str) -> InvalidInput:
    return InvalidInput("simulate.file_format", f"{path} cannot be read: {why}.", {"path": str(path)})


def _too_large(path: Path, found: str) -> TooLarge:
    return TooLarge(
        "simulate.file_size",
        f"{path} has {found}; at most {FILE_BYTES_MAX} bytes and {ROWS_MAX} rows are read. Split it by households.",
        {"path": str(path)},
    )
