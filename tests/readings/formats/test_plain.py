"""CSV in the bank's own columns, NDJSON and Parquet: exact, row by row, bounded, and never anything but a refusal."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.errors import Refusal
from carbon_bank.readings.formats import known
from carbon_bank.readings.formats.mapping import parse_mapping
from carbon_bank.readings.formats.normal import CHUNK_ROWS, NORMAL_SCHEMA
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.formats.table import COLUMNS_MAX, LINE_BYTES_MAX
from carbon_bank.readings.intake import COLUMNS

ROW = {
    "commodity": "gas",
    "customer_number": "7",
    "period_start": "2026-03-01",
    "period_end": "2026-04-01",
    "quantity": "10.5",
    "unit": "m3",
}
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


def read(folder: Path, content: bytes, form: str, mapping: str | None = None) -> pl.DataFrame:
    path = folder / "sent"
    path.write_bytes(content)
    options = Options("Asia/Seoul", mapping=None if mapping is None else parse_mapping(mapping))
    chunks = list(known.read(Source(path, "sent"), form, options))
    for chunk in chunks:
        assert chunk.rows.schema == NORMAL_SCHEMA and chunk.rows.height <= CHUNK_ROWS
        assert chunk.sent["line"].to_list() == chunk.rows["line"].to_list()
    rows = pl.concat([NORMAL_SCHEMA.to_frame(), *(chunk.rows for chunk in chunks)])
    assert rows["line"].to_list() == list(range(1, rows.height + 1))
    return rows


def code_of(folder: Path, content: bytes, form: str, mapping: str | None = None) -> str:
    with pytest.raises(Refusal) as refused:
        read(folder, content, form, mapping)
    return refused.value.code


def table(*rows: list[str], delimiter: str = ",") -> bytes:
    made = io.StringIO()
    csv.writer(made, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return made.getvalue().encode()


HEADER, VALUES = list(ROW), list(ROW.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(TEXT, min_size=6, max_size=6), min_size=1, max_size=8), st.booleans(), st.booleans())
def test_whatever_is_written_as_csv_reads_the_same(
    tmp_path: Path, rows: list[list[str]], has_mark: bool, compressed: bool
) -> None:
    content = (b"\xef\xbb\xbf" if has_mark else b"") + table(HEADER, *rows)
    found = read(tmp_path, gzip.compress(content) if compressed else content, "csv")
    said = [[value.strip() or None for value in row] for row in rows]
    assert [list(row) for row in found.select(HEADER).rows()] == [row for row in said if any(row)]
    assert found["code"].null_count() == found.height


@pytest.mark.parametrize("value", ['="', '=""', '="00123"', 'a,="",b', 'x,=",y', '"=', "=", '==""'])
def test_what_looks_like_a_formula_within_quotes_is_only_a_text(tmp_path: Path, value: str) -> None:
    found = read(tmp_path, table(HEADER, [*VALUES[:-1], value], VALUES), "csv")
    assert found.select("unit", "code").rows() == [(value, None), ("m3", None)]


@pytest.mark.parametrize("other", ["7", '"7"', '"7, or ""8"""'])
def test_a_number_that_is_kept_from_spreadsheets_is_read_as_its_text(tmp_path: Path, other: str) -> None:
    rows = f'{",".join(HEADER)}\n="00123",{other},2026-03-01,2026-04-01,="1,5",m3\n'
    found = read(tmp_path, rows.encode(), "csv")
    assert found.select("commodity", "quantity", "code").rows() == [("00123", "1,5", None)]


def test_a_row_of_another_width_is_refused_alone_with_its_line(tmp_path: Path) -> None:
    for quote in ("", '"'):
        good = ",".join(f"{quote}{value}{quote}" for value in VALUES)
        lines = [",".join(HEADER), good, "", good + ",more", "gas,7", good]
        found = read(tmp_path, "\n".join(lines).encode(), "csv")
        assert found.select("at", "code", "commodity").rows() == [
            (2, None, "gas"), (4, "formats.ragged", "gas"), (5, "formats.ragged", "gas"), (6, None, "gas"),
        ]  # fmt: skip


def test_a_line_break_within_quotes_is_one_row_and_lines_go_on_counting(tmp_path: Path) -> None:
    lines = [*HEADER, "reason_text"], [*VALUES, "read again\nby hand"], [*VALUES, ""]
    found = read(tmp_path, table(*lines), "csv")
    assert found.select("at", "reason_text").rows() == [(2, "read again\nby hand"), (4, None)]


