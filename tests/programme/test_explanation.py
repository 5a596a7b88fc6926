"""The explanation of an award: the same law on one household's rows, ending in the award that the whole city gets."""

from __future__ import annotations

import json
from fractions import Fraction
from random import Random
from string import Formatter

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.units import Commodity
from carbon_bank.programme.award import Outcome
from carbon_bank.programme.explanation import explain
from carbon_bank.programme.explanation_steps import (
    CommodityStep,
    Explanation,
    LeftOut,
    MonthStep,
    NoBaseline,
    NotAdded,
)
from carbon_bank.programme.explanation_texts import TEXTS
from carbon_bank.programme.explanation_words import LANGUAGES, Words, sentences
from carbon_bank.programme.findings import Code, Severity
from carbon_bank.programme.policy import load_shipped
from carbon_bank.programme.rules import (
    STREAK_SCHEMA,
    add_populations,
    award,
    evaluate,
    mark_shared,
    population,
)
from tests.programme.oracle import Reading, Tenure, month_start
from tests.programme.worlds import (
    FAR,
    PERIODS_QUIET,
    World,
    household_frame,
    quiet_world,
    random_world,
    reading_frame,
    tenure_frame,
)

Told = tuple[dict[str, object], Explanation]


def explained(world: World, periods: int) -> list[Told]:
    """Each award of the whole city, and its explanation from the rows of its household alone."""
    rules, told = world.rules, []
    readings, homes = reading_frame(world.readings), household_frame(world.homes)
    streaks = STREAK_SCHEMA.to_frame()
    for step in range(periods):
        period = world.period.shift(step)
        tenures = mark_shared(period, tenure_frame(world.tenures))
        evaluated = evaluate(rules, period, readings, tenures, homes)
        totals = add_populations([population(evaluated)]) if rules.needs_population else None
        awards = award(rules, period, evaluated, streaks, totals)
        for row in awards.iter_rows(named=True):
            of_home = pl.col("household_id") == row["household_id"]
            theirs = tenures.filter(of_home)
            explanation = explain(
                rules,
                period,
                row["commodity"],
                readings.join(theirs, on="meter_id", how="semi"),
                theirs,
                homes.filter(of_home),
                streaks.filter(of_home),
                totals,
            )
            assert explanation is not None
            told.append((row, explanation))
        streaks = awards.select("household_id", "commodity", "streak")
    return told


def assert_ends_in_the_award(row: dict[str, object], told: Explanation) -> None:
    found = [{"code": each.code, "severity": each.severity, "numbers": each.numbers} for each in told.findings]
    exact = None if row["baseline_num"] is None else Fraction(row["baseline_num"], row["baseline_den"])  # type: ignore[arg-type]
    assert (told.outcome, told.usage, told.baseline, told.tier) == (row["outcome"], row["usage"], exact, row["tier"])
    assert (told.points.points, told.streak.after, told.held) == (row["points"], row["streak"], row["held"])
    assert found == json.loads(str(row["findings"]))
    assert (None if told.avoided is None else told.avoided.grams) == row["avoided_g"]
    assert (None if told.reduction is None else told.reduction.rate_bp) == row["reduction_bp"]


def assert_month_adds_up(world: World, month: MonthStep) -> None:
    assert month.quantity == sum(part.quantity for part in month.parts)
    needed = world.rules.usage.min_month_coverage
    assert (month.usage is not None) == (Fraction(month.days_covered, month.days) >= needed)
    if month.usage is not None and month.scaled:
        assert month.usage == (2 * month.quantity * month.days + month.days_covered) // (2 * month.days_covered)
    elif month.usage is not None:
        assert month.usage == month.quantity
    readings = {(part.meter_id, part.period_start): part for part in month.parts}
    for part in month.parts:
        assert part.period_start < part.period_end
        assert part.days <= min(month.days, (part.period_end - part.period_start).days)
        assert part.reading_quantity >= part.quantity
    assert set(readings) <= {(r.meter, r.start) for r in world.readings}


