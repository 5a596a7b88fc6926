"""Green Button (ESPI 4.0): every usage point of a feed, electricity, gas and water, each defect with its finding.

Intervals finer than a day are summed; readings of a day and more, as bills, are taken as they are, from midnight to midnight
at their place; registers become readings between them. Source: ESPI 4.0 (NAESB REQ.21), readings.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from carbon_bank.foundation.errors import InvalidInput, TooLarge
from carbon_bank.foundation.units import Quality
from carbon_bank.readings.formats import espi_codes as codes
from carbon_bank.readings.formats.clocks import Clock, ZoneClock
from carbon_bank.readings.formats.espi_feed import Entry, Reading, path_of, readings, resources
from carbon_bank.readings.formats.espi_series import Describing, Notes, Series, amount_of, seconds_of, tariff_of
from carbon_bank.readings.formats.espi_summary import Summaries
from carbon_bank.readings.formats.intervals import INTERVAL_SCHEMA, INTERVALS_MAX, Sums
from carbon_bank.readings.formats.normal import CHUNK_ROWS, METER, NORMAL_SCHEMA, Chunk, Chunks, normal_form, numbered
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from carbon_bank.readings.formats.tariffs import STANDING_SCHEMA, TOTAL, passed_over, standing
from carbon_bank.readings.formats.whole_days import WHOLE_SCHEMA, spans_of, whole_rows
from carbon_bank.readings.intake import COLUMNS

SENTENCES = codes.SENTENCES
DAY_SECONDS_MIN = 23 * 3600
"""A reading at least as long is of whole days: the shortest day has 23 hours."""
HALF_A_DAY = 12 * 3600

_ByClock = defaultdict[Clock, list[tuple[Any, ...]]]


def read(source: Source, options: Options) -> Chunks:
    """Raises: InvalidInput `formats.not_xml`, `formats.xml_entities`, `formats.espi_not_feed`, `formats.espi_portion`,
    `formats.espi_no_reading_type`; TooLarge `formats.too_many_intervals`; what Source raises."""
    feed, blocks = resources(source)
    lacking = [name for name in ("UsagePoint", "MeterReading", "ReadingType") if not feed[name]]
    if blocks and lacking:
        raise InvalidInput(
            codes.NO_TYPE,
            f"{source.name} has {blocks} blocks of readings, but no {', no '.join(lacking)}, so nothing says what their values are. "
            "Ask for the whole feed of the subscription (the batch), not for its interval blocks alone.",
            {"file": source.name, "lacking": lacking, "blocks": blocks},
        )
    return _Reader(source, options, feed).chunks()


@dataclass
class _Reader:
    source: Source
    options: Options
    feed: dict[str, list[Entry]]
    notes: Notes = field(default_factory=Notes)
    has_tariffs: bool = False
    passed_over: int = 0

    def __post_init__(self) -> None:
        # The first that names a block counts, so the last to be written.
        self.meter_of_link = {
            link: meter.path for meter in reversed(self.feed["MeterReading"]) for link in meter.related
        }
        self.summaries = Summaries(self.feed.pop("UsageSummary"))

    def chunks(self) -> Iterator[Chunk]:
        sums = Sums(self.options.sum_to, self.options.strict)
        all_series = Describing(self.feed, self.options.zone, self.notes).series()
        whole: _ByClock = defaultdict(list)
        refused: list[tuple[Any, ...]] = []
        fine: _ByClock = defaultdict(list)
        waiting = kept = 0
        of_block: dict[str, Series | None] = {}
        for entry, reading in readings(self.source):
            if entry.path not in of_block:
                of_block[entry.path] = self._series_of(entry, all_series)
            series = of_block[entry.path]
            made = self._made(series, entry, reading)
            if made is None:
                continue
            kind, row, clock = made
            if kind == "refused":
                refused.append(row)
            elif kind == "whole":
                whole[clock].append(row)
            else:
                fine[clock].append(row)
                waiting += 1
                if waiting == CHUNK_ROWS:
                    _hand_over(sums, fine)
                    fine.clear()
                    waiting = 0
            kept += kind != "fine"
            if kept > INTERVALS_MAX:
                raise TooLarge(
                    "formats.too_many_intervals",
                    f"{self.source.name} holds more than {INTERVALS_MAX} readings of whole days. Split it by usage points.",
                    {"file": self.source.name, "intervals_max": INTERVALS_MAX},
                )
        _hand_over(sums, fine)
        self.summaries.tell(self.notes)
        yield from self._rows(whole, refused, sums)

    def _rows(self, whole: _ByClock, refused: list[tuple[Any, ...]], sums: Sums) -> Iterator[Chunk]:
        line = 1
        frame = pl.concat([WHOLE_SCHEMA.to_frame(), *(_with_days(*each) for each in whole.items())])
        stand = self._standing(frame, sums)
        rows, findings = whole_rows(frame, stand, self.options.strict)
        rows = pl.concat([rows, _refused_rows(refused)]).sort("at", maintain_order=True)
        for part in rows.iter_slices(CHUNK_ROWS):
            made = numbered(part, line)
            line += part.height
            yield Chunk(made, made.select("line", *COLUMNS))
        yield from sums.chunks(line, stand)
        empty = NORMAL_SCHEMA.to_frame()
        found = [*self.notes.findings(), *findings, *sums.findings()]
        yield Chunk(empty, empty.select("line", *COLUMNS), found, passed_over=self.passed_over)

    def _standing(self, whole: pl.DataFrame, sums: Sums) -> pl.DataFrame:
        """How tariffs stand to each other in all of the feed; what is not counted beside its total is noted."""
        if not self.has_tariffs:
            return STANDING_SCHEMA.to_frame()
        spans = pl.concat([spans_of(whole), sums.spans()])
        stand = standing(spans)
        for at in passed_over(spans, stand):
            self.notes.add(codes.TARIFFS_PASSED, at)
            self.passed_over += 1
        return stand

    def _series_of(self, block: Entry, all_series: dict[str, Series]) -> Series | None:
        above = path_of(block.path).rpartition("/IntervalBlock")[0] or block.path
        if above in all_series:
            return all_series[above]
        return all_series.get(self.meter_of_link.get(block.path, ""))

    def _made(self, series: Series | None, entry: Entry, reading: Reading) -> tuple[str, tuple[Any, ...], Clock] | None:
        """What becomes of one reading: `refused`, `whole` or `fine`, its row, its clock; nothing where it is passed over."""
        if series is None:
            return "refused", (reading.at, *[None] * len(METER), None, codes.NO_TYPE), ZoneClock(self.options.zone)
        key = (series.commodity or None, series.customer_number, series.meter_number)
        if series.is_passed_over:
            self.notes.add("formats.espi_flow", reading.at)
            self.passed_over += 1
            return None
        fault = series.fault
        start, seconds = self._time(reading)
        amount = amount_of(reading.value, series.scale)
        if fault is None and (start is None or seconds is None):
            fault = codes.TIME
        if fault is None and amount is None:
            fault = codes.VALUE
        tariff = tariff_of(reading.tou) or (series.tariff if tariff_of(reading.tou) == 0 else None)
        if fault is None and tariff is None:
            fault = codes.TARIFF
        if fault is None and self.options.strict and _has_fraction(reading.start):
            fault = codes.FRACTION
        if fault is not None:
            return "refused", (reading.at, *key, series.unit, fault), series.clock
        assert start is not None and seconds is not None and amount is not None
        self.has_tariffs |= tariff != TOTAL
        if tariff == TOTAL and not series.is_register:
            self.summaries.add(series, start, seconds, amount)
        quality = self._quality(reading, series)
        issued = _issued(entry.updated)
        if series.is_register or seconds >= DAY_SECONDS_MIN:
            row = (reading.at, *key, series.unit, start, seconds, amount, quality, issued, tariff, series.is_register)
            return "whole", row, series.clock
        return "fine", (reading.at, *key, series.unit, start, seconds, amount, quality, issued, tariff), series.clock

    def _time(self, reading: Reading) -> tuple[int | None, int | None]:
        start = seconds_of(reading.start)
        if start is not None and _has_fraction(reading.start):
            self.notes.add(codes.FRACTION, reading.at)
        seconds = seconds_of(reading.duration or "0")
        return start, seconds

    def _quality(self, reading: Reading, series: Series) -> str:
        given = reading.quality or series.quality or "0"
        if given not in codes.QUALITIES:
            self.notes.add("formats.espi_quality", reading.at)
        return codes.QUALITIES.get(given, Quality.ESTIMATED).value


def _hand_over(sums: Sums, fine: _ByClock) -> None:
    for clock, rows in fine.items():
        sums.add(pl.DataFrame(rows, schema=INTERVAL_SCHEMA, orient="row"), clock)


def _with_days(clock: Clock, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """WHOLE_SCHEMA: the midnights nearest to each reading's start and end, as days, and by how many seconds it is off them."""
    known = [(name, kind) for name, kind in WHOLE_SCHEMA.items() if name not in {"first", "last", "off"}]
    frame = pl.DataFrame(rows, schema=dict(known), orient="row")
    ends = frame["start"] + frame["seconds"]
    begins, finishes = (clock.days(moment + HALF_A_DAY) for moment in (frame["start"], ends))
    off_start, off_end = (frame["start"] - begins["begins"]).abs(), (ends - finishes["begins"]).abs()
    return frame.with_columns(
        first=begins["day"], last=finishes["day"], off=pl.max_horizontal(off_start, off_end)
    ).select(WHOLE_SCHEMA.names())


def _refused_rows(refused: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = {"at": pl.Int32, **dict.fromkeys((*METER, "unit", "code"), pl.String)}
    frame = pl.DataFrame(refused, schema=names, orient="row")
    return normal_form(frame.with_columns(column=pl.lit("quantity")))


def _has_fraction(text: str) -> bool:
    return "." in text and text.rpartition(".")[2].strip("0") != ""


def _issued(updated: str) -> int:
    """A moment as a number that grows with it; 0 where there is none."""
    digits = "".join(filter(str.isdigit, updated.partition("+")[0]))[:17]
    return int(digits.ljust(17, "0")) if len(digits) >= 8 else 0
