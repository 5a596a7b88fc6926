"""The rules, told by small cases. Source: rules.md sections 3 to 7 and 10."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from typing import Any, ClassVar

import polars as pl
import pytest

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.rules import award_rows, mark_shared
from tests.programme.made_up import (
    H1_2026,
    KOREA,
    METER,
    korea,
    months,
    settle_all,
    settle_one,
    streak_of,
    tenure,
    three_years,
)
from tests.programme.oracle import Reading, Tenure
from tests.programme.worlds import FAR, tenure_frame

KWH = 1000


def baseline(row: dict[str, Any]) -> Fraction:
    return Fraction(row["baseline_num"], row["baseline_den"])


def codes(row: dict[str, Any]) -> list[str]:
    return [code for code in row["finding_codes"].split(";") if code]


class TestWorkedExample:
    """Section 10, in Wh."""

    of_2025 = (280 * KWH, 280 * KWH, None, 280 * KWH, 280 * KWH, 280 * KWH)

    def test_a_month_with_one_year_of_history_takes_that_year(self) -> None:
        row = settle_one(three_years(300 * KWH, list(self.of_2025), 270 * KWH))
        assert baseline(row) == 1750 * KWH
        assert row["usage"] == 1620 * KWH
        assert (row["outcome"], row["tier"], row["points"]) == ("reduction", 1, 5000)
        assert row["reduction_bp"] == 742
        assert row["avoided_g"] == 55_120

    def test_a_month_without_history_takes_the_mean_of_the_others(self) -> None:
        of_2024 = [300 * KWH, 300 * KWH, None, 300 * KWH, 300 * KWH, 300 * KWH]
        row = settle_one(three_years(of_2024, list(self.of_2025), 270 * KWH))
        assert baseline(row) == 1740 * KWH
        assert row["reduction_bp"] == 689
        assert row["points"] == 5000

    def test_a_missing_month_of_the_period_is_incomplete_whatever_the_rest_says(self) -> None:
        of_2026 = [270 * KWH, 270 * KWH, None, 270 * KWH, 270 * KWH, 270 * KWH]
        row = settle_one(three_years(300 * KWH, 280 * KWH, of_2026))
        assert (row["outcome"], row["points"]) == ("incomplete", 0)
        assert row["usage"] is None and row["avoided_g"] is None and row["reduction_bp"] is None
        assert baseline(row) == 1740 * KWH, "a baseline is still told"


class TestTiers:
    @pytest.mark.parametrize(
        ("used", "tier", "points"),
        [(9501, None, 0), (9500, 1, 5000), (9001, 1, 5000), (9000, 2, 10000), (8500, 3, 15000), (0, 3, 15000)],
    )
    def test_exactly_on_a_bound_belongs_to_the_tier(self, used: int, tier: int | None, points: int) -> None:
        row = settle_one(three_years(10_000, 10_000, [used, *[used] * 5]))
        assert (row["tier"], row["points"]) == (tier, points)

    def test_a_bound_above_is_not_reached_by_equality(self) -> None:
        tiers = {"electricity": [{"above": "0", "points": 1}, {"above": "0.05", "points": 2}]}
        policy = korea(
            commodities={"electricity": {"factor": "0.4"}}, maintenance=None,
            reduction={"basis": "per_commodity", "tiers": tiers},
        )  # fmt: skip
        used = {500: 0, 499: 1, 475: 1, 474: 2}
        found = {use: settle_one(three_years(500, 500, use), policy=policy)["points"] for use in used}
        assert found == used

    def test_equal_use_is_no_reduction_and_more_use_is_negative(self) -> None:
        same, more = settle_one(three_years(100, 100, 100)), settle_one(three_years(100, 100, 101))
        assert (same["outcome"], same["reduction_bp"], same["avoided_g"]) == ("no_reduction", 0, 0)
        assert (more["outcome"], more["reduction_bp"], more["avoided_g"]) == ("no_reduction", -100, -3)  # -2.544 g

    def test_half_a_gram_is_rounded_up_toward_plus_infinity(self) -> None:
        policy = korea(
            commodities={"electricity": {"factor": "0.5"}}, maintenance=None,
            reduction={"basis": "per_commodity", "tiers": {"electricity": [{"from": "1", "points": 1}]}},
        )  # fmt: skip
        one = [[value, 100, 100, 100, 100, 100] for value in (99, 100, 101)]
        assert [settle_one(three_years(100, 100, use), policy=policy)["avoided_g"] for use in one] == [1, 0, 0]

    def test_points_for_each_unit_are_floored_and_count_no_more_than_the_policy_lets(self) -> None:
        def policy(counted_max: str | None) -> Any:
            tiers = {"electricity": [{"from": "0.03", "points_per_unit": "30"}]}
            reduction = {"basis": "per_commodity", "counted_max": counted_max, "tiers": tiers}
            return korea(commodities={"electricity": {"factor": "0.4"}}, maintenance=None, reduction=reduction)

        readings = three_years(1000 * KWH, 1000 * KWH, [599_999, *[600 * KWH] * 5])
        free, capped = (settle_one(readings, policy=policy(most)) for most in (None, "0.3"))
        assert free["points"] == 72_000  # 2400.001 kWh x 30 = 72,000.03
        assert capped["points"] == 54_000  # 30 % of 6000 kWh x 30
        assert free["avoided_g"] == capped["avoided_g"], "what was avoided is not cut"


class TestBaseline:
    def test_history_before_the_tenure_counts_for_the_dwelling_only(self) -> None:
        readings, late = three_years(100, 100, 90), [tenure(since=date(2025, 12, 1))]
        assert settle_one(readings, tenures=late)["outcome"] == "not_evaluable"
        dwelling = korea(baseline={"method": "same_months_mean", "history": "dwelling"})
        assert settle_one(readings, tenures=late, policy=dwelling)["outcome"] == "reduction"

    def test_a_month_in_which_the_tenure_began_does_not_count(self) -> None:
        readings = three_years(100, [100, 200, 100, 100, 100, 100], 90)
        row = settle_one(readings, tenures=[tenure(since=date(2025, 1, 2))])
        assert baseline(row) == 720  # February to June of 2025: 600 x 6 / 5

    def test_too_few_months_are_not_evaluable(self) -> None:
        readings = three_years(100, [None, None, None, 100, 100, 100], 90)
        assert settle_one(readings, tenures=[tenure(since=date(2025, 1, 1))])["outcome"] == "not_evaluable"

    def test_a_baseline_of_nothing_is_not_evaluable(self) -> None:
        row = settle_one(three_years(0, 0, 0))
        assert (row["outcome"], row["baseline_num"]) == ("not_evaluable", None)

    def test_a_device_exchange_keeps_the_history(self) -> None:
        readings = [r for r in three_years(100, 100, 90) if r.start != date(2025, 3, 1)]
        exchange = date(2025, 3, 12)
        readings += [Reading(METER, date(2025, 3, 1), exchange, 30), Reading(METER, exchange, date(2025, 4, 1), 70)]
        assert baseline(settle_one(readings)) == 600

    def test_a_second_meter_makes_a_newcomer(self) -> None:
        second = Tenure(1, 8, "electricity", date(2026, 1, 1), FAR)
        readings = three_years(100, 100, 90) + months("2026-01", [5] * 6, meter=8)
        row = settle_one(readings, tenures=[tenure(), second])
        assert (row["outcome"], row["usage"]) == ("not_evaluable", 570)

    def test_a_newcomer_may_be_compared_with_its_peers(self) -> None:
        rule = {"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 3}
        readings = [r for household in (1, 2, 3) for r in months("2026-01", [100 * household] * 6, meter=household)]
        tenures = [Tenure(h, h, "electricity", date(2026, 1, 1), FAR) for h in (1, 2, 3)]
        homes = {1: ("flat", 4), 2: ("flat", 7), 3: ("flat", 5)}
        rows = settle_all(readings, tenures, korea(baseline=rule), homes=homes)
        assert [baseline(row) for row in rows] == [1200, 1200, 1200]
        assert [row["outcome"] for row in rows] == ["reduction", "no_reduction", "no_reduction"]
        assert "baseline.peer" in codes(rows[0])
        small = settle_all(readings, tenures, korea(baseline=rule), homes=homes | {3: ("flat", 3)})
        assert {row["outcome"] for row in small} == {"not_evaluable"}, "two are too few, and unlike homes are no peers"


class TestMaintenance:
    readings = three_years(1000, 1000, 970)

    def test_it_is_paid_after_a_run_of_reductions_and_keeps_the_run(self) -> None:
        row = settle_one(self.readings, streaks=streak_of(2))
        assert (row["outcome"], row["points"], row["streak"], row["tier"]) == ("maintenance", 3000, 2, None)

    def test_a_shorter_run_is_below_the_threshold_and_breaks(self) -> None:
        row = settle_one(self.readings, streaks=streak_of(1))
        assert (row["outcome"], row["points"], row["streak"]) == ("below_threshold", 0, 0)

    def test_a_reduction_lengthens_the_run_and_a_gap_ends_it(self) -> None:
        assert settle_one(three_years(1000, 1000, 900), streaks=streak_of(3))["streak"] == 4
        gap = three_years(1000, 1000, [None, *[900] * 5])
        assert settle_one(gap, streaks=streak_of(3))["streak"] == 0

    @pytest.mark.parametrize(
        ("since", "outcome"), [(date(2025, 7, 1), "maintenance"), (date(2025, 7, 2), "below_threshold")]
    )
    def test_a_tenure_newer_than_the_preceding_period_has_no_run(self, since: date, outcome: str) -> None:
        policy = korea(baseline={"method": "same_months_mean", "history": "dwelling"})
        row = settle_one(self.readings, tenures=[tenure(since=since)], policy=policy, streaks=streak_of(2))
        assert row["outcome"] == outcome


class TestStandardUseAndCap:
    points: ClassVar = {"electricity": 5000, "gas": 3000, "water": 750}

    def test_standard_use_is_paid_on_top_of_any_outcome_but_incomplete(self) -> None:
        policy = korea(standard_use={"share": "0.5", "points": self.points})
        readings = [r for h, use in {1: 10, 2: 50, 3: 240}.items() for r in months("2026-01", [use] * 6, meter=h)]
        readings += months("2026-01", [1] * 5, meter=4)
        tenures = [Tenure(h, h, "electricity", date(2026, 1, 1), FAR) for h in (1, 2, 3, 4)]
        rows = settle_all(readings, tenures, policy)
        assert [row["outcome"] for row in rows] == ["not_evaluable"] * 3 + ["incomplete"]
        assert [row["points"] for row in rows] == [5000, 5000, 0, 0], "50 is exactly half of the mean of 100"
        assert codes(rows[0]) == ["usage.repeated", "standard_use"]

    def test_a_cap_cuts_the_last_commodity_first(self) -> None:
        policy = korea(household_points_max=17_000)
        readings, tenures = [], []
        for meter, commodity in enumerate(("water", "gas", "electricity")):
            for first, use in (("2025-01", 1000), ("2026-01", 800)):
                readings += months(first, [use] * 6, meter=meter)
            tenures.append(Tenure(1, meter, commodity, date(2020, 1, 1), FAR))
        rows = settle_all(readings, tenures, policy)
        assert [row["commodity"] for row in rows] == ["electricity", "gas", "water"]
        assert [row["points"] for row in rows] == [15_000, 2_000, 0]
        assert ["points.capped" in codes(row) for row in rows] == [False, True, True]


class TestCombined:
    def policy(self, **changes: Any) -> Any:
        reduction = {"basis": "combined_co2e", "tiers": [{"from": "0.1", "points": 30_000}], **changes}
        return korea(reduction=reduction, maintenance={"after": 1, "points": {"combined": 7}})

    def home(self, gas_2026: int | None) -> tuple[list[Reading], list[Tenure]]:
        readings, tenures = [], []
        for meter, (commodity, before, after) in enumerate(
            [("electricity", 100_000, 80_000), ("gas", 10_000, gas_2026)]
        ):
            readings += months("2025-01", [before] * 6, meter=meter) + months("2026-01", [after] * 6, meter=meter)
            tenures.append(Tenure(1, meter, commodity, date(2020, 1, 1), FAR))
        return readings, tenures

    def test_emissions_are_added_before_the_rate_is_taken(self) -> None:
        [row] = settle_all(*self.home(10_000), self.policy())
        # 600 kWh x 0.424 + 60 m3 x 2.24 = 388.8 kg; 480 kWh x 0.424 + 134.4 = 337.92 kg
        assert (row["commodity"], baseline(row), row["usage"]) == ("combined", 388_800, 337_920)
        assert (row["outcome"], row["points"], row["avoided_g"], row["reduction_bp"]) == (
            "reduction",
            30_000,
            50_880,
            1308,
        )

    def test_a_commodity_that_is_not_evaluable_is_left_out_unless_required(self) -> None:
        home = self.home(None)
        [row] = settle_all(*home, self.policy())
        assert (row["outcome"], row["reduction_bp"]) == ("reduction", 2000)
        for rule in ({"required": ["gas"]}, {"min_commodities": 2}):
            [row] = settle_all(*home, self.policy(**rule))
            assert (row["outcome"], row["points"], row["usage"], row["baseline_num"]) == (
                "not_evaluable",
                0,
                None,
                None,
            )

    def test_the_run_of_maintenance_is_the_combined_one(self) -> None:
        [row] = settle_all(*self.home(10_000), self.policy(), streaks=streak_of(4, "combined"))
        assert row["streak"] == 5


class TestFindings:
    def test_each_tells_its_code_severity_and_numbers(self) -> None:
        row = settle_one(three_years(100, 100, 20))
        found = {each["code"]: each for each in json.loads(row["findings"])}
        assert found["reduction.unusual"] == {
            "code": "reduction.unusual", "severity": "hold", "numbers": {"reduction_bp": 8000, "above": "0.5"},
        }  # fmt: skip
        assert found["usage.repeated"]["severity"] == "note"
        assert row["held"] is True

    def test_exactly_the_threshold_is_not_unusual(self) -> None:
        assert settle_one(three_years(100, 100, 50))["held"] is False

    def test_an_estimated_share_above_the_half_holds(self) -> None:
        readings = three_years(100, 100, [89, 90, 90, 90, 90, 90])
        guessed = [Reading(r.meter, r.start, r.end, r.quantity, r.start >= date(2026, 3, 1)) for r in readings]
        row = settle_one(guessed)
        assert json.loads(row["findings"])[0]["numbers"] == {
            "days_estimated": 122, "days_covered": 181, "share_above": "0.5",
        }  # fmt: skip
        assert row["held"] is True

    def test_a_spike_of_the_baseline_is_told_with_its_month(self) -> None:
        row = settle_one(three_years([100, 100, 101, 100, 100, 100], [100, 100, 304, 100, 100, 100], 99))
        [spike] = [each for each in json.loads(row["findings"]) if each["code"] == "baseline.spike"]
        assert spike["numbers"] == {"month": "2025-03", "usage": 304, "median": "100"}

    def test_vacancy_is_measured_by_the_day(self) -> None:
        policy = korea(review={"usage_per_day_below": {"electricity": "0.5"}})
        low, enough = (three_years(100_000, 100_000, [use, *[15_000] * 5]) for use in (15_499, 15_500))  # 181 x 500 Wh
        assert "usage.vacant" in codes(settle_one(low, policy=policy))
        assert "usage.vacant" not in codes(settle_one(enough, policy=policy))

    def test_a_meter_claimed_by_two_at_one_time_is_shared_and_a_move_is_not(self) -> None:
        readings, move = three_years(100, 100, 90), date(2026, 4, 1)
        both = settle_all(readings, [tenure(), tenure(household=2)])
        assert [codes(row)[-1] for row in both] == ["meter.shared", "meter.shared"]
        moved = settle_all(readings, [tenure(until=move), tenure(household=2, since=move)])
        assert all("meter.shared" not in codes(row) for row in moved)

    def test_shared_meters_can_be_marked_before_a_city_is_cut_into_chunks(self) -> None:
        claims = [tenure(), tenure(household=2, since=date(2026, 6, 30)), tenure(household=3, meter=9)]
        assert mark_shared(H1_2026, tenure_frame(claims))["shared"].to_list() == [True, True, False]

    def test_a_scaled_month_is_a_note(self) -> None:
        readings = [r for r in three_years(100, 100, 90) if r.start != date(2026, 2, 1)]
        readings.append(Reading(METER, date(2026, 2, 1), date(2026, 2, 28), 81))
        row = settle_one(readings, policy=korea(usage={"min_month_coverage": "27/28"}))
        assert row["usage"] == 5 * 90 + 84  # 81 x 28 / 27
        assert "usage.scaled" in codes(row)
        assert settle_one(readings)["outcome"] == "incomplete"


def test_awards_are_stored_with_their_state_of_review() -> None:
    rows = settle_all(three_years(100, 100, 20), [tenure()]) + settle_all(three_years(100, 100, 90), [tenure()])

    stored = award_rows(pl.DataFrame(rows))
    assert stored["review"].to_list() == ["held", "clear"]
    assert set(rows[0]) - set(stored.columns) == {"held", "finding_codes", "reduction_bp"}


def test_a_period_that_the_policy_does_not_settle_is_refused() -> None:
    with pytest.raises(InvalidInput, match="first month is 2026-H1") as refusal:
        settle_one([], policy=KOREA, period=Period.parse("2026-Q1"))
    assert refusal.value.code == "programme.period"


def test_a_household_without_a_reading_still_has_an_award() -> None:
    row = settle_one([])
    assert (row["outcome"], row["points"], row["usage"], row["baseline_num"]) == ("incomplete", 0, None, None)


def test_a_household_without_a_tenure_in_the_period_has_none() -> None:
    assert settle_all(three_years(100, 100, 90), [tenure(until=date(2026, 1, 1))]) == []


@pytest.mark.parametrize(("used", "points"), [(95, 6 * 5), (90, 6 * 10), (89, 6 * 10), (50, 6 * 10)])
def test_points_for_each_unit_are_counted_up_to_the_largest_reduction_that_counts(used: int, points: int) -> None:
    """Of 100 kWh in each of six months; at most a tenth counts."""
    paid = {"electricity": [{"from": "0.03", "points_per_unit": "1"}]}
    reduction = {"basis": "per_commodity", "tiers": paid, "counted_max": "0.1"}
    policy = korea(commodities={"electricity": {"factor": "0.4"}}, maintenance=None, reduction=reduction)
    row = settle_one(three_years(100_000, 100_000, used * 1000), policy=policy)
    assert row["points"] == points
