"""The charts of a comparison, as SVG and PNG: points and payees by decile, who gains and loses, the curve of a sweep.

Floats are fine here: nothing on a chart decides a point.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from carbon_bank.programme.comparison import UNKNOWN, Comparison
from carbon_bank.programme.rationals import parse_rational

BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#777777"
"""From the palette of Okabe and Ito, which the colour-blind can tell apart."""
_WIDTH = 0.4
mpl.rcParams["svg.hashsalt"] = "carbon-bank"  # the same data gives the same bytes


def draw(folder: Path, found: Comparison, a: str, b: str, swept: pl.DataFrame, key: str) -> None:
    """Write `deciles`, `changes` and, where a number was moved, `sweep`, each as .svg and .png."""
    _save(_deciles(found, a, b), folder / "deciles")
    _save(_changes(found, a, b), folder / "changes")
    if not swept.is_empty():
        _save(_sweep(swept, b, key), folder / "sweep")


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=120)


def _deciles(found: Comparison, a: str, b: str) -> Figure:
    rows = found.groups.filter((pl.col("dimension") == "decile") & (pl.col("group") != UNKNOWN))
    figure = Figure(figsize=(9, 7), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for axes, name, told in ((upper, "points", "points"), (lower, "payees", "households paid")):
        for shift, side, reference, colour in ((-1, "a", a, BLUE), (1, "b", b, ORANGE)):
            places = [place + shift * _WIDTH / 2 for place in range(rows.height)]
            axes.bar(places, rows[f"{name}_{side}"].to_list(), _WIDTH, label=reference, color=colour)
        _plain(axes, told)
    upper.set_title("By decile of use")
    upper.legend(frameon=False)
    lower.set_xticks(range(rows.height), rows["group"].to_list())
    lower.set_xlabel("decile of use in CO2e (1 uses least)")
    return figure


def _changes(found: Comparison, a: str, b: str) -> Figure:
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    bands, counts = found.changes["band"].to_list(), found.changes["households"].to_list()
    colours = [ORANGE] * 3 + [GREY] + [BLUE] * 3
    bars = axes.barh(range(len(bands)), counts, color=colours)
    axes.bar_label(bars, [f"{count:,}" for count in counts], padding=4)
    axes.set_yticks(range(len(bands)), bands)
    axes.set_title(f"Change of a household's points\nfrom {a} to {b}")
    axes.set_xlabel("households")
    axes.margins(x=0.12)
    _thousands(axes, "x")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _sweep(swept: pl.DataFrame, b: str, key: str) -> Figure:
    figure = Figure(figsize=(9, 7), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    places = _places(swept["value"].to_list())
    for axes, name, told, colour in ((upper, "points", "points", BLUE), (lower, "payees", "households paid", ORANGE)):
        axes.plot(places, swept[name].to_list(), marker="o", color=colour)
        axes.set_ylim(0, max(*swept[name].to_list(), 1) * 1.1)
        _plain(axes, told)
    upper.set_title(f"{b} with another {key}")
    lower.set_xticks(places, swept["value"].to_list(), rotation=45 if swept.height > 12 else 0)
    lower.set_xlabel(key)
    return figure


def _places(values: list[str]) -> list[float]:
    """Where the values stand on the axis: numbers as far apart as they are, words one after the other."""
    numbers = [parse_rational(value) for value in values]
    known = [float(number) for number in numbers if number is not None]
    return known if len(known) == len(values) else [float(place) for place in range(len(values))]


def _plain(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    _thousands(axes, "y")
    axes.spines[["top", "right"]].set_visible(False)


def _thousands(axes: Axes, name: str) -> None:
    axis = axes.yaxis if name == "y" else axes.xaxis
    axis.set_major_locator(MaxNLocator(integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
