"""Two policies over the same past readings: what each would have paid, to whom, and who gains and who loses.

Whole numbers throughout. What is missing stays missing: a household without a complete use is in no decile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm

import polars as pl

from carbon_bank.foundation.units import COMBINED
from carbon_bank.programme.span import PERIODS_MAX

DECILES = 10
UNKNOWN = "unknown"
COMPARED = ("period", "household_id", "commodity", "outcome", "usage", "points", "avoided_g")
"""The columns of awards that are compared."""
DIMENSIONS = ("total", "commodity", "district", "dwelling_type", "decile")
GRAMS_PER_TONNE = 1_000_000
_BANDS = (-10_000, -5_000, 0, 1, 5_001, 10_001)
"""Lower bounds of the bands of change behind the first, in points."""
_SIDES = ("a", "b")
_PERIODS_LCM = lcm(*range(1, PERIODS_MAX + 1))
_SUMS = ("points", "awards", "avoided_g", "avoided_paid_g")


@dataclass(frozen=True)
class Totals:
    """What awards of one policy come to. `payees`: the households among them with points, each once."""

    points: int
    awards: int
    avoided_g: int
    avoided_paid_g: int
    payees: pl.Series

    def told(self) -> dict[str, int]:
        """`points, payees, awards, avoided_g, avoided_paid_g`."""
        return {"points": self.points, "payees": len(self.payees), **{name: getattr(self, name) for name in _SUMS[1:]}}


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    groups:     `dimension, group, households`, and for each policy (`_a`, `_b`) `points`, `payees` (households with
                points), `awards` (with points), `avoided_g` (of all awards with a baseline, negative where use rose) and
                `avoided_paid_g` (of those with points); `gainers, losers, gained, lost`, households and points.
    changes:    `band, households, points`: how many households gain or lose how much.
    outcomes:   `outcome_a, outcome_b, awards, households`; empty where the two make awards of other periods or commodities.
    households: `household_id, district, dwelling_type, decile, points_a, points_b, change`.
    """

    groups: pl.DataFrame
    changes: pl.DataFrame
    outcomes: pl.DataFrame
    households: pl.DataFrame

    def group(self, dimension: str, group: str) -> dict[str, int | str]:
        """One row of `groups`."""
        [row] = self.groups.filter((pl.col("dimension") == dimension) & (pl.col("group") == group)).to_dicts()
        return row


def compare(a: pl.DataFrame, b: pl.DataFrame, homes: pl.DataFrame, factors: Mapping[str, Fraction]) -> Comparison:
    """Compare what two policies made of the same households.

    Args:  a, b: awards, with COMPARED. homes: `household_id, district, dwelling_type` (null: unknown); whoever is not in it
           is of unknown district and dwelling. factors: kg CO2e of one kWh or m3, by which use is added up for deciles.
    Units: grams CO2e, points.
    """
    rows = _side(a, "a").join(_side(b, "b"), on=["household_id", "commodity"], how="full", coalesce=True)
    rows = rows.with_columns(pl.col(f"{name}_{side}").fill_null(0) for name in _SUMS for side in _SIDES)
    summed = rows.group_by("household_id").agg(pl.exclude("commodity").sum())
    places = homes.select("household_id", *(pl.col(name).fill_null(UNKNOWN) for name in ("district", "dwelling_type")))
    known = summed.join(places, on="household_id", how="left").join(_deciles(a, factors), on="household_id", how="left")
    known = known.with_columns(pl.col("district", "dwelling_type", "decile").fill_null(UNKNOWN))
    groups = [_groups(known.with_columns(total=pl.lit("all")), "total"), _groups(rows, "commodity")]
    groups += [_groups(known, dimension) for dimension in DIMENSIONS[2:]]
    households = known.with_columns(change=pl.col("points_b") - pl.col("points_a")).sort("household_id")
    return Comparison(
        groups=pl.concat(groups),
        changes=_changes(households),
        outcomes=_outcomes(a, b),
        households=households.select(
            "household_id", "district", "dwelling_type", "decile", "points_a", "points_b", "change"
        ),
    )


def totals(awards: pl.DataFrame) -> Totals:
    """What one policy's awards, with COMPARED, come to."""
    paid = awards.filter(pl.col("points") > 0)
    return Totals(
        points=int(awards["points"].sum()),
        awards=paid.height,
        avoided_g=int(awards["avoided_g"].sum()),
        avoided_paid_g=int(paid["avoided_g"].sum()),
        payees=paid["household_id"].unique(),
    )


