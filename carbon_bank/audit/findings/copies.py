"""Readings that stand under two meters: the same quantities for the same days, so many in a row that it is no chance.

In two steps, so that a large city can be looked at some meters at a time: each run of a few readings becomes one number, a
*mark*; then meters whose marks meet are compared reading by reading.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from carbon_bank.audit.findings.kinds import (
    COPIED_DIGITS_MIN,
    COPIED_READINGS_MIN,
    COPIED_WINDOW_DIGITS_MIN,
    Case,
    Code,
    Found,
    found,
)

_READING = ["period_start", "period_end", "quantity"]


def marks(readings: pl.DataFrame) -> pl.DataFrame:
    """A mark of each run of COPIED_READINGS_MIN readings of a meter.

    Args:    readings: `meter_id, commodity, period_start, period_end, quantity` that stand, by meter and time.
    Returns: `mark, meter_id`, and `digits` of the run beyond the first of each reading, in base units.
    """
    by = range(COPIED_READINGS_MIN)
    run = [pl.col(name).shift(-each).alias(f"{name}_{each}") for each in by for name in _READING]
    return (
        readings.with_columns(digits=_digits(pl.col("quantity")))
        .select(
            mark=pl.struct("commodity", *run).hash(),
            meter_id="meter_id",
            digits=pl.sum_horizontal(*(pl.col("digits").shift(-each) for each in by)),
            is_one_meters=pl.col("meter_id") == pl.col("meter_id").shift(1 - COPIED_READINGS_MIN),
        )
        .filter("is_one_meters")
        .drop("is_one_meters")
    )


def pairs(marked: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Meters whose marks meet, each beside the first of those that share one, where the runs have digits enough.

    Args:    marked: as `marks` returns them. steps: `meter_id, step`: the power of ten in which the meter is read.
    Returns: `meter_id, other_id`.
    """
    shared = marked.filter(pl.col("mark").is_duplicated()).join(steps, on="meter_id")
    long = shared.filter(
        pl.col("digits") - COPIED_READINGS_MIN * _digits(pl.col("step")) >= COPIED_WINDOW_DIGITS_MIN
    ).select("mark", first_id=pl.col("meter_id").min().over("mark"), other_id="meter_id")
    apart = long.filter(pl.col("first_id") != pl.col("other_id"))
    return apart.select(meter_id="first_id", other_id="other_id").unique().sort("meter_id", "other_id")


def agreements(pairs: pl.DataFrame, readings: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """How far the meters of each pair agree: `meter_id, other_id, commodity, equal` (readings), `digits`, `first_day, end_day`.

    Args: readings: of the meters of the pairs, as `marks` takes them. steps: as `pairs` takes them.
    """
    in_steps = (pl.col("quantity") // pl.col("step")).clip(lower_bound=1)
    known = readings.join(steps, on="meter_id").with_columns(digits=_digits(in_steps))
    other = readings.select(pl.col("meter_id").alias("other_id"), *_READING)
    equal = pairs.join(known, on="meter_id").join(other, on=["other_id", *_READING], how="semi")
    return equal.group_by("meter_id", "other_id", "commodity").agg(
        equal=pl.len(),
        digits=pl.col("digits").sum(),
        first_day=pl.col("period_start").min(),
        end_day=pl.col("period_end").max(),
    )


def copied(agreed: pl.DataFrame, holders: pl.DataFrame, meters: int, elsewhere: str) -> Found:
    """Args: holders: `meter_id, household_id`. meters: how many were looked at. elsewhere: a link for meters that nobody holds."""
    sure = agreed.filter((pl.col("digits") >= COPIED_DIGITS_MIN) & (pl.col("equal") >= COPIED_READINGS_MIN))
    of_meter = holders.group_by("meter_id").agg(pl.col("household_id").unique().sort())
    whose = (
        sure.join(of_meter, on="meter_id", how="left")
        .join(of_meter.rename({"meter_id": "other_id"}), on="other_id", how="left", suffix="_other")
        .sort("equal", "meter_id", "other_id", descending=[True, False, False])
    )
    return found(Code.READING_COPIED, meters, whose, lambda row: _case(row, elsewhere))


def _digits(quantity: pl.Expr) -> pl.Expr:
    """Digits beyond the first."""
    return quantity.cast(pl.String).str.len_bytes().cast(pl.Int64) - 1


def _case(row: dict[str, Any], elsewhere: str) -> Case:
    households = tuple(dict.fromkeys([*(row["household_id"] or []), *(row["household_id_other"] or [])]))
    return Case(
        link=f"/v1/households/{households[0]}" if households else elsewhere,
        households=households,
        commodity=row["commodity"],
        figures={
            "meter_id": row["meter_id"],
            "other_meter_id": row["other_id"],
            "readings_equal": row["equal"],
            "first_day": str(row["first_day"]),
            "end_day": str(row["end_day"]),
        },
    )
