"""Awards: points for one household, commodity and settlement period.

The third stage: it sees no reading, only what was evaluated.

Source: rules.md sections 4 (newcomers), 5, 6 and 7; decision record 0003.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.units import (
    AWARD_COMMODITY_DTYPE,
    BASE_UNITS_PER_DISPLAY_UNIT,
    COMBINED,
)
from carbon_bank.programme import findings
from carbon_bank.programme.combined import combine
from carbon_bank.programme.noticed import about_award, about_usage
from carbon_bank.programme.policy import Policy, Tier
from carbon_bank.programme.population import means, peer_means
from carbon_bank.programme.rationals import above, at_least, floor_of, round_half_up_of


class Outcome(StrEnum):
    REDUCTION = "reduction"
    MAINTENANCE = "maintenance"
    BELOW_THRESHOLD = "below_threshold"
    NO_REDUCTION = "no_reduction"
    INCOMPLETE = "incomplete"
    NOT_EVALUABLE = "not_evaluable"


OUTCOME_DTYPE = pl.Enum([outcome.value for outcome in Outcome])
STREAK_SCHEMA = pl.Schema({"household_id": pl.Int64(), "commodity": AWARD_COMMODITY_DTYPE, "streak": pl.Int16()})
AWARD_SCHEMA = pl.Schema(
    {
        "household_id": pl.Int64(),
        "commodity": AWARD_COMMODITY_DTYPE,
        "outcome": OUTCOME_DTYPE,
        "baseline_num": pl.Int128(),
        "baseline_den": pl.Int128(),
        "usage": pl.Int64(),
        "reduction_bp": pl.Int64(),
        "tier": pl.Int16(),
        "points": pl.Int64(),
        "avoided_g": pl.Int64(),
        "streak": pl.Int16(),
        "findings": pl.String(),
        "finding_codes": pl.String(),
        "held": pl.Boolean(),
    }
)
BASIS_POINTS = 10_000
_STREAK_CEILING = 30_000
_KEY = ["household_id", "commodity"]


def award(
    policy: Policy,
    period: Period,
    evaluated: pl.DataFrame,
    streaks: pl.DataFrame | None = None,
    population: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The awards of a period.

    Args:    evaluated: as `evaluate` returns it, all commodities of a household in one call. streaks: STREAK_SCHEMA, the
             `streak` of the awards of the immediately preceding period; none where there was none. population: as
             `add_populations` returns it, of the whole city, where the policy needs it.
    Units:   base units (Wh, L), for `combined` grams CO2e; `avoided_g` grams CO2e, negative where use rose;
             `reduction_bp` hundredths of a percent, rounded down.
    Returns: AWARD_SCHEMA in the order of household and commodity. `baseline_num` / `baseline_den` is exact; `usage` too,
             but for `combined`, where it is rounded half up. `tier` counts from 1. `streak` is the run after this
             period. `findings` is a JSON array as text, `finding_codes` their codes joined by `;`, `held` whether one of
             them holds the award back.
    Raises:  InvalidInput `programme.period`; TooLarge `programme.beyond_bounds`.
    Source:  rules.md sections 4 to 7.
    """
    policy.require_period(period)
    awards = award_with_steps(policy, period, compared(policy, evaluated, population), streaks)
    return awards.select(AWARD_SCHEMA.names()).cast(AWARD_SCHEMA)


def compared(policy: Policy, evaluated: pl.DataFrame, population: pl.DataFrame | None) -> pl.DataFrame:
    """The cases of `evaluate` with what the city used on the mean, and newcomers with the baseline of their peers."""
    cases = evaluated.with_columns(pl.col("commodity").cast(AWARD_COMMODITY_DTYPE)).sort(_KEY)
    return _with_population(policy, cases, population)


