"""CSV files are read exactly, or refused with the line that is wrong."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from carbon_bank.foundation import csv_file
from carbon_bank.foundation.csv_file import read_chunks
from carbon_bank.foundation.errors import InvalidInput

COLUMNS = {"a": True, "b": True, "note": False}


def read(path: Path, content: bytes, chunk_rows: int = 10) -> list[pl.DataFrame]:
    path.write_bytes(content)
    return list(read_chunks(path, COLUMNS, chunk_rows))


def refusal(path: Path, content: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        read(path, content)
    assert str(path) in refused.value.message
    return refused.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_every_field_is_text_and_an_empty_one_is_null(path: Path) -> None:
    (frame,) = read(path, b"b,a\n007,1.50\n , \n")
    assert frame.schema == {"line": pl.Int32, "a": pl.String, "b": pl.String, "note": pl.String}
    assert frame.rows() == [(2, "1.50", "007", None), (3, None, None, None)]


def test_a_byte_order_mark_and_carriage_returns_change_nothing(path: Path) -> None:
    (frame,) = read(path, "\ufeff a ,b\r\nä,2\r\n".encode())
    assert frame.rows() == [(2, "ä", "2", None)]


def test_a_compressed_file_reads_the_same(tmp_path: Path) -> None:
    (frame,) = read(tmp_path / "rows.csv.gz", gzip.compress(b"a,b\n1,2\n"))
    assert frame.rows() == [(2, "1", "2", None)]


def test_lines_are_counted_in_the_file_and_not_in_rows(path: Path) -> None:
    """A row that spans lines has the number of its last one; blank lines count and are no rows."""
    (frame,) = read(path, b'a,b\n"x\ny",1\n\nz,"2, 3"\n')
    assert frame.rows() == [(3, "x\ny", "1", None), (5, "z", "2, 3", None)]


def test_chunks_together_are_the_file(path: Path) -> None:
    content = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(25))
    frames = read(path, content, chunk_rows=10)
    assert [frame.height for frame in frames] == [10, 10, 5]
    assert pl.concat(frames)["a"].to_list() == [str(number) for number in range(25)]
    assert pl.concat(frames)["line"].to_list() == list(range(2, 27))


def test_a_file_with_a_header_alone_has_no_rows(path: Path) -> None:
    assert read(path, b"a,b\n") == []


@pytest.mark.parametrize(
    ("content", "code", "line", "word"),
    [
        (b"", "csv.empty", 1, "empty"),
        (b"\n", "csv.column_missing", 1, "a, b"),
        (b"a,note\n1,2\n", "csv.column_missing", 1, "lacks the columns b."),
        (b"a,b,c\n1,2,3\n", "csv.column_unknown", 1, "'c'"),
        (b"a,b,a\n1,2,3\n", "csv.column_unknown", 1, "'a'"),
        (b"a,b\n1,2\n3\n", "csv.ragged", 3, "has 1 fields, the header has 2"),
        (b"a,b\n\n1,2,3\n", "csv.ragged", 3, "has 3 fields"),
        (b'a,b\n"1\n1",2\n3\n', "csv.ragged", 4, "has 1 fields"),
    ],
)
def test_a_file_of_another_form_is_refused_at_its_line(
    path: Path, content: bytes, code: str, line: int, word: str
) -> None:
    refused = refusal(path, content)
    assert (refused.code, refused.facts["line"]) == (code, line)
    assert word in refused.message


def test_a_field_may_be_as_long_as_the_limit_and_no_longer(path: Path) -> None:
    longest = b"x" * csv_file.FIELD_CHARACTERS_MAX
    (frame,) = read(path, b"a,b\n1," + longest + b"\n")
    assert frame["b"].to_list() == [longest.decode()]
    refused = refusal(path, b"a,b\n1,2\n1," + longest + b"x\n")
    assert (refused.code, refused.facts["line"]) == ("csv.field_too_long", 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("latin.csv", "a,b\nä,1\n".encode("latin-1")),
        ("utf16.csv", "a,b\n1,2\n".encode("utf-16")),
        ("quote.csv", b'a,b\n"1,2\n'),
        ("after_quote.csv", b'a,b\n"1"x,2\n'),
        ("endless.csv", b'a,b\n"' + b"x" * 200_000),
        ("plain.csv.gz", b"a,b\n1,2\n"),
        ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-12]),
        ("torn.csv.gz", gzip.compress(b"a,b\n", mtime=0)[:10] + b"\xff" * 20),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    assert refusal(tmp_path / name, content).code == "csv.unreadable"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"csv\.unreadable"):
        next(read_chunks(tmp_path / "absent.csv", COLUMNS))
