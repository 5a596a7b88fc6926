"""From readings to monthly usage: the law of the readings room.

Exact: integers only. The same functions serve one household's page and a chunk of a city.

Source: rules.md section 2; decision record 0002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from carbon_bank.foundation.calendar import days_in_month, first_day
from carbon_bank.foundation.errors import InvalidInput, TooLarge
from carbon_bank.foundation.units import COMMODITY_DTYPE, QUANTITY_MAX
from carbon_bank.readings.coverage import days_covered_by_all_meters
from carbon_bank.readings.pieces import PAIR_SCHEMA, cut, day_number

READING_SCHEMA = pl.Schema(
    {
        "meter_id": pl.Int64,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "quantity": pl.Int64,
        "estimated": pl.Boolean,
    }
)
_TENURE: dict[str, type[pl.DataType] | pl.DataType] = {
    "household_id": pl.Int64,
    "meter_id": pl.Int64,
    "commodity": COMMODITY_DTYPE,
    "starts_on": pl.Date,
    "ends_on": pl.Date,
}
TENURE_SCHEMA = pl.Schema(_TENURE)
_PART: dict[str, type[pl.DataType] | pl.DataType] = {
    "household_id": pl.Int64,
    "commodity": COMMODITY_DTYPE,
    "month": pl.Int32,
    "meter_id": pl.Int64,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "reading_quantity": pl.Int64,
    "estimated": pl.Boolean,
    "days": pl.Int32,
    "quantity": pl.Int64,
}
PART_SCHEMA = pl.Schema(_PART)

READINGS_MAX = 9_000_000
"""Readings in one call: with QUANTITY_MAX each, any sum of them still fits 64 bits. Larger sets come in chunks."""
ROWS_MAX = 900_000
"""Households times commodities in one call."""
MONTH_USAGE_MAX = 10 * QUANTITY_MAX
"""The largest usage of one household's commodity in one month: ten of the largest readings. Data above it are refused."""


@dataclass(frozen=True)
class MonthlyUsage:
    """Usage of households and commodities by month, as a grid.

    rows:   `household_id`, `commodity`: one row for each, in that order.
    months: the months of the grid (integers), ascending.
    grid:   `usage` Int64 (base units; null where the month is not complete), `days_covered` Int32, `days_estimated`
            Int32; all months of the first row, then all of the second.
    """

    rows: pl.DataFrame
    months: tuple[int, ...]
    grid: pl.DataFrame

    def of_month(self, month: int, column: str = "usage") -> pl.Series:
        """One month of all rows."""
        return self.grid[column].gather_every(len(self.months), self.months.index(month))

    def table(self) -> pl.DataFrame:
        """`household_id, commodity, month, usage, days_covered, days_estimated`: one line for each month of each row."""
        place = pl.int_range(pl.len()) // len(self.months)
        month = pl.Series("month", list(self.months), dtype=pl.Int32)
        lines = self.grid.select(place=place, month=(pl.int_range(pl.len()) % len(self.months)))
        return pl.concat(
            [self.rows[lines["place"]], month.gather(lines["month"]).to_frame(), self.grid], how="horizontal"
        )


def monthly_usage(
    readings: pl.DataFrame, tenures: pl.DataFrame, months: Sequence[int], coverage_min: Fraction = Fraction(1)
) -> MonthlyUsage:
    """The usage of each household's commodity in each of some months.

    Args:    readings: READING_SCHEMA, any order; those that stand, not overlapping on one meter. Readings outside the
             months do no harm. tenures: TENURE_SCHEMA, any order. months: at least one.
             coverage_min: `usage.min_month_coverage` of the policy, above 0.
    Units:   base units (Wh, L).
    Returns: a row for each household and commodity among the tenures, whether or not it has readings.
    Raises:  TooLarge `readings.beyond_bounds`; InvalidInput `readings.overlap`, `readings.impossible`.
    Source:  rules.md section 2.
    """
    _refuse_beyond_bounds(readings, tenures)
    months = sorted(set(months))
    rows, holdings = _holdings(tenures)
    pairs, whole = _pairs(readings, holdings, months)
    pieces = cut(pairs).filter(pl.col("month").is_in(months))
    cells = pl.concat([whole, _cells_of_pieces(pieces, holdings, months)])
    return MonthlyUsage(rows, tuple(months), _grid(cells, rows.height, months, coverage_min))


