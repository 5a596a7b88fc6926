"""A comparison as it is told: costs beside points, and nothing about groups so small that they point at somebody.

A single hidden group could be worked out by taking the others from the total. So the hidden ones of a table are never fewer
than GROUP_HOUSEHOLDS_MIN households together: where need be, the next larger group is hidden with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from carbon_bank.programme.comparison import DIMENSIONS, Comparison, Totals, points_per_tonne
from carbon_bank.programme.rationals import rational_text

GROUP_HOUSEHOLDS_MIN = 10
"""Of smaller groups only their name is told. Source: security design, comparison with others."""


def report(found: Comparison, unit_price: Fraction, swept: Sequence[tuple[str, Totals]]) -> dict[str, Any]:
    """The whole comparison as JSON can hold it.

    Args: swept: each value that was tried, with what it came to.
    """
    total, *dimensions = [found.groups.filter(dimension=each).to_dicts() for each in DIMENSIONS]
    told = [
        _hidden(row, ("dimension", "group")) if hide else row
        for rows in dimensions
        for row, hide in _judged(rows, overlap=bool(rows) and rows[0]["dimension"] == "commodity")
    ]
    return {
        "total": _group(total[0], unit_price) if total else None,
        "groups": [_group(row, unit_price) for row in told],
        "changes": [_hidden(row, ("band",)) if hide else row for row, hide in _judged(found.changes.to_dicts())],
        "outcomes": [
            _hidden(row, ("outcome_a", "outcome_b")) if hide else row
            for row, hide in _judged(found.outcomes.to_dicts(), overlap=True)
        ],
        "sweep": [{"value": value, **each.told(), "cost": _cost(each.points, unit_price)} for value, each in swept],
    }


def _judged(rows: list[dict[str, Any]], overlap: bool = False) -> list[tuple[dict[str, Any], bool]]:
    """The rows of a table, each with whether it is hidden.

    Args: overlap: whether a household may stand in several rows, so that two small ones may be the same households.
    """
    hidden: set[int] = set()
    together = 0
    for households, place in sorted((row["households"], place) for place, row in enumerate(rows)):
        if households == 0:
            continue
        if households >= GROUP_HOUSEHOLDS_MIN and (not hidden or together >= GROUP_HOUSEHOLDS_MIN):
            break
        hidden.add(place)
        together = max(together, households) if overlap else together + households
    return [(row, place in hidden) for place, row in enumerate(rows)]


def _hidden(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {key: value if key in names else None for key, value in row.items()}


def _group(row: dict[str, Any], unit_price: Fraction) -> dict[str, Any]:
    plain = ("dimension", "group", "households", "gainers", "losers", "gained", "lost")
    is_told = row["households"] is not None
    sides = {side: _side(row, side, unit_price) if is_told else None for side in "ab"}
    return {**{name: row[name] for name in plain}, **sides}


def _side(row: dict[str, Any], side: str, unit_price: Fraction) -> dict[str, Any]:
    told = {name: row[f"{name}_{side}"] for name in ("points", "payees", "awards", "avoided_g", "avoided_paid_g")}
    per_tonne = points_per_tonne(told["points"], told["avoided_paid_g"])
    return {**told, "cost": _cost(told["points"], unit_price), "points_per_tonne": per_tonne}


def _cost(points: int, unit_price: Fraction) -> str:
    return rational_text(points * unit_price)