def award_with_steps(policy: Policy, period: Period, cases: pl.DataFrame, streaks: pl.DataFrame | None) -> pl.DataFrame:
    """The awards of cases as `compared` returns them, with every column on the way to them.

    Returns: AWARD_SCHEMA and, of what the explanation tells: `usage_num` and `reduction` over `baseline_den`,
             `streak_before`, `standard_points` (null: does not apply), `points_uncapped`.
    """
    noticed = about_usage(policy, period, cases)
    if policy.is_combined:
        counted = cases.filter(pl.col("usage").is_not_null() & pl.col("baseline_num").is_not_null())
        noticed = noticed.join(counted, on=_KEY, how="semi").with_columns(
            commodity=pl.lit(COMBINED, dtype=AWARD_COMMODITY_DTYPE)
        )
        cases = combine(policy, cases)
    else:
        cases = cases.with_columns(usage_num=pl.col("usage").cast(pl.Int128) * pl.col("baseline_den"))
    cases = with_streak(period, cases.with_columns(reduction=pl.col("baseline_num") - pl.col("usage_num")), streaks)
    cases = _with_outcome(policy, cases)
    cases = _with_cap(policy, _with_standard_use(policy, cases))
    awards = _finished(policy, cases)
    return findings.attach(awards, pl.concat([noticed, about_award(policy, cases)]))


def no_streaks() -> pl.DataFrame:
    """What `award` takes where no period was settled before."""
    return STREAK_SCHEMA.to_frame()


def award_rows(awards: pl.DataFrame) -> pl.DataFrame:
    """The awards as they are stored: `review` (`held` or `clear`) in place of what follows from the other columns."""
    review = pl.when("held").then(pl.lit("held")).otherwise(pl.lit("clear"))
    return awards.with_columns(review=review).drop("held", "finding_codes", "reduction_bp")


def _with_population(policy: Policy, cases: pl.DataFrame, population: pl.DataFrame | None) -> pl.DataFrame:
    """The cases with what the city used on the mean, and newcomers with the baseline of their peers."""
    if not policy.needs_population:
        return cases
    if population is None:
        raise ValueError(f"{policy.reference} compares households with others: award needs the population")
    totals = population.with_columns(pl.col("commodity").cast(AWARD_COMMODITY_DTYPE))
    cases = cases.join(means(totals), on="commodity", how="left", maintain_order="left")
    rule = policy.baseline
    if rule.newcomer == "wait":
        return cases
    peers = peer_means(totals, rule.peer_min)
    cases = cases.join(peers, on=["commodity", "dwelling_type", "residents_band"], how="left", maintain_order="left")
    by_peers = pl.col("newcomer") & pl.col("baseline_num").is_null() & pl.col("peer_total").is_not_null()
    return cases.with_columns(
        by_peers=by_peers,
        baseline_num=pl.when(by_peers).then("peer_total").otherwise("baseline_num"),
        baseline_den=pl.when(by_peers).then("peer_households").otherwise("baseline_den"),
    )


def with_streak(period: Period, cases: pl.DataFrame, streaks: pl.DataFrame | None) -> pl.DataFrame:
    """`streak_before`: the run of reductions that ended with the preceding period, 0 for a new tenure."""
    if streaks is None:
        return cases.with_columns(streak_before=pl.lit(0, dtype=pl.Int16))
    before = streaks.select("household_id", pl.col("commodity").cast(AWARD_COMMODITY_DTYPE), streak_before="streak")
    joined = cases.join(before, on=_KEY, how="left", maintain_order="left")
    is_old = pl.col("tenure_since") <= period.shift(-1).first_day
    return joined.with_columns(pl.when(is_old).then("streak_before").fill_null(0).cast(pl.Int16).alias("streak_before"))