def add_totals(parts: Iterable[Totals]) -> Totals:
    """The totals of several periods, one at least, in which the same households may stand."""
    each = list(parts)
    sums = {name: sum(getattr(part, name) for part in each) for name in _SUMS}
    return Totals(**sums, payees=pl.concat([part.payees for part in each]).unique())


def points_per_tonne(points: int, grams: int) -> int | None:
    """Points for each tonne avoided, rounded down; null where nothing was avoided."""
    return points * GRAMS_PER_TONNE // grams if grams > 0 else None


def _side(awards: pl.DataFrame, side: str) -> pl.DataFrame:
    """The awards added up by household and commodity."""
    paid = pl.col("points") > 0
    return awards.group_by("household_id", pl.col("commodity").cast(pl.String)).agg(
        pl.col("points").sum().alias(f"points_{side}"),
        paid.sum().cast(pl.Int64).alias(f"awards_{side}"),
        pl.col("avoided_g").sum().alias(f"avoided_g_{side}"),
        pl.col("avoided_g").filter(paid).sum().alias(f"avoided_paid_g_{side}"),
    )


def _groups(rows: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Args: rows: one for each household in a group of the dimension."""
    change = pl.col("points_b") - pl.col("points_a")
    return (
        rows.group_by(group=pl.col(dimension))
        .agg(
            households=pl.len().cast(pl.Int64),
            **{f"{name}_{side}": pl.col(f"{name}_{side}").sum() for name in _SUMS for side in _SIDES},
            **{f"payees_{side}": (pl.col(f"points_{side}") > 0).sum().cast(pl.Int64) for side in _SIDES},
            gainers=(change > 0).sum().cast(pl.Int64),
            losers=(change < 0).sum().cast(pl.Int64),
            gained=change.filter(change > 0).sum(),
            lost=-change.filter(change < 0).sum(),
        )
        .sort(pl.col("group").str.zfill(2) if dimension == "decile" else "group")
        .select(
            dimension=pl.lit(dimension),
            group="group",
            households="households",
            **{
                f"{name}_{side}": f"{name}_{side}"
                for name in ("points", "payees", "awards", "avoided_g", "avoided_paid_g")
                for side in _SIDES
            },
            gainers="gainers",
            losers="losers",
            gained="gained",
            lost="lost",
        )
    )


def _deciles(awards: pl.DataFrame, factors: Mapping[str, Fraction]) -> pl.DataFrame:
    """`household_id, decile` (`1` uses least): by the emissions of complete use, on the mean of its periods, ties by id."""
    common = lcm(*(factor.denominator for factor in factors.values()))
    weights = {name: int(factor * common) for name, factor in factors.items()} | {COMBINED: common}
    weight = pl.col("commodity").cast(pl.String).replace_strict(weights, return_dtype=pl.Int128)
    used = awards.filter(pl.col("usage").is_not_null()).select(
        "household_id", "period", emissions=pl.col("usage").cast(pl.Int128) * weight
    )
    # Over n periods, lcm / n is whole: the means are compared without a fraction.
    mean = pl.col("emissions").sum() * (_PERIODS_LCM // pl.col("period").n_unique())
    ranked = used.group_by("household_id").agg(emissions=mean).sort("emissions", "household_id")
    place = pl.int_range(pl.len()) * DECILES // pl.len() + 1
    return ranked.select("household_id", decile=place.cast(pl.String))


def _changes(households: pl.DataFrame) -> pl.DataFrame:
    change = pl.col("change")
    names = [_band(low, high) for low, high in pairwise([None, *_BANDS, None])]
    place = pl.sum_horizontal((change >= bound).cast(pl.Int64) for bound in _BANDS)
    counted = households.group_by(place=place).agg(households=pl.len().cast(pl.Int64), points=change.sum())
    bands = (
        pl.DataFrame({"place": range(len(names)), "band": names}).join(counted, on="place", how="left").sort("place")
    )
    return bands.select("band", pl.col("households", "points").fill_null(0))


def _band(low: int | None, high: int | None) -> str:
    if low is None:
        return f"below {high:,}"
    if high is None:
        return f"{low:+,} and more"
    return f"{low:+,} to {high - 1:+,}" if high - low > 1 else f"{low}"


def _outcomes(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    key = ["period", "household_id", "commodity"]
    sides = [frame.select(*key[:2], pl.col("commodity", "outcome").cast(pl.String)) for frame in (a, b)]
    both = sides[0].join(sides[1], on=key, suffix="_b").rename({"outcome": "outcome_a"})
    counts = {"awards": pl.len().cast(pl.Int64), "households": pl.col("household_id").n_unique().cast(pl.Int64)}
    return both.group_by("outcome_a", "outcome_b").agg(**counts).sort("outcome_a", "outcome_b")
