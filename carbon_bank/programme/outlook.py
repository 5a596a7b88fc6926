"""The outlook of one household in a running period: what it used so far, and what each next tier asks of the months left.

Nothing is guessed. What the months left may come to is arithmetic: the most that a tier allows, and what would follow if
they were like the baseline, or like the months so far. The baseline is the settlement's own.

Source: rules.md sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import ceil, floor
from typing import Any

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE, BASE_UNITS_PER_DISPLAY_UNIT, COMBINED
from carbon_bank.programme.award import BASIS_POINTS, with_streak
from carbon_bank.programme.baseline import history_that_counts, mean_of_years, means_denominator
from carbon_bank.programme.document import Tier
from carbon_bank.programme.evaluation import Measured, assess, measure
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rationals import fraction

MAINTENANCE = 0
"""The number of the rung that maintenance is, below the first tier."""


class Reason(StrEnum):
    """Why nothing can be said of the tiers."""

    NEWCOMER = "newcomer"
    """The tenure is too short for a baseline."""
    NEWCOMER_PEERS = "newcomer_peers"
    """The baseline is the mean of the peers in this period, which is known when it is over."""
    NO_BASELINE = "no_baseline"
    """Readings of earlier years are missing, or add up to nothing."""
    NOT_ENOUGH = "not_enough_commodities"
    """Too few commodities with a baseline for a combined rate, or a required one is without."""


@dataclass(frozen=True)
class Rung:
    """What a tier asks of the months left.

    number:     of the tier, from 1; MAINTENANCE for any reduction at all.
    bound:      the rate to reach; `bound_itself`: it counts itself (`from`), else the rate must be above it.
    points:     what it pays; `at_least`: they grow with each unit saved, this is for just reaching it.
    most_left:  the most that may be used in all months left together, in base units; null: out of reach.
    """

    number: int
    bound: Fraction
    bound_itself: bool
    points: int
    at_least: bool
    most_left: int | None


@dataclass(frozen=True)
class Outlook:
    """One commodity, or `combined`. Wh, L; combined: grams CO2e. Months are integers.

    months_read:     complete months of the period. `months_left`: all others; of them `months_missing` are over already.
                     Combined: a month is read when it is so for all commodities added; `used` has what is read of any.
    baseline:        of the whole period; null with a `reason`. `baseline_so_far`: of the months read; a month without a
                     baseline of its own takes the mean of the others, as the whole does.
    rungs:           from the least to the most; empty without a baseline.
    """

    commodity: str
    months_read: tuple[int, ...]
    months_left: tuple[int, ...]
    months_missing: tuple[int, ...]
    used: Fraction
    baseline: Fraction | None
    baseline_so_far: Fraction | None
    reason: Reason | None
    rungs: tuple[Rung, ...]

    @property
    def baseline_left(self) -> Fraction | None:
        return None if self.baseline is None or self.baseline_so_far is None else self.baseline - self.baseline_so_far

    @property
    def like_baseline(self) -> int | None:
        """The rung that would be reached if the months left were like their baseline; null: none."""
        return None if self.baseline_left is None else self.reached_with(self.baseline_left)

    @property
    def like_so_far(self) -> int | None:
        """The rung that would be reached if the months left were to their baseline as those read are to theirs."""
        if self.baseline_left is None or not self.baseline_so_far:
            return None
        return self.reached_with(self.baseline_left * self.used * Fraction(1, self.baseline_so_far))

    def reached_with(self, left: Fraction) -> int | None:
        """The highest rung that a use in the months left reaches; null: none."""
        reached = [rung.number for rung in self.rungs if rung.most_left is not None and ceil(left) <= rung.most_left]
        return reached[-1] if reached else None

    def share_of_baseline_bp(self, rung: Rung) -> int | None:
        """The most that may be used in the months left, in hundredths of a percent of their baseline, rounded down."""
        if rung.most_left is None or not self.baseline_left:
            return None
        return floor(rung.most_left * BASIS_POINTS * Fraction(1, self.baseline_left))


def outlooks(
    policy: Policy,
    period: Period,
    month_now: int,
    readings: pl.DataFrame,
    tenures: pl.DataFrame,
    streaks: pl.DataFrame | None = None,
) -> list[Outlook]:
    """The outlooks of one household, by commodity; for a combined rate one, followed by those of its commodities.

    Args: month_now: the month that it is: those before are over. readings, tenures, streaks: as `evaluate` and `award`
          take them, of one household.
    """
    measured = measure(policy, period, readings, tenures)
    cases = assess(policy, period, measured, None).with_columns(pl.col("commodity").cast(AWARD_COMMODITY_DTYPE))
    means = _monthly_baselines(policy, period, cases, measured)
    parts = [
        _part(policy, period, month_now, measured, place, row, means[place])
        for place, row in enumerate(cases.iter_rows(named=True))
    ]
    if not policy.is_combined:
        runs = with_streak(period, cases, streaks)["streak_before"]
        return [_with_rungs(policy, part, run) for part, run in zip(parts, runs, strict=True)]
    added = cases.filter(pl.col("baseline_num").is_not_null())
    combined = added.group_by("household_id").agg(pl.col("tenure_since").max())
    combined = combined.with_columns(commodity=pl.lit(COMBINED, dtype=AWARD_COMMODITY_DTYPE))
    runs = with_streak(period, combined, streaks)["streak_before"]
    return [_with_rungs(policy, _combined(policy, parts), max(runs, default=0)), *parts]


def _monthly_baselines(policy: Policy, period: Period, cases: pl.DataFrame, measured: Measured) -> list[list[Fraction]]:
    """b_m of each month of the period for each case; a month without takes the mean of the others. Empty: no month has one."""
    history = history_that_counts(policy, period, cases, measured.usage)
    columns = {}
    for month in period.months:
        columns[f"sum{month}"], columns[f"found{month}"] = mean_of_years(policy, month)
    common, rows = means_denominator(policy), []
    for row in history.select(**columns).iter_rows(named=True):
        own = {month: Fraction(row[f"sum{month}"], common) for month in period.months if row[f"found{month}"]}
        mean = sum(own.values()) * Fraction(1, len(own)) if own else Fraction(0)
        rows.append([own.get(month, mean) for month in period.months] if own else [])
    return rows


def _part(
    policy: Policy,
    period: Period,
    month_now: int,
    measured: Measured,
    place: int,
    row: dict[str, Any],
    means: list[Fraction],
) -> Outlook:
    usage = {month: measured.usage.of_month(month)[place] for month in period.months}
    read = tuple(month for month in period.months if usage[month] is not None)
    left = tuple(month for month in period.months if usage[month] is None)
    baseline = fraction(row["baseline_num"], row["baseline_den"])
    so_far = sum((mean for month, mean in zip(period.months, means, strict=False) if month in read), Fraction(0))
    return Outlook(
        commodity=row["commodity"],
        months_read=read,
        months_left=left,
        months_missing=tuple(month for month in left if month < month_now),
        used=Fraction(sum(usage[month] for month in read)),
        baseline=baseline,
        baseline_so_far=so_far if baseline is not None else None,
        reason=_reason(policy, row["newcomer"]) if baseline is None else None,
        rungs=(),
    )


def _reason(policy: Policy, newcomer: bool) -> Reason:
    if not newcomer:
        return Reason.NO_BASELINE
    return Reason.NEWCOMER if policy.baseline.newcomer == "wait" else Reason.NEWCOMER_PEERS


def _combined(policy: Policy, parts: Sequence[Outlook]) -> Outlook:
    """The commodities that have a baseline, in grams CO2e, added up. A factor in kg per kWh or m3 is grams per Wh or L."""
    rule = policy.reduction
    added = [part for part in parts if part.baseline is not None]
    names = {part.commodity for part in added}
    enough = len(added) >= rule.min_commodities and {each.value for each in rule.required} <= names

    def months(name: str) -> set[int]:
        return {month for part in added for month in getattr(part, name)}

    def grams(name: str) -> Fraction:
        return sum((getattr(part, name) * policy.factors[part.commodity] for part in added), Fraction(0))

    known = enough and grams("baseline") > 0
    left = months("months_left")
    return Outlook(
        commodity=COMBINED,
        months_read=tuple(sorted(months("months_read") - left)),
        months_left=tuple(sorted(left)),
        months_missing=tuple(sorted(months("months_missing"))),
        used=grams("used"),
        baseline=grams("baseline") if known else None,
        baseline_so_far=grams("baseline_so_far") if known else None,
        reason=None if known else Reason.NOT_ENOUGH,
        rungs=(),
    )


def _with_rungs(policy: Policy, outlook: Outlook, streak: int) -> Outlook:
    """The outlook with what each tier asks, and maintenance below them where the run of reductions is long enough."""
    if outlook.baseline is None:
        return outlook
    baseline, used = outlook.baseline, outlook.used
    rungs = [
        _rung(policy, number, tier, baseline, used)
        for number, tier in enumerate(policy.reduction.tiers.get(outlook.commodity, ()), start=1)
    ]
    rule = policy.maintenance
    if rule is not None and streak >= rule.after and outlook.commodity in rule.points:
        most = _most_left(baseline, used, Fraction(0), bound_itself=False)
        rungs.insert(0, Rung(MAINTENANCE, Fraction(0), False, rule.points[outlook.commodity], False, most))
    return replace(outlook, rungs=tuple(rungs))


def _rung(policy: Policy, number: int, tier: Tier, baseline: Fraction, used: Fraction) -> Rung:
    itself = tier.from_ is not None
    bound = tier.from_ if tier.from_ is not None else tier.above or Fraction(0)
    points = tier.points or 0
    if tier.points_per_unit is not None:
        counted = baseline - min(baseline, baseline * (1 - bound))
        if policy.reduction.counted_max is not None:
            counted = min(counted, policy.reduction.counted_max * baseline)
        points = floor(tier.points_per_unit * counted * Fraction(1, BASE_UNITS_PER_DISPLAY_UNIT))
    most = _most_left(baseline, used, bound, itself)
    return Rung(number, bound, itself, points, tier.points_per_unit is not None, most)


def _most_left(baseline: Fraction, used: Fraction, bound: Fraction, bound_itself: bool) -> int | None:
    """The largest whole use of the months left with which the rate reaches a bound; null where none does."""
    room = baseline * (1 - bound) - used
    most = floor(room) if bound_itself else ceil(room) - 1
    return most if most >= 0 else None
