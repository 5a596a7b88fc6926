"""CSV: in the bank's own columns, or in a utility's own by a mapping."""

from __future__ import annotations

from collections.abc import Iterator

from carbon_bank.readings.formats.csv_mapped import mapped_chunks
from carbon_bank.readings.formats.mapping import DELIMITERS
from carbon_bank.readings.formats.normal import Chunk, Chunks, normal_form, numbered, own_columns
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.formats.table import SENTENCES as TABLE_SENTENCES
from carbon_bank.readings.formats.table import Dialect, read_table
from carbon_bank.readings.intake import COLUMNS

SENTENCES = TABLE_SENTENCES


def read(source: Source, options: Options) -> Chunks:
    """Raises: what `table.read_table` raises; InvalidInput `formats.column_missing`, `formats.column_unknown`."""
    mapping = options.mapping
    if mapping is None:
        return _plain(source)
    columns = mapping.columns
    dialect = Dialect(DELIMITERS[mapping.delimiter], mapping.encoding)
    needed = f"the columns {', '.join(columns)}"
    table = read_table(source, dialect, lambda names: set(columns) <= set(names), needed)
    return mapped_chunks(table, mapping, options)


def _plain(source: Source) -> Iterator[Chunk]:
    table = read_table(source, Dialect(), any, f"the columns {', '.join(COLUMNS)}")
    try:
        columns = own_columns(f"{source.name} line {table.lines_before + 1}", list(filter(None, table.header)))
        line = 1
        for part in table.rows:
            frame = numbered(part.frame, line)
            line += frame.height
            marked = frame.select("line", *columns, at="_at", code="_code")
            yield Chunk(normal_form(marked), frame.select("line", *columns), position=part.position)
    finally:
        table.close()
