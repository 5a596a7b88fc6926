"""A comparison as it is told: costs beside points, and nothing about groups so small that they point at somebody."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from carbon_bank.programme.comparison import Comparison, points_per_tonne
from carbon_bank.programme.rationals import rational_text

GROUP_HOUSEHOLDS_MIN = 10
"""Of smaller groups only their name is told. Source: security design, comparison with others."""


def report(found: Comparison, unit_price: Fraction, swept: Sequence[tuple[str, dict[str, int]]]) -> dict[str, Any]:
    """The whole comparison as JSON can hold it.

    Args: swept: each value that was tried, with the totals of `comparison.totals`.
    """
    groups = [_group(row, unit_price) for row in found.groups.to_dicts()]
    return {
        "total": groups[0] if groups else None,
        "groups": groups[1:],
        "changes": [_band(row) for row in found.changes.to_dicts()],
        "outcomes": found.outcomes.to_dicts(),
        "sweep": [{"value": value, **totals, "cost": _cost(totals["points"], unit_price)} for value, totals in swept],
    }


def _group(row: dict[str, Any], unit_price: Fraction) -> dict[str, Any]:
    named = {"dimension": row["dimension"], "group": row["group"]}
    if row["households"] < GROUP_HOUSEHOLDS_MIN and row["dimension"] != "total":
        return {
            **named,
            "households": None,
            "a": None,
            "b": None,
            "gainers": None,
            "losers": None,
            "gained": None,
            "lost": None,
        }
    sides = {side: _side(row, side, unit_price) for side in "ab"}
    return {**named, **{name: row[name] for name in ("households", "gainers", "losers", "gained", "lost")}, **sides}


def _side(row: dict[str, Any], side: str, unit_price: Fraction) -> dict[str, Any]:
    told = {name: row[f"{name}_{side}"] for name in ("points", "payees", "awards", "avoided_g", "avoided_paid_g")}
    per_tonne = points_per_tonne(told["points"], told["avoided_paid_g"])
    return {**told, "cost": _cost(told["points"], unit_price), "points_per_tonne": per_tonne}


def _band(row: dict[str, Any]) -> dict[str, Any]:
    if 0 < row["households"] < GROUP_HOUSEHOLDS_MIN:
        return {"band": row["band"], "households": None, "points": None}
    return row


def _cost(points: int, unit_price: Fraction) -> str:
    return rational_text(points * unit_price)
