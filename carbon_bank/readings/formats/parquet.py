"""Parquet: the columns of a reading as text, whole numbers, decimals or days; never floating point."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError
from pyarrow import ArrowException, compute
from pyarrow.parquet import ParquetFile
from pyarrow.types import is_dictionary, is_large_string, is_string, is_string_view

from carbon_bank.foundation.errors import InvalidInput, NotFound, TooLarge
from carbon_bank.readings.formats.normal import CHUNK_ROWS, Chunk, Chunks, normal_form, numbered, own_columns
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source

ROWS_MAX = 100_000_000
VALUE_BYTES_MAX = 4000
"""A thousand characters, as of the other formats."""
MAGIC = b"PAR1"
FOOTER_BYTES_MAX = 64 * 2**20
"""It is read whole into memory before anything is known of it."""
BROKEN = (ArrowException, PolarsError, PanicException, OSError, ValueError, MemoryError, OverflowError, KeyError)
"""What a damaged file makes of the reader."""
SENTENCES: dict[str, str] = {}


def read(source: Source, options: Options) -> Chunks:
    """Raises: NotFound `formats.no_file`; InvalidInput `formats.damaged`, `formats.float`, `formats.column_type`,
    `formats.column_missing`, `formats.column_unknown`; TooLarge `formats.too_large`, `formats.too_many_rows`."""
    size = _size(source)
    return _chunks(source, *_begin(source), size)


def _size(source: Source) -> int:
    if not source.path.is_file():
        raise NotFound("formats.no_file", f"There is no file {source.name}.", {"file": source.name})
    with source.path.open("rb") as file:
        start = file.read(len(MAGIC))
        size = file.seek(0, 2)
    if start != MAGIC:
        raise _damaged(
            source, "it does not begin like one; Parquet is compressed within and is sent as it is, not as .gz"
        )
    if size > source.bytes_max:
        raise TooLarge(
            "formats.too_large",
            f"{source.name} holds more than {source.bytes_max} bytes. Split it, by meters or by months.",
            {"file": source.name, "bytes_max": source.bytes_max},
        )
    return size


def open_parquet(path: Path) -> tuple[ParquetFile, pl.Schema]:
    """A file by pyarrow, and its columns. Polars' own reader can end the process on a broken file. Raises: one of BROKEN."""
    _check_footer(path)
    with ParquetFile(path, pre_buffer=False) as file:
        kinds = file.schema_arrow
    assert kinds.names is not None  # names that are no text end here, not in Polars
    schema = _frame(kinds.empty_table()).schema
    texts = [field.name for field in kinds if _is_text(field.type)]
    return ParquetFile(path, pre_buffer=False, read_dictionary=texts), schema


def _check_footer(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(max(file.seek(0, 2) - 8, 0))
        size = int.from_bytes(file.read(4), "little")
    if size > FOOTER_BYTES_MAX:
        raise ValueError(f"it says that its footer has {size} bytes")


def frames_of(file: ParquetFile, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """The rows, some at a time. Raises: one of BROKEN."""
    for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=columns, use_threads=False):
        yield _frame(_decoded(batch))


def _is_text(kind: Any) -> bool:
    return bool(is_string(kind) or is_large_string(kind) or is_string_view(kind))


def _decoded(batch: Any) -> Any:
    """Texts in full. A file keeps each different one once, so that a small file could hold gigabytes of a long one."""
    for place, field in enumerate(batch.schema):
        if is_dictionary(field.type) and _is_text(field.type.value_type):
            column = batch.column(place)
            longest = compute.max(compute.binary_length(column.dictionary)).as_py() or 0
            if longest > VALUE_BYTES_MAX:
                raise ValueError(f"a value of {field.name} has {longest} bytes; at most {VALUE_BYTES_MAX} are read")
            batch = batch.set_column(place, field.name, column.dictionary_decode())
    return batch


def _begin(source: Source) -> tuple[ParquetFile, list[pl.Expr], list[str]]:
    try:
        file, schema = open_parquet(source.path)
    except BROKEN as error:
        raise _damaged(source, error) from None
    try:
        count = file.metadata.num_rows
        if count > ROWS_MAX:
            raise TooLarge(
                "formats.too_many_rows",
                f"{source.name} says that it holds {count} rows; at most {ROWS_MAX} are read. Split it, by meters or by months.",
                {"file": source.name, "rows": count, "rows_max": ROWS_MAX},
            )
        columns = own_columns(source.name, list(schema))
        return file, [_as_text(source, name, schema[name]) for name in columns], columns
    except BaseException:
        file.close()
        raise


def _frame(table: Any) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found


def _as_text(source: Source, name: str, kind: pl.DataType) -> pl.Expr:
    if kind.is_float():
        raise InvalidInput(
            "formats.float",
            f"The column {name} of {source.name} is floating point, which is not exact. Store it as text or as a decimal.",
            {"file": source.name, "column": name},
        )
    column = pl.col(name)
    if isinstance(kind, pl.Datetime):
        is_day = column == column.dt.truncate("1d")
        return pl.when(is_day).then(column.dt.strftime("%Y-%m-%d")).otherwise(column.cast(pl.String)).alias(name)
    if isinstance(kind, pl.Boolean):
        return pl.when(column).then(pl.lit("yes")).alias(name)  # cancel: true
    if not (
        kind.is_integer()
        or kind.is_decimal()
        or isinstance(kind, pl.String | pl.Date | pl.Categorical | pl.Enum | pl.Null)
    ):
        raise InvalidInput(
            "formats.column_type",
            f"The column {name} of {source.name} is of type {kind}. Store it as text, a whole number, a decimal or a day.",
            {"file": source.name, "column": name, "type": str(kind)},
        )
    return column.cast(pl.String)


def _chunks(source: Source, file: ParquetFile, texts: list[pl.Expr], columns: list[str], size: int) -> Iterator[Chunk]:
    done, count = 0, max(file.metadata.num_rows, 1)
    try:
        for rows in _batches(source, file, columns):
            said = rows.select(texts).with_columns(pl.when(pl.col(name) != "").then(name) for name in columns)
            frame = numbered(said, done + 1)
            done += rows.height
            normal = normal_form(frame.with_columns(at="line"))
            yield Chunk(normal, frame.select("line", *columns), position=min(size * done // count, size))
    finally:
        file.close()


def _batches(source: Source, file: ParquetFile, columns: list[str]) -> Iterator[pl.DataFrame]:
    batches = frames_of(file, columns)
    while True:
        try:
            rows = next(batches, None)
        except BROKEN as error:
            raise _damaged(source, error) from None
        if rows is None:
            return
        yield rows


def _damaged(source: Source, why: str | BaseException) -> InvalidInput:
    told = why if isinstance(why, str) else (str(why).splitlines() or ["it is damaged"])[0][:200]
    return InvalidInput(
        "formats.damaged", f"{source.name} cannot be read as Parquet: {told}. Send it again.", {"file": source.name}
    )
