"""CSV: in the bank's own columns, or in a utility's own by a mapping."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.readings.formats.csv_mapped import mapped_chunks
from carbon_bank.readings.formats.mapping import DELIMITERS
from carbon_bank.readings.formats.normal import NORMAL_SCHEMA, Chunk, Chunks
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.formats.table import SENTENCES as TABLE_SENTENCES
from carbon_bank.readings.formats.table import Dialect, Table, read_table
from carbon_bank.readings.intake import COLUMNS

PASSED_OVER = ("line", "code", "message")
"""Columns that a file of refused rows has besides those that were sent."""
SENTENCES = TABLE_SENTENCES


def read(source: Source, options: Options) -> Chunks:
    """Raises: what `table.read_table` raises; InvalidInput `formats.column_missing`, `formats.column_unknown`."""
    mapping = options.mapping
    if mapping is None:
        return _plain(source, _own_columns(source))
    columns = mapping.columns
    dialect = Dialect(DELIMITERS[mapping.delimiter], mapping.encoding)
    needed = f"the columns {', '.join(columns)}"
    table = read_table(source, dialect, lambda names: set(columns) <= set(names), needed)
    return mapped_chunks(table, mapping, options)


def _own_columns(source: Source) -> Table:
    table = read_table(source, Dialect(), any, f"the columns {', '.join(COLUMNS)}")
    try:
        _check_columns(source, table)
    except BaseException:
        table.close()
        raise
    return table


def _check_columns(source: Source, table: Table) -> None:
    missing = [name for name, needed in COLUMNS.items() if needed and name not in table.header]
    if "quantity" not in table.header and not {"register_start", "register_end"} <= set(table.header):
        missing.append("quantity (or register_start and register_end)")
    if missing:
        raise InvalidInput(
            "formats.column_missing",
            f"{source.name} line {table.lines_before + 1} lacks the columns {', '.join(missing)}. It has "
            f"{', '.join(filter(None, table.header[:30]))}. Name them so, or give a mapping of your own columns.",
            {"file": source.name, "missing": missing},
        )
    unknown = [name for name in table.header if name and name not in COLUMNS and name not in PASSED_OVER]
    if unknown:
        raise InvalidInput(
            "formats.column_unknown",
            f"{source.name} line {table.lines_before + 1} has the column '{unknown[0]}', which is unknown. Known are "
            f"{', '.join(COLUMNS)}. Leave it out, or give a mapping of your own columns.",
            {"file": source.name, "unknown": unknown},
        )


def _plain(source: Source, table: Table) -> Iterator[Chunk]:
    line = 1
    sent_columns = [name for name in table.header if name in COLUMNS]
    for part in table.rows:
        frame = part.frame
        numbered = frame.with_columns(line=pl.int_range(line, line + frame.height, dtype=pl.Int32))
        line += frame.height
        absent = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in sent_columns]
        faults = [pl.col("_at").alias("at"), pl.col("_code").alias("code"), pl.lit(None, pl.String).alias("column")]
        rows = numbered.with_columns(absent + faults).select(NORMAL_SCHEMA.names())
        yield Chunk(rows, numbered.select("line", *sent_columns), position=part.position)