def _with_outcome(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """`tier`, `outcome`, `streak` and the points of the tier or of maintenance."""
    tiers = policy.reduction.tiers
    tier, points = pl.lit(None, dtype=pl.Int16), pl.lit(0, dtype=pl.Int64)
    for name, ladder in tiers.items():
        for number, rung in enumerate(ladder, start=1):  # the last one that holds applies
            holds = (pl.col("commodity") == name) & reaches(rung)
            tier = pl.when(holds).then(pl.lit(number, dtype=pl.Int16)).otherwise(tier)
            points = pl.when(holds).then(tier_points(policy, rung)).otherwise(points)
    cases = cases.with_columns(tier=tier, points=points)
    maintained = _maintenance_points(policy)
    missing = Outcome.NOT_EVALUABLE if policy.is_combined else Outcome.INCOMPLETE
    outcome = (
        pl.when(pl.col("usage").is_null())
        .then(pl.lit(missing.value))
        .when(pl.col("baseline_num").is_null())
        .then(pl.lit(Outcome.NOT_EVALUABLE.value))
        .when(pl.col("tier").is_not_null())
        .then(pl.lit(Outcome.REDUCTION.value))
        .when(pl.col("reduction") <= 0)
        .then(pl.lit(Outcome.NO_REDUCTION.value))
        .when(maintained.is_not_null())
        .then(pl.lit(Outcome.MAINTENANCE.value))
        .otherwise(pl.lit(Outcome.BELOW_THRESHOLD.value))
    )
    cases = cases.with_columns(outcome=outcome.cast(OUTCOME_DTYPE))
    is_maintenance, is_reduction = (
        pl.col("outcome") == each.value for each in (Outcome.MAINTENANCE, Outcome.REDUCTION)
    )
    grown = (pl.col("streak_before") + 1).clip(upper_bound=_STREAK_CEILING)
    return cases.with_columns(
        points=pl.when(is_maintenance).then(maintained).otherwise("points"),
        streak=pl.when(is_reduction).then(grown).when(is_maintenance).then("streak_before").otherwise(0),
    )


def reaches(tier: Tier) -> pl.Expr:
    """Whether a tier's bound holds for the reduction of a case."""
    num, den = pl.col("reduction"), pl.col("baseline_num")
    return above(num, den, tier.above) if tier.from_ is None else at_least(num, den, tier.from_)  # type: ignore[arg-type]


def tier_points(policy: Policy, tier: Tier) -> pl.Expr:
    """Fixed points, or so many for each unit of the counted reduction, rounded down."""
    if tier.points_per_unit is None:
        return pl.lit(tier.points, dtype=pl.Int64)
    reduction, baseline, den = pl.col("reduction"), pl.col("baseline_num"), pl.col("baseline_den")
    per_base_unit = tier.points_per_unit * Fraction(1, BASE_UNITS_PER_DISPLAY_UNIT)
    whole = floor_of(reduction, den, per_base_unit)
    counted_max = policy.reduction.counted_max
    if counted_max is not None:
        capped = floor_of(baseline, den, per_base_unit * counted_max)
        whole = pl.when(above(reduction, baseline, counted_max)).then(capped).otherwise(whole)
    return whole.cast(pl.Int64)


def _maintenance_points(policy: Policy) -> pl.Expr:
    """What maintenance pays, null where the run of reductions is too short or the policy has none."""
    rule = policy.maintenance
    if rule is None:
        return pl.lit(None, dtype=pl.Int64)
    points = pl.col("commodity").cast(pl.String).replace_strict(rule.points, default=None, return_dtype=pl.Int64)
    return pl.when(pl.col("streak_before") >= rule.after).then(points)


def _with_standard_use(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """`standard_points`, on top of whatever else the usage earned: null where the rule does not apply."""
    rule = policy.standard_use
    if rule is None:
        return cases.with_columns(standard_points=pl.lit(None, dtype=pl.Int64))
    points = (
        pl.col("commodity")
        .cast(pl.String)
        .replace_strict(
            {commodity.value: each for commodity, each in rule.points.items()}, default=None, return_dtype=pl.Int64
        )
    )
    scaled = pl.col("usage").cast(pl.Int128) * pl.col("mean_households")
    is_low = ~above(scaled, pl.col("mean_total"), rule.share)
    cases = cases.with_columns(standard_points=pl.when(is_low).then(points))
    return cases.with_columns(points=pl.col("points") + pl.col("standard_points").fill_null(0))


def _with_cap(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """`points_uncapped`, and `points` cut from the last commodity of a household first."""
    cases = cases.with_columns(points_uncapped="points")
    most = policy.household_points_max
    if most is None:
        return cases
    earlier = pl.col("points").cum_sum().over("household_id") - pl.col("points")
    return cases.with_columns(points=pl.min_horizontal("points", (most - earlier).clip(lower_bound=0)))


def _finished(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    reduction, baseline, den = pl.col("reduction"), pl.col("baseline_num"), pl.col("baseline_den")
    avoided = round_half_up_of(reduction, den)
    if not policy.is_combined:
        avoided = pl.coalesce(
            pl.when(pl.col("commodity") == commodity.value).then(round_half_up_of(reduction, den, rule.factor))
            for commodity, rule in policy.commodities.items()
        )
    return cases.with_columns(
        reduction_bp=floor_of(reduction, baseline, Fraction(BASIS_POINTS)).cast(pl.Int64),
        avoided_g=avoided.cast(pl.Int64),
    )
