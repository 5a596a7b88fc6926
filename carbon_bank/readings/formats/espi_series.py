"""Green Button: what each MeterReading's readings are: of which meter, in which unit, at which place."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import polars as pl

from carbon_bank.foundation.units import Commodity
from carbon_bank.readings.formats import espi_codes as codes
from carbon_bank.readings.formats.clocks import Clock, RuledClock, ZoneClock
from carbon_bank.readings.formats.espi_feed import Entry
from carbon_bank.readings.formats.normal import Finding

_PLACES = 9
_WHOLE = re.compile(r"[+-]?[0-9]{1,24}")
_TARIFF = re.compile(r"[+-]?[0-9]{1,5}")
_MULTIPLIER_MAX = 12
_OFFSET_MAX, _SUMMER_MAX = 16 * 3600, 2 * 3600


@dataclass
class Notes:
    """What was odd about a feed: how many times, and where first."""

    counts: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, tuple[int, str | None]] = field(default_factory=dict)

    def add(self, code: str, at: int, value: str | None = None) -> None:
        self.counts[code] += 1
        self.firsts.setdefault(code, (at, value))

    def findings(self) -> list[Finding]:
        return [
            Finding(at, code, codes.NOTES[code], value, self.counts[code]) for code, (at, value) in self.firsts.items()
        ]


@dataclass(frozen=True)
class Series:
    """What a MeterReading's readings are: of which meter, in which unit, at which place. `fault`: why they are not to be read."""

    commodity: str
    customer_number: str
    meter_number: str
    unit: str
    scale: int
    """Billionths of the unit in one of the value; a power of ten, 0 where it is finer than that."""
    is_register: bool
    clock: Clock
    quality: str | None
    tariff: int | None = 0
    """0: all of them together; null: not to be told."""
    fault: str | None = None
    is_passed_over: bool = False


@dataclass
class Describing:
    """Finds out what the readings of a feed are. Args: zone: of the city, where the feed does not tell its own."""

    feed: dict[str, list[Entry]]
    zone: str
    notes: Notes

    def series(self) -> dict[str, Series]:
        """What each MeterReading's readings are, by its path."""
        types = {each.path: each for each in self.feed["ReadingType"]}
        clocks = {each.path: self._clock_of(each) for each in self.feed["LocalTimeParameters"]}
        points = {each.path: each for each in self.feed["UsagePoint"]}
        by_link = {link: point for point in self.feed["UsagePoint"] for link in point.related}
        used: set[str] = set()
        found = {}
        for meter in self.feed["MeterReading"]:
            above = meter.path.rpartition("/MeterReading")[0]
            point = points.get(above) or by_link.get(meter.path) or by_link.get(f"{above}/MeterReading")
            kind = next((types[link] for link in meter.related if link in types), None)
            if kind is not None:
                used.add(kind.path)
            if point is None or kind is None:
                continue
            clock = next((clocks[link] for link in point.related if clocks.get(link)), None)
            if clock is None and len(clocks) == 1:
                clock = next(iter(clocks.values()))
            found[meter.path] = self._series(point, kind, clock or ZoneClock(self.zone))
        for kind in types.values():
            if kind.path not in used:
                self.notes.add("formats.espi_unused_reading_type", kind.at)
        return found

    def _clock_of(self, entry: Entry) -> Clock | None:
        values = entry.values
        try:
            rules = int(values["dstStartRule"], 16), int(values["dstEndRule"], 16)
            clock = RuledClock(int(values["tzOffset"]), int(values["dstOffset"]), *rules)
            if abs(clock.offset) > _OFFSET_MAX or abs(clock.summer_offset) > _SUMMER_MAX:
                raise ValueError
            clock.days(pl.Series([0], dtype=pl.Int64))
        except (KeyError, ValueError, OverflowError):
            self.notes.add("formats.espi_clock", entry.at)
            return None
        return clock

    def _series(self, point: Entry, kind: Entry, clock: Clock) -> Series:
        values = kind.values
        uom = values.get("uom", "")
        commodity, fault = self._commodity(point, kind, uom)
        if fault is None:
            fault = self._kind_fault(kind, uom)
        scale = scale_of(values.get("powerOfTenMultiplier", "0"))
        if scale is None and fault is None:
            fault = codes.VALUE
        flow = values.get("flowDirection")
        return Series(
            commodity=commodity,
            customer_number=point.customer or point.point,
            meter_number=point.point if point.customer else "",
            unit=codes.UNITS.get(uom, uom),
            scale=scale or 0,
            is_register=values.get("accumulationBehaviour") in codes.REGISTERS,
            clock=clock,
            quality=values.get("defaultQuality"),
            tariff=tariff_of(values.get("tou", "")),
            fault=fault,
            is_passed_over=flow not in codes.FORWARD,
        )

    def _commodity(self, point: Entry, kind: Entry, uom: str) -> tuple[str, str | None]:
        of_point = codes.KINDS.get(point.values.get("kind", ""))
        of_kind = codes.COMMODITIES.get(kind.values.get("commodity", ""))
        if uom in codes.ONLY_GAS:
            of_kind = of_kind or Commodity.GAS
        found = of_point or of_kind
        if found is None:
            return "", codes.UNIT
        if of_point is None:
            self.notes.add("formats.espi_no_kind", point.at)
        if (of_kind is not None and of_kind is not found) or (
            uom in codes.UNITS and uom not in codes.OF_COMMODITY[found]
        ):
            return found.value, codes.OTHER
        return found.value, None

    def _kind_fault(self, kind: Entry, uom: str) -> str | None:
        values = kind.values
        accumulates = values.get("accumulationBehaviour")
        if values.get("kind") == codes.KIND_POWER or accumulates not in codes.DELTAS | codes.REGISTERS:
            return codes.NOT_QUANTITY
        if uom not in codes.UNITS:
            return codes.UNIT
        if values.get("kind") == codes.KIND_ENERGY and uom in codes.VOLUMES:
            self.notes.add("formats.espi_kind", kind.at)
        return None


def tariff_of(tou: str) -> int | None:
    """Its number: 0 where none is named, null where this is no number. Source: espi.xsd, Int16."""
    if not _TARIFF.fullmatch(tou):
        return None if tou else 0
    number = int(tou)
    return number if -(2**15) <= number < 2**15 else None


def scale_of(multiplier: str) -> int | None:
    """Billionths in 10^multiplier; null where that is no multiplier, or finer than a billionth."""
    try:
        power = int(multiplier or "0")
    except ValueError:
        return None
    return 10 ** (_PLACES + power) if -_PLACES <= power <= _MULTIPLIER_MAX else None


def amount_of(value: str, scale: int) -> int | None:
    """Billionths of the unit; null where the value is no whole number, or too large to be one of a reading."""
    amount = int(value) * scale if _WHOLE.fullmatch(value) else None
    return amount if amount is not None and abs(amount) < 10**27 else None


def seconds_of(text: str) -> int | None:
    try:
        number = Decimal(text)
        return int(number) if number.is_finite() and abs(number) < 10**11 else None
    except InvalidOperation:
        return None
