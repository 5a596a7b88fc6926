"""Population: what the households of a city used on the whole, for the rules that compare a household with others.

The second stage, needed where `Policy.needs_population` says so. Totals of chunks add up to the totals of the city.

Source: rules.md section 4 (newcomers) and section 5 (standard use).
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.units import COMMODITY_DTYPE
from carbon_bank.programme.limits import POPULATION_MAX

POPULATION_SCHEMA = pl.Schema(
    {
        "commodity": COMMODITY_DTYPE,
        "dwelling_type": pl.String(),
        "residents_band": pl.Int8(),
        "households": pl.Int64(),
        "usage_total": pl.Int128(),
    }
)
_GROUP = ["commodity", "dwelling_type", "residents_band"]


def population(evaluated: pl.DataFrame) -> pl.DataFrame:
    """Households with complete usage and what they used, by commodity and peer group.

    Args:    evaluated: as `evaluate` returns it.
    Returns: POPULATION_SCHEMA; households of unknown dwelling or residents stand in rows with nulls.
    """
    complete = evaluated.filter(pl.col("usage").is_not_null())
    totals = complete.group_by(_GROUP).agg(households=pl.len(), usage_total=pl.col("usage").cast(pl.Int128).sum())
    return totals.select(POPULATION_SCHEMA.names()).cast(POPULATION_SCHEMA).sort(_GROUP)


def add_populations(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The population of several chunks, no household in two of them. Raises: TooLarge `programme.beyond_bounds`."""
    joined = pl.concat([POPULATION_SCHEMA.to_frame(), *parts])
    total = joined.group_by(_GROUP).agg(pl.col("households").sum(), pl.col("usage_total").sum()).sort(_GROUP)
    largest = total.group_by("commodity").agg(pl.col("households").sum())["households"].max()
    if isinstance(largest, int) and largest > POPULATION_MAX:
        raise TooLarge(
            "programme.beyond_bounds",
            f"A city of {largest} households is above {POPULATION_MAX}, up to which the rules are proved exact.",
            {"households": largest, "households_max": POPULATION_MAX},
        )
    return total


def means(totals: pl.DataFrame) -> pl.DataFrame:
    """`commodity, mean_households, mean_total`: over all households of the city with complete usage."""
    return totals.group_by("commodity").agg(
        mean_households=pl.col("households").sum().cast(pl.Int128), mean_total=pl.col("usage_total").sum()
    )


def peer_means(totals: pl.DataFrame, peer_min: int) -> pl.DataFrame:
    """Of the peer groups with `peer_min` households or more: their number and total usage."""
    known = totals.filter(
        pl.col("dwelling_type").is_not_null()
        & pl.col("residents_band").is_not_null()
        & (pl.col("households") >= peer_min)
        & (pl.col("usage_total") > 0)
    )
    return known.select(*_GROUP, peer_households=pl.col("households").cast(pl.Int128), peer_total=pl.col("usage_total"))
