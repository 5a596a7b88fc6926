"""Large sets in and out of PostgreSQL as columns: Polars on one side, one statement on the other.

Reading row by row costs Python a microsecond or more for each row. Here PostgreSQL strings the binary forms of each column
together, which arrive as a single value and become a NumPy array without a loop (an array would carry a length with each
element, and take half as long again); writing is COPY of one CSV buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from psycopg import sql

from carbon_bank.foundation.database import ReadSession, WriteSession, driver

Columns = Mapping[str, pl.DataType | type[pl.DataType]]
"""Names and types of what a query gives."""

MOMENT = pl.Datetime("us", "UTC")

_POSTGRES_EPOCH_DAYS = 10957  # 2000-01-01, in days since 1970-01-01
_DAY_MICROSECONDS = 86_400_000_000
_WIRE: dict[pl.DataType | type[pl.DataType], tuple[str, str]] = {
    # Polars type -> the function that gives a value's binary form and the type it takes, the NumPy type of that form
    pl.Int64: ("int8send({}::bigint)", ">i8"),
    pl.Int32: ("int4send({}::integer)", ">i4"),
    pl.Int16: ("int2send({}::smallint)", ">i2"),
    pl.Boolean: ("boolsend({}::boolean)", ">i1"),
    pl.Date: ("date_send({}::date)", ">i4"),
    MOMENT: ("timestamptz_send({}::timestamptz)", ">i8"),
    pl.String: ("convert_to({}::text, 'UTF8') || '\\x00'::bytea", ""),  # a NUL, which no text has, ends each
}


async def fetch_columns(
    session: ReadSession,
    query: str,
    parameters: Mapping[str, Any],
    schema: Columns,
    *,
    by_key: bool = False,
) -> pl.DataFrame:
    """Run a query and return its rows as a frame.

    Args:   query: SQL with `%(name)s` parameters; its columns, in any order, have the names in `schema` and hold no null
            (say `coalesce` where they could). schema: column -> Int64, Int32, Int16, Boolean, Date, MOMENT, String, or an
            Enum, whose column holds the place of its value, from 0. by_key: it looks up few keys of very many, and no table is
            to be read whole, whatever the statistics say of one that is being filled.
    Returns: the rows in the order of the query.
    """
    statement = _gathering(query, tuple(schema.items()))
    connection = await driver(session)
    async with connection.cursor(binary=True) as cursor:
        if by_key:
            async with connection.pipeline():  # three statements for one wait
                await connection.execute("SET LOCAL enable_seqscan = off")
                await cursor.execute(statement, parameters)
                await connection.execute("SET LOCAL enable_seqscan = on")
        else:
            await cursor.execute(statement, parameters)
        result = cursor.pgresult
        assert result is not None
        *values, count = [result.get_value(0, index) or b"" for index in range(len(schema) + 1)]
    rows = int.from_bytes(count, "big")
    if not rows:
        return pl.DataFrame(schema=dict(schema))
    return pl.DataFrame(
        [_column(name, dtype, raw, rows) for (name, dtype), raw in zip(schema.items(), values, strict=True)]
    )


@lru_cache(maxsize=256)
def _gathering(query: str, schema: tuple[tuple[str, pl.DataType | type[pl.DataType]], ...]) -> bytes:
    gathered = [
        sql.SQL("string_agg(" + _wire(dtype)[0] + ", NULL)").format(sql.Identifier(name)) for name, dtype in schema
    ]
    statement = sql.SQL("SELECT {} FROM ({}) AS rows").format(
        sql.SQL(", ").join([*gathered, sql.SQL("count(*)")]), sql.SQL(query)
    )
    return statement.as_bytes()


def _wire(dtype: pl.DataType | type[pl.DataType]) -> tuple[str, str]:
    return _WIRE[pl.Int16 if isinstance(dtype, pl.Enum) else dtype]


def _column(name: str, dtype: pl.DataType | type[pl.DataType], raw: bytes, rows: int) -> pl.Series:
    is_text = dtype == pl.String
    values = np.frombuffer(raw, dtype="u1" if is_text else _wire(dtype)[1])
    if (np.count_nonzero(values == 0) if is_text else len(values)) != rows:
        raise ValueError(f"column {name} holds a null; say coalesce in the query")
    if is_text:
        return pl.Series(name, [raw[:-1].decode()]).str.split("\0").explode()
    native = values.astype(values.dtype.newbyteorder("="))
    if dtype == pl.Date:
        return pl.Series(name, native + _POSTGRES_EPOCH_DAYS).cast(pl.Date)
    if dtype == MOMENT:
        return pl.Series(name, native + _POSTGRES_EPOCH_DAYS * _DAY_MICROSECONDS).cast(MOMENT)
    if isinstance(dtype, pl.Enum):
        return pl.Series(name, native).cast(pl.UInt8).to_frame().select(pl.col(name).cat.to(dtype)).to_series()
    return pl.Series(name, native).cast(dtype)


def place_of(values: pl.Enum, column: str) -> str:
    """SQL for the place of a text among the values of an Enum, from 0, as `fetch_columns` reads it."""
    listed = ", ".join(f"'{value}'" for value in values.categories)
    return f"array_position(ARRAY[{listed}], {column}) - 1"


def array_text(values: pl.Series) -> str:
    """A column of texts or whole numbers without nulls as PostgreSQL writes an array: one parameter, to be cast. A NUL, which
    PostgreSQL takes in no text, becomes U+FFFD.

    The driver would walk through a list value by value, which takes longer than the query that it is for.
    """
    if values.dtype != pl.String:
        return "{" + ",".join(map(str, values.to_list())) + "}"
    if values.is_empty():
        return "{}"
    joined = '","'.join(values.to_list()).replace("\0", "\ufffd")
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        quoted = values.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
        joined = '","'.join(quoted.to_list()).replace("\0", "\ufffd")
    return '{"' + joined + '"}'


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
