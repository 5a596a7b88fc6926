"""What is copied in comes back the same, column by column."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import date

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.columns import array_text, copy_in, fetch_columns
from carbon_bank.foundation.database import Database

SCHEMA: dict[str, type[pl.DataType]] = {
    "n": pl.Int64,
    "big": pl.Int64,
    "middle": pl.Int32,
    "small": pl.Int16,
    "flag": pl.Boolean,
    "day": pl.Date,
}
TABLE = "CREATE TABLE kept (n bigint, big bigint, middle integer, small smallint, flag boolean, day date)"
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(2**15), 2**15 - 1),
        st.booleans(),
        st.dates(date(1, 1, 1), date(9999, 12, 31)),
    ),
    max_size=20,
)


@pytest.fixture
def kept(owner: psycopg.Connection) -> None:
    owner.execute(TABLE)
    owner.execute("GRANT SELECT, INSERT, DELETE ON kept TO carbon_bank_app")
    owner.execute("CREATE TABLE said (n bigint, text text)")
    owner.execute("GRANT SELECT, INSERT ON said TO carbon_bank_app")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
async def test_every_type_comes_back_as_it_went_in(
    database: Database, kept: None, rows: list[tuple[object, ...]]
) -> None:
    frame = pl.DataFrame([(number, *row) for number, row in enumerate(rows)], schema=SCHEMA, orient="row")
    async with database.write() as session:
        await session.sql("DELETE FROM kept")
        assert await copy_in(session, "kept", frame) == len(rows)
        back = await fetch_columns(session, "SELECT * FROM kept ORDER BY n", {}, SCHEMA)
        assert back.equals(frame) and back.schema == frame.schema
        reverse = await fetch_columns(session, "SELECT n FROM kept ORDER BY n DESC", {}, {"n": pl.Int64})
        assert reverse["n"].to_list() == list(range(len(rows)))[::-1]


async def test_no_rows_are_an_empty_frame_with_its_types(database: Database) -> None:
    async with database.read() as session:
        query = "SELECT id AS n, id AS day FROM city WHERE id > %(id)s"
        frame = await fetch_columns(session, query, {"id": 0}, {"n": pl.Int64, "day": pl.Int16})
    assert (frame.height, frame.schema) == (0, {"n": pl.Int64, "day": pl.Int16})


@pytest.mark.parametrize("value", ["NULL", "1), (NULL"])
async def test_a_null_is_refused_and_not_read_as_something_else(database: Database, value: str) -> None:
    async with database.read() as session:
        with pytest.raises(ValueError, match="column n holds a null"):
            await fetch_columns(session, f"SELECT * FROM (VALUES ({value})) AS v (n)", {}, {"n": pl.Int64})


async def test_texts_are_copied_as_they_are_and_null_is_null(database: Database, kept: None) -> None:
    texts = ["plain", "", None, "\\N", "\\.", ' "quoted", ', "two\nlines\r\n", "\\n", "NULL", "한국", ""]
    frame = pl.DataFrame({"n": range(len(texts)), "text": texts})
    query, schema = (
        "SELECT n, text FROM said WHERE text IS NOT NULL AND n < %(to)s ORDER BY n",
        {"n": pl.Int64, "text": pl.String},
    )
    async with database.write() as session:
        await copy_in(session, "said", frame)
        back = (await session.sql("SELECT text FROM said ORDER BY n")).scalars().all()
        for to in (0, 1, 2, 99):
            fetched = await fetch_columns(session, query, {"to": to}, schema)
            assert fetched["text"].to_list() == [text for text in texts[:to] if text is not None]
            assert fetched.schema == schema
        for alone in ("", None):
            with pytest.raises(ValueError, match="column text holds a null") if alone is None else nullcontext():
                found = await fetch_columns(
                    session, "SELECT %(alone)s::text AS text", {"alone": alone}, {"text": pl.String}
                )
                assert found["text"].to_list() == [alone]
    assert back == texts


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6),
)
def test_an_array_reads_as_the_column_that_it_was(
    owner: psycopg.Connection, texts: list[str], numbers: list[int]
) -> None:
    written = [array_text(pl.Series(texts, dtype=pl.String)), array_text(pl.Series(numbers, dtype=pl.Int64))]
    assert owner.execute("SELECT %s::text[], %s::bigint[]", written).fetchone() == (texts, numbers)


@pytest.mark.parametrize("text", ["", "NULL", "null", '"', "\\", "\\N", "{}", "a,b", " ", "\n", '\\"', "é漢"])
def test_a_text_that_means_something_to_an_array_is_only_a_text(owner: psycopg.Connection, text: str) -> None:
    assert owner.execute("SELECT %s::text[]", [array_text(pl.Series([text, text]))]).fetchone() == ([text, text],)


async def test_a_place_comes_back_as_the_value_of_its_enum(database: Database) -> None:
    kind = pl.Enum(["north", "south", "west"])
    query = "SELECT place FROM unnest(ARRAY[2, 0, 2, 1]) AS each (place)"
    async with database.read() as session:
        found = await fetch_columns(session, query, {}, {"place": kind})
        nothing = await fetch_columns(session, query + " WHERE place > 2", {}, {"place": kind})
        with pytest.raises(pl.exceptions.PolarsError):
            await fetch_columns(session, "SELECT 3 AS place", {}, {"place": kind})
    assert (found["place"].to_list(), found["place"].dtype) == (["west", "north", "west", "south"], kind)
    assert (nothing["place"].to_list(), nothing["place"].dtype) == ([], kind)


async def test_a_look_up_by_key_leaves_the_planner_as_it_was(database: Database) -> None:
    query = "SELECT (current_setting('enable_seqscan') = 'on') AS flag"
    async with database.read() as session:
        seen = [
            (await fetch_columns(session, query, {}, {"flag": pl.Boolean}, by_key=by_key))["flag"].to_list()
            for by_key in (True, False)
        ]
    assert seen == [[False], [True]]
