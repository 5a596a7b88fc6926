"""Evaluation: what each household used of each commodity in a period, and what it would have used.

The first of three stages, and the only one that sees readings. Chunks of households are evaluated apart from each other.

Source: rules.md sections 2 to 4 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from carbon_bank.foundation.calendar import Period, days_in_month
from carbon_bank.foundation.units import COMMODITY_DTYPE
from carbon_bank.programme.baseline import history_months, holdings_with_history, with_baseline
from carbon_bank.programme.policy import Policy
from carbon_bank.readings.rules import TENURE_SCHEMA, MonthlyUsage, monthly_usage

HOUSEHOLD_SCHEMA = pl.Schema({"household_id": pl.Int64(), "dwelling_type": pl.String(), "residents": pl.Int64()})
EVALUATED_SCHEMA = pl.Schema(
    {
        "household_id": pl.Int64(),
        "commodity": COMMODITY_DTYPE,
        "tenure_since": pl.Date(),
        "usage": pl.Int64(),
        "days_covered": pl.Int32(),
        "days_estimated": pl.Int32(),
        "months_missing": pl.Int8(),
        "months_scaled": pl.Int8(),
        "repeated_usage": pl.Int64(),
        "baseline_num": pl.Int128(),
        "baseline_den": pl.Int128(),
        "baseline_months": pl.Int8(),
        "newcomer": pl.Boolean(),
        "spike_month": pl.String(),
        "spike_usage": pl.Int64(),
        "spike_median_doubled": pl.Int64(),
        "shared_meter_id": pl.Int64(),
        "dwelling_type": pl.String(),
        "residents_band": pl.Int8(),
    }
)
RESIDENTS_BAND_MAX = 4
"""Households of four and more are one band. Source: rules.md section 4."""


def no_dwellings() -> pl.DataFrame:
    """What `evaluate` takes where nothing is known of the households."""
    return HOUSEHOLD_SCHEMA.to_frame()


def evaluate(
    policy: Policy,
    period: Period,
    readings: pl.DataFrame,
    tenures: pl.DataFrame,
    households: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Usage and baseline of each household and commodity for one period.

    Args:    readings: READING_SCHEMA of the readings room, those that stand, from the first month of the history to the
             end of the period; others do no harm. tenures: TENURE_SCHEMA; only those that overlap the period count. A
             column `shared` may stand in them, from `mark_shared`: without it that is found among these tenures, so they
             must hold all claims on their meters. households: HOUSEHOLD_SCHEMA, for rules
             about peers; a household that is not in it has no peers.
    Units:   base units (Wh, L).
    Returns: EVALUATED_SCHEMA: a row for every household and commodity of the policy with a tenure in the period, in that
             order. `usage` is null where a month is incomplete, the baseline where there is none.
    Raises:  InvalidInput `programme.period`; what `monthly_usage` raises.
    """
    return assess(policy, period, measure(policy, period, readings, tenures), households)


@dataclass(frozen=True)
class Measured:
    """What was used month by month, from the first month of the history to the end of the period.

    tenures:  those that count; `holdings`: the same, held as far back as history counts.
    usage:    the grid of months.
    """

    tenures: pl.DataFrame
    holdings: pl.DataFrame
    usage: MonthlyUsage


def measure(policy: Policy, period: Period, readings: pl.DataFrame, tenures: pl.DataFrame) -> Measured:
    """The first half of `evaluate`: from readings to months. Args and Raises: as there."""
    policy.require_period(period)
    in_period = (pl.col("starts_on") < period.end_day) & (pl.col("ends_on") > period.first_day)
    ours = pl.col("commodity").is_in(pl.Series(list(policy.commodities), dtype=COMMODITY_DTYPE).implode())
    mine = tenures.with_columns(pl.col("commodity").cast(COMMODITY_DTYPE)).filter(in_period & ours)
    holdings = holdings_with_history(policy, period, mine.select(TENURE_SCHEMA.names()))
    months = [*history_months(policy, period), *period.months]
    return Measured(mine, holdings, monthly_usage(readings, holdings, months, policy.usage.min_month_coverage))


