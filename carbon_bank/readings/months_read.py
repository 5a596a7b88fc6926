"""Which months of which meters have been read, as a settlement would see them: by the law that it cuts readings by.

Source: rules.md section 2 ("covered").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from enum import StrEnum

import polars as pl

from carbon_bank.foundation.calendar import first_day
from carbon_bank.readings.rules import READING_SCHEMA, parts_of_readings


class MonthState(StrEnum):
    """Of one meter in one month. `awaited`: not all there, and not due yet."""

    ACTUAL = "actual"
    ESTIMATED = "estimated"
    PARTIAL = "partial"
    MISSING = "missing"
    AWAITED = "awaited"


LACKING = frozenset({MonthState.PARTIAL, MonthState.MISSING})
"""What a reminder asks for."""

S = MonthState


def months_read(
    readings: pl.DataFrame, holdings: pl.DataFrame, months: Sequence[int], today: date, due_days: int
) -> pl.DataFrame:
    """What is read of each month in which somebody holds a meter.

    Args:    readings: READING_SCHEMA and `recorded_on` (the day its first revision came); those that stand, not overlapping
             on one meter. holdings: `meter_id, commodity, starts_on, ends_on`, those of one meter may overlap. due_days: a
             month is due this many days after its end.
    Returns: `meter_id, month, days_held, days_covered, days_estimated, is_late, state`, by meter and month. `is_late`: what
             covers the month came after it was due.
    """
    tenures = holdings.with_columns(household_id="meter_id")
    whole = parts_of_readings(_as_if_read_whole(holdings, months), tenures, months)
    held = whole.group_by("meter_id", "month").agg(days_held=pl.col("days").sum()).sort("meter_id", "month")
    parts = parts_of_readings(readings.select(READING_SCHEMA.names()), tenures, months)
    came = readings.select("meter_id", "period_start", "period_end", "recorded_on")
    parts = parts.join(came, on=["meter_id", "period_start", "period_end"], how="left")
    estimated = pl.when("estimated").then(pl.col("days")).otherwise(0)
    covered = parts.group_by("meter_id", "month").agg(
        days_covered=pl.col("days").sum(), days_estimated=estimated.sum(), came_on=pl.col("recorded_on").max()
    )
    table = held.join(covered, on=["meter_id", "month"], how="left", maintain_order="left")
    due = pl.Series([first_day(month + 1) + timedelta(days=due_days) for month in months], dtype=pl.Date)
    table = table.with_columns(
        pl.col("days_covered", "days_estimated").fill_null(0),
        due_on=pl.col("month").replace_strict(list(months), due, return_dtype=pl.Date),
    )
    is_whole = pl.col("days_covered") == pl.col("days_held")
    state = (
        pl.when(is_whole & (pl.col("days_estimated") == 0))
        .then(pl.lit(S.ACTUAL.value))
        .when(is_whole)
        .then(pl.lit(S.ESTIMATED.value))
        .when(pl.col("due_on") >= today)
        .then(pl.lit(S.AWAITED.value))
        .when(pl.col("days_covered") > 0)
        .then(pl.lit(S.PARTIAL.value))
        .otherwise(pl.lit(S.MISSING.value))
    )
    return table.select(
        "meter_id",
        "month",
        "days_held",
        "days_covered",
        "days_estimated",
        is_late=(pl.col("came_on") > pl.col("due_on")).fill_null(False),
        state=state,
    )


def _as_if_read_whole(holdings: pl.DataFrame, months: Sequence[int]) -> pl.DataFrame:
    """A reading of each whole month of each meter: what it covers is what the meter is held."""
    spans = pl.DataFrame(
        {
            "period_start": [first_day(month) for month in months],
            "period_end": [first_day(month + 1) for month in months],
        },
        schema={"period_start": pl.Date, "period_end": pl.Date},
    )
    whole = holdings.select("meter_id").unique().join(spans, how="cross")
    return whole.with_columns(quantity=pl.lit(0, pl.Int64), estimated=pl.lit(False)).select(READING_SCHEMA.names())
