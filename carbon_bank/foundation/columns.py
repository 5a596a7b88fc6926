"""Large sets in and out of PostgreSQL as columns: Polars on one side, one statement on the other.

Reading row by row costs Python a microsecond or more for each row. Here PostgreSQL gathers each column into one array,
which arrives as a single value and becomes a NumPy array without a loop; writing is COPY of one CSV buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from psycopg import sql

from carbon_bank.foundation.database import ReadSession, WriteSession, driver

_ARRAY_HEADER_BYTES = 20
_POSTGRES_EPOCH_DAYS = 10957  # 2000-01-01, in days since 1970-01-01
_WIRE: dict[pl.DataType | type[pl.DataType], tuple[str, str]] = {
    # Polars type -> the SQL type that is asked for, the NumPy type of its binary form
    pl.Int64: ("bigint", ">i8"),
    pl.Int32: ("integer", ">i4"),
    pl.Int16: ("smallint", ">i2"),
    pl.Boolean: ("boolean", ">i1"),
    pl.Date: ("date", ">i4"),
}


async def fetch_columns(
    session: ReadSession,
    query: str,
    parameters: Mapping[str, Any],
    schema: Mapping[str, pl.DataType | type[pl.DataType]],
) -> pl.DataFrame:
    """Run a query and return its rows as a frame.

    Args:   query: SQL with `%(name)s` parameters; its columns, in any order, have the names in `schema` and hold no null
            (say `coalesce` where they could). schema: column -> Int64, Int32, Int16, Boolean or Date.
    Returns: the rows in the order of the query.
    """
    gathered = sql.SQL(", ").join(
        sql.SQL("array_agg({}::{})").format(sql.Identifier(name), sql.SQL(_WIRE[dtype][0]))
        for name, dtype in schema.items()
    )
    statement = sql.SQL("SELECT {} FROM ({}) AS rows").format(gathered, sql.SQL(query))
    async with (await driver(session)).cursor(binary=True) as cursor:
        await cursor.execute(statement, parameters)
        result = cursor.pgresult
        assert result is not None
        values = [result.get_value(0, index) for index in range(len(schema))]
    return pl.DataFrame([_column(name, dtype, raw) for (name, dtype), raw in zip(schema.items(), values, strict=True)])


def _column(name: str, dtype: pl.DataType | type[pl.DataType], raw: bytes | None) -> pl.Series:
    if raw is None:
        return pl.Series(name, [], dtype=dtype)
    wire = np.dtype([("size", ">i4"), ("value", _WIRE[dtype][1])])
    if (len(raw) - _ARRAY_HEADER_BYTES) % wire.itemsize or int.from_bytes(raw[4:8], "big"):
        raise ValueError(f"column {name} holds a null; say coalesce in the query")
    values = np.frombuffer(raw, dtype=wire, offset=_ARRAY_HEADER_BYTES)["value"]
    native = values.astype(values.dtype.newbyteorder("="))
    if dtype == pl.Date:
        return pl.Series(name, native + _POSTGRES_EPOCH_DAYS).cast(pl.Date)
    return pl.Series(name, native).cast(dtype)


async def copy_in(session: WriteSession, table: str, frame: pl.DataFrame) -> int:
    """COPY a frame into a table whose columns have the frame's names. Returns the number of rows."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL '\\N')").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    )
    # Texts are quoted, or one that reads `\N` would become a null.
    buffer = frame.write_csv(include_header=False, null_value="\\N", quote_style="non_numeric").encode()
    async with (await driver(session)).cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(buffer)
    return frame.height
