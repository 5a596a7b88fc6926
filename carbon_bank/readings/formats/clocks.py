"""What day it is at a place: by its zone's name, or by the rules that a Green Button feed carries. Exact seconds, on columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import polars as pl

DAY_SECONDS = 86_400
_EPOCH = date(1970, 1, 1)
_YEARS = range(1990, 2101)
_DISABLED = 0xFFFFFFFF


class Clock(Protocol):
    def days(self, moments: pl.Series) -> pl.DataFrame:
        """Args: moments: seconds since 1970 in UTC. Returns: for each `day` (Date), and when it `begins` and `ends` (seconds)."""


@dataclass(frozen=True)
class ZoneClock:
    """A place by the IANA name of its zone."""

    zone: str

    def days(self, moments: pl.Series) -> pl.DataFrame:
        utc = pl.from_epoch(pl.col("moment")).dt.replace_time_zone("UTC")
        days = pl.DataFrame({"moment": moments}).select(day=utc.dt.convert_time_zone(self.zone).dt.date())
        calendar = days.unique()
        edges = pl.concat([calendar, calendar.with_columns(pl.col("day") + pl.duration(days=1))]).unique().sort("day")
        midnight = pl.col("day").cast(pl.Datetime("us"))
        # A day may begin in the hour that is left out: then it begins when the clock goes on.
        begins = pl.coalesce(*(self._moment(midnight + pl.duration(hours=hours)) for hours in (0, 1)))
        edges = edges.with_columns(begins=begins)
        ends = edges.select(day=pl.col("day") - pl.duration(days=1), ends="begins")
        return days.join(edges.join(ends, on="day"), on="day", how="left", maintain_order="left")

    def _moment(self, local: pl.Expr) -> pl.Expr:
        return local.dt.replace_time_zone(self.zone, ambiguous="earliest", non_existent="null").dt.epoch("s")


@dataclass(frozen=True)
class RuledClock:
    """A place by its offset from UTC and the rules of its summer time, as LocalTimeParameters tell them.

    Args: offset, summer_offset: seconds. start_rule, end_rule: 32 bits as espi.xsd's DstRuleType has them, in the time that
          the clock shows just before it is changed.
    """

    offset: int
    summer_offset: int
    start_rule: int
    end_rule: int

    def days(self, moments: pl.Series) -> pl.DataFrame:
        changes, offsets = self._changes()
        local = moments + self._offsets(moments, changes, offsets)
        number = local // DAY_SECONDS
        begins, ends = (self._midnight(number + step, changes, offsets) for step in (0, 1))
        return pl.DataFrame({"day": number.cast(pl.Int32).cast(pl.Date), "begins": begins, "ends": ends})

    def _midnight(self, number: pl.Series, changes: pl.Series, offsets: pl.Series) -> pl.Series:
        standard = number * DAY_SECONDS - self.offset
        return number * DAY_SECONDS - self._offsets(standard, changes, offsets)

    def _offsets(self, moments: pl.Series, changes: pl.Series, offsets: pl.Series) -> pl.Series:
        return offsets.gather(changes.search_sorted(moments, side="right"))

    def _changes(self) -> tuple[pl.Series, pl.Series]:
        """When the clock is changed, and the offset before the first, between, and after the last of these moments."""
        moments: list[int] = []
        offsets = [self.offset]
        if self.summer_offset and _DISABLED not in (self.start_rule, self.end_rule):
            changes = [
                (_moment(self.start_rule, year) - self.offset, self.offset + self.summer_offset) for year in _YEARS
            ]
            changes += [
                (_moment(self.end_rule, year) - self.offset - self.summer_offset, self.offset) for year in _YEARS
            ]
            changes.sort()
            moments = [moment for moment, _ in changes]
            # In the south the year begins in summer.
            offsets = [self.offset + self.summer_offset if changes[0][1] == self.offset else self.offset]
            offsets += [offset for _, offset in changes]
        return pl.Series(moments, dtype=pl.Int64), pl.Series(offsets, dtype=pl.Int64)


def _moment(rule: int, year: int) -> int:
    """Seconds since 1970 of a rule in a year, by the clock of the place. Source: espi.xsd, DstRuleType."""
    seconds, hours, weekday, day, operator, month = (
        rule & 0xFFF, rule >> 12 & 0x1F, rule >> 17 & 0x7, rule >> 20 & 0x1F, rule >> 25 & 0x7, rule >> 28 & 0xF,
    )  # fmt: skip
    if not 1 <= month <= 12 or (operator and not 1 <= weekday <= 7):
        raise ValueError(f"{rule:08X} is no rule of summer time")
    first = date(year, month, 1)
    if operator == 0:
        found = first + timedelta(days=max(day, 1) - 1)
    elif operator == 1:
        found = _on_or_after(first + timedelta(days=max(day, 1) - 1), weekday)
    elif operator == 7:
        found = _on_or_after(date(year + month // 12, month % 12 + 1, 1), weekday) - timedelta(days=7)
    else:
        found = _on_or_after(first, weekday) + timedelta(days=7 * (operator - 2))
    return (found - _EPOCH).days * DAY_SECONDS + hours * 3600 + seconds


def _on_or_after(day: date, weekday: int) -> date:
    return day + timedelta(days=(weekday - day.isoweekday()) % 7)
