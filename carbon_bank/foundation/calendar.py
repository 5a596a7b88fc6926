"""Months and settlement periods of the civil calendar.

A month is an integer, `year * 12 + (month - 1)`: months can be subtracted, compared and joined like any number.
Days are `datetime.date`. No clock and no time zone here: what day it is, is an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from carbon_bank.foundation.errors import InvalidInput

MONTHS_PER_YEAR = 12
PERIOD_LENGTHS = (1, 2, 3, 4, 6, 12)
YEAR_MIN, YEAR_MAX = 1970, 9998

_PERIOD = re.compile(
    r"(?P<year>\d{4})(?:-(?:H(?P<half>[12])|Q(?P<quarter>[1-4])|(?P<month>\d{2})(?:/(?P<length>\d{1,2}))?))?",
    re.ASCII,
)


def month_of(day: date) -> int:
    """The month a day lies in, as an integer."""
    return day.year * MONTHS_PER_YEAR + day.month - 1


def first_day(month: int) -> date:
    """The first day of a month given as an integer."""
    return date(month // MONTHS_PER_YEAR, month % MONTHS_PER_YEAR + 1, 1)


def days_in_month(month: int) -> int:
    """28, 29, 30 or 31."""
    return (first_day(month + 1) - first_day(month)).days


def month_text(month: int) -> str:
    """`2026-03`."""
    return f"{month // MONTHS_PER_YEAR:04d}-{month % MONTHS_PER_YEAR + 1:02d}"


@dataclass(frozen=True, order=True)
class Period:
    """The months that are settled together: `length` months from `first_month` (an integer month).

    Source: rules.md section 3.
    """

    first_month: int
    length: int

    def __post_init__(self) -> None:
        if self.length not in PERIOD_LENGTHS:
            raise InvalidInput(
                "calendar.period_length",
                f"A settlement period is {', '.join(map(str, PERIOD_LENGTHS))} months long, not {self.length}.",
            )

    @property
    def months(self) -> range:
        return range(self.first_month, self.first_month + self.length)

    @property
    def first_day(self) -> date:
        return first_day(self.first_month)

    @property
    def end_day(self) -> date:
        """The day after the last one."""
        return first_day(self.first_month + self.length)

    def shift(self, periods: int) -> Period:
        return Period(self.first_month + periods * self.length, self.length)

    def is_aligned(self, anchor_month: int) -> bool:
        """Whether a run of such periods has one that starts in the calendar month `anchor_month` (1 to 12)."""
        return (self.first_month - (anchor_month - 1)) % self.length == 0

    def __str__(self) -> str:
        year, month0 = divmod(self.first_month, MONTHS_PER_YEAR)
        match self.length:
            case 1:
                return f"{year:04d}-{month0 + 1:02d}"
            case 6 if month0 % 6 == 0:
                return f"{year:04d}-H{month0 // 6 + 1}"
            case 3 if month0 % 3 == 0:
                return f"{year:04d}-Q{month0 // 3 + 1}"
            case 12 if month0 == 0:
                return f"{year:04d}"
            case _:
                return f"{year:04d}-{month0 + 1:02d}/{self.length}"

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `2026-H1`, `2026-Q3`, `2026-05`, `2026` or `2026-03/6`.

        Raises: InvalidInput `calendar.period` (422).
        """
        found = _PERIOD.fullmatch(text.strip())
        year = int(found["year"]) if found else 0
        if found is None or not YEAR_MIN <= year <= YEAR_MAX or not 1 <= int(found["month"] or 1) <= MONTHS_PER_YEAR:
            raise InvalidInput(
                "calendar.period",
                f"'{text}' is no settlement period. Write 2026-H1, 2026-Q3, 2026-05, 2026, or 2026-03/6 for six months "
                f"from March 2026 (years {YEAR_MIN} to {YEAR_MAX}).",
                {"value": text},
            )
        if found["half"]:
            return cls(year * MONTHS_PER_YEAR + 6 * (int(found["half"]) - 1), 6)
        if found["quarter"]:
            return cls(year * MONTHS_PER_YEAR + 3 * (int(found["quarter"]) - 1), 3)
        if found["month"]:
            return cls(year * MONTHS_PER_YEAR + int(found["month"]) - 1, int(found["length"] or 1))
        return cls(year * MONTHS_PER_YEAR, MONTHS_PER_YEAR)

    @classmethod
    def containing(cls, month: int, length: int, anchor_month: int) -> Period:
        """The period of a policy (its `period_months` and `anchor_month`) in which a month lies."""
        return cls(month - (month - (anchor_month - 1)) % length, length)

    @classmethod
    def parse_range(cls, text: str) -> list[Period]:
        """Read one period or `FIRST..LAST`, both included.

        Raises: InvalidInput `calendar.period` or `calendar.period_range` (422).
        """
        first_text, dots, last_text = text.partition("..")
        first = cls.parse(first_text)
        if not dots:
            return [first]
        last = cls.parse(last_text)
        steps, rest = divmod(last.first_month - first.first_month, first.length)
        if last.length != first.length or rest or steps < 0:
            raise InvalidInput(
                "calendar.period_range",
                f"'{text}' is no range of settlement periods: both ends must be of one length and in order, "
                f"as in 2025-H1..2026-H1.",
                {"value": text},
            )
        return [first.shift(step) for step in range(steps + 1)]
