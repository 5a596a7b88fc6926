"""NDJSON: one JSON object a line, with the names of a reading's columns. Numbers stay as they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import polars as pl

from carbon_bank.foundation.errors import InvalidInput, TooLarge
from carbon_bank.readings.formats.normal import CHUNK_ROWS, NORMAL_SCHEMA, PASSED_OVER, Chunk, Chunks
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.intake import COLUMNS

LINE_BYTES_MAX = 2**16
VALUE_CHARACTERS_MAX = 1000
NOT_JSON, NOT_FLAT, UNKNOWN, TWICE = (
    "formats.not_json", "formats.not_flat", "formats.column_unknown", "formats.column_twice",
)  # fmt: skip
SENTENCES: dict[str, str] = {
    NOT_JSON: "The line is no JSON object. Write one object a line, in UTF-8, with nothing around it.",
    NOT_FLAT: (
        f"A value is no text (of at most {VALUE_CHARACTERS_MAX} characters), number, true or null. Write each column as one value."
    ),
    UNKNOWN: f"The object has a name that is none of the columns. Known are {', '.join(COLUMNS)}.",
    TWICE: "The object has the same name twice. Which of the two counts, nothing says.",
}


def read(source: Source, options: Options) -> Chunks:
    """Raises: TooLarge `formats.line_too_long`; InvalidInput `formats.not_json` where the first line already is none."""
    line, position = 1, 0
    rows: list[tuple[Any, ...]] = []
    sent: list[tuple[Any, ...]] = []
    with source.open() as file:
        for at, text, position in _lines(source, file):
            values, code, column = _row(text)
            if code == NOT_JSON and line == 1 and not rows:
                raise InvalidInput(
                    NOT_JSON, f"{source.name} line {at} is no JSON object: {text[:80]!r}. {SENTENCES[NOT_JSON]}",
                    {"file": source.name, "line": at},
                )  # fmt: skip
            rows.append((line + len(rows), at, *(values.get(name) for name in COLUMNS), code, column))
            sent.append((rows[-1][0], *rows[-1][2:-2]))
            if len(rows) == CHUNK_ROWS:
                yield _chunk(rows, sent, position)
                line, rows, sent = line + CHUNK_ROWS, [], []
        if rows:
            yield _chunk(rows, sent, position)


def _chunk(rows: list[tuple[Any, ...]], sent: list[tuple[Any, ...]], position: int) -> Chunk:
    names = {"line": pl.Int32, **dict.fromkeys(COLUMNS, pl.String)}
    frames = pl.DataFrame(rows, schema=NORMAL_SCHEMA, orient="row"), pl.DataFrame(sent, schema=names, orient="row")
    return Chunk(*frames, position=position)


def _lines(source: Source, file: Any) -> Iterator[tuple[int, bytes, int]]:
    """The lines that say something: their numbers, and where they end."""
    at = position = 0
    while text := file.readline(LINE_BYTES_MAX + 1):
        at += 1
        position += len(text)
        if len(text) > LINE_BYTES_MAX:
            raise TooLarge(
                "formats.line_too_long",
                f"{source.name} line {at} is longer than {LINE_BYTES_MAX} bytes. Is it NDJSON, with an object for each reading?",
                {"file": source.name, "line": at, "bytes_max": LINE_BYTES_MAX},
            )
        if at == 1:
            text = text.removeprefix(b"\xef\xbb\xbf")
        if text.strip():
            yield at, text, position


def _row(text: bytes) -> tuple[dict[str, str | None], str | None, str | None]:
    """The values of a line as text, and the code and column of what is wrong with it."""
    try:
        pairs = json.loads(text.decode("utf-8"), object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return {}, NOT_JSON, None
    if not isinstance(pairs, _Pairs):
        return {}, NOT_JSON, None
    values: dict[str, str | None] = {}
    for name, value in pairs:
        if name in PASSED_OVER:
            continue
        if name not in COLUMNS:
            return values, UNKNOWN, None
        if name in values:
            return values, TWICE, name
        if value is True:
            value = "yes"  # cancel: true
        if value is False:
            value = None
        if value is not None and (not isinstance(value, str) or len(value) > VALUE_CHARACTERS_MAX or _is_broken(value)):
            return values, NOT_FLAT, name
        values[name] = value
    return values, None, None


def _is_broken(value: str) -> bool:
    """Whether it has half of a surrogate pair, which no text can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return True
    return False


class _Pairs(list[tuple[str, Any]]):
    """An object's names and values as they stand there, twins and all."""
