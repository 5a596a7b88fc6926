"""Files made to do harm, at their real size: each is refused after its first few blocks, with a reason that can be acted on."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from carbon_bank.foundation.errors import Refusal
from carbon_bank.readings.formats import known
from carbon_bank.readings.formats.normal import CHUNK_ROWS
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from tests.readings.formats.feeds import HOUR, block, feed, meter_reading, reading, reading_type, usage_point
from tests.readings.formats.test_plain import HEADER, ROW, VALUES, lines_of

TEN_GB = 10 * 2**30
CSV = f"{','.join(HEADER)}\n".encode()
ATOM = b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom">'


def sparse(start: bytes, end: bytes = b"") -> Callable[[Path], None]:
    """Ten gigabytes of NULs that take no room on disk."""

    def made(path: Path) -> None:
        with path.open("wb") as file:
            file.write(start)
            file.truncate(TEN_GB)
            file.seek(TEN_GB - len(end))
            file.write(end)

    return made


def text(*parts: tuple[bytes, int]) -> Callable[[Path], None]:
    def made(path: Path) -> None:
        with path.open("wb") as file:
            for part, times in parts:
                file.write(part * times)

    return made


def bomb(path: Path) -> None:
    """Ten megabytes that become ten gigabytes."""
    packed = gzip.compress(b"\0" * 2**26)
    path.write_bytes(packed * (TEN_GB // 2**26))


def bomb_of_rows(path: Path) -> None:
    rows = f"{','.join(VALUES)}\n".encode()
    packed = gzip.compress(rows * (2**26 // len(rows)))
    path.write_bytes(gzip.compress(CSV) + packed * (TEN_GB // 2**26))


def entities(reference: bytes) -> bytes:
    nested = b"".join(b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 30))
    return b'<!DOCTYPE feed [<!ENTITY a0 "ha">' + nested + b"]><feed>" + reference + b"</feed>"


LONG = 10**8
HOSTILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "bomb csv": ("csv", bomb, "formats.line_too_long"),
    "bomb of rows": ("csv", bomb_of_rows, "formats.expansion"),
    "bomb ndjson": ("ndjson", bomb, "formats.line_too_long"),
    "bomb espi": ("espi", bomb, "formats.not_xml"),
    "bomb parquet": ("parquet", bomb, "formats.damaged"),
    "zeros csv": ("csv", sparse(b""), "formats.line_too_long"),
    "zeros ndjson": ("ndjson", sparse(b""), "formats.line_too_long"),
    "zeros espi": ("espi", sparse(b""), "formats.not_xml"),
    "zeros parquet": ("parquet", sparse(b""), "formats.damaged"),
    "zeros below a header": ("csv", sparse(CSV), "formats.line_too_long"),
    "zeros below an object": ("ndjson", sparse(lines_of(ROW) + b"\n"), "formats.line_too_long"),
    "zeros in a feed": ("espi", sparse(ATOM), "formats.not_xml"),
    "zeros in a parquet": ("parquet", sparse(b"PAR1", b"PAR1"), "formats.damaged"),
    "a parquet with a footer of all its size": ("parquet", sparse(b"PAR1", b"\xff\xff\xff\x7fPAR1"), "formats.damaged"),
    "one line csv": ("csv", text((CSV, 1), (b"x", LONG)), "formats.line_too_long"),
    "one line ndjson": ("ndjson", text((b'{"unit": "', 1), (b"x", LONG)), "formats.line_too_long"),
    "one line of fields": ("csv", text((CSV, 1), (b"x,", LONG // 2)), "formats.line_too_long"),
    "one quote": ("csv", text((CSV, 1), (b'"', 1), (b"x\n", LONG // 2)), "formats.quotes"),
    "a million columns": ("csv", text((b"c,", 10**6), (b"\n1\n", 1)), "formats.too_many_columns"),
    "columns up to a line's end": ("csv", text((b",", 10**6), (b"\n1\n", 1)), "formats.too_many_columns"),
    "a text in a feed": ("espi", text((ATOM + b"<entry><title>", 1), (b"x", LONG)), "formats.espi_portion"),
    "an attribute in a feed": ("espi", text((ATOM + b'<entry a="', 1), (b"x", LONG)), "formats.espi_portion"),
    "attributes in a feed": ("espi", text((ATOM + b"<entry", 1), (b' a="b"', LONG // 6)), "formats.espi_portion"),
    "elements in a feed": ("espi", text((ATOM, 1), (b"<a/>", LONG // 4)), "formats.espi_portion"),
    "elements in an entry": ("espi", text((ATOM + b"<entry>", 1), (b"<a/>", LONG // 4)), "formats.espi_portion"),
    "comments in a feed": ("espi", text((ATOM, 1), (b"<!-- a -->", LONG // 10)), "formats.espi_portion"),
    "entities in entities": ("espi", text((entities(b"&a29;"), 1)), "formats.xml_entities"),
    "one entity often": ("espi", text((entities(b""), 1), (b"&a1;", 10**6)), "formats.xml_entities"),
    "utf-16 as csv": ("csv", text((f"{CSV.decode()}1\n".encode("utf-16"), 1)), "formats.encoding"),
    "windows-1252 as csv": ("csv", text((CSV, 1), (b"M\xfcller,\n", 10**5)), "formats.encoding"),
    "ebcdic as csv": ("csv", text((CSV.decode().encode("cp500"), 10**4)), "formats.encoding"),
    "a feed in another encoding than it says": ("espi", text((ATOM + b"<title>M\xfcller", 1)), "formats.not_xml"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_made_to_do_harm_is_refused_at_once(tmp_path: Path, name: str) -> None:
    form, make, code = HOSTILE[name]
    path = tmp_path / "sent"
    make(path)
    try:
        with pytest.raises(Refusal) as refused:
            for _ in known.read(Source(path, "sent"), form, Options("UTC")):
                pass
    finally:
        path.unlink()
    assert refused.value.code == code
    assert "sent" in refused.value.message and len(refused.value.message) < 500
    assert refused.value.message.isprintable()


def test_nuls_in_values_refuse_their_rows_and_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "sent"
    path.write_bytes(CSV + b"\0,\0,\0,\0,\0,\0\n" + f"{','.join(VALUES)}\n".encode())
    [chunk] = known.read(Source(path, "sent"), "csv", Options("UTC"))
    assert chunk.rows["customer_number"].to_list() == ["\0", "7"], "the intake tells what it cannot keep"


def test_a_long_feed_is_read_whole_where_each_of_its_parts_is_small(tmp_path: Path) -> None:
    """Megabytes of one block, and then of entries that nobody needs."""
    hours = [reading(HOUR * hour, HOUR, 1) for hour in range(24 * 1000)]
    unneeded = f"<entry><title>{'x' * 1000}</title></entry>" * 2000
    path = tmp_path / "sent"
    path.write_text(feed(usage_point(), meter_reading(), reading_type(), unneeded, block(*hours)), "utf-8")
    assert path.stat().st_size > 2**22
    rows = sum(chunk.rows.height for chunk in known.read(Source(path, "sent"), "espi", Options("UTC")))
    assert rows == 1000


def shared_text(path: Path, value: str, arrow_schema: bool) -> None:
    """A Parquet of which all rows share one text, kept once."""
    rows = {name: pa.array([said] * CHUNK_ROWS) for name, said in ROW.items()}
    rows["unit"] = pa.DictionaryArray.from_arrays(pa.array([0] * CHUNK_ROWS, pa.int32()), pa.array([value]))
    write_table(pa.table(rows), path, store_schema=arrow_schema)


@pytest.mark.parametrize("arrow_schema", [False, True])
def test_a_long_text_that_many_rows_of_a_parquet_share_is_not_multiplied(tmp_path: Path, arrow_schema: bool) -> None:
    """A text of a megabyte would make fifty gigabytes of fifty kilobytes. Here it is just too long."""
    path = tmp_path / "sent"
    shared_text(path, "x" * 4001, arrow_schema)
    with pytest.raises(Refusal, match="a value of unit has 4001 bytes") as refused:
        list(known.read(Source(path, "sent"), "parquet", Options("UTC")))
    assert refused.value.code == "formats.damaged"
    shared_text(path, "m3", arrow_schema)
    [chunk] = known.read(Source(path, "sent"), "parquet", Options("UTC"))
    assert chunk.rows["unit"].unique().to_list() == ["m3"]


def test_rows_of_several_groups_of_a_parquet_stay_in_their_order(tmp_path: Path) -> None:
    path, numbers = tmp_path / "sent", [str(number % 9973) for number in range(CHUNK_ROWS + 5)]
    rows = {name: [said] * len(numbers) for name, said in ROW.items()} | {"customer_number": numbers}
    write_table(pa.table(rows), path, row_group_size=7001)
    chunks = list(known.read(Source(path, "sent"), "parquet", Options("UTC")))
    assert [number for chunk in chunks for number in chunk.rows["customer_number"]] == numbers
