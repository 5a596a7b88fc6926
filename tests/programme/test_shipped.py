"""The policies that come with the bank: complete, honest about what is uncertain, and paying what their sources say.

Numbers are worked out by hand beside each case. Source: the `source` of each policy.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest

from carbon_bank.foundation.calendar import Period, month_of
from carbon_bank.programme.policy import Policy, describe, load_shipped, parse_policy, shipped_policies
from tests.programme.made_up import months, settle_all, settle_one, streak_of, tenure
from tests.programme.oracle import Reading, Tenure
from tests.programme.worlds import FAR

KWH = M3 = 1000
LONG_AGO = date(2000, 1, 1)
GWANGJU, KEPCO, SEOUL = (
    load_shipped(name) for name in ("gwangju-carbon-bank@2008", "kepco-cashback@2023", "seoul-eco-mileage@2024")
)
KOREA = {year: load_shipped(f"korea-carbon-point@{year}") for year in (2011, 2023, 2024)}
METERS = {"electricity": 1, "gas": 2, "water": 3}


def home(policy: Policy, period: str, use: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """The awards of a household that used (before, now) of each commodity every month, in years past and in the period."""
    settled = Period.parse(period)
    readings: list[Reading] = []
    for commodity, (before, now) in use.items():
        for back in range(policy.baseline.lookback_years, 0, -1):
            readings += months(
                f"{settled.first_day.year - back}{period[4:]}", [before] * settled.length, METERS[commodity]
            )
        readings += months(period, [now] * settled.length, METERS[commodity])
    tenures = [Tenure(1, METERS[commodity], commodity, LONG_AGO, FAR) for commodity in use]
    return settle_all(readings, tenures, policy, settled)


def points(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["commodity"]: row["points"] for row in rows}


@pytest.mark.parametrize("reference", shipped_policies())
class TestEach:
    def test_it_can_be_approved_and_says_in_two_languages_what_it_is_and_where_it_is_from(self, reference: str) -> None:
        policy = load_shipped(reference)
        assert policy.approval_faults() == []
        assert policy.title is not None and {"en", "ko"} <= set(policy.title)
        assert policy.source and all(rule.source for rule in policy.commodities.values())

    def test_it_says_what_is_uncertain_and_names_no_source_by_a_number_that_nobody_can_look_up(
        self, reference: str
    ) -> None:
        policy = load_shipped(reference)
        assert any(note.startswith("Uncertain:") for note in policy.notes)
        assert "[" not in "".join([*policy.source, *policy.notes])

    def test_its_first_day_is_the_first_of_a_period(self, reference: str) -> None:
        policy = load_shipped(reference)
        first = Period.containing(month_of(policy.effective_from), policy.period_months, policy.anchor_month)
        assert first.first_day == policy.effective_from

    def test_what_it_describes_is_all_that_it_says(self, reference: str) -> None:
        policy = load_shipped(reference)
        told = json.loads(json.dumps(describe(policy)))
        said = {key: value for key, value in told.items() if key not in {"reference", "digest"}}
        if not policy.is_combined:
            del said["reduction"]["required"], said["reduction"]["min_commodities"]  # they belong to a combined rate
        # JSON is YAML, but for days: they stand in quotes.
        again = parse_policy(json.dumps(said).replace(f'"{policy.effective_from}"', str(policy.effective_from)))
        assert {**describe(again), "digest": policy.digest} == describe(policy)


def test_there_are_three_ages_of_the_korean_scheme_and_three_others() -> None:
    assert shipped_policies() == [
        "gwangju-carbon-bank@2008",
        "kepco-cashback@2023",
        "korea-carbon-point@2011",
        "korea-carbon-point@2023",
        "korea-carbon-point@2024",
        "seoul-eco-mileage@2024",
    ]


class TestKorea:
    @pytest.mark.parametrize(
        ("year", "standard", "won_a_year"),
        [
            (2011, 0, 70_000),  # (10,000 + 6,000 + 1,500) x 2 halves x KRW 2
            (2023, 8_750, 135_000),  # (15,000 + 8,000 + 2,000 + 5,000 + 3,000 + 750) x 2 halves x KRW 2
            (2024, 0, 100_000),  # (15,000 + 8,000 + 2,000) x 2 halves x KRW 2
        ],
    )
    def test_the_highest_points_add_up_to_the_published_yearly_maximum(
        self, year: int, standard: int, won_a_year: int
    ) -> None:
        policy = KOREA[year]
        highest = sum(rungs[-1].points or 0 for rungs in policy.reduction.tiers.values())
        on_top = sum(policy.standard_use.points.values()) if policy.standard_use else 0
        assert on_top == standard
        assert (highest + on_top) * 2 * 2 == won_a_year

    def test_in_2011_a_tenth_and_more_is_the_top(self) -> None:
        use = {"electricity": (300 * KWH, 270 * KWH), "gas": (50 * M3, 30 * M3), "water": (15 * M3, 14 * M3)}
        rows = home(KOREA[2011], "2012-H1", use)
        assert points(rows) == {"electricity": 10_000, "gas": 6_000, "water": 750}  # 10 %, 40 %, 1 / 15 = 6.7 %

    def test_in_2011_maintenance_waits_for_four_periods(self) -> None:
        readings = months("2011-01", [300] * 6) + months("2012-01", [291] * 6)  # 3 %
        given = {"tenures": [tenure(since=LONG_AGO)], "policy": KOREA[2011], "period": Period.parse("2012-H1")}
        paid = {run: settle_one(readings, streaks=streak_of(run), **given)["points"] for run in (3, 4)}
        assert paid == {3: 0, 4: 3_000}

    def test_in_2023_standard_use_comes_on_top_of_a_reduction(self) -> None:
        # The first used 600 kWh instead of 1,200: 50 %, 15,000 points. The mean is (600 + 1,800) / 2 = 1,200 kWh, and 600
        # is exactly half of it: 5,000 more. The second used as much as before.
        readings = [
            reading
            for meter, before, now in ((1, 200, 100), (2, 300, 300))
            for first, use in (("2021-07", before), ("2022-07", before), ("2023-07", now))
            for reading in months(first, [use * KWH] * 6, meter)
        ]
        tenures = [Tenure(household, household, "electricity", LONG_AGO, FAR) for household in (1, 2)]
        first, second = settle_all(readings, tenures, KOREA[2023], Period.parse("2023-H2"))
        assert (first["outcome"], first["tier"], first["points"]) == ("reduction", 3, 20_000)
        assert (second["outcome"], second["points"]) == ("no_reduction", 0)
        assert "standard_use" in first["finding_codes"]

    def test_in_2024_nothing_is_paid_for_standard_use_and_maintenance_waits_for_two_periods(self) -> None:
        policy = KOREA[2024]
        assert policy.standard_use is None
        assert policy.maintenance is not None and policy.maintenance.after == 2


class TestGwangju:
    @pytest.mark.parametrize(
        ("before_wh", "tier", "won"),
        [
            (2_500_000, 1, 5_000),  # 100 of 2,500 kWh are 4 %: 100 x 50
            (2_000_000, 1, 5_000),  # exactly 5 % is not above 5 %
            (1_666_666, 2, 7_000),  # 6 %: 100 x 70
        ],
    )
    def test_a_hundred_kwh_less_than_in_2007(self, before_wh: int, tier: int, won: int) -> None:
        year = [Reading(7, date(2007, 1, 1), date(2008, 1, 1), before_wh)]
        year += [Reading(7, date(2008, 1, 1), date(2009, 1, 1), before_wh - 100 * KWH)]
        row = settle_one(year, tenures=[tenure(since=LONG_AGO)], policy=GWANGJU, period=Period.parse("2008"))
        assert (row["outcome"], row["tier"], row["points"]) == ("reduction", tier, won)

    def test_gas_has_rates_of_its_own_and_water_none(self) -> None:
        rows = home(GWANGJU, "2008", {"gas": (100 * M3, 90 * M3), "water": (20 * M3, 10 * M3)})
        assert points(rows) == {"gas": 2_400}  # 10 %: 120 m3 x 20


class TestSeoul:
    def test_emissions_are_added_before_they_are_compared(self) -> None:
        # Each month 300 kWh, 50 m3 and 15 m3 before: 127.2 + 112 + 4.98 = 244.18 kg. Now 270 kWh, 42 m3 and 16 m3:
        # 114.48 + 94.08 + 5.312 = 213.872 kg. 30.308 / 244.18 = 12.41 %: 30,000. Of electricity alone it were 10 %.
        use = {"electricity": (300 * KWH, 270 * KWH), "gas": (50 * M3, 42 * M3), "water": (15 * M3, 16 * M3)}
        [row] = home(SEOUL, "2025-H1", use)
        assert (row["commodity"], row["tier"], row["points"], row["reduction_bp"]) == ("combined", 2, 30_000, 1_241)
        assert row["avoided_g"] == 6 * 30_308

    def test_electricity_and_at_least_one_more_are_needed(self) -> None:
        electricity, gas, water = {"electricity": (100, 50)}, {"gas": (100, 50)}, {"water": (100, 50)}
        found = [home(SEOUL, "2025-H1", use)[0] for use in (electricity, gas | water, electricity | water)]
        assert [(row["outcome"], row["points"]) for row in found] == [
            ("not_evaluable", 0), ("not_evaluable", 0), ("reduction", 50_000),
        ]  # fmt: skip

    def test_a_household_that_moved_waits_for_a_year(self) -> None:
        readings = [
            reading
            for meter in (1, 2)
            for first, use in (("2024-01", 100), ("2025-01", 50), ("2026-01", 40))
            for reading in months(first, [use] * 6, meter)
        ]
        moved = date(2024, 12, 20)
        tenures = [Tenure(1, 1, "electricity", moved, FAR), Tenure(1, 2, "gas", moved, FAR)]
        periods = [Period.parse(name) for name in ("2025-H1", "2026-H1")]
        found = [settle_all(readings, tenures, SEOUL, period)[0] for period in periods]
        assert [(row["outcome"], row["points"]) for row in found] == [("not_evaluable", 0), ("reduction", 50_000)]


class TestKepco:
    @pytest.mark.parametrize(
        ("now_kwh", "won"),
        [
            (389, 0),  # 11 of 400 kWh are 2.75 %
            (388, 360),  # 3 %: 12 x 30
            (380, 1_200),  # 5 %: 20 x 60
            (360, 3_200),  # 10 %: 40 x 80
            (320, 8_000),  # 20 %: 80 x 100
            (280, 12_000),  # 30 %: 120 x 100
            (240, 12_000),  # 40 %, of which 30 % of 400 kWh count: 120 x 100
        ],
    )
    def test_each_kwh_saved_is_paid_by_the_step_reached_and_up_to_three_tenths(self, now_kwh: int, won: int) -> None:
        rows = home(KEPCO, "2023-08", {"electricity": (400 * KWH, now_kwh * KWH)})
        assert points(rows) == {"electricity": won}

    def test_its_month_is_compared_with_the_mean_of_two_years(self) -> None:
        readings = [*months("2021-08", [500 * KWH]), *months("2022-08", [300 * KWH]), *months("2023-08", [360 * KWH])]
        given = {"tenures": [tenure(since=LONG_AGO)], "policy": KEPCO, "period": Period.parse("2023-08")}
        row = settle_one(readings, **given)
        assert Fraction(row["baseline_num"], row["baseline_den"]) == 400 * KWH
        assert row["points"] == 3_200
        late = settle_one(readings, **given | {"tenures": [tenure(since=date(2022, 8, 1) + timedelta(days=1))]})
        assert late["outcome"] == "not_evaluable", "no year of its own"
