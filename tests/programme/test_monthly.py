"""A month's own baseline, as a household sees it before a period is over. Source: rules.md section 4 (b_m)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from carbon_bank.foundation.calendar import Period
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rules import monthly_with_baseline
from tests.programme.made_up import KOREA, korea, months, tenure
from tests.programme.oracle import Reading, Tenure
from tests.programme.worlds import reading_frame, tenure_frame

FIRST = Period.parse("2026-01").first_month
JANUARY, FEBRUARY = FIRST, FIRST + 1
NEW, OLD = 8, 7


def shown(
    readings: list[Reading],
    tenures: Sequence[Tenure] = (tenure(),),
    policy: Policy = KOREA,
    numbers: Sequence[int] = (JANUARY,),
) -> list[dict[str, Any]]:
    return monthly_with_baseline(policy, numbers, reading_frame(readings), tenure_frame(list(tenures))).to_dicts()


def baselines(*given: Any, **more: Any) -> list[tuple[int | None, int | None]]:
    return [(row["baseline_num"], row["baseline_den"]) for row in shown(*given, **more)]


def januaries(of_2024: int | None, of_2025: int | None, of_2026: int | None = 270, meter: int = OLD) -> list[Reading]:
    return [
        *months("2024-01", [of_2024], meter),
        *months("2025-01", [of_2025], meter),
        *months("2026-01", [of_2026], meter),
    ]


def test_a_month_stands_beside_the_mean_of_the_same_month_in_the_years_before() -> None:
    readings = [*januaries(300, 281), *months("2023-01", [9_000]), *months("2025-02", [5_000])]
    assert shown(readings) == [
        {
            "commodity": "electricity", "month": JANUARY, "usage": 270, "days_covered": 31, "days_estimated": 0,
            "baseline_num": 581, "baseline_den": 2,
        }
    ]  # fmt: skip


def test_the_days_that_were_read_and_estimated_are_told() -> None:
    guessed = [Reading(OLD, date(2026, 1, 1), date(2026, 1, 11), 9, True)]
    [row] = shown([*guessed, Reading(OLD, date(2026, 1, 11), date(2026, 1, 21), 9)])
    assert (row["usage"], row["days_covered"], row["days_estimated"]) == (None, 20, 10)


def test_the_newest_month_comes_first_within_each_commodity() -> None:
    tenures = [tenure(commodity="water", meter=9), tenure()]
    readings = [*months("2025-01", [1, 2]), *months("2026-01", [3, 4]), *months("2025-01", [5, 6], 9)]
    rows = shown(readings, tenures, numbers=[FEBRUARY, JANUARY])
    assert [(row["commodity"], row["month"], row["usage"], row["baseline_num"]) for row in rows] == [
        ("electricity", FEBRUARY, 4, 2), ("electricity", JANUARY, 3, 1),
        ("water", FEBRUARY, None, 6), ("water", JANUARY, None, 5),
    ]  # fmt: skip


def test_a_month_may_be_its_own_history_a_year_later() -> None:
    year_before = JANUARY - 12
    rows = shown(januaries(300, 280), numbers=[year_before, JANUARY])
    assert [(row["month"], row["baseline_num"], row["baseline_den"]) for row in rows] == [
        (JANUARY, 580, 2), (year_before, 300, 1),
    ]  # fmt: skip


def test_a_year_that_is_not_complete_is_left_out_of_the_mean() -> None:
    assert baselines(januaries(None, 280)) == [(280, 1)]
    assert baselines(januaries(0, 280)) == [(280, 2)], "zero is a usage"
    assert baselines(januaries(None, None)) == [(None, None)]


def test_too_few_years_are_no_baseline() -> None:
    both = korea(baseline={"method": "same_months_mean", "min_years": 2})
    assert baselines(januaries(300, 280), policy=both) == [(580, 2)]
    assert baselines(januaries(None, 280), policy=both) == [(None, None)]


def test_only_whole_months_of_the_running_tenure_are_history() -> None:
    readings = januaries(300, 280)
    assert baselines(readings, [tenure(since=date(2025, 1, 1))]) == [(280, 1)]
    coverage = korea(usage={"min_month_coverage": "1/2"})
    assert baselines(readings, [tenure(since=date(2025, 1, 2))], coverage) == [(None, None)]


def test_a_meter_added_ends_the_history_unless_the_dwelling_has_it() -> None:
    readings = [*januaries(300, 280), *months("2026-01", [30], NEW)]
    both = [tenure(), tenure(meter=NEW, since=date(2026, 1, 1))]
    assert baselines(readings, both) == [(None, None)]
    dwelling = korea(baseline={"method": "same_months_mean", "history": "dwelling"})
    assert baselines(readings, both, dwelling) == [(580, 2)]


def test_a_month_short_of_days_counts_where_the_policy_lets_it() -> None:
    readings = [*januaries(300, None), Reading(OLD, date(2025, 1, 1), date(2025, 1, 31), 30)]
    assert baselines(readings) == [(300, 1)]
    assert baselines(readings, policy=korea(usage={"min_month_coverage": "30/31"})) == [(331, 2)]


def test_each_household_has_its_own_history() -> None:
    neighbour = tenure(household=2, meter=NEW, commodity="water", since=date(2025, 1, 1))
    own = tenure(commodity="water")
    readings = [*januaries(300, 280), *januaries(10, 20, 30, NEW)]
    found = sorted(
        (row["usage"], row["baseline_num"], row["baseline_den"]) for row in shown(readings, [own, neighbour])
    )
    assert found == [(30, 20, 1), (270, 580, 2)]