def assert_commodity_adds_up(world: World, step: CommodityStep) -> None:
    rules, own = world.rules, step.baseline
    for month in step.months:
        assert_month_adds_up(world, month)
    used = [month.usage for month in step.months]
    assert step.usage == (None if None in used else sum(each or 0 for each in used))
    for each in own.months:
        for past in each.years:
            assert_month_adds_up(world, past.step)
        counted = [past.step.usage for past in each.years if past.left_out is None]
        assert len(counted) == each.years_counted
        assert each.baseline == (Fraction(sum(map(int, counted)), len(counted)) if counted else None)  # type: ignore[arg-type]
    found = [each.baseline for each in own.months if each.baseline is not None]
    assert (own.months_counted, own.months_total) == (len(found), sum(found, Fraction(0)))
    assert (own.baseline is None) == (own.none is not None)
    if len(found) >= own.months_min and own.months_total:
        assert own.baseline == own.months_total * rules.period_months / len(found)
    elif own.baseline is not None:
        assert own.peers is not None and own.peers.households >= own.peers.households_min
        assert own.baseline == Fraction(own.peers.usage_total, own.peers.households)


def assert_award_adds_up(world: World, told: Explanation) -> None:
    rules, step, points = world.rules, told.reduction, told.points
    if told.combined is not None:
        added = [part for part in told.combined.parts if part.not_added is None]
        assert [part.commodity for part in told.combined.parts] == list(rules.commodities)
        assert len(added) == told.combined.commodities_added
        if step is not None:
            assert step.usage == sum((part.usage or 0 for part in added), Fraction(0))
            assert step.baseline == sum((part.baseline or 0 for part in added), Fraction(0))
            of = {each.commodity: each for each in told.commodities}
            for part in added:
                assert part.usage == (of[part.commodity].usage or 0) * part.factor
                assert part.baseline == (of[part.commodity].baseline.baseline or 0) * part.factor
    elif step is not None:
        [only] = told.commodities
        assert (step.usage, step.baseline) == (only.usage, only.baseline.baseline)
    if step is not None:
        assert step.reduction == step.baseline - step.usage and step.rate * step.baseline == step.reduction
        assert step.rate_bp == step.rate * 10_000 // 1
        for tier in step.tiers:
            assert tier.holds == (step.rate >= tier.bound if tier.bound_itself else step.rate > tier.bound)
        held = [tier for tier in step.tiers if tier.holds]
        assert step.applied == (held[-1].tier if held else None)
        if held:
            last = held[-1]
            each = None if last.points_per_unit is None else last.points_per_unit * step.counted // 1000
            assert points.tier == (last.points if each is None else each)
    else:
        assert told.outcome in (Outcome.INCOMPLETE, Outcome.NOT_EVALUABLE)
    assert points.uncapped == points.tier + points.maintenance + points.standard_use
    most = points.household_points_max
    assert points.points == (points.uncapped if most is None else min(points.uncapped, max(most - points.earlier, 0)))
    if told.standard_use is not None and told.commodities[0].usage is not None:
        assert told.standard_use.most is not None
        assert told.standard_use.holds == (told.commodities[0].usage <= told.standard_use.most)


def assert_explained(world: World, periods: int) -> None:
    for row, told in explained(world, periods):
        assert_ends_in_the_award(row, told)
        for step in told.commodities:
            assert_commodity_adds_up(world, step)
        assert_award_adds_up(world, told)
        for language in LANGUAGES:
            assert all(sentence.text for sentence in sentences(told, language))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 2**32))
def test_one_households_rows_explain_the_award_that_the_city_gives_it(seed: int) -> None:
    assert_explained(random_world(Random(seed)), 2)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32))
def test_runs_of_reductions_are_explained(seed: int) -> None:
    assert_explained(quiet_world(Random(seed)), PERIODS_QUIET)


def test_both_languages_have_the_same_texts_with_the_same_places_to_fill() -> None:
    def places(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name is not None}

    english, korean = (TEXTS[language] for language in LANGUAGES)
    assert list(english) == list(korean)
    assert {key: places(text) for key, text in english.items()} == {key: places(text) for key, text in korean.items()}


