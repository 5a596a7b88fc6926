"""The explanation of one award: the settlement's own functions run on one household, and what lies between them shown.

Nothing is decided here. Steps are taken from the frames that the settlement makes awards of.

Source: rules.md sections 2 to 7.
"""

from __future__ import annotations

import json
from fractions import Fraction

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.units import COMBINED, Commodity
from carbon_bank.programme.award import Outcome, award_with_steps, compared, reaches
from carbon_bank.programme.combined import emission_parts
from carbon_bank.programme.evaluation import assess, measure
from carbon_bank.programme.explanation_steps import (
    AvoidedStep,
    CombinedStep,
    EmissionPart,
    Explanation,
    FindingStep,
    MaintenanceStep,
    NotAdded,
    PointsStep,
    ReductionStep,
    StandardUseStep,
    StreakStep,
    TierStep,
)
from carbon_bank.programme.explanation_usage import Row, commodity_step, home_of
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.population import means
from carbon_bank.programme.rationals import fraction


def explain(
    policy: Policy,
    period: Period,
    commodity: str,
    readings: pl.DataFrame,
    tenures: pl.DataFrame,
    dwellings: pl.DataFrame | None = None,
    streaks: pl.DataFrame | None = None,
    population: pl.DataFrame | None = None,
) -> Explanation | None:
    """The award of one household and commodity with every step to it.

    Args:    commodity: of the award, `combined` too. The frames as `evaluate` and `award` take them, of one household,
             all its commodities; tenures with `shared` where other households may claim its meters.
    Units:   base units (Wh, L), combined: grams CO2e.
    Returns: null where these rows make no award of the commodity.
    Raises:  what `evaluate` and `award` raise.
    """
    measured = measure(policy, period, readings, tenures)
    evaluated = assess(policy, period, measured, dwellings)
    cases = compared(policy, evaluated, population)
    awards = award_with_steps(policy, period, cases, streaks)
    found = awards.filter(pl.col("commodity") == commodity)
    if found.is_empty():
        return None
    [row] = found.iter_rows(named=True)
    home = home_of(policy, period, measured, evaluated, readings, population)
    told = cases if commodity == COMBINED else cases.filter(pl.col("commodity") == commodity)
    return Explanation(
        household_id=row["household_id"],
        commodity=commodity,
        period=str(period),
        policy=policy.reference,
        commodities=tuple(commodity_step(home, case) for case in told.iter_rows(named=True)),
        combined=_combined(policy, cases) if commodity == COMBINED else None,
        reduction=_reduction(policy, found),
        maintenance=_maintenance(policy, row),
        streak=_streak(row, streaks),
        standard_use=_standard_use(policy, row, population),
        findings=tuple(FindingStep(**finding) for finding in json.loads(row["findings"])),
        avoided=_avoided(policy, row),
        outcome=Outcome(row["outcome"]),
        usage=row["usage"],
        baseline=fraction(row["baseline_num"], row["baseline_den"]),
        tier=row["tier"],
        held=row["held"],
        points=_points(policy, row, awards),
    )


def _combined(policy: Policy, cases: pl.DataFrame) -> CombinedStep:
    rule = policy.reduction
    of_case = {case["commodity"]: case for case in cases.iter_rows(named=True)}
    added = {each["commodity"]: each for each in emission_parts(policy, cases).iter_rows(named=True)}
    parts = []
    for commodity, each in policy.commodities.items():
        part, case = added.get(commodity.value), of_case.get(commodity.value)
        not_added = None
        if part is None:
            incomplete = NotAdded.INCOMPLETE if case and case["usage"] is None else NotAdded.NO_BASELINE
            not_added = incomplete if case else NotAdded.NO_METER
        parts.append(
            EmissionPart(
                commodity=commodity.value,
                factor=each.factor,
                usage=fraction(part["usage_part"], part["den"]) if part else None,
                baseline=fraction(part["baseline_part"], part["den"]) if part else None,
                not_added=not_added,
            )
        )
    required = tuple(name.value for name in rule.required)
    return CombinedStep(tuple(parts), required, rule.min_commodities, len(added))


def _reduction(policy: Policy, found: pl.DataFrame) -> ReductionStep | None:
    [row] = found.iter_rows(named=True)
    den, reduction = row["baseline_den"], fraction(row["reduction"], row["baseline_den"])
    baseline = fraction(row["baseline_num"], den)
    if reduction is None or baseline is None:
        return None
    counted_max = policy.reduction.counted_max
    tiers = [
        TierStep(
            tier=number,
            bound=tier.from_ if tier.from_ is not None else tier.above or Fraction(0),
            bound_itself=tier.from_ is not None,
            holds=found.select(reaches(tier)).item(),
            points=tier.points,
            points_per_unit=tier.points_per_unit,
        )
        for number, tier in enumerate(policy.reduction.tiers.get(row["commodity"], ()), start=1)
    ]
    return ReductionStep(
        usage=Fraction(row["usage_num"], den),
        baseline=baseline,
        reduction=reduction,
        rate=Fraction(reduction, baseline),
        rate_bp=row["reduction_bp"],
        tiers=tuple(tiers),
        applied=row["tier"],
        counted_max=counted_max,
        counted=reduction if counted_max is None else min(reduction, counted_max * baseline),
    )


def _maintenance(policy: Policy, row: Row) -> MaintenanceStep | None:
    rule = policy.maintenance
    if rule is None or row["commodity"] not in rule.points:
        return None
    return MaintenanceStep(rule.after, rule.points[row["commodity"]], row["outcome"] == Outcome.MAINTENANCE)


def _streak(row: Row, streaks: pl.DataFrame | None) -> StreakStep:
    left = 0
    if streaks is not None:
        mine = (pl.col("household_id") == row["household_id"]) & (pl.col("commodity") == row["commodity"])
        left = sum(each["streak"] for each in streaks.filter(mine).to_dicts())
    return StreakStep(left_before=left, before=row["streak_before"], after=row["streak"])


def _standard_use(policy: Policy, row: Row, population: pl.DataFrame | None) -> StandardUseStep | None:
    rule = policy.standard_use
    if rule is None or row["commodity"] not in rule.points:
        return None
    assert population is not None
    city = means(population).filter(pl.col("commodity") == row["commodity"]).to_dicts()
    households, total = (city[0]["mean_households"], city[0]["mean_total"]) if city else (0, 0)
    return StandardUseStep(
        share=rule.share,
        households=households,
        usage_total=total,
        most=rule.share * Fraction(total, households) if households else None,
        holds=row["standard_points"] is not None,
        points=rule.points[Commodity(row["commodity"])],
    )


def _points(policy: Policy, row: Row, awards: pl.DataFrame) -> PointsStep:
    standard, uncapped = row["standard_points"] or 0, row["points_uncapped"]
    earlier = [each["points"] for each in awards.iter_rows(named=True) if each["commodity"] != row["commodity"]]
    place = awards["commodity"].to_list().index(row["commodity"])
    return PointsStep(
        tier=uncapped - standard if row["outcome"] == Outcome.REDUCTION else 0,
        maintenance=uncapped - standard if row["outcome"] == Outcome.MAINTENANCE else 0,
        standard_use=standard,
        uncapped=uncapped,
        household_points_max=policy.household_points_max,
        earlier=sum(earlier[:place]),
        points=row["points"],
    )


def _avoided(policy: Policy, row: Row) -> AvoidedStep | None:
    if row["avoided_g"] is None:
        return None
    combined = row["commodity"] == COMBINED
    factor = None if combined else policy.commodities[Commodity(row["commodity"])].factor
    return AvoidedStep(factor, row["avoided_g"])
