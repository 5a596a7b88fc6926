"""Readings cut at the firsts of months and at the ends of holdings, their quantity divided among the pieces.

Every reading is spread evenly over its days. The pieces are made whole by the method of the largest remainder, so they
always add up to the reading, whatever part of it a household held.

Source: rules.md section 2; decision record 0002 (readings that reach beyond a tenure).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, first_day

EPOCH = date(1970, 1, 1)


def cut(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pieces of each reading that lie inside a holding.

    Args:    pairs: one row per reading and holding that touch: `period_start`, `period_end`, `quantity` (base units,
             up to QUANTITY_MAX), `starts_on`, `ends_on` (of the holding, its end exclusive); any other columns are kept.
    Returns: one row per piece: the other columns, with `month` Int32, `piece_start` and `piece_end` Date, `days` Int32
             and `quantity` Int64 of the piece; in no promised order.
    """
    if pairs.is_empty():
        return _by_month(pairs).with_columns(days=pl.lit(0, dtype=pl.Int32)).drop("starts_on", "ends_on", "pair")
    pieces = _at_holdings(_by_month(pairs.with_row_index("pair")))
    length = (pl.col("period_end") - pl.col("period_start")).dt.total_days()
    spread = pl.col("quantity") * pl.col("days")  # 10^12 base units x a few hundred days: far inside 64 bits
    pieces = pieces.with_columns(floor=spread // length, remainder=spread % length)
    uneven = pieces.filter(pl.col("remainder") > 0)
    even = pieces.filter(pl.col("remainder") == 0)
    whole = pl.concat([_largest_remainders(uneven, pieces), even.with_columns(quantity="floor")])
    return whole.filter("inside").drop("starts_on", "ends_on", "pair", "floor", "remainder", "inside")


def _by_month(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per reading, holding and calendar month that the reading touches."""
    if pairs.is_empty():
        nothing = pairs.with_columns(month=pl.lit(0, dtype=pl.Int32), piece_start="period_start", piece_end="period_end")
        return nothing if "pair" in nothing.columns else nothing.with_row_index("pair")
    last = pl.col("period_end").dt.offset_by("-1d")
    spans = pairs.with_columns(month=_month(pl.col("period_start")), last_month=_month(last))
    lowest, highest = _bounds(spans)
    firsts = pl.Series([first_day(month) for month in range(lowest, highest + 2)], dtype=pl.Date)
    several = pl.col("month") < pl.col("last_month")
    many = spans.filter(several).with_columns(month=pl.int_ranges("month", pl.col("last_month") + 1, dtype=pl.Int32))
    months = pl.concat([spans.filter(~several), many.explode("month")]).drop("last_month")
    place = months["month"] - lowest
    return months.with_columns(
        piece_start=pl.max_horizontal("period_start", firsts.gather(place)),
        piece_end=pl.min_horizontal("period_end", firsts.gather(place + 1)),
    )
