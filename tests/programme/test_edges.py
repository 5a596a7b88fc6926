"""The rules at their edges: just on a bound, just beside it, and what is told there. Source: rules.md sections 2 to 6."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.programme import limits
from carbon_bank.programme.combined import combine, emission_parts
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rules import (
    AWARD_SCHEMA,
    POPULATION_SCHEMA,
    STREAK_SCHEMA,
    add_populations,
    award,
    evaluate,
    no_streaks,
)
from tests.programme.made_up import (
    H1_2026,
    HOUSEHOLD,
    KOREA,
    METER,
    korea,
    months,
    settle_all,
    settle_one,
    streak_of,
    tenure,
    three_years,
    told,
)
from tests.programme.oracle import Reading, Tenure
from tests.programme.worlds import FAR, household_frame, reading_frame, tenure_frame


def totals(*households: int) -> pl.DataFrame:
    rows = [
        (name, "flat", 1, number, 10) for name, number in zip(("electricity", "gas", "water"), households, strict=False)
    ]
    return pl.DataFrame(rows, schema=POPULATION_SCHEMA, orient="row")


class TestPopulation:
    def test_a_city_may_have_the_largest_number_of_households_for_each_commodity(self) -> None:
        most = limits.POPULATION_MAX
        assert add_populations([totals(most, most, most)])["households"].to_list() == [most, most, most]

    def test_a_city_that_is_too_large_is_told_how_large_it_is(self) -> None:
        with pytest.raises(TooLarge, match=f"^A city of 100000001 households is above {limits.POPULATION_MAX}, ") as no:
            add_populations([totals(limits.POPULATION_MAX), totals(1)])
        assert no.value.code == "programme.beyond_bounds"
        assert no.value.facts == {"households": 100_000_001, "households_max": limits.POPULATION_MAX}

    @pytest.mark.parametrize(("used", "outcomes"), [(0, {"not_evaluable"}), (1, {"reduction", "no_reduction"})])
    def test_peers_who_used_nothing_are_no_baseline(self, used: int, outcomes: set[str]) -> None:
        policy = korea(baseline={"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 2})
        tenures = [tenure(H1_2026.first_day, household=each, meter=each) for each in (1, 2)]
        readings = [*months("2026-01", [0] * 6, 1), *months("2026-01", [0, 0, used, 0, 0, 0], 2)]
        rows = settle_all(readings, tenures, policy, homes={1: ("flat", 1), 2: ("flat", 1)})
        assert {row["outcome"] for row in rows} == outcomes


NUMERATOR_MAX, DENOMINATOR_MAX = limits.NUMERATOR_MAX, limits.COMBINED_DENOMINATOR_MAX


def combined(factor: str = "1") -> Policy:
    return korea(
        commodities={name: {"factor": factor} for name in ("electricity", "gas", "water")},
        reduction={"basis": "combined_co2e", "tiers": [{"from": "0.1", "points": 1}]},
        maintenance=None,
    )


def cases_of(rows: list[tuple[int, str, int | None, int | None, int | None]]) -> pl.DataFrame:
    """Household, commodity, usage and baseline (numerator, denominator), as `combine` takes them."""
    schema = {"household_id": pl.Int64, "commodity": AWARD_COMMODITY_DTYPE, "usage": pl.Int64}
    wide = dict.fromkeys(("baseline_num", "baseline_den"), pl.Int128)
    return pl.DataFrame(rows, schema=schema | wide, orient="row").with_columns(tenure_since=date(2020, 1, 1))


def added(policy: Policy, *cases: tuple[int | None, int | None, int | None]) -> dict[str, Any]:
    """The combined case of a household with these baselines (numerator, denominator) and usages."""
    rows = [
        (1, name.value, usage, num, den) for name, (num, den, usage) in zip(policy.commodities, cases, strict=False)
    ]
    return combine(policy, cases_of(rows)).row(0, named=True)


class TestCombined:
    def test_a_combined_baseline_is_no_larger_a_fraction_than_its_parts_need(self) -> None:
        policy = korea(
            commodities={"electricity": {"factor": "1"}, "gas": {"factor": "1/3"}, "water": {"factor": "0.25"}},
            reduction={"basis": "combined_co2e", "tiers": [{"from": "0.1", "points": 1}]},
            maintenance=None,
        )
        tenures = [tenure(commodity="gas", meter=1), tenure(commodity="water", meter=2)]
        readings = [
            *three_years([5, 5, 5, 5, 5, None], [6, 6, 6, 6, 6, None], 5, meter=1),
            *three_years(9, 10, 8, meter=2),
        ]
        [row] = settle_all(readings, tenures, policy)
        gas, water = Fraction(5 * 11 * 6, 2 * 5), Fraction(6 * 19, 2)
        assert Fraction(row["baseline_num"], row["baseline_den"]) == gas / 3 + water / 4
        assert row["baseline_den"] == (2 * 5) * 2 * 12, "the denominators of the parts and the factors' common one"

    def test_the_smallest_baseline_is_one(self) -> None:
        row = added(combined(), (1, 5, 0))
        assert (row["baseline_num"], row["baseline_den"], row["usage"]) == (1, 5, 0)
        assert added(combined(), (0, 5, 0))["baseline_num"] is None

    def test_what_is_required_suffices(self) -> None:
        policy = korea(
            reduction={
                "basis": "combined_co2e",
                "tiers": [{"from": "0.1", "points": 1}],
                "required": ["electricity", "gas"],
                "min_commodities": 2,
            },
            maintenance=None,
        )
        one, both = added(policy, (9, 1, 8)), added(policy, (9, 1, 8), (9, 1, 8))
        assert (one["usage"], both["usage"]) == (None, 21)  # 8 x 0.424 + 8 x 2.24 = 21.3

    def test_the_parts_that_are_added_are_told(self) -> None:
        rows = [(1, "electricity", 8, 9, 2), (1, "gas", 5, None, None), (1, "water", 3, 7, 1), (2, "gas", 1, 4, 5)]
        told = emission_parts(combined("1/3"), cases_of(rows)).sort("household_id", "commodity")
        assert told.columns == ["household_id", "commodity", "usage_part", "baseline_part", "den"]
        assert told.schema["commodity"] == AWARD_COMMODITY_DTYPE
        assert told.rows() == [
            (1, "electricity", 8 * 2, 9, 6), (1, "water", 3 * 2, 7 * 2, 6), (2, "gas", 5, 4, 15),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("cases", "num", "den"),
        [
            ([(NUMERATOR_MAX // 5 - 3, 3, 7), (5, 5, 7)], 5 * (NUMERATOR_MAX // 5 - 3) + 3 * 5, 15),
            ([(10**10, 10**10, 10**12), (1, 10**10, 0)], 10**20 + 10**10, 10**20),
        ],
    )
    def test_sums_up_to_the_bounds_are_exact(self, cases: list[tuple[int, int, int]], num: int, den: int) -> None:
        row = added(combined(), *cases)
        assert (row["baseline_num"], row["baseline_den"]) == (num, den)
        assert num <= NUMERATOR_MAX and den <= DENOMINATOR_MAX

    @pytest.mark.parametrize(
        ("factor", "cases", "num", "den"),
        [
            ("1", [(NUMERATOR_MAX // 5, 3, 7), (1, 5, 7)], NUMERATOR_MAX + 3, 15),
            ("1", [(10**10, 10**10, 10**12), (1, 10**10, 1)], (10**12 + 1) * 10**20, 10**20),
            ("1/3", [(10**10, 10**10, 7), (1, 10**10, 0)], 7 * 10**20, 3 * 10**20),
        ],
    )
    def test_sums_above_the_bounds_are_refused_with_their_size(
        self, factor: str, cases: list[tuple[int, int, int]], num: int, den: int
    ) -> None:
        with pytest.raises(TooLarge) as refusal:
            added(combined(factor), *cases)
        assert refusal.value.code == "programme.beyond_bounds"
        assert refusal.value.facts == {"numerator": str(num), "denominator": str(den)}
        assert f"needs a fraction of up to {num} / {den}; " in refusal.value.message


class TestEvaluation:
    def evaluated(self, readings: list[Reading], homes: dict[int, tuple[str | None, int | None]] | None = None) -> Any:
        frames = reading_frame(readings), tenure_frame([tenure(since=date(2023, 5, 1))])
        households = None if homes is None else household_frame(homes)
        return evaluate(KOREA, H1_2026, *frames, households).row(0, named=True)

    def test_what_is_known_of_a_household_is_told_whole(self) -> None:
        half = [Reading(METER, date(2026, 3, 1), date(2026, 3, 11), 30, True)]
        readings = three_years(100, [100, 900, None, 100, 100, 100], [90, 90, None, None, 90, 90]) + half
        assert self.evaluated(readings, {HOUSEHOLD: ("house", 9)}) == {
            "household_id": HOUSEHOLD,
            "commodity": "electricity",
            "tenure_since": date(2023, 5, 1),
            "usage": None,
            "days_covered": 31 + 28 + 10 + 31 + 30,
            "days_estimated": 10,
            "months_missing": 2,
            "months_scaled": 0,
            "repeated_usage": None,
            "baseline_num": 2 * 5 * 100 + 1000,
            "baseline_den": 2,
            "baseline_months": 6,
            "newcomer": False,
            "spike_month": "2025-02",
            "spike_usage": 900,
            "spike_median_doubled": 200,
            "shared_meter_id": None,
            "dwelling_type": "house",
            "residents_band": 4,
        }

    @pytest.mark.parametrize(("residents", "band"), [(None, None), (0, None), (1, 1), (4, 4), (5, 4)])
    def test_homes_of_four_and_more_are_one_band_and_nobody_is_none(
        self, residents: int | None, band: int | None
    ) -> None:
        assert self.evaluated([], {HOUSEHOLD: ("flat", residents)})["residents_band"] == band

    def test_a_home_that_is_not_known_has_no_peers(self) -> None:
        for homes in (None, {2: ("flat", 1)}):
            row = self.evaluated([], homes)
            assert (row["dwelling_type"], row["residents_band"]) == (None, None)

    def test_two_equal_months_repeat(self) -> None:
        policy = korea(period_months=2, baseline={"method": "same_months_mean"})
        period = Period.parse("2026-01/2")
        assert "usage.repeated" in told(settle_one(three_years(100, 100, 90), policy=policy, period=period))


class TestAward:
    def test_awards_come_in_the_order_of_household_and_commodity_with_the_stated_columns(self) -> None:
        tenures = [
            Tenure(h, 10 * h + i, name, date(2020, 1, 1), FAR)
            for h in (3, 1)
            for i, name in enumerate(("water", "gas"))
        ]
        evaluated = evaluate(KOREA, H1_2026, reading_frame([]), tenure_frame(tenures))
        awards = award(KOREA, H1_2026, evaluated.reverse())
        assert awards.schema == AWARD_SCHEMA
        assert awards.select("household_id", "commodity").rows() == [(1, "gas"), (1, "water"), (3, "gas"), (3, "water")]

    def test_before_the_first_period_there_is_no_run(self) -> None:
        assert no_streaks().schema == STREAK_SCHEMA and no_streaks().is_empty()
        reduced = three_years(1000, 1000, 900)
        assert settle_one(reduced)["streak"] == settle_one(reduced, streaks=no_streaks())["streak"] == 1

    @pytest.mark.parametrize(("before", "after"), [(29_999, 30_000), (30_000, 30_000)])
    def test_a_run_is_counted_up_to_a_ceiling(self, before: int, after: int) -> None:
        assert settle_one(three_years(1000, 1000, 900), streaks=streak_of(before))["streak"] == after

    def test_the_run_of_another_commodity_or_household_does_not_count(self) -> None:
        kept = three_years(1000, 1000, 970)
        assert settle_one(kept, streaks=streak_of(2, "gas"))["outcome"] == "below_threshold"
        theirs = streak_of(2).with_columns(household_id=pl.lit(2, dtype=pl.Int64))
        assert settle_one(kept, streaks=theirs)["outcome"] == "below_threshold"

    def test_maintenance_and_standard_use_are_for_the_commodities_that_they_name(self) -> None:
        policy = korea(
            maintenance={"after": 1, "points": {"gas": 9}}, standard_use={"share": "1", "points": {"gas": 7}}
        )  # fmt: skip
        kept = [*three_years(1000, 1000, 970), *three_years(1000, 1000, 970, meter=8)]
        tenures = [tenure(), tenure(commodity="gas", meter=8)]
        both = pl.concat([streak_of(1), streak_of(1, "gas")])
        rows = settle_all(kept, tenures, policy, streaks=both)
        assert [(row["outcome"], row["points"], row["streak"]) for row in rows] == [
            ("below_threshold", 0, 0), ("maintenance", 16, 1),
        ]  # fmt: skip
        assert ["standard_use" in told(row) for row in rows] == [False, True]

    def test_a_household_with_a_baseline_of_its_own_keeps_it_among_peers(self) -> None:
        policy = korea(baseline={"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 1})
        tenures = [tenure(), tenure(H1_2026.first_day, household=2, meter=8)]
        readings = [*three_years(100, 100, 90), *months("2026-01", [60] * 6, 8)]
        rows = settle_all(readings, tenures, policy, homes={1: ("flat", 1), 2: ("flat", 1)})
        assert [Fraction(row["baseline_num"], row["baseline_den"]) for row in rows] == [600, 450]
        assert ["baseline.peer" in told(row) for row in rows] == [False, True]

    def test_a_cap_is_of_each_household_and_period(self) -> None:
        tenures = [
            Tenure(h, 10 * h + i, name, date(2020, 1, 1), FAR)
            for h in (1, 2)
            for i, name in enumerate(("electricity", "gas", "water"))
        ]
        readings = [r for each in tenures for r in three_years(1000, 1000, 800, meter=each.meter)]
        found = {
            most: [
                (row["points"], "points.capped" in told(row))
                for row in settle_all(readings, tenures, korea(household_points_max=most))
            ]
            for most in (0, 14_999, 15_000, 25_000)
        }
        assert found == {
            0: [(0, True)] * 6,
            14_999: [(14_999, True), (0, True), (0, True)] * 2,
            15_000: [(15_000, False), (0, True), (0, True)] * 2,
            25_000: [(15_000, False), (8_000, False), (2_000, False)] * 2,
        }  # fmt: skip

    def test_a_policy_that_compares_households_needs_the_population(self) -> None:
        policy = korea(standard_use={"share": "1", "points": {"gas": 7}})
        evaluated = evaluate(policy, H1_2026, reading_frame([]), tenure_frame([tenure()]))
        with pytest.raises(ValueError, match=r"^korea-carbon-point@2024 compares households with others: award needs "):
            award(policy, H1_2026, evaluated)
