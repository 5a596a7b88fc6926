"""Several tariffs of one meter: parts of the same use are added, and never counted beside their total.

A reading carries the number of its tariff; 0 is all of them together. Where tariffs of a meter tell of the same time anywhere in a
file, each of its readings is a part, and counts only with those of all the others: what is missing is not zero. Tariffs that take
turns, as by day and by night, each tell the whole use of their own time, and need no others.
"""

from __future__ import annotations

import polars as pl

from carbon_bank.foundation.units import Quality
from carbon_bank.readings.formats import espi_codes as codes
from carbon_bank.readings.formats.interval_codes import CONTRADICTION, TWO_UNITS
from carbon_bank.readings.formats.normal import METER
from carbon_bank.readings.quantities import NEGATIVE

TOTAL = 0
_QUALITIES = [Quality.ESTIMATED, Quality.CUSTOMER, Quality.CORRECTED, Quality.ACTUAL]
RANK = pl.Enum([quality.value for quality in _QUALITIES])
"""A sum is as good as the worst of its parts."""
SPAN_SCHEMA = pl.Schema(
    {
        "at": pl.Int32(),
        **dict.fromkeys(METER, pl.String()),
        "tariff": pl.Int16(),
        "start": pl.Int64(),
        "seconds": pl.Int64(),
    }
)
STANDING_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(METER, pl.String()),
        "tariffs": pl.UInt32(),
        "is_shared": pl.Boolean(),  # they are parts of the same use
        "is_beside_total": pl.Boolean(),
    }
)
_is_total = pl.col("tariff") == TOTAL


def standing(spans: pl.DataFrame) -> pl.DataFrame:
    """How the tariffs of each meter that has any stand to each other. Args: spans: SPAN_SCHEMA, of a whole file."""
    has_tariffs = (pl.col("tariff") != TOTAL).any().over(METER)
    once = spans.filter(has_tariffs).unique([*METER, "tariff", "start", "seconds"])
    ordered = once.sort(*METER, "start", "seconds").with_columns(
        total_to=_ends_before(_is_total), part_to=_ends_before(~_is_total)
    )
    against = pl.when(_is_total).then("part_to").otherwise("total_to")
    return ordered.group_by(METER, maintain_order=True).agg(
        tariffs=pl.col("tariff").filter(~_is_total).n_unique(),
        is_shared=(pl.col("start") < pl.col("part_to")).filter(~_is_total).any(),
        is_beside_total=(pl.col("start") < against).any(),
    ).select(STANDING_SCHEMA.names())  # fmt: skip


def _ends_before(which: pl.Expr) -> pl.Expr:
    """The latest end among those that come before a reading in the order of their starts."""
    ends = pl.when(which).then(pl.col("start") + pl.col("seconds"))
    return ends.cum_max().forward_fill().shift(1).over(METER)


def passed_over(spans: pl.DataFrame, stand: pl.DataFrame) -> pl.Series:
    """`at` of the readings of tariffs that are not counted, because their total is told as well."""
    return spans.join(stand.filter("is_beside_total"), on=METER, how="semi").filter(~_is_total)["at"]


def added(readings: pl.DataFrame, stand: pl.DataFrame, same: list[str]) -> pl.DataFrame:
    """Readings with the parts of one use made one, and without those that stand beside their total.

    Args:    readings: `METER, tariff, at, unit, amount, quality` (of RANK), `fault`, and more, of which a sum has the first.
             same: the columns besides METER that are alike in parts of one use.
    """
    if stand.is_empty():
        return readings.drop("tariff")
    known = readings.join(stand, on=METER, how="left", maintain_order="left")
    counted = known.filter(_is_total | ~pl.col("is_beside_total").fill_null(False))
    is_part = (pl.col("is_shared") & ~_is_total).fill_null(False)
    made = ["at", "unit", "amount", "quality", "fault"]
    rest = [name for name in readings.columns if name not in {*METER, *same, *made, "tariff"}]
    sums = counted.filter(is_part).group_by(*METER, *same, maintain_order=True).agg(
        pl.col("at").min(),
        pl.col("unit").first(),
        pl.when(pl.col("amount").null_count() == 0).then(pl.col("amount").sum()).alias("amount"),
        pl.col("quality").min(),
        pl.col(rest).first(),
        fault=_fault_of_parts(),
    )  # fmt: skip
    whole = counted.filter(~is_part).drop("tariff", *STANDING_SCHEMA.names()[len(METER) :])
    return pl.concat([whole, sums.select(whole.columns)])


def _fault_of_parts() -> pl.Expr:
    told = pl.col("tariff").n_unique()
    return pl.coalesce(
        pl.col("fault").drop_nulls().first(),
        pl.when(pl.col("unit").n_unique() > 1).then(pl.lit(TWO_UNITS)),
        pl.when(told < pl.len()).then(pl.lit(CONTRADICTION)),
        pl.when(told < pl.col("tariffs").first()).then(pl.lit(codes.TARIFF_MISSING)),
        pl.when((pl.col("amount") < 0).any()).then(pl.lit(NEGATIVE)),  # a sum would hide it
    )
