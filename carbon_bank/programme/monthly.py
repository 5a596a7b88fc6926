"""One month's own baseline: b_m of the rules, as a household sees it beside its use before a period is over.

Source: rules.md section 4 (b_m).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, first_day
from carbon_bank.programme.policy import Policy
from carbon_bank.readings.rules import TENURE_SCHEMA, monthly_usage


def monthly_with_baseline(
    policy: Policy, months: Sequence[int], readings: pl.DataFrame, tenures: pl.DataFrame
) -> pl.DataFrame:
    """Usage of each month and the mean of the same month in the years before, as far as the history allows.

    Args:    months: integers, as `evaluate` takes readings and tenures: those that reach into the months and their history.
    Units:   base units (Wh, L); the baseline exact, as numerator and denominator.
    Returns: `commodity, month, usage, days_covered, days_estimated, baseline_num, baseline_den`, by commodity, the newest
             month first. Null where a month is not complete, or has too few years of history in the running tenure.
    """
    rule = policy.baseline
    years = range(1, rule.lookback_years + 1)
    reach = sorted({month - back * MONTHS_PER_YEAR for month in months for back in (0, *years)})
    table = monthly_usage(
        readings, tenures.select(TENURE_SCHEMA.names()), reach, policy.usage.min_month_coverage
    ).table()
    since = tenures.group_by("household_id", "commodity").agg(tenure_since=pl.col("starts_on").max())
    table = table.join(since, on=["household_id", "commodity"])
    starts = pl.col("month").replace_strict(reach, [first_day(month) for month in reach], return_dtype=pl.Date)
    own = pl.col("usage").is_not_null() & ((pl.col("tenure_since") <= starts) | (rule.history == "dwelling"))
    past = table.filter(own).select("household_id", "commodity", past="month", past_usage="usage")
    shown = table.filter(pl.col("month").is_in(list(months)))
    pairs = pl.concat(
        [
            shown.select("household_id", "commodity", "month", past=pl.col("month") - back * MONTHS_PER_YEAR)
            for back in years
        ]
    ).join(past, on=["household_id", "commodity", "past"])
    baseline = pairs.group_by("household_id", "commodity", "month").agg(
        baseline_num=pl.col("past_usage").sum(), baseline_den=pl.len().cast(pl.Int64)
    )
    return (
        shown.join(
            baseline.filter(pl.col("baseline_den") >= rule.min_years),
            on=["household_id", "commodity", "month"],
            how="left",
        )
        .sort("commodity", "month", descending=[False, True])
        .select("commodity", "month", "usage", "days_covered", "days_estimated", "baseline_num", "baseline_den")
    )
