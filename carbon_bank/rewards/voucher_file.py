"""A file of voucher codes: CSV with the column `code` and, where they end, `expires_on` (YYYY-MM-DD).

Read: UTF-8 with or without a byte order mark, commas, any line ends. A row that can't be taken is a fault at its line and
harms no other; a code that is there twice is told with both lines, and the first one counts.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from carbon_bank.foundation.errors import Fault, InvalidInput, TooLarge
from carbon_bank.foundation.sheet import hidden_character, safe_cell, sheet_line, sheet_rows

BYTES_MAX = 256 * 2**20
CODES_MAX = 1_000_000
CODE_CHARACTERS_MAX = 200
FAULTS_MAX = 1000
"""So many are told one by one; more are only counted."""
_COLUMNS = (["code"], ["code", "expires_on"], ["expires_on", "code"])
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Voucher:
    """One code, the line it stood on, and the last day on which it can be used, where it has one."""

    line: int
    code: str
    expires_on: date | None


@dataclass
class VoucherFile:
    """A file as it was read. `fault_count` counts all faults, `faults` has the first ones."""

    vouchers: list[Voucher] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0


def read_vouchers(content: bytes, name: str) -> VoucherFile:
    """Read a file of codes.

    Raises: InvalidInput `rewards.vouchers_unreadable`, `rewards.vouchers_columns`; TooLarge `rewards.vouchers_size`.
    Faults: `rewards.voucher_row`, `rewards.voucher_empty`, `rewards.voucher_length`, `rewards.voucher_character`,
            `rewards.voucher_day`, `rewards.voucher_repeated`.
    """
    if len(content) > BYTES_MAX:
        message = f"{name} has {len(content)} bytes; at most {BYTES_MAX} are read. Split it."
        raise TooLarge("rewards.vouchers_size", message, {"file": name, "bytes": len(content), "bytes_max": BYTES_MAX})
    found = VoucherFile()
    try:
        rows = sheet_rows(content)
        header = [each.strip() for each in next(rows, (1, []))[1]]
        if header not in _COLUMNS:
            message = f"{name}: line 1 must name the column code, and perhaps expires_on, and no other. Mend it and send it again."
            raise InvalidInput("rewards.vouchers_columns", message, {"file": name, "line": 1})
        _take(found, rows, header, name)
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"{name} is no UTF-8 CSV file with commas: {error}. Save it as one and send it again."
        raise InvalidInput("rewards.vouchers_unreadable", message, {"file": name}) from None
    return found


def voucher_lines(vouchers: Iterable[Voucher]) -> Iterator[str]:
    """Vouchers as CSV again, a line at a time; a code that a spreadsheet would run begins with an apostrophe."""
    yield "code,expires_on\r\n"
    for voucher in vouchers:
        yield sheet_line([safe_cell(voucher.code), voucher.expires_on.isoformat() if voucher.expires_on else ""])


def _take(found: VoucherFile, rows: Iterator[tuple[int, list[str]]], header: list[str], name: str) -> None:
    first: dict[str, int] = {}
    for line, row in rows:
        read = _read(line, row, header)
        if isinstance(read, Voucher) and read.code in first:
            message = f"The code is on line {first[read.code]} already; the one on line {line} is passed over."
            read = Fault(f"line {line}", "rewards.voucher_repeated", message, read.code[:80])
        if isinstance(read, Fault):
            found.fault_count += 1
            if len(found.faults) < FAULTS_MAX:
                found.faults.append(read)
            continue
        if len(first) == CODES_MAX:
            raise TooLarge(
                "rewards.vouchers_size", f"{name} has more than {CODES_MAX} codes. Split it.", {"file": name}
            )
        first[read.code] = line
        found.vouchers.append(read)


def _read(line: int, row: list[str], header: list[str]) -> Voucher | Fault:
    where = f"line {line}"
    if len(row) != len(header):
        message = f"The row has {len(row)} fields, the header has {len(header)}. Put a code with commas in quotes."
        return Fault(where, "rewards.voucher_row", message)
    values = dict(zip(header, (each.strip() for each in row), strict=True))
    code, day = values["code"], values.get("expires_on", "")
    if not code:
        return Fault(where, "rewards.voucher_empty", "The row has no code. Fill it in, or remove the row.")
    if len(code) > CODE_CHARACTERS_MAX:
        message = f"A code has at most {CODE_CHARACTERS_MAX} characters; this has {len(code)}."
        return Fault(where, "rewards.voucher_length", message, code[:80])
    hidden = hidden_character(code)
    if hidden is not None:
        message = f"The code has the character {hidden}, which nobody sees. Remove it."
        return Fault(where, "rewards.voucher_character", message)
    expires_on = _day(day) if day else None
    if day and expires_on is None:
        return Fault(where, "rewards.voucher_day", "The last day must be written as 2026-12-31.", day[:80])
    return Voucher(line, code, expires_on)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
