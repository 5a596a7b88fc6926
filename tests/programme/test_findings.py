"""Each finding with all its numbers: what a person reads who decides about an award. Source: rules.md section 6."""

from __future__ import annotations

import json
from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest

from carbon_bank.foundation.calendar import Period
from carbon_bank.programme.rules import EVALUATED_SCHEMA, award, mark_shared
from carbon_bank.readings.rules import TENURE_SCHEMA
from tests.programme.made_up import (
    H1_2026,
    KOREA,
    METER,
    korea,
    months,
    settle_all,
    settle_one,
    tenure,
    three_years,
    told,
)
from tests.programme.oracle import Reading
from tests.programme.worlds import FAR, tenure_frame

OF_2026 = (90, 90, 90, 90, 90, 91)


def test_nothing_to_tell_is_an_empty_list() -> None:
    row = settle_one(three_years(100, 100, list(OF_2026)))
    assert (row["findings"], row["finding_codes"], row["held"]) == ("[]", "", False)


def test_a_reduction_above_the_bound_holds() -> None:
    row = settle_one(three_years(100, 100, [50, 50, 50, 50, 50, 49]))
    assert told(row) == {"reduction.unusual": ("hold", {"reduction_bp": 5016, "above": "0.5"})}


def test_the_same_use_in_each_month_is_a_note() -> None:
    row = settle_one(three_years(100, 100, 90))
    assert told(row) == {"usage.repeated": ("note", {"usage_each_month": 90})}


def test_one_month_has_no_others_to_repeat() -> None:
    monthly = korea(period_months=1, baseline={"method": "same_months_mean"})
    assert told(settle_one(three_years(100, 100, 90), policy=monthly, period=Period.parse("2026-01"))) == {}


def test_a_month_that_was_scaled_is_a_note() -> None:
    readings = [r for r in three_years(100, 100, list(OF_2026)) if r.start != date(2026, 2, 1)]
    readings.append(Reading(METER, date(2026, 2, 1), date(2026, 2, 28), 81))
    row = settle_one(readings, policy=korea(usage={"min_month_coverage": "1/2"}))
    assert told(row) == {"usage.scaled": ("note", {"months_scaled": 1, "days_covered": 180, "days": 181})}


def test_a_scaled_month_of_the_history_is_not_told() -> None:
    readings = [r for r in three_years(100, 100, list(OF_2026)) if r.start != date(2025, 2, 1)]
    readings.append(Reading(METER, date(2025, 2, 1), date(2025, 2, 28), 81))
    assert told(settle_one(readings, policy=korea(usage={"min_month_coverage": "1/2"}))) == {}


def test_estimates_for_more_than_the_share_hold() -> None:
    def guessed(days: int) -> list[Reading]:
        first = date(2026, 1, 1)
        cut = first + timedelta(days=days)
        before = [
            Reading(METER, first, cut, 90 * days, True),
            Reading(METER, cut, date(2026, 7, 1), 16_290 - 90 * days),
        ]
        return three_years(3_000, 3_000, [None] * 6) + before

    half = korea(review={"estimated_share_above": "90/181"})
    assert told(settle_one(guessed(90), policy=half)) == {}
    numbers = {"days_estimated": 91, "days_covered": 181, "share_above": "90/181"}
    assert told(settle_one(guessed(91), policy=half)) == {"usage.estimated": ("hold", numbers)}


def test_use_below_so_much_a_day_holds() -> None:
    policy = korea(review={"usage_per_day_below": {"electricity": "2/3"}})
    below = [20_000, 20_000, 20_000, 20_000, 20_000, 20_666]  # 181 days x 2/3 kWh = 120,666.67 Wh
    numbers = {"usage": 120_666, "days": 181, "per_day_below": "2/3"}
    assert told(settle_one(three_years(24_000, 24_000, below), policy=policy)) == {"usage.vacant": ("hold", numbers)}
    assert told(settle_one(three_years(24_000, 24_000, [*below[:5], 20_667]), policy=policy)) == {}


