"""From readings to monthly usage. Source: rules.md section 2; decision record 0002."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.calendar import Period, month_of
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.readings.pieces import PAIR_SCHEMA, cut, day_number
from carbon_bank.readings.rules import monthly_usage
from tests.programme.oracle import Holding, Reading, Tenure, parts, usage_of_month
from tests.programme.worlds import FAR, reading_frame, tenure_frame

JAN, FEB, MAR, APR = (date(2026, month, 1) for month in (1, 2, 3, 4))
MONTHS = list(Period.parse("2026-Q1").months)


def held(since: date = date(2020, 1, 1), until: date = FAR, meter: int = 1, household: int = 1) -> Tenure:
    return Tenure(household, meter, "water", since, until)


def usage(readings: list[Reading], tenures: list[Tenure], coverage: str = "1") -> list[int | None]:
    """January, February and March of 2026 for one household's water."""
    found = monthly_usage(reading_frame(readings), tenure_frame(tenures), MONTHS, Fraction(coverage))
    return found.table()["usage"].to_list()


def test_the_start_day_counts_and_the_end_day_does_not() -> None:
    readings = [Reading(1, JAN, date(2026, 1, 31), 30), Reading(1, date(2026, 1, 31), FEB, 7)]
    assert usage(readings, [held()]) == [37, None, None]
    assert usage(readings[:1], [held()]) == [None, None, None], "the 31st is missing"


def test_a_reading_is_spread_evenly_over_its_days() -> None:
    assert usage([Reading(1, JAN, APR, 900)], [held()]) == [310, 280, 310]


def test_the_largest_remainder_takes_the_unit_and_the_earlier_month_where_equal() -> None:
    assert usage([Reading(1, JAN, APR, 1)], [held()]) == [1, 0, 0]  # 31/90, 28/90, 31/90
    assert usage([Reading(1, JAN, APR, 2)], [held()]) == [1, 0, 1]
    assert usage([Reading(1, JAN, APR, 3)], [held()]) == [1, 1, 1]


def test_a_missing_month_is_missing_and_not_zero() -> None:
    assert usage([Reading(1, JAN, FEB, 0)], [held()]) == [0, None, None]


def test_a_month_short_of_days_is_scaled_where_the_policy_lets_it_be() -> None:
    reading = [Reading(1, JAN, date(2026, 1, 31), 100)]
    assert usage(reading, [held()], "30/31") == [103, None, None]  # 103.33
    assert usage(reading, [held()], "0.97") == [None, None, None]


def test_a_reading_that_reaches_beyond_the_tenure_is_cut_at_it() -> None:
    reading = [Reading(1, JAN, APR, 900)]
    moved = date(2026, 2, 15)
    assert usage(reading, [held(until=moved)], "1/2") == [310, 280, None]  # 140 in 14 of 28 days
    assert usage(reading, [held(since=moved)], "1/2") == [None, 280, 310]


def test_a_day_counts_when_all_meters_of_it_are_read() -> None:
    first, second = Reading(1, JAN, FEB, 10), Reading(2, JAN, date(2026, 1, 20), 5)
    assert usage([first, second], [held(), held(meter=2)]) == [None, None, None]
    assert usage([first, second], [held(), held(meter=2, until=date(2026, 1, 20))]) == [15, None, None]


def test_a_move_within_a_month_adds_both_meters() -> None:
    day = date(2026, 1, 11)
    readings = [Reading(1, JAN, day, 4), Reading(2, day, FEB, 6)]
    assert usage(readings, [held(until=day), held(meter=2, since=day)]) == [10, None, None]


def test_the_days_of_estimated_readings_are_counted() -> None:
    readings = [Reading(1, JAN, date(2026, 1, 11), 1, True), Reading(1, date(2026, 1, 11), FEB, 1)]
    table = monthly_usage(reading_frame(readings), tenure_frame([held()]), MONTHS).table()
    assert table["days_estimated"].to_list() == [10, 0, 0]
    assert table["days_covered"].to_list() == [31, 0, 0]


