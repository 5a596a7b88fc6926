"""What the rules notice: when each finding is made, and the numbers told with it.

Source: rules.md sections 5 and 6.
"""

from __future__ import annotations

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.units import BASE_UNITS_PER_DISPLAY_UNIT
from carbon_bank.programme.findings import Code, Finding, lines
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rationals import above, rational_text


def about_usage(policy: Policy, period: Period, cases: pl.DataFrame) -> pl.DataFrame:
    """Findings about the usage and baseline of each household and commodity, as `findings.lines` returns them.

    Nothing is noticed about a usage that is missing: there is nothing to hold back.
    """
    rule = policy.review
    days = (period.end_day - period.first_day).days
    complete = cases.filter(pl.col("usage").is_not_null())
    share = above(
        pl.col("days_estimated").cast(pl.Int64), pl.col("days_covered").cast(pl.Int64), rule.estimated_share_above
    )
    found = [
        Finding(
            Code.USAGE_ESTIMATED,
            share,
            {
                **_columns("days_estimated", "days_covered"),
                "share_above": pl.lit(rational_text(rule.estimated_share_above)),
            },
        ),
        Finding(
            Code.USAGE_REPEATED, pl.col("repeated_usage").is_not_null(), {"usage_each_month": pl.col("repeated_usage")}
        ),
        Finding(
            Code.USAGE_SCALED,
            pl.col("months_scaled") > 0,
            {**_columns("months_scaled", "days_covered"), "days": pl.lit(days)},
        ),
        Finding(
            Code.BASELINE_SPIKE,
            pl.col("spike_month").is_not_null(),
            {"month": pl.col("spike_month"), "usage": pl.col("spike_usage"), "median": _halved("spike_median_doubled")},
        ),
        Finding(Code.METER_SHARED, pl.col("shared_meter_id").is_not_null(), {"meter_id": pl.col("shared_meter_id")}),
    ]
    for commodity, least in rule.usage_per_day_below.items():
        below = pl.col("usage") * least.denominator < days * BASE_UNITS_PER_DISPLAY_UNIT * least.numerator
        numbers = {"usage": pl.col("usage"), "days": pl.lit(days), "per_day_below": pl.lit(rational_text(least))}
        found.append(Finding(Code.USAGE_VACANT, (pl.col("commodity") == commodity.value) & below, numbers))
    if "by_peers" in cases.columns:
        peers = {
            "households": pl.col("peer_households").cast(pl.Int64),
            "usage_total": pl.col("peer_total").cast(pl.String),
        }
        group = _columns("dwelling_type", "residents_band")
        found.append(Finding(Code.BASELINE_PEER, pl.col("by_peers"), {**peers, **group}))
    return lines(complete, found, rule.hold)


def about_award(policy: Policy, cases: pl.DataFrame) -> pl.DataFrame:
    """Findings about the reduction and the points of each award, as `findings.lines` returns them."""
    rule, standard = policy.review, policy.standard_use
    reduction, baseline = pl.col("reduction"), pl.col("baseline_num")
    percent = (reduction * 10_000 // baseline).cast(pl.Int64)
    found = [
        Finding(
            Code.REDUCTION_UNUSUAL,
            above(reduction, baseline, rule.reduction_above),
            {"reduction_bp": percent, "above": pl.lit(rational_text(rule.reduction_above))},
        ),
        Finding(
            Code.POINTS_CAPPED,
            pl.col("points") < pl.col("points_uncapped"),
            {"points": pl.col("points"), "points_uncapped": pl.col("points_uncapped")},
        ),
    ]
    if standard is not None:
        mean = {
            "households": pl.col("mean_households").cast(pl.Int64),
            "usage_total": pl.col("mean_total").cast(pl.String),
        }
        share = {"share": pl.lit(rational_text(standard.share)), "points": pl.col("standard_points")}
        is_low = pl.col("standard_points").is_not_null()
        found.append(Finding(Code.STANDARD_USE, is_low, {"usage": pl.col("usage"), **mean, **share}))
    return lines(cases, found, rule.hold)


def _columns(*names: str) -> dict[str, pl.Expr]:
    return {name: pl.col(name) for name in names}


def _halved(doubled: str) -> pl.Expr:
    """Half of a whole number as exact decimal text."""
    half = pl.when(pl.col(doubled) % 2 == 1).then(pl.lit(".5")).otherwise(pl.lit(""))
    return pl.concat_str((pl.col(doubled) // 2).cast(pl.String), half)
