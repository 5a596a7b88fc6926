"""Decimal text to base units, on columns, exactly. Source: rules.md section 1."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.units import QUANTITY_MAX, UNITS, Commodity, to_base, units_of
from carbon_bank.readings import quantities
from carbon_bank.readings.quantities import CALORIFIC_VALUE_MAX, QUANTITY_REASONS, base_quantities


def judged(
    quantity: str | None, unit: str | None = "kWh", commodity: str | None = "electricity", **more: object
) -> object:
    """The base quantity of one row, or the code of its refusal."""
    row = {
        "commodity": [commodity],
        "quantity": [quantity],
        "unit": [unit],
        **{name: [value] for name, value in more.items()},
    }
    schema = {"commodity": pl.String, "quantity": pl.String, "unit": pl.String, **dict.fromkeys(more, pl.Int64)}
    value = pl.col("calorific_value") if "calorific_value" in more else pl.lit(None, pl.Int64)
    [found] = base_quantities(pl.DataFrame(row, schema=schema), value).to_dicts()
    assert (found["quantity_base"] is None) != (found["quantity_error"] is None)
    return found["quantity_base"] if found["quantity_error"] is None else found["quantity_error"]


numbers = st.tuples(st.integers(0, 10**15 - 1), st.integers(0, 9)).flatmap(
    lambda pair: st.builds(
        lambda fraction: f"{pair[0]}.{fraction:0{pair[1]}d}" if pair[1] else str(pair[0]),
        st.integers(0, 10 ** pair[1] - 1),
    )
)


@given(numbers, st.sampled_from([(c, unit) for c in Commodity for unit in units_of(c)]))
def test_every_number_in_every_unit_is_the_exact_product_rounded_half_up(
    text: str, where: tuple[Commodity, str]
) -> None:
    commodity, unit = where
    exact = to_base(Fraction(text), UNITS[unit])
    assert judged(text, unit, commodity.value) == (exact if exact <= QUANTITY_MAX else "readings.too_large")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0005", 1), ("0.00049999", 0), ("+12.5", 12500), (" 7 ", 7000), (".5", 500), ("5.", 5000), ("007", 7000),
        ("0" * 60 + "1", 1000), ("999999999.9999999", 10**12),
        ("1000000000", 10**12), ("1000000000.001", "readings.too_large"), ("1" * 16, "readings.too_large"),
        ("1" * 5000, "readings.too_large"),
        ("-0.1", "readings.negative"), ("-" + "1" * 40, "readings.negative"),
        ("", "readings.not_a_number"), (None, "readings.not_a_number"), ("nan", "readings.not_a_number"),
        ("inf", "readings.not_a_number"), ("1e3", "readings.not_a_number"), ("1,5", "readings.not_a_number"),
        ("1 000", "readings.not_a_number"), ("1_000", "readings.not_a_number"), ("0x10", "readings.not_a_number"),
        ("٣", "readings.not_a_number"), ("1.2.3", "readings.not_a_number"), (".", "readings.not_a_number"),
        ("+", "readings.not_a_number"), ("--1", "readings.not_a_number"), ("1.0000000001", "readings.not_a_number"),
        ("5\n", 5000), ("5\n6", "readings.not_a_number"),
    ],
)  # fmt: skip
def test_only_plain_decimals_are_numbers(text: str | None, expected: object) -> None:
    assert judged(text) == expected


@pytest.mark.parametrize("unit", ["kwh", "KWH", "m3", "L", "therm", "", None])
def test_a_unit_of_another_commodity_or_none_is_refused(unit: str | None) -> None:
    assert judged("1", unit) == "readings.unit"


def test_a_commodity_that_is_unknown_has_no_unit() -> None:
    assert judged("1", "kWh", "steam") == judged("1", "kWh", None) == "readings.unit"


def test_the_number_is_judged_before_the_unit() -> None:
    assert judged("x", "therm") == "readings.not_a_number"


def test_gas_in_therms_and_joules_becomes_litres_exactly() -> None:
    therm = 100_000 * Fraction("1055.05585262") / 3600 * 1000 / 10_600  # litres
    assert judged("1", "therm", "gas", calorific_value=10_600) == floor(therm + Fraction(1, 2)) == 2765
    assert judged("3600", "MJ", "gas", calorific_value=10_600) == judged("1", "MWh", "gas", calorific_value=10_600)
    assert judged("3.6", "MJ") == 1000


def test_gas_in_energy_needs_the_calorific_value_of_the_meter() -> None:
    assert judged("10.6", "kWh", "gas") == "readings.unit"
    assert judged("10.6", "kWh", "gas", calorific_value=None) == "readings.unit"
    assert judged("10.6", "kWh", "gas", calorific_value=10_600) == 1000
    assert judged("1", "kWh", "gas", calorific_value=10_600) == 94  # 94.34
    assert judged("1", "kWh", "gas", calorific_value=0) == "readings.unit"
    assert judged("1", "m3", "gas", calorific_value=10_600) == 1000
    assert judged("1", "kWh", "water", calorific_value=10_600) == "readings.unit"


@pytest.mark.parametrize(
    ("calorific_value", "expected"),
    [(1, 10**9), (CALORIFIC_VALUE_MAX, 1000), (CALORIFIC_VALUE_MAX + 1, "readings.unit"), (-1, "readings.unit")],
)
def test_a_calorific_value_counts_within_its_bounds(calorific_value: int, expected: object) -> None:
    assert judged("1000", "kWh", "gas", calorific_value=calorific_value) == expected


def test_the_table_of_factors_holds_each_commodity_in_its_units_and_gas_in_those_of_energy() -> None:
    rows = quantities._factor_table().rows(named=True)
    found = {
        (row["commodity"], row["unit"]): (row["numerator"], row["denominator"], row["from_energy"]) for row in rows
    }
    own = {
        (commodity.value, name): (UNITS[name].numerator, UNITS[name].denominator, False)
        for commodity in Commodity
        for name in units_of(commodity)
    }
    energy = {("gas", "Wh"): (1000, 1, True), ("gas", "kWh"): (10**6, 1, True), ("gas", "MWh"): (10**9, 1, True)}
    joules, btu = Fraction(1000, 3600), Fraction("1055.05585262") * 1000 / 3600
    others = {"J": joules, "MJ": 10**6 * joules, "GJ": 10**9 * joules, "Btu": btu, "therm": 10**5 * btu}
    assert {key: Fraction(*found.pop(key)[:2]) for key in [("gas", name) for name in others]} == {
        ("gas", name): factor for name, factor in others.items()
    }
    assert found == own | energy
    assert len(rows) == len(found) + len(others)


def test_rows_keep_their_order_and_their_columns() -> None:
    frame = pl.DataFrame({"line": [1, 2], "commodity": ["gas", "water"], "quantity": ["x", "2"], "unit": ["m3", "L"]})
    found = base_quantities(frame)
    assert found.drop("quantity_base", "quantity_error").equals(frame)
    assert found["quantity_base"].to_list() == [None, 2]


def test_every_code_has_a_sentence_that_says_what_to_do() -> None:
    codes = {judged(text, unit) for text, unit in (("x", "kWh"), ("-1", "kWh"), ("1", "L"), ("9" * 15, "kWh"))}
    assert codes == set(QUANTITY_REASONS)