def test_lines_are_counted_across_blocks(tmp_path: Path) -> None:
    rows = 3 * CHUNK_ROWS + 5
    body = (",".join(VALUES) + "\n") * rows
    found = read(tmp_path, (",".join(HEADER) + "\n" + body).encode(), "csv")
    assert (found.height, found["at"].to_list()) == (rows, list(range(2, rows + 2)))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"commodity,customer_number\n1,2\n", "formats.column_missing"),
        (table([*HEADER, "colour"], [*VALUES, "red"]), "formats.column_unknown"),
        (table([*HEADER, "unit"], [*VALUES, "m3"]), "formats.column_twice"),
        (table(HEADER, VALUES) + b"gas,\xff\xfe\n", "formats.encoding"),
        (table(HEADER) + b'gas,"7,2026', "formats.quotes"),
        (b"\n\n\n", "formats.header_missing"),
        (b"\0" * (3 * LINE_BYTES_MAX), "formats.line_too_long"),
        (",".join(HEADER).encode() + b"\n" + b"x" * (3 * LINE_BYTES_MAX), "formats.line_too_long"),
        (b"," * (COLUMNS_MAX + 1), "formats.too_many_columns"),
        (b"," * (LINE_BYTES_MAX - 10) + b"\n", "formats.too_many_columns"),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path, content: bytes, code: str) -> None:
    assert code_of(tmp_path, content, "csv") == code


def test_a_field_that_is_too_long_refuses_its_row(tmp_path: Path) -> None:
    found = read(tmp_path, table(HEADER, [*VALUES[:-1], "m" * 1001], VALUES), "csv")
    assert found["code"].to_list() == ["formats.field_too_long", None]


MAPPED = """
delimiter: semicolon
decimal: comma
thousands: point
dates: DD.MM.YYYY
period: {start: von, end: bis, end_counts: true}
readings:
  - commodity: gas
    customer_number: {column: Kunde}
    unit: m3
    quality: {column: Art, values: {abgelesen: actual, geschätzt: estimated}}
    quantity: {column: Menge}
"""


def test_a_mapping_reads_another_dialect(tmp_path: Path) -> None:
    rows = (
        ["Kunde", "von", "bis", "Menge", "Art", "Preis"],
        ["7", "01.03.2026", "31.03.2026", "1.234,5", "abgelesen", "9"],
        ["8", "01.03.2026", "31.03.2026", "12", "geschätzt", "9"],
        ["9", "31.02.2026", "31.03.2026", "12", "geschätzt", "9"],
        ["10", "01.03.2026", "31.03.2026", "12", "geraten", "9"],
        ["11", "01.03.2026", "31.03.2026", "1,2,3", "abgelesen", "9"],
    )
    for encoding in ("utf-8", "utf-16", "windows-1252"):
        content = table(*rows, delimiter=";").decode().encode(encoding)
        found = read(tmp_path, content, "csv", f"encoding: {encoding}\n{MAPPED}")
        told = found.select("customer_number", "period_start", "period_end", "quantity", "quality", "code", "column")
        assert told.rows() == [
            ("7", "2026-03-01", "2026-04-01", "1234.5", "actual", None, None),
            ("8", "2026-03-01", "2026-04-01", "12", "estimated", None, None),
            ("9", None, "2026-04-01", "12", "estimated", "formats.date", "von"),
            ("10", "2026-03-01", "2026-04-01", "12", None, "formats.not_translated", "quality"),
            ("11", "2026-03-01", "2026-04-01", "1.2.3", "actual", None, None),
        ]


def test_a_mapped_file_without_its_columns_is_refused(tmp_path: Path) -> None:
    assert code_of(tmp_path, b"Kunde;von\n1;2\n", "csv", MAPPED) == "formats.header_missing"


def test_registers_of_several_meters_in_turn_and_out_of_order(tmp_path: Path) -> None:
    mapping = """
    registers: {date: day}
    readings:
      - {commodity: water, customer_number: {column: who}, unit: m3, quantity: {column: shown}}
    """
    lines = [["who", "day", "shown"]]
    for day, first, second in (("2026-01-01", 5, 70), ("2026-02-01", 9, 75), ("2026-03-01", 14, 81)):
        lines += [["a", day, str(first)], ["b", day, str(second)]]
    found = read(tmp_path, table(*lines, ["a", "2026-02-15", "11"]), "csv", mapping)
    told = found.filter(pl.col("code").is_null()).select(
        "customer_number", "period_start", "register_start", "register_end"
    )
    assert sorted(told.rows()) == [
        ("a", "2026-01-01", "5", "9"), ("a", "2026-02-01", "9", "14"),
        ("b", "2026-01-01", "70", "75"), ("b", "2026-02-01", "75", "81"),
    ]  # fmt: skip
    assert found.filter(pl.col("code").is_not_null()).select("at", "code").rows() == [(8, "formats.order")]