@pytest.mark.parametrize(
    "readings",
    [
        [Reading(1, JAN, FEB, 1), Reading(1, JAN, FEB, 1)],
        [Reading(1, JAN, FEB, 1), Reading(1, date(2026, 1, 15), date(2026, 2, 15), 1)],
    ],
)
def test_overlapping_readings_are_refused_and_never_counted_twice(readings: list[Reading]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        usage(readings, [held()])
    assert refusal.value.code == "readings.overlap"


@pytest.mark.parametrize("reading", [Reading(1, FEB, JAN, 1), Reading(1, JAN, JAN, 1), Reading(1, JAN, FEB, -1)])
def test_an_impossible_reading_is_refused(reading: Reading) -> None:
    with pytest.raises(InvalidInput) as refusal:
        usage([reading], [held()])
    assert refusal.value.code == "readings.impossible"


def test_two_tenures_on_one_meter_that_overlap_hold_it_once() -> None:
    readings = [Reading(1, JAN, FEB, 31), Reading(1, FEB, MAR, 28)]
    twice = [held(until=date(2026, 2, 10)), held(since=date(2026, 1, 20))]
    assert usage(readings, twice) == [31, 28, None]


def test_nothing_comes_of_nothing() -> None:
    assert usage([], [held()]) == [None, None, None]
    assert usage([Reading(1, JAN, FEB, 1)], []) == []


dates = st.dates(date(2025, 11, 1), date(2026, 5, 1))


@given(dates, st.integers(1, 100), st.integers(0, 10**12), dates, st.integers(0, 200))
def test_the_parts_of_a_reading_add_up_to_it_and_are_those_of_the_rules(
    start: date, days: int, quantity: int, since: date, length: int
) -> None:
    reading = Reading(1, start, start + timedelta(days=days), quantity)
    until = since + timedelta(days=length)
    numbers = [day_number(day) for day in (reading.start, reading.end, since, until)]
    pairs = pl.DataFrame([(0, *numbers, quantity, False)], schema=PAIR_SCHEMA, orient="row")
    found = {(row["month"], True): row["quantity"] for row in cut(pairs).to_dicts()}
    expected = parts(reading, since, until)
    assert found == {key: value for key, value in expected.items() if key[1]}
    assert sum(expected.values()) == quantity


@st.composite
def meters(draw: st.DrawFn) -> tuple[list[Reading], list[Tenure]]:
    """A household with up to three meters, read and held at odd times."""
    readings, tenures = [], []
    for meter in range(draw(st.integers(1, 3))):
        day = date(2025, 12, 1)
        while day < APR:
            after = day + timedelta(days=draw(st.sampled_from([1, 10, 28, 31, 31, 45])))
            if draw(st.integers(0, 5)):
                readings.append(Reading(meter, day, after, draw(st.integers(0, 50)), draw(st.booleans())))
            day = after
        since = draw(st.sampled_from([date(2025, 1, 1), JAN, date(2026, 1, 9), FEB, date(2026, 2, 20)]))
        until = draw(st.sampled_from([FAR, FAR, MAR, date(2026, 3, 3)]))
        tenures.append(Tenure(1, meter, "water", since, until))
    return readings, tenures


@settings(deadline=None)
@given(meters(), st.sampled_from(["1", "0.9", "1/3"]))
def test_covered_days_are_those_that_a_count_day_by_day_finds(
    home: tuple[list[Reading], list[Tenure]], coverage: str
) -> None:
    readings, tenures = home
    found = monthly_usage(reading_frame(readings), tenure_frame(tenures), MONTHS, Fraction(coverage)).table()
    holdings = [Holding(t.start, t.end, [r for r in readings if r.meter == t.meter]) for t in tenures]
    for row in found.to_dicts():
        expected = usage_of_month(holdings, row["month"], Fraction(coverage))
        assert (row["usage"], row["days_covered"], row["days_estimated"]) == (
            expected.usage, expected.covered, expected.estimated,
        )  # fmt: skip


def test_months_need_not_lie_together() -> None:
    readings = [
        Reading(1, date(2025, 1, 1), FEB.replace(year=2025), 5),
        Reading(1, JAN, FEB, 6),
        Reading(1, FEB, MAR, 7),
    ]
    found = monthly_usage(reading_frame(readings), tenure_frame([held()]), [month_of(JAN), month_of(date(2025, 1, 1))])
    assert found.months == (month_of(date(2025, 1, 1)), month_of(JAN))
    assert found.of_month(month_of(JAN)).to_list() == [6]