def parts_of_readings(readings: pl.DataFrame, tenures: pl.DataFrame, months: Sequence[int]) -> pl.DataFrame:
    """Which part of which reading went into which month: what `monthly_usage` adds up.

    Args:    as of `monthly_usage`, for few households.
    Returns: PART_SCHEMA by household, commodity, month and meter: `period_start`, `period_end` and `reading_quantity` are
             the reading's, `days` and `quantity` those of its part.
    """
    months = sorted(set(months))
    numbered = readings.select(READING_SCHEMA.names()).with_row_index("reading")
    rows, holdings = _holdings(tenures)
    pairs, whole = _pairs(numbered, holdings, months, ["reading"])
    pieces = cut(pairs).filter(pl.col("month").is_in(months))
    row, place = pl.col("cell") // len(months), (pl.col("cell") % len(months)).cast(pl.Int32)
    uncut = whole.with_columns(
        row=row, month=place.replace_strict(list(range(len(months))), months, return_dtype=pl.Int32)
    )
    parts = pl.concat(
        [
            uncut.select("row", "month", "reading", "quantity", days="days_covered"),
            pieces.select(pl.col("row").cast(pl.Int64), "month", "reading", "quantity", "days"),
        ]
    )
    known = numbered.rename({"quantity": "reading_quantity"})
    owners = rows.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
    parts = parts.join(known, on="reading", how="left").join(owners, on="row", how="left")
    order = ["household_id", "commodity", "month", "meter_id", "period_start"]
    return parts.select(PART_SCHEMA.names()).cast(PART_SCHEMA).sort(order)