def test_a_bound_for_another_commodity_says_nothing() -> None:
    policy = korea(review={"usage_per_day_below": {"gas": "1"}})
    row = settle_one(three_years(100, 100, list(OF_2026)), policy=policy)
    assert told(row) == {}


def test_a_spike_is_told_beside_a_median_between_two_months() -> None:
    of_2024, of_2025 = [100, 100, 100, 101, 101, 101], [100, 100, 100, 101, 101, 302]
    row = settle_one(three_years(of_2024, of_2025, list(OF_2026)))
    numbers = {"month": "2025-06", "usage": 302, "median": "100.5"}
    assert told(row) == {"baseline.spike": ("note", numbers)}
    of_2025[-1] = 301
    assert told(settle_one(three_years(of_2024, of_2025, list(OF_2026)))) == {}


def test_three_times_the_median_is_no_spike_yet() -> None:
    of_2024, of_2025 = [100] * 6, [100, 100, 100, 100, 300, 100]
    assert told(settle_one(three_years(list(of_2024), list(of_2025), list(OF_2026)))) == {}
    of_2025[4] = 301
    assert "baseline.spike" in told(settle_one(three_years(list(of_2024), list(of_2025), list(OF_2026))))


def test_a_spike_is_judged_among_the_months_that_count() -> None:
    first = [None, None, 100, 100, 100, 400]
    row = settle_one(three_years([None] * 6, [*first], list(OF_2026)))
    assert told(row)["baseline.spike"] == ("note", {"month": "2025-06", "usage": 400, "median": "100"})


def test_of_two_equal_spikes_the_earlier_is_told() -> None:
    row = settle_one(three_years([1, 1, 9, 1, 1, 1], [1, 9, 1, 1, 1, 1], 1))
    assert told(row)["baseline.spike"] == ("note", {"month": "2024-03", "usage": 9, "median": "1"})


