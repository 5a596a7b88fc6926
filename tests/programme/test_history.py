"""Which months make a baseline, and who is a newcomer. Source: rules.md section 4; decision record 0002."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from carbon_bank.foundation.calendar import Period, month_of
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.programme.baseline import history_months, windows
from carbon_bank.programme.evaluation import measure
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rules import evaluate
from tests.programme.made_up import (
    H1_2026,
    HOUSEHOLD,
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
from tests.programme.oracle import Reading, Tenure
from tests.programme.worlds import reading_frame, tenure_frame

SAME_MONTHS = {"method": "same_months_mean"}
DWELLING = korea(baseline=SAME_MONTHS | {"history": "dwelling"})


def baseline(row: dict[str, Any]) -> Fraction:
    return Fraction(row["baseline_num"], row["baseline_den"])


def evaluated(readings: list[Reading], tenures: list[Tenure], policy: Policy = KOREA) -> list[dict[str, Any]]:
    return evaluate(policy, H1_2026, reading_frame(readings), tenure_frame(tenures)).to_dicts()


class TestWindows:
    """The days that readings are asked for."""

    def test_they_are_the_months_of_the_period_in_each_year_the_latest_last(self) -> None:
        assert windows(Period.parse("2026-H2"), 2) == [
            (date(2024, 7, 1), date(2025, 1, 1)), (date(2025, 7, 1), date(2026, 1, 1)),
            (date(2026, 7, 1), date(2027, 1, 1)),
        ]  # fmt: skip
        assert windows(Period.parse("2026-03"), 1) == [
            (date(2025, 3, 1), date(2025, 4, 1)), (date(2026, 3, 1), date(2026, 4, 1)),
        ]  # fmt: skip

    def test_whole_years_are_one_window(self) -> None:
        assert windows(Period.parse("2026"), 3) == [(date(2023, 1, 1), date(2027, 1, 1))]

    def test_they_hold_every_month_of_the_history(self) -> None:
        held = {month for start, end in windows(H1_2026, 2) for month in range(month_of(start), month_of(end))}
        assert held == {*history_months(KOREA, H1_2026), *H1_2026.months}


class TestOfTheTenure:
    def test_a_month_counts_from_the_day_on_which_the_tenure_began(self) -> None:
        readings = three_years(900, [160, 100, 100, 100, 100, 100], 90)
        assert baseline(settle_one(readings, tenures=[tenure(since=date(2025, 1, 1))])) == 660

    def test_a_reading_is_cut_where_the_tenure_began_although_that_was_before_the_period(self) -> None:
        long = Reading(METER, date(2025, 11, 15), date(2026, 2, 1), 1)  # 9 days of December before the tenure, 22 in it
        readings, later = [long, *months("2026-02", [10] * 5)], [tenure(since=date(2025, 12, 10))]
        assert settle_one(readings, tenures=later)["usage"] == 51, "January has the most days"
        assert settle_one(readings, tenures=later, policy=DWELLING)["usage"] == 50, (
            "as many days as December: the earlier"
        )

    @pytest.mark.parametrize(
        ("since", "newcomer"),
        [
            (date(2020, 1, 1), False), (date(2025, 1, 1), False), (date(2025, 3, 1), False), (date(2025, 3, 2), True),
            (date(2025, 4, 1), True), (date(2026, 1, 1), True),
        ],
    )  # fmt: skip
    def test_a_newcomer_is_one_whose_tenure_alone_is_too_short(self, since: date, newcomer: bool) -> None:
        [row] = evaluated([], [tenure(since=since)])
        assert row["newcomer"] is newcomer

    def test_who_has_a_baseline_is_no_newcomer(self) -> None:
        new = [tenure(since=H1_2026.first_day)]
        [row] = evaluated(three_years(100, 100, 90), new, DWELLING)
        assert (row["newcomer"], row["baseline_num"]) == (False, 1200)
        [row] = evaluated(three_years(0, 0, 90), new, DWELLING)
        assert (row["newcomer"], row["baseline_num"]) == (False, None), "history there is, but it adds up to nothing"

    def test_one_unit_in_two_years_is_a_baseline(self) -> None:
        row = settle_one(three_years([1, 0, 0, 0, 0, 0], 0, 0))
        assert (baseline(row), row["outcome"]) == (Fraction(1, 2), "reduction")

    def test_the_smallest_reduction_is_one(self) -> None:
        row = settle_one(three_years([101, 100, 100, 100, 100, 100], 100, 100))
        assert (row["outcome"], row["reduction_bp"]) == ("below_threshold", 8), "600 against 600.5"


class TestOfTheDwelling:
    def test_each_meter_counts_as_far_back_as_it_was_read(self) -> None:
        tenures = [tenure(), tenure(meter=8, since=date(2025, 9, 9))]
        readings = [*three_years(100, 100, 90), *three_years(50, 50, 40, meter=8)]
        assert baseline(settle_one(readings, tenures=tenures, policy=DWELLING)) == 900

    def test_what_counts_is_held_from_long_before(self) -> None:
        began = tenure_frame([tenure(), tenure(meter=8, since=date(2026, 2, 2))])
        holdings = measure(DWELLING, H1_2026, reading_frame([]), began).holdings.sort("meter_id", "starts_on")
        assert holdings["meter_id"].to_list() == [METER, 8, 8]
        assert holdings["starts_on"].dt.year().to_list() == [1, 1, 2026]
        assert holdings["ends_on"].to_list()[1] == H1_2026.first_day


class TestOfPeers:
    homes = {1: ("flat", 1), 2: ("flat", 1)}  # noqa: RUF012

    def compared(self, readings: list[Reading], since: date, **rule: Any) -> dict[str, Any]:
        """A household beside a neighbour of the same kind, where the city's use is known."""
        policy = korea(
            baseline=SAME_MONTHS | {"newcomer": "peer_mean", "peer_min": 1} | rule,
            standard_use={"share": "0.001", "points": {"electricity": 1}},
        )
        neighbour = tenure(H1_2026.first_day, household=2, meter=8)
        [row, _] = settle_all(
            [*readings, *months("2026-01", [60] * 6, 8)], [tenure(since=since), neighbour], policy, homes=self.homes
        )
        return row

    def test_a_newcomer_is_compared_with_them(self) -> None:
        row = self.compared(three_years([None] * 6, [None] * 6, 90), H1_2026.first_day)
        assert (row["outcome"], baseline(row)) == ("no_reduction", 450)

    def test_who_lives_there_long_and_lacks_readings_is_not(self) -> None:
        row = self.compared(three_years([None] * 6, [None] * 6, 90), date(2020, 1, 1))
        assert (row["outcome"], row["baseline_num"]) == ("not_evaluable", None)
        assert "baseline.peer" not in told(row)

    def test_nobody_is_where_the_policy_lets_newcomers_wait(self) -> None:
        row = self.compared(three_years([None] * 6, [None] * 6, 90), H1_2026.first_day, newcomer="wait")
        assert (row["outcome"], row["baseline_num"]) == ("not_evaluable", None)

    def test_a_newcomer_without_peers_has_none_and_is_told_of_none(self) -> None:
        row = self.compared(three_years([None] * 6, [None] * 6, 90), H1_2026.first_day, peer_min=3)
        assert (row["outcome"], row["baseline_num"]) == ("not_evaluable", None)
        assert "baseline.peer" not in told(row)