def _holdings(tenures: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of the grid, and the tenures with their `row` and whether no other of the row overlaps them: `alone`."""
    rows = tenures.select("household_id", "commodity").unique().sort("household_id", "commodity")
    indexed = rows.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int32))
    holdings = tenures.join(indexed, on=["household_id", "commodity"]).select(
        "row",
        "meter_id",
        held_from=pl.col("starts_on").to_physical(),
        held_to=pl.col("ends_on").to_physical(),
        alone=pl.lit(True),
    )
    several = pl.col("row").is_duplicated()
    few = holdings.filter(several).sort("row", "meter_id", "held_from")
    # Two tenures of one household on one meter that overlap hold the meter once.
    held_before = pl.col("held_to").cum_max().shift(1).over("row", "meter_id").fill_null(pl.col("held_from"))
    few = few.with_columns(held_from=pl.max_horizontal("held_from", held_before)).filter(
        pl.col("held_from") < pl.col("held_to")
    )
    few = few.sort("row", "held_from", "held_to")
    overlaps = (pl.col("held_from") < pl.col("held_to").cum_max().shift(1)).over("row").fill_null(False)
    few = few.with_columns(alone=~overlaps.any().over("row"))
    return rows, pl.concat([holdings.filter(~several), few])


def _pairs(
    readings: pl.DataFrame, holdings: pl.DataFrame, months: Sequence[int], others: Sequence[str] = ()
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Readings with the holdings that they touch: those that must be cut, and the cells of those that need not be.

    A reading of just one calendar month, inside a holding that no other overlaps, is the usage of its cell: most are.
    Args: others: further columns of the readings, which go along.
    """
    starts = pl.Series([day_number(first_day(month)) for month in months], dtype=pl.Int32)
    ends = pl.Series([day_number(first_day(month + 1)) for month in months], dtype=pl.Int32)
    numbers = readings.select(
        "meter_id",
        "quantity",
        "estimated",
        start=pl.col("period_start").to_physical(),
        end=pl.col("period_end").to_physical(),
        **{name: pl.col(name) for name in others},
    )
    place = starts.search_sorted(numbers["start"], side="right")
    touching = ends.search_sorted(numbers["start"], side="right") < starts.search_sorted(numbers["end"], side="left")
    placed = numbers.with_columns(place=place.cast(pl.Int32) - 1).filter(touching)
    at = placed["place"].clip(0)
    is_whole = (starts.gather(at) == placed["start"]) & (ends.gather(at) == placed["end"])
    pairs = placed.with_columns(is_whole=is_whole).join(holdings, on="meter_id")
    direct = pl.col("is_whole") & pl.col("alone")
    direct &= (pl.col("held_from") <= pl.col("start")) & (pl.col("end") <= pl.col("held_to"))
    touch = (pl.col("held_from") < pl.col("end")) & (pl.col("start") < pl.col("held_to"))
    days = pl.col("end") - pl.col("start")
    whole = pairs.filter(direct).select(
        cell=pl.col("row").cast(pl.Int64) * len(months) + pl.col("place"),
        quantity="quantity",
        days_covered=days,
        days_estimated=pl.when("estimated").then(days).otherwise(0),
        **{name: pl.col(name) for name in others},
    )
    return pairs.filter(touch & ~direct).select(*PAIR_SCHEMA.names(), *others), whole


def _cells_of_pieces(pieces: pl.DataFrame, holdings: pl.DataFrame, months: Sequence[int]) -> pl.DataFrame:
    """The pieces added up by row and month, their days counted so that each is covered once or not at all."""
    estimated = pl.when("estimated").then(pl.col("days")).otherwise(0)
    sums = pieces.group_by("row", "month").agg(
        pl.col("quantity").sum(), days_covered=pl.col("days").sum(), days_estimated=estimated.sum()
    )
    overlapping = holdings.filter(~pl.col("alone"))
    if not overlapping.is_empty():
        counted = days_covered_by_all_meters(pieces, overlapping)
        alone = sums.join(overlapping.select("row").unique(), on="row", how="anti")
        together = sums.select("row", "month", "quantity").join(counted, on=["row", "month"])
        sums = pl.concat([alone, together.select(sums.columns)])
    place = pl.col("month").replace_strict(list(months), list(range(len(months))), return_dtype=pl.Int64)
    return sums.select(
        pl.col("row").cast(pl.Int64) * len(months) + place,
        "quantity",
        pl.col("days_covered").cast(pl.Int32),
        pl.col("days_estimated").cast(pl.Int32),
    ).rename({"row": "cell"})


def _grid(cells: pl.DataFrame, rows: int, months: Sequence[int], coverage_min: Fraction) -> pl.DataFrame:
    """The grid from its cells: complete months with their usage, the others without."""
    size = rows * len(months)
    columns = []
    for name in ("quantity", "days_covered", "days_estimated"):
        column = pl.zeros(size, dtype=cells.schema[name], eager=True)
        columns.append(column.scatter(cells["cell"], cells[name]).alias(name))
    length = pl.Series([days_in_month(month) for month in months], dtype=pl.Int32)
    grid = pl.DataFrame(columns).with_columns(days=length.gather(pl.int_range(size, eager=True) % len(months)))
    # A cell that was met twice shows as days that got lost, a day that was met twice as a month that is too long.
    if grid["days_covered"].sum() != cells["days_covered"].sum() or (grid["days_covered"] > grid["days"]).any():
        raise InvalidInput(
            "readings.overlap", "Two readings of one meter overlap. Each day may be in one reading only."
        )
    what = "usage of a household's commodity in a month"
    _refuse_above(what, grid["quantity"].max(), MONTH_USAGE_MAX)  # before it is scaled: the product must not wrap
    covered, days = pl.col("days_covered"), pl.col("days")
    complete = covered * coverage_min.denominator >= coverage_min.numerator * days.cast(pl.Int64)
    scaled = (2 * pl.col("quantity") * days + covered) // (2 * covered)
    usage = pl.when(covered == days).then(pl.col("quantity")).when(complete).then(scaled)
    grid = grid.select(usage.alias("usage"), "days_covered", "days_estimated")
    _refuse_above(what, grid["usage"].max(), MONTH_USAGE_MAX)
    return grid


def _refuse_beyond_bounds(readings: pl.DataFrame, tenures: pl.DataFrame) -> None:
    """Refuse what the proofs of exactness do not cover. Source: tests/programme/test_bounds.py."""
    _refuse_above("number of readings in one call", readings.height, READINGS_MAX)
    _refuse_above("number of tenures in one call", tenures.height, ROWS_MAX)
    _refuse_above("quantity of a reading", readings["quantity"].max(), QUANTITY_MAX)
    impossible = (
        readings.select(READING_SCHEMA.names())
        .select(
            (pl.any_horizontal(pl.all().is_null()) | (pl.col("quantity") < 0)).any()
            | (pl.col("period_end") <= pl.col("period_start")).any()
        )
        .item()
    )
    if impossible:
        raise InvalidInput(
            "readings.impossible",
            "A reading lacks a value, is negative, or ends before it starts. Refuse it on the way in.",
        )


def _refuse_above(what: str, found: object, limit: int) -> None:
    if isinstance(found, int) and found > limit:
        raise TooLarge(
            "readings.beyond_bounds",
            f"The {what} is {found}, above {limit}, up to which the rules are proved exact.",
            {"found": found, "limit": limit},
        )