def test_a_baseline_of_peers_is_told_with_their_number() -> None:
    policy = korea(baseline={"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 2})
    tenures = [tenure(H1_2026.first_day, household=each, meter=each) for each in (1, 2)]
    readings = [*months("2026-01", list(OF_2026), 1), *months("2026-01", [80, 80, 80, 80, 80, 81], 2)]
    row, _ = settle_all(readings, tenures, policy, homes={1: ("flat", 9), 2: ("flat", 4)})
    numbers = {"households": 2, "usage_total": "1022", "dwelling_type": "flat", "residents_band": 4}
    assert told(row) == {"baseline.peer": ("note", numbers)}


def test_a_meter_that_two_households_claim_holds() -> None:
    tenures = [tenure(), tenure(household=2, since=date(2026, 6, 30))]
    rows = settle_all(three_years(100, 100, list(OF_2026)), tenures)
    assert [told(row) for row in rows] == [{"meter.shared": ("hold", {"meter_id": METER})}, {}]
    assert rows[1]["outcome"] == "incomplete", "where nothing was used nothing is noticed"


def test_standard_use_and_a_cap_are_notes() -> None:
    policy = korea(
        standard_use={"share": "1", "points": {"electricity": 700}},
        household_points_max=5_600,
    )
    row = settle_one(three_years(100, 100, list(OF_2026)), policy=policy)
    assert told(row) == {
        "standard_use": (
            "note",
            {"usage": 541, "households": 1, "usage_total": "541", "share": "1", "points": 700},
        ),
        "points.capped": ("note", {"points": 5_600, "points_uncapped": 5_700}),
    }


def test_which_findings_hold_is_the_policys_choice() -> None:
    row = settle_one(three_years(100, 100, 20), policy=korea(review={"hold": ["usage.repeated"]}))
    assert {code: severity for code, (severity, _) in told(row).items()} == {
        "reduction.unusual": "note", "usage.repeated": "hold",
    }  # fmt: skip
    assert row["held"] is True
    assert settle_one(three_years(100, 100, 20), policy=korea(review={"hold": []}))["held"] is False


class TestOfACombinedAward:
    policy = korea(
        reduction={"basis": "combined_co2e", "tiers": [{"from": "0.05", "points": 1}]},
        maintenance=None,
    )

    def test_what_is_not_added_is_not_told(self) -> None:
        readings = [*three_years(100, 100, list(OF_2026)), *months("2026-01", [80] * 6, 8)]
        [row] = settle_all(readings, [tenure(), tenure(commodity="gas", meter=8)], self.policy)
        assert (row["outcome"], told(row)) == ("reduction", {}), "gas has no baseline"

    def test_a_code_that_is_found_twice_is_told_twice_and_always_in_one_order(self) -> None:
        readings = [*three_years(100, 100, 90), *three_years(100, 100, 80, meter=8)]
        [row] = settle_all(readings, [tenure(), tenure(commodity="gas", meter=8)], self.policy)
        found = [(each["code"], each["numbers"]) for each in json.loads(row["findings"])]
        assert found == [("usage.repeated", {"usage_each_month": 80}), ("usage.repeated", {"usage_each_month": 90})]
        assert row["finding_codes"] == "usage.repeated"


def test_a_percentage_is_rounded_down_however_close_it_comes() -> None:
    households, total, usage = 10**8, 10**17 - 1, 499_900_000
    row = {
        "household_id": 1, "commodity": "electricity", "tenure_since": date(2020, 1, 1), "usage": usage,
        "baseline_num": total, "baseline_den": households, "newcomer": False, "months_scaled": 0,
        "days_covered": 181, "days_estimated": 0,
    }  # fmt: skip
    awarded = award(KOREA, H1_2026, pl.DataFrame([row], schema=EVALUATED_SCHEMA)).row(0, named=True)
    assert Fraction(total - usage * households, total) < Fraction(5001, 10_000)
    assert awarded["reduction_bp"] == 5000
    assert told(awarded) == {"reduction.unusual": ("hold", {"reduction_bp": 5000, "above": "0.5"})}


class TestOfASharedMeter:
    @pytest.mark.parametrize(
        ("one", "other", "shared"),
        [
            ((date(2020, 1, 1), FAR), (date(2020, 1, 1), FAR), True),
            ((date(2020, 1, 1), date(2026, 3, 2)), (date(2026, 3, 1), FAR), True),
            ((date(2020, 1, 1), date(2026, 3, 1)), (date(2026, 3, 1), FAR), False),
            ((date(2020, 1, 1), date(2026, 2, 1)), (date(2026, 3, 1), FAR), False),
            ((date(2020, 1, 1), FAR), (date(2025, 1, 1), date(2026, 1, 2)), True),
            ((date(2020, 1, 1), FAR), (date(2025, 1, 1), date(2026, 1, 1)), False),
            ((date(2020, 1, 1), FAR), (date(2026, 6, 30), date(2027, 1, 1)), True),
            ((date(2020, 1, 1), FAR), (date(2026, 7, 1), date(2027, 1, 1)), False),
        ],
    )  # fmt: skip
    def test_two_claims_count_where_they_meet_within_the_period(
        self, one: tuple[date, date], other: tuple[date, date], shared: bool
    ) -> None:
        for claims in ((one, other), (other, one)):
            tenures = [tenure(*claim, household=household) for household, claim in enumerate(claims, start=1)]
            assert mark_shared(H1_2026, tenure_frame(tenures))["shared"].to_list() == [shared, shared]

    def test_two_tenures_of_one_household_are_no_two_claims(self) -> None:
        marked = mark_shared(H1_2026, tenure_frame([tenure(), tenure(since=date(2021, 1, 1))]))
        assert marked["shared"].to_list() == [False, False]
        assert marked.columns == [*TENURE_SCHEMA.names(), "shared"]
