"""Readings cut at the firsts of months and at the ends of holdings, their quantity divided among the pieces.

A reading is spread evenly over its days. The pieces are made whole by the method of the largest remainder, so they
always add up to the reading, whatever part of it a household held.

Days are integers here (days since 1970-01-01, as Polars keeps dates); an end is the first day that no longer counts.

Source: rules.md section 2; decision record 0002 (readings that reach beyond a tenure).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from carbon_bank.foundation.calendar import first_day, month_of

PAIR_SCHEMA = pl.Schema(
    {
        "row": pl.Int32,
        "start": pl.Int32,
        "end": pl.Int32,
        "held_from": pl.Int32,
        "held_to": pl.Int32,
        "quantity": pl.Int64,
        "estimated": pl.Boolean,
    }
)
PIECE_SCHEMA = pl.Schema(
    {
        "row": pl.Int32,
        "month": pl.Int32,
        "start": pl.Int32,
        "days": pl.Int32,
        "quantity": pl.Int64,
        "estimated": pl.Boolean,
    }
)
_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """A day as the integer that Polars keeps for it."""
    return (day - _EPOCH).days


def cut(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pieces of each reading that lie inside a holding, each in one month.

    Args:    pairs: one row per reading and holding that touch (PAIR_SCHEMA): `row` says whose the holding is, `start` and
             `end` are the reading's, `held_from` and `held_to` the holding's. Other columns go along.
    Units:   quantity in base units, at most QUANTITY_MAX for a reading.
    Returns: PIECE_SCHEMA and the other columns, in no promised order; a reading outside its holding has no piece.
    """
    others = {name: dtype for name, dtype in pairs.schema.items() if name not in PAIR_SCHEMA}
    if pairs.is_empty():
        return pl.Schema({**PIECE_SCHEMA, **others}).to_frame()
    pieces = _at_holdings(_at_months(pairs.with_row_index("pair")))
    # The largest product is QUANTITY_MAX x the days of the reading: 64 bits hold it for any reading under 9,000,000 days.
    spread, length = pl.col("quantity") * pl.col("days"), pl.col("end") - pl.col("start")
    pieces = pieces.with_columns(share=spread // length, remainder=spread % length)
    uneven = pl.col("remainder") > 0
    whole = pl.concat([pieces.filter(~uneven), _largest_remainders(pieces.filter(uneven))])
    return whole.filter("inside").select(
        "row",
        "month",
        pl.col("piece_start").alias("start"),
        "days",
        pl.col("share").alias("quantity"),
        "estimated",
        *others,
    )


def _at_months(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per reading, holding and calendar month that the reading touches, with `piece_start` and `piece_end`."""
    first, last = (month_of(day) for day in pairs.select(pl.min("start"), pl.max("end")).cast(pl.Date).row(0))
    month_starts = pl.Series([day_number(first_day(month)) for month in range(first, last + 2)], dtype=pl.Int32)
    spans = pairs.with_columns(
        place=(month_starts.search_sorted(pairs["start"], side="right") - 1).cast(pl.Int32),
        last=(month_starts.search_sorted(pairs["end"] - 1, side="right") - 1).cast(pl.Int32),
    )
    several = pl.col("place") < pl.col("last")
    spread = spans.filter(several).with_columns(place=pl.int_ranges("place", pl.col("last") + 1, dtype=pl.Int32))
    months = pl.concat([spans.filter(~several), spread.explode("place")]).drop("last")
    return months.with_columns(
        month=pl.col("place") + first,
        piece_start=pl.max_horizontal("start", month_starts.gather(months["place"])),
        piece_end=pl.min_horizontal("end", month_starts.gather(months["place"] + 1)),
    ).drop("place")


def _at_holdings(pieces: pl.DataFrame) -> pl.DataFrame:
    """The pieces cut once more where a holding begins or ends within them, with `days` and whether they are `inside`."""
    begins = pl.col("held_from").clip(pl.col("piece_start"), pl.col("piece_end"))
    ends = pl.col("held_to").clip(begins, pl.col("piece_end"))
    cut_at = pieces.with_columns(begins=begins, ends=ends)
    before = pl.col("piece_start"), pl.col("begins"), False
    within = pl.col("begins"), pl.col("ends"), True
    after = pl.col("ends"), pl.col("piece_end"), False
    return pl.concat(
        [
            cut_at.filter(start < end).with_columns(piece_start=start, days=end - start, inside=pl.lit(inside))
            for start, end, inside in (before, within, after)
        ]
    ).drop("begins", "ends", "piece_end")


def _largest_remainders(pieces: pl.DataFrame) -> pl.DataFrame:
    """The shares of readings that do not divide evenly, made whole.

    The units to give are the remainders' sum over the reading's days, fewer than there are pieces with a remainder; they
    go to the largest remainders, to the earlier piece where equal.
    """
    length = pl.col("end") - pl.col("start")
    ordered = pieces.sort("pair", "remainder", "piece_start", descending=[False, True, False])
    of_pair = ordered.group_by("pair", maintain_order=True).agg(count=pl.len(), to_give=pl.col("remainder").sum())
    first = of_pair["count"].cum_sum() - of_pair["count"]
    pair = of_pair.select("pair", "to_give", first=first)
    ranked = ordered.with_row_index("place").join(pair, on="pair", how="left", maintain_order="left")
    earns = (pl.col("place") - pl.col("first")) < (pl.col("to_give") // length)
    return ranked.with_columns(share=pl.col("share") + earns.cast(pl.Int64)).select(pieces.columns)
