"""How a file is to be read, besides its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carbon_bank.readings.formats.mapping import Mapping

SumTo = Literal["day", "month"]


@dataclass(frozen=True)
class Options:
    """Args: zone: IANA name of the city's time zone, for files that don't tell theirs. strict: refuse what a tolerant reader
    notes and reads. sum_to: what intervals finer than a day become. mapping: what a CSV's own columns mean; none:
    the columns of intake.COLUMNS, comma, ISO dates.
    """

    zone: str
    strict: bool = False
    sum_to: SumTo = "day"
    mapping: Mapping | None = None
