"""Baselines: what a household would have used, from the same months of earlier years.

Source: rules.md section 4; decision record 0002 (what belongs to the history).
"""

from __future__ import annotations

from datetime import date
from math import lcm

import polars as pl

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, Period, first_day, month_text
from carbon_bank.programme.policy import Policy
from carbon_bank.readings.rules import MONTH_USAGE_MAX, MonthlyUsage

SPIKE_TIMES = 3
"""A baseline month is a spike above this many times the median of the baseline months. Source: rules.md section 6."""
_SPAN = MONTH_USAGE_MAX + 2


def history_months(policy: Policy, period: Period) -> list[int]:
    """The months that a baseline may be made of, ascending."""
    years = range(policy.baseline.lookback_years, 0, -1)
    return [month - years_back * MONTHS_PER_YEAR for years_back in years for month in period.months]


def windows(period: Period, lookback_years: int) -> list[tuple[date, date]]:
    """The days that decide: those of the period, and of the same months of each year before.

    No reading can lie in two windows: they are at least six months apart, or one.
    """
    years = [
        Period(period.first_month - back * MONTHS_PER_YEAR, period.length) for back in range(lookback_years, -1, -1)
    ]
    if period.length == MONTHS_PER_YEAR:
        return [(years[0].first_day, years[-1].end_day)]
    return [(year.first_day, year.end_day) for year in years]


def holdings_with_history(policy: Policy, period: Period, tenures: pl.DataFrame) -> pl.DataFrame:
    """The tenures of the period, held as far back as the policy lets history count.

    With `history: dwelling` what a meter measured before the period counts whoever lived there: a tenure that began
    earlier is held from the beginning of time, one that began later is joined by another that ends with its history.
    """
    if policy.baseline.history == "tenure":
        return tenures
    long_ago, start = pl.date(1, 1, 1), pl.lit(period.first_day)
    is_first = pl.col("starts_on") == pl.col("starts_on").min().over("household_id", "meter_id")
    began_later = pl.col("starts_on") > start
    reaching = tenures.with_columns(starts_on=pl.when(is_first & ~began_later).then(long_ago).otherwise("starts_on"))
    before = tenures.filter(is_first & began_later).with_columns(starts_on=long_ago, ends_on=start)
    return pl.concat([reaching, before])


def with_baseline(policy: Policy, period: Period, rows: pl.DataFrame, usage: MonthlyUsage) -> pl.DataFrame:
    """The rows with their baseline from history.

    Args:    rows: in the order of `usage.rows`, with `tenure_since` Date.
    Units:   base units (Wh, L), exact: `baseline_num` / `baseline_den` (Int128).
    Returns: rows with `baseline_num`, `baseline_den` (null where history does not suffice or adds up to nothing),
             `baseline_months` (months of the period that have a baseline of their own), `newcomer` (the tenure is too
             short for a baseline, and there is none), and of a spike its `spike_month`, `spike_usage` and
             `spike_median_doubled`.
    Source:  rules.md section 4.
    """
    rule, needed = policy.baseline, policy.baseline_months_min
    history = history_that_counts(policy, period, rows, usage)
    common = means_denominator(policy)
    means = [mean_of_years(policy, month) for month in period.months]
    possible = []
    for month in period.months:
        years = years_before(policy, month)
        held = pl.sum_horizontal((pl.col("tenure_since") <= first_day(year)).cast(pl.Int64) for year in years)
        possible.append((held >= rule.min_years).cast(pl.Int64))
    history = history.with_columns(
        total=pl.sum_horizontal(mean for mean, _ in means),
        count=pl.sum_horizontal((found > 0).cast(pl.Int64) for _, found in means),
        possible=pl.sum_horizontal(possible),
    )
    count, enough = pl.col("count"), pl.col("count") >= needed
    exists, full = enough & (pl.col("total") > 0), count == period.length
    wide_total, wide_common = pl.col("total").cast(pl.Int128), pl.lit(common, dtype=pl.Int128)
    figures = history.select(
        baseline_num=pl.when(exists).then(wide_total * pl.when(full).then(1).otherwise(period.length)),
        baseline_den=pl.when(exists).then(wide_common * pl.when(full).then(1).otherwise(count)),
        baseline_months=count.cast(pl.Int8),
        newcomer=~enough & (pl.col("possible") < needed),
    )
    spikes = _spikes(
        history.select(pl.when(exists).then(pl.col(str(month))) for month in history_months(policy, period))
    )
    return pl.concat([rows, figures, spikes], how="horizontal")


