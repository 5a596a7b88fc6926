"""The laws of findings, without a database: digits, outliers, copies, hours."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, getcontext
from fractions import Fraction
from statistics import median

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.audit.findings import copies
from carbon_bank.audit.findings.cases import Approval, odd_hour, odd_hours, shared_accounts
from carbon_bank.audit.findings.digits import (
    BENFORD,
    EVEN,
    chi_square,
    digit_findings,
    first_digit_test,
    last_digit_test,
    resolution,
)
from carbon_bank.audit.findings.kinds import (
    CASES_MAX,
    CRITICAL_FIRST,
    CRITICAL_LAST,
    KINDS,
    Case,
    Code,
    added,
    found,
    nothing,
)
from carbon_bank.audit.findings.outliers import UNKNOWN, outliers
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE, COMMODITY_DTYPE
from tests.audit.honest_town import chance


def histogram(values: list[int]) -> pl.DataFrame:
    counted = pl.DataFrame({"quantity": values}, schema={"quantity": pl.Int64})
    return counted.group_by("quantity").agg(readings=pl.len().cast(pl.Int64)).sort("quantity")


# Digits.


def test_the_shares_of_benford_are_logarithms_and_come_to_one() -> None:
    getcontext().prec = 30
    exact = [(1 + 1 / Decimal(digit)).log10() for digit in range(1, 10)]
    assert all(
        abs(Decimal(share.numerator) / share.denominator - each) < Decimal("1e-11")
        for share, each in zip(BENFORD, exact, strict=True)
    )
    assert sum(BENFORD) == sum(EVEN) == 1


def test_chi_square_is_exact() -> None:
    assert chi_square([10, 10, 10], [Fraction(1, 3)] * 3) == 0
    # by hand: (12-10)^2/10 + (9-10)^2/10 + (9-10)^2/10
    assert chi_square([12, 9, 9], [Fraction(1, 3)] * 3) == Fraction(6, 10)
    assert chi_square([1, 0], [Fraction(1, 7), Fraction(6, 7)]) == 6


@given(st.lists(st.integers(0, 50), min_size=10, max_size=10).filter(any))
def test_chi_square_agrees_with_its_definition(counts: list[int]) -> None:
    expected = Fraction(sum(counts), 10)
    assert chi_square(counts, EVEN) == sum((count - expected) ** 2 / expected for count in counts)


def spread(number: int) -> list[int]:
    """Numbers over four orders of magnitude, evenly spread by their logarithm."""
    return [int(10 ** (1 + 4 * at / number)) for at in range(number)]


def test_numbers_over_orders_of_magnitude_follow_benford_and_one_default_value_breaks_it() -> None:
    honest = first_digit_test("u", "gas", histogram(spread(2000)))
    assert honest.why_not is None and honest.chi_square is not None and honest.chi_square < CRITICAL_FIRST
    planted = first_digit_test("u", "gas", histogram([*spread(2000), *[9000] * 120]))
    assert planted.chi_square is not None and planted.chi_square > CRITICAL_FIRST
    report = digit_findings(Code.DIGITS_FIRST, [honest, planted], CRITICAL_FIRST, "2026-01..2026-06")
    assert (report.looked_at, report.found, report.cases[0].figures["values"]) == (2, 1, 2120)
    assert report.cases[0].link == "/v1/coverage?months=2026-01..2026-06&utility=u&commodity=gas"


def test_digit_tests_are_not_made_where_they_say_nothing() -> None:
    few = histogram(spread(999))
    assert first_digit_test("u", "gas", few).why_not == "fewer than 1000 values"
    assert last_digit_test("u", "gas", few).why_not == "fewer than 1000 values of two digits or more"
    alike = histogram([200 + chance(at) // 5 for at in range(2000)])
    assert "too close together" in (first_digit_test("u", "gas", alike).why_not or "")
    short = histogram([11 + chance(at) // 50 for at in range(2000)])
    assert "too many values are short" in (last_digit_test("u", "gas", short).why_not or "")


def test_last_digits_are_tested_in_the_step_in_which_a_utility_reads() -> None:
    read = [100 * (300 + chance("read", at)) for at in range(3000)]
    assert resolution(histogram(read)) == 100
    assert resolution(histogram([*read, 12345])) == 100, "one finer reading changes nothing"
    honest = last_digit_test("u", "water", histogram(read))
    assert honest.chi_square is not None and honest.chi_square < CRITICAL_LAST and sum(honest.counts) == 3000
    rounded = [each if at % 5 else each // 500 * 500 for at, each in enumerate(read)]
    planted = last_digit_test("u", "water", histogram(rounded))
    assert planted.chi_square is not None and planted.chi_square > CRITICAL_LAST
    assert max(planted.counts) in {planted.counts[0], planted.counts[5]}


# Outliers.

AWARD = {
    "household_id": pl.Int64,
    "commodity": AWARD_COMMODITY_DTYPE,
    "dwelling": pl.Int64,
    "band": pl.Int64,
    "usage": pl.Int64,
    "reduction_bp": pl.Int64,
    "points": pl.Int64,
    "is_paid": pl.Boolean,
}


def awards(usages: list[int], reductions: list[int] | None = None, dwelling: int = 1) -> pl.DataFrame:
    flat = reductions or [UNKNOWN] * len(usages)
    rows = [
        (at, "gas", dwelling, 2, use, less, 500, True) for at, (use, less) in enumerate(zip(usages, flat, strict=True))
    ]
    return pl.DataFrame(rows, schema=AWARD, orient="row")


@given(st.lists(st.integers(0, 400), min_size=30, max_size=60))
def test_an_outlier_is_what_its_definition_says(usages: list[int]) -> None:
    middle = median(map(Fraction, usages))
    mad = median(abs(each - middle) for each in map(Fraction, usages))
    far = {
        at for at, each in enumerate(usages) if mad and Fraction("0.6745") * abs(each - middle) / mad > Fraction("3.5")
    }
    report = outliers(7, awards(usages))
    assert report.found == len(far)
    assert {case.households[0] for case in report.cases} == far
    scores = [Decimal(str(case.figures["score"])) for case in report.cases]
    assert scores == sorted(scores, reverse=True)


def test_a_planted_outlier_is_found_in_its_own_group_only() -> None:
    usages = [1000 + at for at in range(40)]
    reductions = [100 + at for at in range(40)]
    assert outliers(7, awards(usages, reductions)).found == 0
    reductions[5] = 4000
    [case] = outliers(7, awards(usages, reductions)).cases
    assert (case.households, case.figures["measure"], case.figures["value"]) == ((5,), "reduction_bp", 4000)
    assert (case.figures["median"], case.link) == ("120.5", "/v1/awards/7-5-gas/explanation")
    small = outliers(7, awards(usages[:29], reductions[:29]))
    assert (small.found, small.numbers["paid_in_groups_too_small"]) == (0, 29)
    flat = outliers(7, awards([1000] * 39 + [9000]))
    assert (flat.found, flat.numbers["groups_without_spread"]) == (0, 1), "no spread, no score"


def test_what_pays_nothing_is_compared_with_and_not_told() -> None:
    frame = awards([*range(1000, 1040), 9000]).with_columns(is_paid=pl.col("usage") != 9000)
    report = outliers(7, frame)
    assert (report.found, report.looked_at, report.numbers["outliers_without_points"]) == (0, 40, 1)


# Copies.

READINGS = {
    "meter_id": pl.Int64,
    "commodity": COMMODITY_DTYPE,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "quantity": pl.Int64,
}


def months(meter_id: int, quantities: list[int], commodity: str = "water") -> pl.DataFrame:
    rows = [
        (meter_id, commodity, date(2026, at + 1, 1), date(2026, at + 2, 1), each) for at, each in enumerate(quantities)
    ]
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def copied(frames: list[pl.DataFrame], step: int = 1) -> list[tuple[int, int, int]]:
    """Meter, other meter, equal readings."""
    readings = pl.concat(frames)
    steps = readings.select("meter_id").unique().with_columns(step=pl.lit(step, pl.Int64))
    pairs = copies.pairs(pl.concat([copies.marks(frame) for frame in frames]), steps)
    agreed = copies.agreements(pairs, readings, steps)
    holders = pl.DataFrame(schema={"meter_id": pl.Int64, "household_id": pl.Int64})
    cases = copies.copied(agreed, holders, len(frames), "/elsewhere").cases
    assert all(case.link == "/elsewhere" for case in cases)
    return [
        tuple(int(case.figures[name]) for name in ("meter_id", "other_meter_id", "readings_equal")) for case in cases
    ]  # type: ignore[misc]


ONE = [1500, 1611, 1488, 1702, 1555, 1499, 1600, 1583]


def test_six_equal_readings_in_a_row_are_a_copy_and_five_are_not() -> None:
    five_equal, six_equal = [*ONE[:5], 1, 2, 3], [9999, *ONE[1:7], 9999]
    assert copied([months(1, ONE), months(2, five_equal)]) == []
    assert copied([months(1, ONE), months(2, six_equal)]) == [(1, 2, 6)]
    assert copied([months(1, ONE), months(2, ONE), months(3, ONE)]) == [(1, 2, 8), (1, 3, 8)]
    assert copied([months(1, ONE), months(2, ONE, "gas")]) == [], "of another commodity"
    gap = months(2, ONE).with_columns(period_end=pl.col("period_end").dt.offset_by("1d"))
    assert copied([months(1, ONE), gap]) == [], "for other days"


def test_short_numbers_that_agree_are_chance() -> None:
    short = [12, 15, 13, 14, 12, 11, 13, 12]
    assert copied([months(1, short), months(2, short)]) == []
    zeros = [0] * 8
    assert copied([months(1, zeros), months(2, zeros)]) == []
    in_steps = [each * 100 for each in short]
    assert copied([months(1, in_steps), months(2, in_steps)], step=100) == [], (
        "what is read in hundreds has no more digits"
    )
    assert copied([months(1, in_steps), months(2, in_steps)], step=1) == [(1, 2, 8)]


def test_a_run_does_not_go_on_from_one_meter_to_the_next() -> None:
    both = pl.concat([months(1, ONE[:3]), months(2, ONE[3:6])])
    assert copies.marks(both).height == 0


# Approvals and accounts.


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-11-25 21:59", None),
        ("2026-11-25 22:00", "night"),
        ("2026-11-26 05:59", "night"),
        ("2026-11-26 06:00", None),
        ("2026-11-27 12:00", None),
        ("2026-11-28 00:00", "night, weekend"),
        ("2026-11-29 12:00", "weekend"),
        ("2026-11-30 06:00", None),
    ],
)
def test_night_and_weekend(local: str, expected: str | None) -> None:
    assert odd_hour(datetime.fromisoformat(f"{local}+09:00")) == expected


def test_hours_are_those_of_the_city() -> None:
    at = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
    approvals = [Approval("payout.approved", "payout_run:1", "person:2", at)]
    assert odd_hours(approvals, "Europe/Berlin").found == 0
    [case] = odd_hours(approvals, "Asia/Seoul").cases
    assert (case.figures["local"], case.figures["when"]) == ("2026-11-25 23:00 Wednesday", "night")


def test_a_household_paid_twice_to_one_account_is_no_shared_account() -> None:
    report = shared_accounts([(1, b"a"), (1, b"a"), (2, b"b"), (3, b"b"), (4, b"b")])
    assert (report.looked_at, report.found, report.cases[0].households) == (2, 1, (2, 3, 4))


# Reports.


def test_cases_are_bounded_and_counted() -> None:
    rows = pl.DataFrame({"n": range(CASES_MAX + 5)})
    one = found(Code.METER_SHARED, 1000, rows, lambda row: Case(link=str(row["n"])), numbers={"days": 3})
    assert (one.found, len(one.cases)) == (CASES_MAX + 5, CASES_MAX)
    both = added(Code.METER_SHARED, [one, one, nothing(Code.METER_SHARED, "why")])
    assert (both.looked_at, both.found, len(both.cases), both.numbers) == (
        2000,
        2 * CASES_MAX + 10,
        CASES_MAX,
        {"days": 6},
    )
    assert both.passed_over == "why"


def test_the_table_has_every_kind_in_order() -> None:
    assert list(KINDS) == list(Code)