class TestSpikes:
    def test_the_median_of_an_odd_number_of_months_is_the_middle_one(self) -> None:
        row = settle_one(three_years([None] * 6, [None, 1, 9, 2, 1, 9], 1))
        assert told(row)["baseline.spike"] == ("note", {"month": "2025-03", "usage": 9, "median": "2"})

    def test_months_that_lack_in_one_home_do_not_count_in_another(self) -> None:
        readings, tenures = [], []
        for household in range(1, 5):
            readings += three_years([None] * 6, [None, 5, 5, 5, 5, 100], 1, meter=household)
            readings += three_years([0, 0, 2, 2, 2, 2], [0, 0, 0, 2, 2, 7], 1, meter=10 + household)
            tenures += [tenure(household=household, meter=household)]
            tenures += [tenure(household=household, meter=10 + household, commodity="gas")]
        medians = [told(row)["baseline.spike"][1]["median"] for row in settle_all(readings, tenures)]
        assert medians == ["5", "2"] * 4


class TestTenures:
    def test_a_tenure_that_begins_on_the_day_after_the_period_is_none_of_it(self) -> None:
        assert evaluated([], [tenure(since=H1_2026.end_day)]) == []
        assert len(evaluated([], [tenure(since=date(2026, 6, 30))])) == 1

    def test_commodities_may_come_as_text(self) -> None:
        readings, tenures = reading_frame(three_years(100, 100, 90)), tenure_frame([tenure()])
        as_text = tenures.with_columns(pl.col("commodity").cast(pl.String))
        wide = tenures.with_columns(pl.col("commodity").cast(AWARD_COMMODITY_DTYPE))
        expected = evaluate(KOREA, H1_2026, readings, tenures)
        assert evaluate(KOREA, H1_2026, readings, as_text).equals(expected)
        assert evaluate(KOREA, H1_2026, readings, wide).equals(expected)
        assert expected["household_id"].to_list() == [HOUSEHOLD]
