"""What each kind of registry file must hold, row by row. Pure: text in, values or faults out.

Source: `carbon-bank registry import`; docs/registry.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from carbon_bank.foundation.errors import Fault
from carbon_bank.foundation.units import Commodity


class Kind(StrEnum):
    """In the order in which a city is filled: each refers to those before."""

    DISTRICTS = "districts"
    UTILITIES = "utilities"
    HOUSEHOLDS = "households"
    METERS = "meters"
    TENURES = "tenures"


COLUMNS: dict[Kind, dict[str, bool]] = {
    Kind.DISTRICTS: {"code": True, "parent": False, "name_en": True, "name_ko": False},
    Kind.UTILITIES: {"code": True, "name": True, "commodities": True},
    Kind.HOUSEHOLDS: {
        "household_number": True,
        "district": True,
        "dwelling_type": False,
        "residents": False,
        "joined_on": True,
    },
    Kind.METERS: {
        "utility": True,
        "commodity": True,
        "customer_number": True,
        "meter_number": False,
        "digits": False,
        "calorific_value": False,
    },
    Kind.TENURES: {
        "household_number": True,
        "utility": True,
        "commodity": True,
        "customer_number": True,
        "meter_number": False,
        "starts_on": True,
        "ends_on": False,
    },
}
"""Kind -> column -> whether each row must fill it."""

CODE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
NUMBER = r"^[^\x00-\x20\s]([^\x00-\x1f]{0,62}[^\x00-\x20\s])?$"
"""Without blanks at its ends: they are cut from what a utility sends."""
_NAME = r"^[^\x00-\x1f]{1,200}$"


@dataclass(frozen=True)
class _Check:
    column: str
    holds: Callable[[pl.Expr], pl.Expr]
    message: str


def _matches(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda column: column.str.contains(pattern)


def _is_date(column: pl.Expr) -> pl.Expr:
    written = column.str.contains(r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$")
    return written & column.str.to_date("%Y-%m-%d", strict=False).is_not_null()


def _code(column: str) -> _Check:
    return _Check(column, _matches(CODE), "A code is 1 to 64 letters, digits, - or _.")


def _number(column: str) -> _Check:
    return _Check(column, _matches(NUMBER), "A number has 1 to 64 characters, and no blank at its ends.")


_NAME_FORM = "A name has 1 to 200 characters on one line."


_COMMODITY = _Check("commodity", lambda column: column.is_in(list(Commodity)), f"Write one of {', '.join(Commodity)}.")
_CHECKS: dict[Kind, list[_Check]] = {
    Kind.DISTRICTS: [
        _code("code"),
        _code("parent"),
        _Check("name_en", _matches(_NAME), _NAME_FORM),
        _Check("name_ko", _matches(_NAME), _NAME_FORM),
    ],
    Kind.UTILITIES: [
        _code("code"),
        _Check("name", _matches(_NAME), _NAME_FORM),
        _Check(
            "commodities",
            _matches(r"^(electricity|gas|water)(;(electricity|gas|water)){0,2}$"),
            f"Write commodities ({', '.join(Commodity)}) joined by ;.",
        ),
    ],
    Kind.HOUSEHOLDS: [
        _number("household_number"),
        _code("district"),
        _Check("dwelling_type", _matches(CODE), "A dwelling type is 1 to 64 letters, digits, - or _."),
        _Check("residents", _matches(r"^[1-9][0-9]?$"), "Write a whole number from 1 to 99, or leave it empty."),
        _Check("joined_on", _is_date, "This is no date of the calendar since 1900. Write it as 2026-03-01."),
    ],
    Kind.METERS: [
        _code("utility"),
        _COMMODITY,
        _number("customer_number"),
        _number("meter_number"),
        _Check("digits", _matches(r"^([1-9]|1[0-2])$"), "Write a whole number from 1 to 12, or leave it empty."),
        _Check(
            "calorific_value",
            _matches(r"^(0*[1-9][0-9]{0,2}(\.[0-9]{1,3})?|0+\.(?:[0-9]{0,2}[1-9][0-9]{0,2}))$"),
            "Write Wh per litre of gas, as 11.861: above 0, below 1000, three decimals at most.",
        ),
    ],
    Kind.TENURES: [
        _number("household_number"),
        _code("utility"),
        _COMMODITY,
        _number("customer_number"),
        _number("meter_number"),
        _Check("starts_on", _is_date, "This is no date of the calendar since 1900. Write it as 2026-03-01."),
        _Check(
            "ends_on",
            _is_date,
            "This is no date of the calendar since 1900. Write it as 2026-03-01, or leave it empty.",
        ),
    ],
}


def faults_of(kind: Kind, rows: pl.DataFrame) -> list[Fault]:
    """Every fault of every row by itself: what is empty and must not be, and what is not of its form.

    Args: rows: `line` and the columns of the kind as text, null where empty.
    """
    faults: list[Fault] = []
    for column, needed in COLUMNS[kind].items():
        if needed:
            empty = rows.filter(pl.col(column).is_null())
            faults += told(empty, column, "registry.missing", "This must be filled.")
    for check in _CHECKS[kind]:
        value = pl.col(check.column)
        wrong = rows.filter(value.is_not_null() & ~check.holds(value))
        faults += told(wrong, check.column, "registry.form", check.message)
    if kind is Kind.TENURES:
        faults += told(
            rows.filter(pl.col("ends_on") <= pl.col("starts_on")), "ends_on", "registry.tenure_order", _ORDER
        )
    if kind is Kind.DISTRICTS:
        faults += told(rows.filter(_beneath_itself(rows)), "parent", "registry.district_circle", _CIRCLE)
    if kind is Kind.METERS:
        other = rows.filter(pl.col("calorific_value").is_not_null() & (pl.col("commodity") != "gas"))
        faults += told(other, "calorific_value", "registry.calorific_value", "Only a gas meter has a calorific value.")
    return faults


def _beneath_itself(rows: pl.DataFrame) -> pl.Series:
    """Which districts come back to themselves by their parents in this file."""
    above = dict(rows.select("code", "parent").iter_rows())
    circular = []
    for code in rows["code"]:
        seen, at = {code}, above.get(code)
        while at is not None and at not in seen:
            seen.add(at)
            at = above.get(at)
        circular.append(at is not None and at == code)
    return pl.Series(circular, dtype=pl.Boolean)


_CIRCLE = "By its parents this district would lie within itself. Name the parent that it lies in, or none."
_ORDER = "A tenure ends after it starts: ends_on is the first day on which the meter is no longer held."


def told(rows: pl.DataFrame, column: str, code: str, message: str) -> list[Fault]:
    """A fault for each row, at its line and column."""
    return [
        Fault(f"line {line}, column {column}", code, message, None if value is None else value[:80])
        for line, value in rows.select("line", column).iter_rows()
    ]