def test_every_code_of_the_law_has_its_texts() -> None:
    kinds = [
        *(f"finding.{code}" for code in Code),
        *Severity,
        *(f"none_{each}" for each in NoBaseline),
        *LeftOut,
        *(f"part_{each}" for each in NotAdded),
        *(f"{outcome}_name" for outcome in Outcome),
        *Commodity,
    ]
    assert [kind for kind in kinds if kind not in TEXTS["en"]] == []


WORKED = dict.fromkeys(range(2024 * 12, 2024 * 12 + 6), 300) | {
    month: 280 for month in range(2025 * 12, 2025 * 12 + 6) if month != 2025 * 12 + 2
}
"""The worked example of the rules: 2024-H1 and 2025-H1, without 2025-03."""


def worked_example(left_out: int | None = None) -> Explanation:
    used = WORKED | dict.fromkeys(range(2026 * 12, 2026 * 12 + 6), 270)
    rows = [
        Reading(1, month_start(month), month_start(month + 1), kwh * 1000)
        for month, kwh in used.items()
        if month != left_out
    ]
    tenures = tenure_frame([Tenure(7, 1, "electricity", month_start(2020 * 12), FAR)])
    policy = load_shipped("korea-carbon-point@2024")
    told = explain(policy, Period.parse("2026-H1"), "electricity", reading_frame(rows), tenures)
    assert told is not None
    return told


def test_the_worked_example_is_told_as_the_rules_tell_it() -> None:
    texts = [sentence.text for sentence in sentences(worked_example(), "en")]
    assert "2026-01 in earlier years: 2025-01 280 kWh, 2024-01 300 kWh; on the mean 290 kWh." in texts
    march = "2026-03 in earlier years: 2024-03 300 kWh; on the mean 300 kWh. Left out: 2025-03 (not all days read)."
    assert march in texts
    assert "Baseline, all months together: 1,750 kWh." in texts
    assert "Reduction: 1,750 kWh - 1,620 kWh = 130 kWh, 7.42 % of the baseline, rounded down." in texts
    assert "Tier 1 applies: 5,000 points." in texts
    assert "Avoided emissions: 130 kWh x 0.424 kg CO2e per kWh = 55,120 g CO2e, rounded." in texts


def test_a_month_without_history_is_told_to_take_the_mean_of_the_others() -> None:
    texts = [sentence.text for sentence in sentences(worked_example(2024 * 12 + 2), "en")]
    assert (
        "2026-03 in earlier years: none counts. Left out: 2025-03 (not all days read), 2024-03 (not all days read)."
        in texts
    )
    assert "Baseline: 5 of 6 months have one, 1,450 kWh together; times 6 / 5 that is 1,740 kWh." in texts
    assert "Reduction: 1,740 kWh - 1,620 kWh = 120 kWh, 6.89 % of the baseline, rounded down." in texts


def test_a_month_of_the_period_that_is_missing_is_told_and_nothing_is_paid() -> None:
    told = worked_example(2026 * 12 + 2)
    texts = [sentence.text for sentence in sentences(told, "en")]
    assert "2026-03: not known, since 0 of 31 days are read." in texts
    assert "Electricity used in the period: not known, since 1 of 6 months are not known." in texts
    assert (told.reduction, told.outcome, told.points.points) == (None, Outcome.INCOMPLETE, 0)


def test_rows_without_the_commodity_explain_nothing() -> None:
    tenures = tenure_frame([Tenure(7, 1, "gas", month_start(2020 * 12), FAR)])
    policy, period = load_shipped("korea-carbon-point@2024"), Period.parse("2026-H1")
    assert explain(policy, period, "electricity", reading_frame([]), tenures) is None


def test_numbers_that_are_not_exact_are_marked() -> None:
    words = Words("en")
    shown = [
        words.number(value) for value in (Fraction(5220, 3), Fraction(1, 3), Fraction(-2, 3), 12_345, Fraction(1, 8))
    ]
    assert shown == ["1,740", "about 0.333", "about -0.667", "12,345", "0.125"]
