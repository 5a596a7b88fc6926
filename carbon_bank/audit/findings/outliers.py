"""Outliers: awards with points far from the median of like households, by median and MAD, in whole numbers only.

Medians are kept doubled and MADs fourfold, so that the mean of two middle values is still whole.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from carbon_bank.audit.findings.kinds import (
    OUTLIER_SCALE,
    OUTLIER_SCORE_MIN,
    PEERS_MIN,
    Case,
    Code,
    Found,
    explanation,
    found,
)

UNKNOWN = -(2**62)
"""In place of a reduction that is not known, since there is no baseline."""
_GROUP = ["commodity", "dwelling", "band"]
_MEASURES = ("usage", "reduction_bp")
_LIMIT = OUTLIER_SCORE_MIN / (OUTLIER_SCALE * 2)
"""`scale * |x - median| / MAD > score`, with the deviation doubled and the MAD fourfold: `deviation > MAD * limit`."""


def outliers(settlement_id: int, awards: pl.DataFrame) -> Found:
    """The awards with points whose usage or reduction is an outlier, the largest score first.

    Args: awards: `household_id, commodity, dwelling, band` (0: not known), `usage`, `reduction_bp` (in hundredths of a percent,
          cut off; or UNKNOWN), `points`, `is_paid`; all of the settlement whose usage is known.
    """
    scored = [
        _deviations(awards.filter(pl.col(measure) != UNKNOWN), measure)
        for measure in _MEASURES
    ]  # fmt: skip
    judged = pl.concat(scored)
    far = judged.filter(
        (pl.col("mad_4") > 0)
        & (pl.col("deviation_2") * _LIMIT.denominator > pl.col("mad_4") * _LIMIT.numerator)
        & (pl.col("peers") >= PEERS_MIN)
    ).with_columns(
        score_tenths=pl.col("deviation_2")
        * 20
        * OUTLIER_SCALE.numerator
        // (pl.col("mad_4") * OUTLIER_SCALE.denominator)
    )
    paid = far.filter("is_paid").sort(
        "score_tenths", "household_id", "commodity", "measure", descending=[True, False, False, False]
    )
    once = paid.unique(["household_id", "commodity"], keep="first", maintain_order=True)
    small = judged.filter((pl.col("peers") < PEERS_MIN) & pl.col("is_paid"))
    flat = judged.filter((pl.col("peers") >= PEERS_MIN) & (pl.col("mad_4") == 0))
    return found(
        Code.AWARD_OUTLIER,
        awards.filter("is_paid").height,
        once,
        lambda row: _case(settlement_id, row),
        numbers={
            "awards_compared": awards.height,
            "groups": judged.filter(pl.col("peers") >= PEERS_MIN).select("measure", *_GROUP).n_unique(),
            "groups_without_spread": flat.select("measure", *_GROUP).n_unique() if flat.height else 0,
            "paid_in_groups_too_small": small.select("household_id", "commodity").n_unique() if small.height else 0,
            "outliers_without_points": far.filter(~pl.col("is_paid")).select("household_id", "commodity").n_unique()
            if far.height
            else 0,
        },
    )


def _deviations(awards: pl.DataFrame, measure: str) -> pl.DataFrame:
    """Each award with its group's doubled median and fourfold MAD of a measure."""
    value = pl.col(measure)
    with_median = awards.with_columns(
        measure=pl.lit(measure), value=value, peers=pl.len().over(_GROUP), median_2=_doubled_median(value).over(_GROUP)
    ).with_columns(deviation_2=(2 * value - pl.col("median_2")).abs())
    return with_median.with_columns(mad_4=_doubled_median(pl.col("deviation_2")).over(_GROUP)).select(
        "household_id", *_GROUP, "points", "is_paid", "measure", "value", "peers", "median_2", "deviation_2", "mad_4"
    )


def _doubled_median(value: pl.Expr) -> pl.Expr:
    """Twice the median. Polars' own is a float."""
    ordered = value.sort()
    return ordered.get((pl.len() - 1) // 2) + ordered.get(pl.len() // 2)


def _case(settlement_id: int, row: dict[str, Any]) -> Case:
    return Case(
        link=explanation(settlement_id, row["household_id"], row["commodity"]),
        households=(row["household_id"],),
        settlement_id=settlement_id,
        commodity=row["commodity"],
        figures={
            "measure": row["measure"],
            "value": row["value"],
            "median": _halved(row["median_2"]),
            "score": f"{row['score_tenths'] // 10}.{row['score_tenths'] % 10}",
            "peers": row["peers"],
            "points": row["points"],
        },
    )


def _halved(doubled: int) -> str:
    """Half of a whole number, exactly."""
    whole, half = divmod(abs(doubled), 2)
    return f"{'-' if doubled < 0 else ''}{whole}{'.5' if half else ''}"
