"""Small tables as people send and open them: rows with their lines, cells that do not run, characters that hide."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence

_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_HIDES = {"Cc", "Cs", "Zl", "Zp"}
_BIDIRECTIONAL = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
"""They make a line read otherwise than it is written. Joiners, which some scripts are spelled with, are not among them."""


def sheet_rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file (UTF-8, comma), each with its last line; blank lines are no rows.

    Raises: UnicodeDecodeError, csv.Error.
    """
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""), strict=True)
    for row in reader:
        if row:
            yield reader.line_num, row


def sheet_line(cells: Sequence[str]) -> str:
    """One row as CSV. Text of people goes through `safe_cell` first."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def safe_cell(text: str) -> str:
    """A cell that a spreadsheet shows and does not run: an apostrophe before what would begin a formula.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.startswith(_RUNS) else text


def hidden_character(text: str) -> str | None:
    """The first control character, line separator, direction override or noncharacter, as `U+0007`; null: there is none.

    Whatever has none can stand in XML.
    """
    if text.isascii() and text.isprintable():
        return None
    return next((f"U+{ord(each):04X}" for each in text if _hides(each)), None)


def _hides(character: str) -> bool:
    is_none = ord(character) & 0xFFFE == 0xFFFE
    return is_none or character in _BIDIRECTIONAL or unicodedata.category(character) in _HIDES