def test_pairs_go_on_across_chunks(tmp_path: Path) -> None:
    mapping = """
    bills: {date: day}
    readings:
      - {commodity: water, customer_number: {column: who}, unit: m3, quantity: {column: used}}
    """
    meters = CHUNK_ROWS // 2 + 3
    days = ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"]
    for order in (days, days[::-1]):
        lines = [["who", "day", "used"], *([str(who), day, day[6]] for day in order for who in range(meters))]
        found = read(tmp_path, table(*lines), "csv", mapping)
        assert found.filter(pl.col("code") == "formats.no_period_start").height == meters
        sound = found.filter(pl.col("code").is_null())
        counted = sound.group_by("period_start", "period_end", "quantity").len().sort("period_start").rows()
        assert counted == [(start, end, end[6], meters) for start, end in itertools.pairwise(days)]


def lines_of(*rows: object) -> bytes:
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows).encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(list(COLUMNS)), TEXT | st.integers() | st.none()), min_size=1, max_size=8)
)
def test_whatever_is_written_as_ndjson_reads_the_same(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    found = read(tmp_path, lines_of(*rows), "ndjson")
    assert found.select(list(COLUMNS)).rows(named=True) == [
        {name: None if row.get(name) is None else str(row[name]) for name in COLUMNS} for row in rows
    ]


def test_a_number_in_json_is_taken_as_it_is_written(tmp_path: Path) -> None:
    exact = "12345678901234.123456789"
    found = read(tmp_path, lines_of(ROW).replace(b'"10.5"', exact.encode()), "ndjson")
    assert found["quantity"].to_list() == [exact]


def test_an_object_that_is_not_flat_is_refused_alone(tmp_path: Path) -> None:
    text = json.dumps(ROW)
    rows = [
        ROW,
        "[1]",
        "{",
        {**ROW, "unit": ["m3"]},
        {**ROW, "colour": "red"},
        f'{text[:-1]}, "unit": "L"}}',
        "",
        "7",
        ROW,
    ]
    rows += ['{"unit": "\\ud800"}', {"unit": "x" * 1001}]
    found = read(tmp_path, lines_of(*rows), "ndjson")
    assert dict(found.select("at", "code").iter_rows()) == {
        1: None, 2: "formats.not_json", 3: "formats.not_json", 4: "formats.not_flat", 5: "formats.column_unknown",
        6: "formats.column_twice", 8: "formats.not_json", 9: None, 10: "formats.not_flat", 11: "formats.not_flat",
    }  # fmt: skip


def test_what_is_no_ndjson_at_all_is_refused_whole(tmp_path: Path) -> None:
    assert code_of(tmp_path, b"commodity,customer_number\n", "ndjson") == "formats.not_json"
    assert code_of(tmp_path, b"\0" * 2**20, "ndjson") == "formats.line_too_long"
    assert code_of(tmp_path, b"[" * 2**15 + b"\n", "ndjson") == "formats.not_json"


def parquet(frame: pl.DataFrame) -> bytes:
    made = io.BytesIO()
    frame.write_parquet(made)
    return made.getvalue()


def test_parquet_holds_text_numbers_and_days_exactly(tmp_path: Path) -> None:
    frame = pl.DataFrame([ROW, ROW]).with_columns(
        pl.col("period_start").str.to_date(), period_end=pl.col("period_end").str.to_datetime(), customer_number=pl.lit(7),
        quantity=pl.Series([Decimal("10.50"), None]), cancel=pl.Series([None, True]),
    )  # fmt: skip
    found = read(tmp_path, parquet(frame), "parquet")
    assert found.select("at", *ROW, "cancel").rows() == [
        (1, "gas", "7", "2026-03-01", "2026-04-01", "10.50", "m3", None),
        (2, "gas", "7", "2026-03-01", "2026-04-01", None, "m3", "yes"),
    ]


def test_a_parquet_that_cannot_be_exact_or_whole_is_refused(tmp_path: Path) -> None:
    frame = pl.DataFrame([ROW])
    whole = parquet(frame)
    assert code_of(tmp_path, parquet(frame.with_columns(quantity=pl.lit(10.5))), "parquet") == "formats.float"
    assert code_of(tmp_path, parquet(frame.with_columns(unit=pl.lit([["m3"]]))), "parquet") == "formats.column_type"
    assert code_of(tmp_path, parquet(frame.drop("unit")), "parquet") == "formats.column_missing"
    assert code_of(tmp_path, parquet(frame.with_columns(colour=pl.lit("red"))), "parquet") == "formats.column_unknown"
    for broken in (whole[:-5], whole[:20] + whole[25:], whole[:4] + b"\0" * 100, gzip.compress(whole)):
        assert code_of(tmp_path, broken, "parquet") == "formats.damaged"


SMALL = {
    "csv": table(HEADER, VALUES, [*VALUES[:4], '1"2', "m3"], VALUES),
    "ndjson": lines_of(ROW, {**ROW, "quantity": 12}, {**ROW, "unit": None}),
    "parquet": parquet(pl.DataFrame([ROW, ROW])),
}


@pytest.mark.parametrize("form", sorted(SMALL))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_whatever_is_changed_in_a_file_nothing_but_a_refusal_comes_of_it(tmp_path: Path, form: str, seed: int) -> None:
    random, content = Random(seed), bytearray(SMALL[form])
    for _ in range(random.randint(1, 5)):
        place = random.randrange(len(content))
        if random.random() < 0.6:
            content[place] = random.randrange(256)
        else:
            content[place : place + random.randint(0, 9)] = random.randbytes(random.randint(0, 9))
    try:
        read(tmp_path, bytes(content), form)
    except Refusal as refusal:
        assert refusal.code.startswith("formats.")


@pytest.mark.parametrize(
    ("name", "media_type", "file_name", "start", "expected"),
    [
        ("csv", "text/html", "x.xml", b"<", "csv"),
        (None, "text/csv; charset=utf-8", "x.xml", b"", "csv"),
        (None, "application/octet-stream", "March.NDJSON.gz", b"", "ndjson"),
        (None, None, "feed.xml", b"", "espi"),
        (None, None, "march", b"PAR1....", "parquet"),
        (None, None, "march", b"\xef\xbb\xbf  <?xml", "espi"),
        (None, None, "march", b'{"commodity"', "ndjson"),
    ],
)
def test_a_format_is_told_by_its_name_its_media_type_the_files_name_or_how_it_begins(
    name: str | None, media_type: str | None, file_name: str, start: bytes, expected: str
) -> None:
    assert known.recognise(name, media_type, file_name, start) == expected


def test_an_unknown_format_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Refusal, match=r"csv .*espi .*ndjson .*parquet"):
        known.recognise(None, None, "readings.doc", b"....")
    assert all(sentence.endswith(".") for sentence in known.SENTENCES.values())


