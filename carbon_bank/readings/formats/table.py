"""Delimited text as frames of text, some lines at a time: any dialect, every row with its line, memory flat.

Blocks without quotes are split in columns; from the first real quote on, the standard library's reader takes over, so that a
quoted line break is seen for what it is. A row of another width is refused by itself.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from carbon_bank.foundation.errors import InvalidInput, TooLarge
from carbon_bank.readings.formats.normal import CHUNK_ROWS
from carbon_bank.readings.formats.source import Source

BLOCK_BYTES = 2**22
LINE_BYTES_MAX = 2**20
COLUMNS_MAX = 1000
FIELD_CHARACTERS_MAX = 1000
HEADER_LINES_MAX = 100
"""The header is looked for in so many lines."""

RAGGED = "formats.ragged"
FIELD_TOO_LONG = "formats.field_too_long"
SENTENCES: dict[str, str] = {
    RAGGED: "The row has more or fewer fields than the header. Look for a delimiter within a value, or a line break.",
    FIELD_TOO_LONG: f"The row has a field longer than {FIELD_CHARACTERS_MAX} characters. No column of a reading is that long.",
}

FindHeader = Callable[[list[str]], bool]
_QUOTED = re.compile(r'''"(?:[^"]|"")*"|="([^"\r\n]*)"''')
"""A quoted value, or `="00123"`: how spreadsheets are kept from reading a number."""


@dataclass(frozen=True)
class Dialect:
    delimiter: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Rows:
    """Some rows of a table: `_at` Int32 (the line that each starts in), `_code` (null, RAGGED or FIELD_TOO_LONG) and the columns
    of the header as text, empty ones null; a ragged row has what fits. position: bytes of the file read so far."""

    frame: pl.DataFrame
    position: int


@dataclass
class Table:
    """A table that is being read. `header`: its columns. `lines_before`: lines above the header."""

    header: list[str]
    lines_before: int
    rows: Iterator[Rows] = field(repr=False)
    close: Callable[[], None]


def read_table(source: Source, dialect: Dialect, is_header: FindHeader, needed: str) -> Table:
    """Begin to read a table.

    Args:   is_header: tells the header among the first lines. needed: says in a refusal what was looked for.
    Raises: InvalidInput `formats.encoding`, `formats.header_missing`, `formats.column_twice`, `formats.quotes`;
            TooLarge `formats.line_too_long`, `formats.too_many_columns`; those of Source. All but the header's while reading.
    """
    lines = _Lines(source, dialect)
    try:
        return _begin(source, dialect, lines, is_header, needed)
    except BaseException:
        lines.close()
        raise


def _begin(source: Source, dialect: Dialect, lines: _Lines, is_header: FindHeader, needed: str) -> Table:
    looked_at: list[str] = []
    for number, line in enumerate(lines, start=1):
        names = [name.strip() for name in _split(line, dialect.delimiter)]
        if len(names) > COLUMNS_MAX:
            raise TooLarge(
                "formats.too_many_columns",
                f"{source.name} line {number} has {len(names)} columns; at most {COLUMNS_MAX} are read. Is the delimiter right?",
                {"file": source.name, "columns": len(names), "columns_max": COLUMNS_MAX},
            )
        if is_header(names):
            _refuse_twins(source, names, number)
            return Table(names, number - 1, _rows(source, dialect, names, lines), lines.close)
        looked_at.append(line.strip()[:80])
        if number == HEADER_LINES_MAX:
            break
    first = next(filter(None, looked_at), "")
    raise InvalidInput(
        "formats.header_missing",
        f"{source.name}: no line among the first {HEADER_LINES_MAX} is a header with {needed}. The first that says something "
        f"reads '{first}'. Check the delimiter, the encoding and the names of the columns, or give a mapping.",
        {"file": source.name, "needed": needed},
    )


def _refuse_twins(source: Source, names: list[str], number: int) -> None:
    named = [name for name in names if name]
    twin = next((name for name in named if named.count(name) > 1), None)
    if twin is not None:
        raise InvalidInput(
            "formats.column_twice",
            f"{source.name} line {number} names the column '{twin}' twice. Rename one of the two.",
            {"file": source.name, "column": twin},
        )


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([_without_formulas(line, delimiter)], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


class _Lines:
    """The lines of a file one by one, or all that are in memory at once."""

    def __init__(self, source: Source, dialect: Dialect) -> None:
        self._source, self._file = source, source.open()
        self._decoder = codecs.getincrementaldecoder(dialect.encoding)()
        self._encoding = dialect.encoding
        self._waiting: list[str] = []
        self._next = 0
        self._rest = ""
        self._is_first = True
        self.taken = 0
        self.position = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while self._next == len(self._waiting):
            if not self._fill():
                raise StopIteration
        self._next += 1
        self.taken += 1
        return self._waiting[self._next - 1]

    def several(self) -> list[str]:
        """The lines that are in memory, at most CHUNK_ROWS; none at the end of the file."""
        while self._next == len(self._waiting) and self._fill():
            pass
        taken = self._waiting[self._next : self._next + CHUNK_ROWS]
        self._next += len(taken)
        self.taken += len(taken)
        return taken

    def close(self) -> None:
        self._file.close()

    def give_back(self, count: int) -> None:
        self._next -= count
        self.taken -= count

    def _fill(self) -> bool:
        """Read a block. False at the end of the file."""
        if self._file.closed:
            return False
        block = self._file.read(BLOCK_BYTES)
        self.position += len(block)
        text = self._rest + self._decoded(block)
        if self._is_first and text:
            text, self._is_first = text.removeprefix("\ufeff"), False
        lines = text.split("\n")
        self._rest = lines.pop()
        if not block:
            self._file.close()
            if self._rest:
                lines.append(self._rest)
                self._rest = ""
        if len(self._rest) > LINE_BYTES_MAX:
            line = self._read_lines() + len(lines) + 1
            raise TooLarge(
                "formats.line_too_long",
                f"{self._source.name} line {line} is longer than {LINE_BYTES_MAX} characters. Is it text, with a line for each row?",
                {"file": self._source.name, "line": line, "characters_max": LINE_BYTES_MAX},
            )
        self._waiting, self._next = self._waiting[self._next :] + lines, 0
        return bool(block or lines)

    def _read_lines(self) -> int:
        return self.taken + len(self._waiting) - self._next

    def _decoded(self, block: bytes) -> str:
        try:
            return self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = self._rest + bytes(error.object[: error.start]).decode(self._encoding, "replace")
            line = self._read_lines() + before.count("\n") + 1
            raise InvalidInput(
                "formats.encoding",
                f"{self._source.name} line {line} is not {self._encoding}. Save it as UTF-8, or name its encoding in the mapping.",
                {"file": self._source.name, "line": line, "encoding": self._encoding},
            ) from None


def _rows(source: Source, dialect: Dialect, header: list[str], lines: _Lines) -> Iterator[Rows]:
    try:
        yield from _blocks(source, dialect, header, lines)
    finally:
        lines.close()


def _blocks(source: Source, dialect: Dialect, header: list[str], lines: _Lines) -> Iterator[Rows]:
    while True:
        before = lines.taken
        taken = lines.several()
        if not taken:
            return
        text = "\n".join(taken)
        if '"' in text:
            text = _without_formulas(text, dialect.delimiter)
            if '"' in text:
                lines.give_back(len(taken))
                yield from _rows_with_quotes(source, dialect, header, lines)
                return
            taken = text.split("\n")
        yield Rows(_columns(header, dialect.delimiter, before + 1, taken), lines.position)


def _columns(header: list[str], delimiter: str, first_line: int, lines: list[str]) -> pl.DataFrame:
    text = pl.DataFrame({"line": pl.Series(lines, dtype=pl.String).str.strip_suffix("\r")}).with_columns(
        _at=pl.int_range(first_line, first_line + len(lines), dtype=pl.Int32)
    )
    text = text.filter(pl.col("line").str.strip_chars() != "")
    parts = text.select(
        "_at",
        pl.when(pl.col("line").str.count_matches(delimiter, literal=True) != len(header) - 1)
        .then(pl.lit(RAGGED))
        .alias("_code"),
        pl.col("line").str.split_exact(delimiter, len(header) - 1).alias("parts"),
    )
    fields = parts["parts"].struct.unnest()
    fields.columns = _places(header)
    return _tidied(pl.concat([parts.select("_at", "_code"), fields], how="horizontal"), header)


def _places(header: Sequence[str]) -> list[str]:
    return [f"_{place}" for place in range(len(header))]


def _tidied(frame: pl.DataFrame, header: list[str]) -> pl.DataFrame:
    """Columns by their names, without space around values, the nameless ones left out, too long a field told."""
    texts = [pl.col(name).str.strip_chars().alias(name) for name in _places(header)]
    frame = frame.with_columns(texts).filter(pl.any_horizontal(pl.col(_places(header)) != ""))
    too_long = pl.any_horizontal(pl.col(_places(header)).str.len_chars() > FIELD_CHARACTERS_MAX)
    code = pl.coalesce("_code", pl.when(too_long).then(pl.lit(FIELD_TOO_LONG)))
    named = [
        pl.when(pl.col(place) != "").then(pl.col(place).str.slice(0, FIELD_CHARACTERS_MAX)).alias(name)
        for place, name in zip(_places(header), header, strict=True)
        if name
    ]
    return frame.select("_at", code, *named)


def _rows_with_quotes(source: Source, dialect: Dialect, header: list[str], lines: _Lines) -> Iterator[Rows]:
    before = lines.taken
    reader = csv.reader(
        (f"{_without_formulas(line, dialect.delimiter)}\n" for line in lines), delimiter=dialect.delimiter, strict=True
    )
    width, places = len(header), _places(header)
    schema = {"_at": pl.Int32, "_code": pl.String, **dict.fromkeys(places, pl.String)}
    while True:
        rows: list[list[int | str | None]] = []
        start = reader.line_num
        try:
            for values in reader:
                if values and any(value.strip() for value in values):
                    code = RAGGED if len(values) != width else None
                    fitted = [*values, *[""] * (width - len(values))][:width]
                    rows.append([before + start + 1, code, *fitted])
                start = reader.line_num
                if len(rows) == CHUNK_ROWS:
                    break
        except csv.Error as error:
            raise InvalidInput(
                "formats.quotes",
                f"{source.name} line {before + start + 1}: the quotes do not match ({error}). Put a quote within a value twice.",
                {"file": source.name, "line": before + start + 1},
            ) from None
        if not rows:
            return
        yield Rows(_tidied(pl.DataFrame(rows, schema=schema, orient="row"), header), lines.position)


def _without_formulas(text: str, delimiter: str) -> str:
    """`="00123"` as `00123`; what stands within quotes stays as it is."""

    def plain(found: re.Match[str]) -> str:
        value: str | None = found[1]
        if value is None:
            return found[0]
        return f'"{value}"' if delimiter in value else value

    return _QUOTED.sub(plain, text)
