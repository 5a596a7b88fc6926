"""Months and periods, exact units, and ids that sort by time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation import calendar
from carbon_bank.foundation.calendar import Period, days_in_month, first_day, month_of, month_text
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.ids import uuid7
from carbon_bank.foundation.units import BASE_UNIT, UNITS, Commodity, to_base, units_of

MONTHS = st.integers(calendar.YEAR_MIN * 12, calendar.YEAR_MAX * 12 + 11)
PERIODS = st.builds(Period, MONTHS, st.sampled_from(calendar.PERIOD_LENGTHS))
DAYS = st.dates(date(1970, 1, 1), date(9998, 12, 31))


@given(DAYS)
def test_a_day_lies_in_its_month(day: date) -> None:
    month = month_of(day)
    assert first_day(month) <= day < first_day(month + 1)
    assert (day - first_day(month)).days + 1 == day.day <= days_in_month(month)
    assert month_text(month) == day.isoformat()[:7]


@given(PERIODS)
def test_a_period_is_read_from_the_text_it_is_written_as(period: Period) -> None:
    assert Period.parse(str(period)) == period


@given(PERIODS, st.integers(-20, 20))
def test_shifted_periods_follow_one_another_without_a_gap(period: Period, steps: int) -> None:
    assert period.shift(steps).shift(-steps) == period
    assert period.shift(1).first_month == period.months.stop
    assert period.end_day == first_day(period.months[-1] + 1) and period.first_day.day == 1


@given(MONTHS, st.sampled_from(calendar.PERIOD_LENGTHS), st.integers(1, 12))
def test_each_month_lies_in_one_period_that_is_aligned(month: int, length: int, anchor: int) -> None:
    period = Period.containing(month, length, anchor)
    assert month in period.months and period.length == length
    assert period.is_aligned(anchor)
    assert period.is_aligned(anchor % 12 + 1) is (length == 1)


@given(PERIODS.filter(lambda period: period.first_month < 9900 * 12), st.integers(0, 30))
def test_a_range_holds_every_period_from_the_first_to_the_last(period: Period, more: int) -> None:
    assert Period.parse_range(f"{period}..{period.shift(more)}") == [period.shift(step) for step in range(more + 1)]


@pytest.mark.parametrize(
    ("text", "first", "length"),
    [
        ("2026-H1", (2026, 1), 6),
        ("2026-H2", (2026, 7), 6),
        ("2026-Q3", (2026, 7), 3),
        ("2026-05", (2026, 5), 1),
        ("2026", (2026, 1), 12),
        ("2026-03/6", (2026, 3), 6),
        (" 1970-01 ", (1970, 1), 1),
    ],
)
def test_a_period_is_written_in_few_ways(text: str, first: tuple[int, int], length: int) -> None:
    assert Period.parse(text) == Period(first[0] * 12 + first[1] - 1, length)


@pytest.mark.parametrize(
    "text",
    ["", "26", "2026-13", "2026-00", "2026-H3", "2026-Q5", "2026-h1", "1969", "9999", "2026-H1/2", "2026-5", "٢٠٢٦"],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Period.parse(text)
    assert refused.value.code == "calendar.period"
    assert refused.value.facts == {"value": text}


@pytest.mark.parametrize("text", ["2026-03/5", "2026-03/0", "2026-03/24"])
def test_a_period_of_another_length_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"calendar\.period_length"):
        Period.parse(text)


@pytest.mark.parametrize("text", ["2026-H1..2025-H1", "2026-H1..2026-Q3", "2026-01/6..2026-03/6"])
def test_a_range_out_of_step_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"calendar\.period_range"):
        Period.parse_range(text)


@pytest.mark.parametrize("text", ["2026-H1..", "..2026-H1", "2026-H1...2026-H2", "2025..2026..2027"])
def test_a_range_with_half_an_end_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"calendar\.period"):
        Period.parse_range(text)


def test_a_leap_year_has_a_29th_of_february() -> None:
    assert [days_in_month(year * 12 + 1) for year in (2023, 2024, 2100, 2400)] == [28, 29, 28, 29]


def test_factors_are_exact_by_definition() -> None:
    foot, inch = Fraction(3048, 10000), Fraction(254, 10000)  # metres, international yard and pound agreement of 1959
    assert UNITS["ft3"].factor == foot**3 * 1000
    assert UNITS["ccf"].factor == 100 * UNITS["ft3"].factor
    assert UNITS["gal"].factor == 231 * inch**3 * 1000
    assert UNITS["gal_imp"].factor == Fraction(454609, 100000)
    assert [UNITS[name].factor for name in ("Wh", "kWh", "MWh", "L", "m3")] == [1, 1000, 10**6, 1, 1000]
    assert UNITS["dL"].factor == Fraction(1, 10)
    assert [3600 * UNITS[name].factor for name in ("J", "MJ", "GJ")] == [1, 10**6, 10**9]
    pound, kelvin = Fraction("453.59237"), Fraction(5, 9)  # grams; of a degree Fahrenheit
    calorie = Fraction("4.1868")  # joules, of the international table
    assert 3600 * UNITS["Btu"].factor == pound * kelvin * calorie
    assert UNITS["therm"].factor == 100_000 * UNITS["Btu"].factor


def test_each_commodity_is_sent_in_units_of_its_own() -> None:
    assert units_of(Commodity.ELECTRICITY) == ["Wh", "kWh", "MWh", "J", "MJ", "GJ"]
    assert units_of(Commodity.GAS) == units_of(Commodity.WATER) == ["L", "dL", "m3", "ft3", "ccf", "gal", "gal_imp"]
    assert {unit.base for unit in UNITS.values()} == set(BASE_UNIT.values())


@given(st.fractions(0, 10**9, max_denominator=10**6), st.sampled_from(sorted(UNITS)))
def test_base_units_are_the_nearest_whole_number_and_halves_go_up(quantity: Fraction, name: str) -> None:
    exact, whole = quantity * UNITS[name].factor, to_base(quantity, UNITS[name])
    assert Fraction(-1, 2) < whole - exact <= Fraction(1, 2)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=190_000)).map(lambda since: EPOCH + since)


@given(MOMENTS)
def test_an_id_is_a_uuid_of_version_7_that_holds_its_millisecond(at: datetime) -> None:
    made = uuid7(at)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == (at - EPOCH) // timedelta(milliseconds=1)


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), timedelta(days=9999)))
def test_a_later_id_is_greater(at: datetime, later: timedelta) -> None:
    assert uuid7(at) < uuid7(at + later)


def test_ids_of_one_moment_differ() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({uuid7(at) for _ in range(1000)}) == 1000
