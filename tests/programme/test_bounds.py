"""128 bits are enough: every product of the rules with the largest values that are accepted.

Polars wraps Int128 and Int64 silently, so nothing here trusts that an overflow would show. First the products are
bounded on paper, from the limits that the code enforces; then the rules are run at the limits and compared with
fractions of unbounded integers.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import floor, lcm
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.units import COMMODITY_DTYPE, QUANTITY_MAX
from carbon_bank.programme import limits
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.programme.rationals import above, at_least, floor_of, round_half_up_of
from carbon_bank.programme.rules import EVALUATED_SCHEMA, POPULATION_SCHEMA, add_populations, award, evaluate
from carbon_bank.readings.rules import MONTH_USAGE_MAX, READINGS_MAX, ROWS_MAX, monthly_usage
from tests.programme.oracle import Reading, Tenure, half_up, month_start
from tests.programme.worlds import FAR, reading_frame, tenure_frame

INT64, INT128 = 2**63 - 1, 2**127 - 1
MONTHS, DAYS = 12, 31
USAGE_MAX = MONTHS * MONTH_USAGE_MAX
COMMON = lcm(*range(1, limits.LOOKBACK_YEARS_MAX + 1))
RATE_DEN = limits.DENOMINATOR_MAX


class TestOnPaper:
    def test_monthly_usage_fits_64_bits(self) -> None:
        reading_days_max = 400 * 366  # no calendar has longer ones; readings of 100 days are the most that is taken in
        assert QUANTITY_MAX * reading_days_max <= INT64, "quantity x days of a piece"
        assert READINGS_MAX * QUANTITY_MAX <= INT64, "any sum of the readings of one call"
        assert 2 * MONTH_USAGE_MAX * DAYS + DAYS <= INT64, "scaling to the days of the month"
        assert MONTH_USAGE_MAX * DAYS * RATE_DEN <= INT128

    def test_a_baseline_of_months_fits_64_bits_before_it_is_widened(self) -> None:
        assert MONTHS * COMMON * MONTH_USAGE_MAX <= INT64
        assert MONTHS * MONTHS * COMMON * MONTH_USAGE_MAX <= limits.NUMERATOR_MAX

    def test_the_packed_sort_of_baseline_months_fits_64_bits(self) -> None:
        assert ROWS_MAX * (MONTH_USAGE_MAX + 2) <= INT64

    def test_usage_over_the_denominator_of_the_baseline_is_within_the_bound(self) -> None:
        assert USAGE_MAX * COMMON * MONTHS <= limits.NUMERATOR_MAX
        assert USAGE_MAX * limits.POPULATION_MAX <= limits.NUMERATOR_MAX, "a baseline of peers: total over households"

    def test_a_combined_baseline_of_months_never_exceeds_the_bound(self) -> None:
        den = COMMON * MONTHS
        weight = int(limits.FACTOR_MAX * limits.DENOMINATOR_MAX)
        usage = 3 * USAGE_MAX * weight * den**3
        baseline = 3 * (MONTHS * MONTHS * COMMON * MONTH_USAGE_MAX) * weight * den**2
        assert max(usage, baseline) <= limits.NUMERATOR_MAX
        assert den**3 * limits.DENOMINATOR_MAX <= limits.COMBINED_DENOMINATOR_MAX

    def test_comparisons_fit_128_bits(self) -> None:
        assert 2 * limits.NUMERATOR_MAX <= INT128, "baseline minus usage"
        assert limits.NUMERATOR_MAX * RATE_DEN <= INT128, "a rate against a bound"
        assert USAGE_MAX * limits.POPULATION_MAX * RATE_DEN <= INT128, "standard use"
        assert limits.NUMERATOR_MAX * 10_000 <= INT128, "basis points of what is left of a division"

    def test_points_for_a_unit_fit(self) -> None:
        upper = int(limits.POINTS_PER_UNIT_MAX) * RATE_DEN * RATE_DEN  # numerators of points_per_unit and counted_max
        grams_max = 3 * USAGE_MAX * int(limits.FACTOR_MAX)
        assert upper * max(limits.COMBINED_DENOMINATOR_MAX, limits.POPULATION_MAX) <= INT128, "p x rest"
        assert upper * grams_max <= INT128, "p x whole"
        assert grams_max * int(limits.POINTS_PER_UNIT_MAX) // 1000 <= INT64, "the points themselves"
        assert 2 * int(limits.FACTOR_MAX) * RATE_DEN * USAGE_MAX <= INT128, "avoided emissions"
        assert grams_max <= INT64

    def test_basis_points_fit_64_bits(self) -> None:
        # r = 1 - U / B. The smallest baseline is one unit in one of five years; the rate of a sum of commodities is not
        # below its lowest one, and a household is one of its own peers, so that no mean is below U / POPULATION_MAX.
        smallest = Fraction(1, limits.LOOKBACK_YEARS_MAX)
        assert USAGE_MAX / smallest * 10_000 <= INT64
        assert limits.POPULATION_MAX * 10_000 <= INT64


big = st.integers(-limits.NUMERATOR_MAX, limits.NUMERATOR_MAX)
dens = st.integers(1, limits.COMBINED_DENOMINATOR_MAX)
factors = st.fractions(0, 1, max_denominator=RATE_DEN)


def exactly(expression: pl.Expr, num: int, den: int) -> Any:
    frame = pl.DataFrame({"num": [num], "den": [den]}, schema={"num": pl.Int128, "den": pl.Int128})
    return frame.select(expression).item()


class TestArithmetic:
    @given(big, dens, factors)
    def test_floors_and_roundings_are_those_of_fractions(self, num: int, den: int, factor: Fraction) -> None:
        exact = Fraction(num, den) * factor
        n, d = pl.col("num"), pl.col("den")
        assert exactly(floor_of(n, d, factor), num, den) == floor(exact)
        assert exactly(round_half_up_of(n, d, factor), num, den) == half_up(exact)

    @given(big, st.integers(1, limits.NUMERATOR_MAX), factors)
    def test_comparisons_are_those_of_fractions(self, num: int, den: int, bound: Fraction) -> None:
        n, d = pl.col("num"), pl.col("den")
        assert exactly(at_least(n, d, bound), num, den) is (Fraction(num, den) >= bound)
        assert exactly(above(n, d, bound), num, den) is (Fraction(num, den) > bound)

    @given(st.integers(1, 10**14), dens, factors)
    def test_exact_equality_is_seen(self, part: int, den: int, bound: Fraction) -> None:
        num = bound.numerator * part
        n, d = pl.col("num"), pl.col("den")
        whole = bound.denominator * part
        assert exactly(at_least(n, d, bound), num, whole) is True
        assert exactly(above(n, d, bound), num, whole) is False


def largest_policy(**changes: Any) -> Policy:
    """Everything at its limit: twelve months, five years, eleven months enough, the finest rationals."""
    share = "999999/1000000"
    ladder = [{"from": "1/1000000", "points_per_unit": "99999.999999"}]
    raw: dict[str, Any] = {
        "policy": "largest",
        "version": "1",
        "effective_from": date(2026, 1, 1),
        "period_months": 12,
        "anchor_month": 1,
        "commodities": {name: {"factor": "99.999999"} for name in ("electricity", "gas", "water")},
        "baseline": {"method": "same_months_mean", "lookback_years": 5, "min_months": 11},
        "reduction": {
            "basis": "per_commodity",
            "counted_max": share,
            "tiers": dict.fromkeys(("electricity", "gas", "water"), ladder),
        },
        "review": {"reduction_above": share},
    }
    if changes.pop("combined", False):
        raw["reduction"] |= {"basis": "combined_co2e", "tiers": ladder}
    dumper = yaml.SafeDumper
    dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign,assignment]
    return parse_policy(yaml.dump(raw | changes, Dumper=dumper))


PERIOD = Period.parse("2026")
METERS = 10
FACTOR = Fraction("99.999999")
POINTS_PER_BASE_UNIT = Fraction("99999.999999") / 1000


def largest_readings(usage: int) -> tuple[list[Reading], list[Tenure]]:
    """Ten meters, each month of five years at the largest quantity (one month missing), and a year of `usage`."""
    readings, tenures = [], []
    for meter in range(METERS):
        tenures.append(Tenure(1, meter, "gas", date(2000, 1, 1), FAR))
        for month in range(PERIOD.first_month - 60, PERIOD.first_month + 12):
            quantity = QUANTITY_MAX if month < PERIOD.first_month else usage
            if (month % 12, month < PERIOD.first_month) != (3, True):
                readings.append(Reading(meter, month_start(month), month_start(month + 1), quantity))
    return readings, tenures


class TestAtTheLimits:
    @pytest.mark.parametrize("usage", [0, 1, QUANTITY_MAX - 1, QUANTITY_MAX])
    @pytest.mark.parametrize("combined", [False, True])
    def test_an_award_is_exact(self, usage: int, combined: bool) -> None:
        readings, tenures = largest_readings(usage)
        policy = largest_policy(combined=combined)
        row = award(policy, PERIOD, evaluate(policy, PERIOD, reading_frame(readings), tenure_frame(tenures))).row(
            0, named=True
        )
        weight = FACTOR if combined else Fraction(1)
        baseline, used = METERS * 12 * QUANTITY_MAX * weight, METERS * 12 * usage * weight
        reduction = baseline - used
        assert Fraction(row["baseline_num"], row["baseline_den"]) == baseline
        assert row["usage"] == half_up(used)
        assert row["reduction_bp"] == floor(reduction / baseline * 10_000)
        assert row["avoided_g"] == half_up(reduction if combined else reduction * FACTOR)
        counted = min(reduction, baseline * Fraction(999999, 1000000))
        in_tier = reduction / baseline >= Fraction(1, 1000000)
        assert row["points"] == (floor(counted * POINTS_PER_BASE_UNIT) if in_tier else 0)

    def test_three_commodities_at_the_bound_are_added_exactly(self) -> None:
        policy = largest_policy(combined=True)
        num, den = MONTHS * MONTHS * COMMON * MONTH_USAGE_MAX, COMMON * 11
        row = award(policy, PERIOD, evaluated([(num - step, den, USAGE_MAX - step) for step in range(3)])).row(
            0, named=True
        )
        baseline = sum(Fraction(num - step, den) for step in range(3)) * FACTOR
        used = sum(USAGE_MAX - step for step in range(3)) * FACTOR
        assert Fraction(row["baseline_num"], row["baseline_den"]) == baseline
        assert row["usage"] == half_up(Fraction(used))
        assert row["reduction_bp"] == floor((baseline - used) / baseline * 10_000)
        assert row["avoided_g"] == half_up(baseline - used)

    def test_a_mean_over_the_largest_city_is_exact(self) -> None:
        policy = largest_policy(standard_use={"share": "999999/1000000", "points": {"electricity": 7}})
        total, households = USAGE_MAX * limits.POPULATION_MAX, limits.POPULATION_MAX
        mean = pl.DataFrame([("electricity", None, None, households, total)], schema=POPULATION_SCHEMA, orient="row")
        on_it = USAGE_MAX * 999_999 // 1_000_000
        for usage, points in ((on_it, 7), (on_it + 1, 0)):
            frame = evaluated([(None, None, usage)])
            assert award(policy, PERIOD, frame, population=mean)["points"].to_list() == [points]

    def test_what_lies_beyond_is_refused_and_never_wraps(self) -> None:
        readings, tenures = largest_readings(QUANTITY_MAX)
        one_more = Tenure(1, 99, "gas", date(2026, 1, 1), FAR)
        extra = [Reading(99, date(2026, m, 1), month_start(PERIOD.first_month + m), 1) for m in range(1, 13)]
        with pytest.raises(TooLarge, match="month"):
            evaluate(largest_policy(), PERIOD, reading_frame(readings + extra), tenure_frame([*tenures, one_more]))
        many = [Reading(1, date(2026, 1, day), date(2026, 1, day + 1), QUANTITY_MAX) for day in range(1, 31)]
        half = largest_policy(usage={"min_month_coverage": "1/2"})
        with pytest.raises(TooLarge, match="month"):
            evaluate(half, PERIOD, reading_frame(many), tenure_frame(tenures[1:2]))
        with pytest.raises(TooLarge, match="quantity"):
            big = Reading(1, date(2026, 1, 1), date(2026, 2, 1), QUANTITY_MAX + 1)
            monthly_usage(reading_frame([big]), tenure_frame(tenures), [PERIOD.first_month])

    def test_three_groups_of_peers_too_large_to_add_are_refused(self) -> None:
        policy = largest_policy(combined=True)
        with pytest.raises(TooLarge, match="exact up to"):
            award(policy, PERIOD, evaluated([(10**22, limits.POPULATION_MAX, USAGE_MAX)] * 3))

    def test_a_city_above_the_largest_is_refused(self) -> None:
        half = pl.DataFrame(
            [("gas", None, None, limits.POPULATION_MAX // 2 + 1, 1)], schema=POPULATION_SCHEMA, orient="row"
        )
        with pytest.raises(TooLarge):
            add_populations([half, half])


def evaluated(cases: list[tuple[int | None, int | None, int]]) -> pl.DataFrame:
    """What `evaluate` would return for one household with these baselines and usages of its commodities."""
    rows = [
        {"household_id": 1, "commodity": name, "tenure_since": date(2000, 1, 1), "usage": usage, "baseline_num": num,
         "baseline_den": den, "days_covered": 365, "days_estimated": 0, "months_missing": 0, "months_scaled": 0,
         "newcomer": False}
        for name, (num, den, usage) in zip(COMMODITY_DTYPE.categories, cases, strict=False)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=EVALUATED_SCHEMA)