def assess(policy: Policy, period: Period, measured: Measured, households: pl.DataFrame | None) -> pl.DataFrame:
    """The second half of `evaluate`: from months to usage and baseline. Args and Returns: as there."""
    mine, usage = measured.tenures, measured.usage
    held = mine.group_by("household_id", "commodity").agg(tenure_since=pl.col("starts_on").max())
    rows = usage.rows.join(held, on=["household_id", "commodity"], how="left", maintain_order="left")
    rows = pl.concat([rows, _period_usage(period, usage)], how="horizontal")
    rows = with_baseline(policy, period, rows, usage)
    shared = _shared_meters(mine if "shared" in mine.columns else mark_shared(period, mine))
    rows = rows.join(shared, on=["household_id", "commodity"], how="left", maintain_order="left")
    return _with_peer_groups(rows, households).select(EVALUATED_SCHEMA.names()).cast(EVALUATED_SCHEMA)


def _period_usage(period: Period, usage: MonthlyUsage) -> pl.DataFrame:
    """The months of the period added up, missing where one is missing."""
    months = list(period.months)
    monthly = pl.DataFrame([usage.of_month(month).alias(str(month)) for month in months])
    covered = pl.DataFrame([usage.of_month(month, "days_covered").alias(str(month)) for month in months])
    estimated = pl.DataFrame([usage.of_month(month, "days_estimated").alias(str(month)) for month in months])
    scaled = [
        (monthly[str(month)].is_not_null() & (covered[str(month)] < days_in_month(month))).cast(pl.Int8)
        for month in months
    ]
    names = pl.all()
    equal = pl.min_horizontal(names) == pl.max_horizontal(names)
    complete = ~pl.any_horizontal(names.is_null())
    repeated = pl.min_horizontal(names) if period.length > 1 else pl.lit(None, dtype=pl.Int64)
    return monthly.select(
        usage=pl.sum_horizontal(names, ignore_nulls=False),
        days_covered=covered.sum_horizontal(),
        days_estimated=estimated.sum_horizontal(),
        months_missing=pl.sum_horizontal(names.is_null().cast(pl.Int8)),
        months_scaled=pl.DataFrame(scaled).sum_horizontal() if months else None,
        repeated_usage=pl.when(complete & equal).then(repeated),
    )


def mark_shared(period: Period, tenures: pl.DataFrame) -> pl.DataFrame:
    """The tenures with `shared`: whether another household claims the meter at the same time within the period.

    Args: tenures: TENURE_SCHEMA, with all claims on each meter. To be called before the tenures are cut into chunks.
    """
    numbered = tenures.with_row_index("claim")
    within = numbered.filter(pl.col("meter_id").is_duplicated()).with_columns(
        pl.max_horizontal("starts_on", pl.lit(period.first_day)), pl.min_horizontal("ends_on", pl.lit(period.end_day))
    )
    pairs = within.join(within, on="meter_id", suffix="_other").filter(
        (pl.col("household_id") != pl.col("household_id_other"))
        & (pl.max_horizontal("starts_on", "starts_on_other") < pl.min_horizontal("ends_on", "ends_on_other"))
    )
    return numbered.with_columns(shared=pl.col("claim").is_in(pairs["claim"].unique().implode())).drop("claim")


def _shared_meters(mine: pl.DataFrame) -> pl.DataFrame:
    """`household_id, commodity, shared_meter_id`: the first meter that another household claims too."""
    claims = mine.filter("shared")
    return claims.group_by("household_id", "commodity").agg(shared_meter_id=pl.col("meter_id").min())


def _with_peer_groups(rows: pl.DataFrame, households: pl.DataFrame | None) -> pl.DataFrame:
    if households is None:
        return rows.with_columns(dwelling_type=pl.lit(None, pl.String), residents_band=pl.lit(None, pl.Int8))
    band = pl.when(pl.col("residents") > 0).then(pl.col("residents").clip(upper_bound=RESIDENTS_BAND_MAX))
    known = households.select("household_id", "dwelling_type", residents_band=band.cast(pl.Int8))
    return rows.join(known, on="household_id", how="left", maintain_order="left")