def means_denominator(policy: Policy) -> int:
    """lcm(1..years): over n of them it is whole, so a mean of n years needs no fraction until the very end."""
    return lcm(*range(1, policy.baseline.lookback_years + 1))


def mean_of_years(policy: Policy, month: int) -> tuple[pl.Expr, pl.Expr]:
    """b_m, the mean of a month in the years that count, times `means_denominator` (0 where none counts); and n, how many.

    Over columns as `history_that_counts` returns them. Source: rules.md section 4.
    """
    years = years_before(policy, month)
    found = pl.sum_horizontal(pl.col(str(year)).is_not_null().cast(pl.Int64) for year in years)
    mean = pl.sum_horizontal(map(str, years)) * (means_denominator(policy) // found)
    return pl.when(found > 0).then(mean).otherwise(0), found


def years_before(policy: Policy, month: int) -> list[int]:
    """The same month of each year that a baseline looks back to, the latest first."""
    return [month - back * MONTHS_PER_YEAR for back in range(1, policy.baseline.lookback_years + 1)]


def history_that_counts(policy: Policy, period: Period, rows: pl.DataFrame, usage: MonthlyUsage) -> pl.DataFrame:
    """`tenure_since` and a column for each month of the history: its usage where it belongs to the baseline, else null."""
    rule, months = policy.baseline, history_months(policy, period)
    history = rows.select("tenure_since").with_columns(usage.of_month(month).alias(str(month)) for month in months)
    if rule.history == "tenure":
        history = history.with_columns(
            pl.when(pl.col("tenure_since") <= first_day(month)).then(pl.col(str(month))).alias(str(month))
            for month in months
        )
    if rule.min_years == 1:
        return history
    kept = []
    for month in period.months:
        years = years_before(policy, month)
        found = pl.sum_horizontal(pl.col(str(year)).is_not_null().cast(pl.Int64) for year in years)
        kept += [pl.when(found >= rule.min_years).then(pl.col(str(year))).alias(str(year)) for year in years]
    return history.with_columns(kept)


def _spikes(months: pl.DataFrame) -> pl.DataFrame:
    """The highest month of each row, where it is above SPIKE_TIMES the median of the row's months.

    Sorting packs (row, usage) into one integer: a sort of lists would take ten times as long.
    """
    names = months.columns
    ranged = months.with_columns(low=pl.min_horizontal(names), high=pl.max_horizontal(names)).with_row_index("row")
    likely = ranged.filter(pl.col("high") > SPIKE_TIMES * pl.col("low")).with_row_index("place")
    place, size = likely["place"].cast(pl.Int64), len(names)
    ordered = pl.concat([likely[name].fill_null(_SPAN - 1) + place * _SPAN for name in names]).sort()
    found = likely.select(pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.Int64) for name in names)).to_series()
    middle = [ordered.gather(place * size + (found - 1 + step) // 2) % _SPAN for step in (0, 1)]
    spiking = likely.with_columns(doubled=middle[0] + middle[1]).filter(
        2 * pl.col("high") > SPIKE_TIMES * pl.col("doubled")
    )
    month = pl.coalesce(pl.when(pl.col(name) == pl.col("high")).then(pl.lit(month_text(int(name)))) for name in names)
    told = spiking.select("row", spike_month=month, spike_usage="high", spike_median_doubled="doubled")
    return ranged.select("row").join(told, on="row", how="left", maintain_order="left").drop("row")
