"""Days on which every meter that a household holds has a reading: for the few who hold several at one time.

Source: rules.md section 2 ("covered").
"""

from __future__ import annotations

import polars as pl


def days_covered_by_all_meters(pieces: pl.DataFrame, holdings: pl.DataFrame) -> pl.DataFrame:
    """Covered days by row and month, counted day by day.

    Args:    pieces: PIECE_SCHEMA of any rows; those of one meter do not overlap. holdings: `row`, `held_from`,
             `held_to`; only the rows to count, all holdings of each.
    Returns: `row`, `month`, `days_covered`, `days_estimated` (covered, by an estimated reading on at least one meter).
    """
    theirs = pieces.join(holdings.select("row").unique(), on="row", how="semi")
    days = theirs.with_columns(day=pl.int_ranges("start", pl.col("start") + pl.col("days"))).explode("day")
    read = days.group_by("row", "month", "day").agg(meters=pl.len(), estimated=pl.col("estimated").any())
    edges = pl.concat(
        [
            holdings.select("row", day="held_from", change=pl.lit(1, dtype=pl.Int64)),
            holdings.select("row", day="held_to", change=pl.lit(-1, dtype=pl.Int64)),
        ]
    )
    held = edges.group_by("row", "day").agg(pl.col("change").sum()).sort("row", "day")
    held = held.with_columns(held=pl.col("change").cum_sum().over("row")).sort("day")
    counted = (
        read.with_columns(pl.col("day").cast(pl.Int32))
        .sort("day")
        .join_asof(held.select("row", "day", "held"), on="day", by="row", strategy="backward", check_sortedness=False)
    )
    covered = counted.filter(pl.col("meters") == pl.col("held"))
    return covered.group_by("row", "month").agg(
        days_covered=pl.len().cast(pl.Int32), days_estimated=pl.col("estimated").sum().cast(pl.Int32)
    )
