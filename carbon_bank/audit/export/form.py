"""The form of tables in an export package: what a column can hold, in frames and in files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl


class Type(StrEnum):
    """What a column holds. Empty means: not known, or not there."""

    TEXT = "text"
    WHOLE = "whole number"
    EXACT = "whole number of up to 38 digits"
    DAY = "day, 2026-01-31"
    MOMENT = "moment in UTC, 2026-01-31T23:59:59.000001Z"
    TRUTH = "true or false"


FRAME_TYPES: dict[Type, pl.DataType | type[pl.DataType]] = {
    Type.TEXT: pl.String,
    Type.WHOLE: pl.Int64,
    Type.EXACT: pl.Decimal(38, 0),
    Type.DAY: pl.Date,
    Type.MOMENT: pl.Datetime("us", "UTC"),
    Type.TRUTH: pl.Boolean,
}


@dataclass(frozen=True)
class Column:
    """`is_written`: a person wrote it, so that a spreadsheet might run it."""

    name: str
    type: Type
    meaning: str
    unit: str = ""
    is_written: bool = False


@dataclass(frozen=True)
class Table:
    """`with_parquet`: it stands in the package as CSV and as Parquet."""

    name: str
    holds: str
    columns: tuple[Column, ...]
    with_parquet: bool = True

    @property
    def schema(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        return {column.name: FRAME_TYPES[column.type] for column in self.columns}
