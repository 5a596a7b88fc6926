"""Green Button: what a UsageSummary says was used in its billing period, beside what the readings of the feed add up to over it.

Compared is `overallConsumptionLastPeriod`, where readings cover all of the period: a sum that differs tells of readings that are
missing, doubled or in another unit. `currentBillingPeriodOverAllConsumption` is not: in real files it is of the time after the period.
Source: ESPI 4.0 (REQ.21), espi.xsd, UsageSummary.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from carbon_bank.readings.formats import espi_codes as codes
from carbon_bank.readings.formats.espi_feed import Entry
from carbon_bank.readings.formats.espi_series import Notes, Series, amount_of, scale_of, seconds_of

_PLACES = 9
_Point = tuple[str, str]
"""A usage point: `customer_number, meter_number`."""


@dataclass
class _Covered:
    """The time that the readings of one series cover without a gap, in whichever direction they come, and their sum."""

    start: int
    end: int
    amount: int
    in_order: bool = True

    def add(self, start: int, end: int, amount: int) -> None:
        self.amount += amount
        if start == self.end:
            self.end = end
        elif end == self.start:
            self.start = start
        else:
            self.in_order = False


@dataclass
class _Period:
    """What one summary says. Units: `said` and `scale` in billionths of `unit`."""

    at: int
    start: int
    end: int
    said: int
    scale: int
    unit: str
    read: dict[int, tuple[Series, _Covered]] = field(default_factory=dict)

    def difference(self) -> str | None:
        """Both numbers, where no series that covers the period agrees."""
        covering = [
            (series, covered.amount)
            for series, covered in self.read.values()
            if covered.in_order and (covered.start, covered.end) == (self.start, self.end)
        ]
        if not covering or any(abs(amount - self.said) <= max(self.scale, each.scale) for each, amount in covering):
            return None
        return f"{_plain(self.said)} {self.unit} said, {_plain(covering[0][1])} {self.unit} read"


class Summaries:
    """The summaries of a feed. Each keeps two moments and a sum of each series, however many readings there are."""

    def __init__(self, entries: list[Entry]) -> None:
        self._periods: dict[_Point, list[_Period]] = defaultdict(list)
        for entry in entries:
            period = _period(entry)
            if period is not None:
                point = (entry.customer or entry.point, entry.point if entry.customer else "")
                self._periods[point].append(period)
        for periods in self._periods.values():
            periods.sort(key=lambda period: period.start)

    def add(self, series: Series, start: int, seconds: int, amount: int) -> None:
        """A reading of what was used. Units: `amount` in billionths of the series' unit."""
        periods = self._periods.get((series.customer_number, series.meter_number), [])
        place = bisect_right(periods, start, key=lambda period: period.start) - 1
        if place < 0 or start + seconds > periods[place].end or series.unit != periods[place].unit:
            return
        of_series = periods[place].read
        if id(series) in of_series:
            of_series[id(series)][1].add(start, start + seconds, amount)
        else:
            of_series[id(series)] = series, _Covered(start, start + seconds, amount)

    def tell(self, notes: Notes) -> None:
        """Note each usage point of which a summary differs."""
        for periods in self._periods.values():
            differing = ((period.at, difference) for period in periods if (difference := period.difference()))
            at, difference = next(differing, (0, ""))
            if difference:
                notes.add(codes.SUMMARY, at, difference)


def _period(entry: Entry) -> _Period | None:
    """Null where the summary does not say all of it."""
    values = entry.values
    start, seconds = seconds_of(values.get("start", "")), seconds_of(values.get("duration", ""))
    scale = scale_of(values.get("powerOfTenMultiplier", "0"))
    said = amount_of(values.get("value", ""), scale or 0)
    unit = codes.UNITS.get(values.get("uom", ""))
    if start is None or not seconds or scale is None or said is None or unit is None:
        return None
    return _Period(entry.at, start, start + seconds, said, scale, unit)


def _plain(billionths: int) -> str:
    return format(Decimal(billionths).scaleb(-_PLACES).normalize(), "f")