REGISTERS = """
registers: {date: day}
readings:
  - {commodity: water, customer_number: a, unit: m3, quantity: {column: shown}}
"""


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_register_that_stays_low_is_judged_by_the_intake_and_only_one_that_returns_is_off(
    tmp_path: Path, newest_first: bool
) -> None:
    def of(*shown: int) -> list[tuple[str | None, ...]]:
        days = [[f"2026-0{month}-01", str(value)] for month, value in enumerate(shown, start=1)]
        lines = [["day", "shown"], *(days[::-1] if newest_first else days)]
        found = read(tmp_path, table(*lines), "csv", REGISTERS)
        return sorted(found.select("period_start", "register_start", "register_end", "code").rows(), key=str)

    rolled = [("2026-01-01", "99990", "15", None), ("2026-02-01", "15", "60", None)]
    assert of(99990, 15, 60) == rolled
    for off in (3, 900):  # below where it was, or above where it goes on
        good, bad = ("2026-01-01", "50", "60", None), (None, None, None, "formats.register_glitch")
        assert of(50, off, 60) == sorted([good, bad], key=str)


INTERVALS = """
intervals: {date: day, time: at, minutes: 720}
readings:
  - {commodity: water, customer_number: a, unit: L, quality: {column: how}, quantity: {column: used}}
"""


def test_an_interval_of_a_quality_that_nobody_knows_is_refused_and_its_day_left_out(tmp_path: Path) -> None:
    halves = ["2026-01-01", "00:00", "5", "estimated"], ["2026-01-01", "12:00", "6", "guessed"]
    found = read(tmp_path, table(["day", "at", "used", "how"], *halves), "csv", INTERVALS)
    assert found.select("at", "code").rows() == [(3, "readings.quality"), (2, "formats.incomplete_day")]


def test_a_negative_interval_is_not_hidden_in_a_sum(tmp_path: Path) -> None:
    halves = ["2026-01-01", "00:00", "-5", ""], ["2026-01-01", "12:00", "6", ""]
    found = read(tmp_path, table(["day", "at", "used", "how"], *halves), "csv", INTERVALS)
    assert found.select("quantity", "code").rows() == [(None, "readings.negative")]
