"""Commodities, units and their exact factors.

Base units are 64-bit integers: electricity in Wh, gas and water in litres. A factor is the rational number of base
units in one unit, kept as numerator and denominator, so that no quantity ever passes through a float.

Source: rules.md section 1 (international foot, US and imperial gallons: exact by definition). Btu: the international table's,
1055.05585262 J, exact by definition; a therm is 100,000 of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import polars as pl


class Commodity(StrEnum):
    """In alphabetical order: the order of caps and of sorted output."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    WATER = "water"


COMMODITY_DTYPE = pl.Enum([commodity.value for commodity in Commodity])
"""The column type of commodities in frames: sorts in the order of `Commodity`."""

COMBINED = "combined"
"""What stands in the commodity column of an award over the emissions of several commodities."""

AWARD_COMMODITY_DTYPE = pl.Enum([*(commodity.value for commodity in Commodity), COMBINED])


class Quality(StrEnum):
    """How a reading came about. Source: readings.md."""

    ACTUAL = "actual"
    ESTIMATED = "estimated"
    CUSTOMER = "customer"
    CORRECTED = "corrected"


QUALITY_DTYPE = pl.Enum([quality.value for quality in Quality])


@dataclass(frozen=True)
class Unit:
    """A unit that readings may be sent in. `numerator / denominator` base units make one of it. `only`: of one commodity."""

    name: str
    numerator: int
    denominator: int
    base: str
    only: Commodity | None = None

    @property
    def factor(self) -> Fraction:
        return Fraction(self.numerator, self.denominator)


def _unit(name: str, factor: str | Fraction, base: str, only: Commodity | None = None) -> Unit:
    exact = Fraction(factor)
    return Unit(name, exact.numerator, exact.denominator, base, only)


_WH_PER_J = Fraction(1, 3600)
_BTU = Fraction("1055.05585262") * _WH_PER_J


UNITS: dict[str, Unit] = {
    unit.name: unit
    for unit in (
        _unit("Wh", "1", "Wh"),
        _unit("kWh", "1000", "Wh"),
        _unit("MWh", "1000000", "Wh"),
        _unit("J", _WH_PER_J, "Wh"),
        _unit("MJ", 10**6 * _WH_PER_J, "Wh"),
        _unit("GJ", 10**9 * _WH_PER_J, "Wh"),
        _unit("Btu", _BTU, "Wh", Commodity.GAS),
        _unit("therm", 10**5 * _BTU, "Wh", Commodity.GAS),
        _unit("L", "1", "L"),
        _unit("dL", "0.1", "L"),
        _unit("m3", "1000", "L"),
        _unit("ft3", "28.316846592", "L"),
        _unit("ccf", "2831.6846592", "L"),
        _unit("gal", "3.785411784", "L"),
        _unit("gal_imp", "4.54609", "L"),
    )
}

BASE_UNIT: dict[Commodity, str] = {Commodity.ELECTRICITY: "Wh", Commodity.GAS: "L", Commodity.WATER: "L"}

DISPLAY_UNIT: dict[Commodity, Unit] = {
    Commodity.ELECTRICITY: UNITS["kWh"],
    Commodity.GAS: UNITS["m3"],
    Commodity.WATER: UNITS["m3"],
}
"""The unit of factors (kg CO2e per kWh or m3) and of `points_per_unit`; 1000 base units each."""

BASE_UNITS_PER_DISPLAY_UNIT = 1000

QUANTITY_MAX = 10**12
"""The largest reading that is accepted, in base units (1 TWh, or a cubic kilometre of water). Every product in the
rules stays inside 128 bits below it; tests/programme/test_bounds.py proves it."""


def units_of(commodity: Commodity) -> list[str]:
    """The units in which readings of a commodity may be sent, without those that need a calorific value."""
    return [
        unit.name for unit in UNITS.values() if unit.base == BASE_UNIT[commodity] and unit.only in {None, commodity}
    ]


def to_base(quantity: Fraction, unit: Unit) -> int:
    """A quantity in a unit as base units, rounded half up."""
    scaled = quantity * unit.factor
    return (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
