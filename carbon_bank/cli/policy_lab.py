"""`carbon-bank policy compare`: two policies on a file of past readings, before one of them is adopted."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from carbon_bank.cli.policy_charts import draw
from carbon_bank.cli.simulate import read_judged
from carbon_bank.cli.simulate_run import City, found_city, simulate_alike
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.comparison import (
    DIMENSIONS,
    Comparison,
    Totals,
    add_totals,
    compare,
    points_per_tonne,
    totals,
)
from carbon_bank.programme.policy import Policy, load_policy
from carbon_bank.programme.rationals import parse_rational, rational_text
from carbon_bank.programme.span import periods_within, span_of
from carbon_bank.programme.sweep import Sweep, evaluated_alike, with_value

GRAMS_PER_KILOGRAM = 1000


def compare_policies(
    a: Annotated[str, typer.Argument(help="A shipped policy or a file: the one to compare with.")],
    b: Annotated[str, typer.Argument(help="The one to try.")],
    readings: Annotated[Path, typer.Option(help="Past readings, as `simulate` reads them.")],
    periods: Annotated[str, typer.Option(help="A span of whole periods of both, as 2025-H1..2026-H1.")],
    households: Annotated[
        Path | None, typer.Option(help="As `simulate` reads them; a column `district` is used where it is there.")
    ] = None,
    unit_price: Annotated[str, typer.Option(help="What a point costs, as 2 or 1.4.")] = "1",
    currency: Annotated[str, typer.Option(help="Of the unit price.")] = "",
    sweep: Annotated[
        str | None, typer.Option(help="Move one number of B: reduction.tiers.gas[0].from=0.01..0.10/0.01")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for tables (CSV) and charts (SVG, PNG).")] = None,
) -> None:
    """Compare two policies on past readings: points, payees, cost, tonnes; who gains and who loses."""
    one, other = load_policy(a), load_policy(b)
    price = parse_rational(unit_price)
    if price is None or price < 0:
        raise InvalidInput("programme.unit_price", f"'{unit_price}' is no price. Write a decimal of 0 or more, as 1.4.")
    tried = Sweep.parse(sweep) if sweep else None
    span = span_of(periods)
    variants = [with_value(other, tried.key, value) for value in tried.values] if tried else []
    for policy in (one, other, *variants):
        periods_within(policy, *span)
    judged, homes = read_judged(readings, households, None)
    city = found_city(judged, homes)
    if city.households.is_empty():
        raise InvalidInput("simulate.no_rows", f"{readings} has no row below its header: there is nothing to compare.")
    a_awards, b_awards, swept = _tried([one, other, *variants], city, span)
    found = compare(a_awards, b_awards, _homes(city, homes), one.factors)
    _print(found, one, other, price, currency)
    table = _sweep_table(tried, swept, price)
    if tried is not None:
        Console().print(_rich(f"{other.reference} with another {tried.key}", table))
    if out is not None:
        _store(out, found, table, price)
        draw(out, found, one.reference, other.reference, table, tried.key if tried else "")
        print(f"Tables and charts are in {out}", file=sys.stderr)


def _tried(
    policies: list[Policy], city: City, span: tuple[int, int]
) -> tuple[pl.DataFrame, pl.DataFrame, list[Totals]]:
    """The awards under A and under B, and what those under each value of a sweep come to."""
    pair: list[list[pl.DataFrame]] = [[], []]
    swept: list[list[Totals]] = [[] for _ in policies[2:]]
    settled = [(places, periods_within(policies[places[0]], *span)) for places in evaluated_alike(policies)]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Settling", total=sum(len(periods) for _, periods in settled) * city.chunks)
        for places, periods in settled:
            alike = [policies[place] for place in places]
            for made in simulate_alike(alike, city, periods, lambda: progress.advance(task)):
                for place, told in zip(places, made, strict=True):
                    awards = told.rename({"avoided_g_co2e": "avoided_g"})
                    if place < len(pair):
                        pair[place].append(awards)
                    else:
                        swept[place - len(pair)].append(totals(awards))
    return pl.concat(pair[0]), pl.concat(pair[1]), [add_totals(each) for each in swept]


def _homes(city: City, homes: pl.DataFrame | None) -> pl.DataFrame:
    unknown = pl.lit(None, pl.String)
    if homes is None:
        return city.households.select(household_id="name", district=unknown, dwelling_type=unknown)
    district = pl.col("district") if "district" in homes.columns else unknown
    return homes.select("household_id", "dwelling_type", district=district)


def _cost(points: int, price: Fraction) -> str:
    return rational_text(points * price)


def _grouped(number: str) -> str:
    """`3825000.5` as `3,825,000.5`; a fraction as it is."""
    whole, point, rest = number.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole.isdecimal() else number


def _kilograms(grams: int) -> int:
    return grams // GRAMS_PER_KILOGRAM


def _print(found: Comparison, a: Policy, b: Policy, price: Fraction, currency: str) -> None:
    console, row = Console(), found.group("total", "all")
    summary = Table("", title="All households")
    for policy in (a, b):
        summary.add_column(policy.reference, justify="right")
    lines = {
        "points": [f"{row[f'points_{side}']:,}" for side in "ab"],
        "households paid": [f"{row[f'payees_{side}']:,} of {row['households']:,}" for side in "ab"],
        f"cost {currency}".strip(): [_grouped(_cost(int(row[f"points_{side}"]), price)) for side in "ab"],
        "kg CO2e avoided, all": [f"{_kilograms(int(row[f'avoided_g_{side}'])):,}" for side in "ab"],
        "kg CO2e avoided, paid": [f"{_kilograms(int(row[f'avoided_paid_g_{side}'])):,}" for side in "ab"],
        "points per tonne paid": [_per_tonne(row, side) for side in "ab"],
    }
    for name, (one, other) in lines.items():
        summary.add_row(name, one, other)
    console.print(summary)
    console.print(
        f"{row['gainers']:,} households gain {row['gained']:,} points, {row['losers']:,} lose {row['lost']:,}.\n"
    )
    for dimension in DIMENSIONS[1:]:
        groups = found.groups.filter(pl.col("dimension") == dimension)
        shown = groups.select(
            pl.col("group").alias(dimension.replace("_", " ")),
            "households",
            *(pl.col(f"points_{side}").alias(f"points {side.upper()}") for side in "ab"),
            *(pl.col(f"payees_{side}").alias(f"paid {side.upper()}") for side in "ab"),
            gain="gainers",
            lose="losers",
        )
        console.print(_rich(f"By {dimension.replace('_', ' ')}", shown))
    console.print(_rich("Change of points for a household", found.changes))
    if not found.outcomes.is_empty():
        console.print(_rich("Outcomes, from A to B", found.outcomes))


def _per_tonne(row: dict[str, int | str], side: str) -> str:
    found = points_per_tonne(int(row[f"points_{side}"]), int(row[f"avoided_paid_g_{side}"]))
    return "-" if found is None else f"{found:,}"


def _rich(title: str, frame: pl.DataFrame) -> Table:
    """A table that fits into 80 columns, and breaks a number that does not rather than cut it."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name, dtype in frame.schema.items():
        is_text = dtype == pl.String and name != "cost"
        table.add_column(name.replace("_", " "), justify="left" if is_text else "right", overflow="fold")
    for row in frame.iter_rows(named=True):
        told = (_grouped(str(value)) if name == "cost" else value for name, value in row.items())
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in told))
    return table


def _sweep_table(sweep: Sweep | None, swept: list[Totals], price: Fraction) -> pl.DataFrame:
    values = sweep.values if sweep else ()
    return pl.DataFrame(
        {
            "value": list(values),
            "points": [each.points for each in swept],
            "payees": [len(each.payees) for each in swept],
            "cost": [_cost(each.points, price) for each in swept],
            "avoided_paid_g": [each.avoided_paid_g for each in swept],
        },
        schema={
            "value": pl.String,
            "points": pl.Int64,
            "payees": pl.Int64,
            "cost": pl.String,
            "avoided_paid_g": pl.Int64,
        },
    )


def _store(folder: Path, found: Comparison, swept: pl.DataFrame, price: Fraction) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput("simulate.out", f"{folder} cannot be made: {error.strerror}.") from None
    costs = [
        pl.Series(f"cost_{side}", [_cost(each, price) for each in found.groups[f"points_{side}"]]) for side in "ab"
    ]
    tables = {
        "groups": found.groups.with_columns(costs),
        "changes": found.changes,
        "outcomes": found.outcomes,
        "households": found.households,
    }
    if not swept.is_empty():
        tables["sweep"] = swept
    for name, table in tables.items():
        table.write_csv(folder / f"{name}.csv")
