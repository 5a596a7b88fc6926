"""The outlook keeps its word: who uses what it allows reaches the tier, who uses one unit more does not."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from carbon_bank.programme.outlook import MAINTENANCE, Outlook, Reason, outlooks
from carbon_bank.programme.outlook_words import ENGLISH, KOREAN, LANGUAGES, outlook_sentences
from carbon_bank.programme.policy import Policy
from tests.programme.made_up import (
    H1_2026,
    KOREA,
    korea,
    months,
    settle_all,
    settle_one,
    streak_of,
    tenure,
    three_years,
)
from tests.programme.oracle import Reading, Tenure
from tests.programme.worlds import reading_frame, tenure_frame

APRIL = H1_2026.first_month + 3


def look(
    readings: list[Reading], policy: Policy = KOREA, now: int = APRIL, tenures: list[Tenure] | None = None, **more: Any
) -> list[Outlook]:
    return outlooks(
        policy, H1_2026, now, reading_frame(readings), tenure_frame(tenures or [tenure()]), more.get("streaks")
    )


def history(of_2024: list[int], of_2025: list[int]) -> list[Reading]:
    return months("2024-01", list(of_2024)) + months("2025-01", list(of_2025))


def test_in_april_a_household_sees_what_each_tier_asks_of_the_months_left() -> None:
    [found] = look(three_years(300_000, 300_000, [280_000, 280_000, 280_000, None, None, None]))
    assert (found.used, found.baseline, found.baseline_so_far) == (840_000, 1_800_000, 900_000)
    # 5 % less is 1,710 kWh, 10 % 1,620, 15 % 1,530.
    assert [(rung.number, rung.points, rung.most_left) for rung in found.rungs] == [
        (1, 5000, 870_000),
        (2, 10_000, 780_000),
        (3, 15_000, 690_000),
    ]
    assert [found.share_of_baseline_bp(rung) for rung in found.rungs] == [9666, 8666, 7666]
    assert (found.like_baseline, found.like_so_far) == (None, 1), "3.33 % less; 6.66 % less"
    assert outlook_sentences(found, "en") == [
        "Electricity: in the 3 months read so far you used 840 kWh; your baseline for them is 900 kWh.",
        "For 5,000 points (from 5 % less) you may use at most 870 kWh in the 3 months left: 290 kWh a month, 96.66 % of their "
        "baseline.",
        "For 10,000 points (from 10 % less) you may use at most 780 kWh in the 3 months left: 260 kWh a month, 86.66 % of "
        "their baseline.",
        "For 15,000 points (from 15 % less) you may use at most 690 kWh in the 3 months left: 230 kWh a month, 76.66 % of "
        "their baseline.",
        "If the months left are like your baseline: no points.",
        "If you go on as so far: 5,000 points.",
    ]


def test_a_tier_that_no_use_can_reach_any_more_is_said_to_be_out_of_reach() -> None:
    [found] = look(three_years(300_000, 300_000, [560_000, 560_000, 560_000, None, None, None]))
    assert [rung.most_left for rung in found.rungs] == [30_000, None, None]
    assert "10,000 points (from 10 % less) are out of reach in this period." in outlook_sentences(found, "en")


def test_a_month_that_is_over_and_not_read_is_named() -> None:
    [found] = look(three_years(300_000, 300_000, [280_000, None, 280_000, None, None, None]))
    assert found.months_missing == (H1_2026.first_month + 1,)
    assert len(found.months_left) == 4
    assert "the reading of 2026-02 is missing" in outlook_sentences(found, "en")[0]


def test_a_month_without_its_own_baseline_takes_the_mean_of_the_others_so_far_too() -> None:
    before = months("2024-01", [300] * 6) + months("2025-01", [280, 280, None, 280, 280, 280])
    short = [reading for reading in before if reading.start not in {date(2024, 3, 1), date(2025, 3, 1)}]
    [found] = look([*short, *months("2026-01", [270, 270, 270, None, None, None])])
    assert (found.baseline, found.baseline_so_far) == (1740, 870)


def test_what_would_be_needed_is_not_said_without_a_baseline_but_why() -> None:
    new = [tenure(since=date(2025, 9, 1))]
    this_year = months("2026-01", [280, 280, 280])
    for policy, reason in (
        (KOREA, Reason.NEWCOMER),
        (korea(baseline={"method": "same_months_mean", "newcomer": "peer_mean"}), Reason.NEWCOMER_PEERS),
    ):
        [found] = look(this_year, policy, tenures=new)
        assert (found.reason, found.baseline, found.rungs, found.like_so_far) == (reason, None, (), None)
        assert found.used == 840
    [found] = look(this_year)
    assert found.reason is Reason.NO_BASELINE
    assert len(outlook_sentences(found, "ko")) == 2


def test_after_two_reductions_any_saving_earns_maintenance() -> None:
    readings = three_years(300_000, 300_000, [300_000, 300_000, 300_000, None, None, None])
    [found] = look(readings, streaks=streak_of(2))
    assert (found.rungs[0].number, found.rungs[0].points, found.rungs[0].most_left) == (MAINTENANCE, 3000, 899_999)
    assert "For 3,000 points (any reduction, after the ones before)" in outlook_sentences(found, "en")[1]
    [found] = look(readings, streaks=streak_of(1))
    assert found.rungs[0].number == 1


def test_without_a_meter_there_is_nothing_to_look_out_for() -> None:
    assert look([], tenures=[tenure(since=date(2026, 9, 1))]) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_say_the_numbers_in_every_language(language: str) -> None:
    [found] = look(three_years(300_000, 300_000, [280_050, 280_000, 280_000, None, None, None]))
    text = " ".join(outlook_sentences(found, language))
    for number in ("840.1", "900", "5,000", "869.9", "289.9", "96.66", "10,000", "15,000"):
        assert number in text, number


def test_every_language_has_the_same_sentences_with_the_same_places() -> None:
    assert set(ENGLISH) == set(KOREAN)
    for key, sentence in ENGLISH.items():
        assert set(re.findall(r"{\w+}", sentence)) == set(re.findall(r"{\w+}", KOREAN[key])), key


usages = st.lists(st.integers(0, 400), min_size=6, max_size=6)
bounds = st.sampled_from(
    [("from", "0.05"), ("above", "0"), ("from", "1/3"), ("above", "0.1"), ("from", "0.5"), ("from", "1")]
)
paid = st.sampled_from([{"points": 100}, {"points_per_unit": "70"}, {"points_per_unit": "1/7"}])


def ladder(bounds_of_tiers: list[tuple[str, str]], pay: dict[str, Any]) -> list[dict[str, Any]]:
    ordered = sorted(set(bounds_of_tiers), key=lambda each: (Fraction(each[1]), each[0] == "above"))
    return [{kind: bound, **pay} for kind, bound in ordered]


def split(total: int, count: int, weights: list[int]) -> list[int]:
    """A total split among months in any way."""
    cuts = sorted(total * weight // 100 for weight in weights[: count - 1])
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


@settings(max_examples=150, deadline=None)
@given(usages, usages, usages, st.integers(0, 5), st.lists(bounds, min_size=1, max_size=4), paid, st.data())
def test_who_keeps_to_the_most_that_a_tier_allows_reaches_it_and_one_unit_more_does_not(
    first: list[int],
    second: list[int],
    third: list[int],
    read: int,
    tiers: list[tuple[str, str]],
    pay: dict[str, Any],
    data: st.DataObject,
) -> None:
    said = {"basis": "per_commodity", "tiers": {"electricity": ladder(tiers, pay)}}
    policy = korea(commodities={"electricity": {"factor": "0.4"}}, reduction=said, maintenance=None)
    past, now = history(first, second), months("2026-01", list(third[:read]))
    [found] = look([*past, *now], policy, H1_2026.first_month + read)
    assume(found.baseline is not None)
    weights = data.draw(st.lists(st.integers(0, 100), min_size=5, max_size=5))

    def tier_with(left: int) -> int:
        rest = months(f"2026-{read + 1:02d}", list(split(left, 6 - read, weights)))
        row = settle_one([*past, *now, *rest], policy=policy)
        assert row["outcome"] != "incomplete"
        if row["tier"] is not None:
            rung = found.rungs[row["tier"] - 1]
            assert row["points"] >= rung.points
            assert row["points"] == rung.points or rung.at_least
        return row["tier"] or 0

    for rung in found.rungs:
        if rung.most_left is None:
            assert tier_with(0) < rung.number
        else:
            assert tier_with(rung.most_left) >= rung.number
            assert tier_with(rung.most_left + 1) < rung.number
            assert found.reached_with(Fraction(rung.most_left)) == max(
                each.number for each in found.rungs if each.most_left is not None and each.most_left >= rung.most_left
            )


@settings(max_examples=60, deadline=None)
@given(usages, usages, st.integers(1, 5), st.sampled_from(["0.05", "0.1", "1/3"]))
def test_a_combined_rate_is_kept_in_grams(power: list[int], gas: list[int], read: int, bound: str) -> None:
    """Electricity counts 1 g for each Wh here, so that whatever grams are left can be used exactly."""
    said = {"basis": "combined_co2e", "tiers": [{"from": bound, "points": 10}], "required": ["electricity"]}
    said |= {"min_commodities": 2}
    factors = {"electricity": {"factor": "1"}, "gas": {"factor": "2.24"}}
    policy = korea(commodities=factors, reduction=said, maintenance=None)
    held = [tenure(), tenure(meter=8, commodity="gas")]
    past = history(power, power) + months("2024-01", list(gas), 8) + months("2025-01", list(gas), 8)
    now = months("2026-01", list(power[:read])) + months("2026-01", list(gas), 8)
    [together, *parts] = look([*past, *now], policy, H1_2026.first_month + read, held)
    assert [part.commodity for part in parts] == ["electricity", "gas"]
    assume(together.baseline is not None)
    [rung] = together.rungs
    for left in (rung.most_left, (rung.most_left if rung.most_left is not None else -1) + 1):
        if left is None:
            continue
        rest = months(f"2026-{read + 1:02d}", [left, *[0] * (5 - read)])
        [row] = settle_all([*past, *now, *rest], held, policy)
        assert (row["tier"] == 1) == (rung.most_left is not None and left <= rung.most_left)


def test_a_commodity_without_a_baseline_does_not_end_the_run_of_a_combined_rate() -> None:
    """As the settlement has it: the tenure of a combined award is the latest of the commodities added."""
    said = {"basis": "combined_co2e", "tiers": [{"from": "0.05", "points": 10}], "required": ["electricity"]}
    factors = {"electricity": {"factor": "1"}, "gas": {"factor": "2"}}
    policy = korea(commodities=factors, reduction=said, maintenance={"after": 2, "points": {"combined": 3}})
    past, before = three_years(300, 300, [299] * 3 + [None] * 3), streak_of(2, "combined")
    for gas_since, number in ((date(2026, 2, 1), MAINTENANCE), (date(2020, 1, 1), MAINTENANCE)):
        held = [tenure(), tenure(gas_since, meter=8, commodity="gas")]
        [together, *_] = look(past, policy, tenures=held, streaks=before)
        assert together.rungs[0].number == number
        rest = months("2026-04", [299] * 3)
        [row] = settle_all([*past, *rest], held, policy, streaks=before)
        assert (row["outcome"], row["points"]) == ("maintenance", 3)
    [together, *_] = look(past, policy, tenures=[tenure(date(2025, 8, 1))], streaks=before)
    assert together.rungs == ()


def test_a_combined_rate_needs_its_commodities() -> None:
    said = {"basis": "combined_co2e", "tiers": [{"from": "0.05", "points": 10}], "required": ["gas"]}
    policy = korea(
        commodities={"electricity": {"factor": "1"}, "gas": {"factor": "2"}}, reduction=said, maintenance=None
    )
    [together, _] = look(three_years(300, 300, [280] * 3 + [None] * 3), policy)
    assert (together.reason, together.rungs) == (Reason.NOT_ENOUGH, ())
    assert outlook_sentences(together, "en")[-1] == "Too few of your meters have a baseline for points to be given."
