"""Draws the demo city: households, meters, tenures and readings, as a city and its utilities would send them.

A block of 500 households is drawn from `PCG64(SeedSequence([seed, 1, block]))`, whole, and cut off where the city ends:
nothing of a household depends on how many others there are or on chunks. It does depend on `first_month` and `months`.

Inside a block everything is an array. A *stay* is one occupant's time in one dwelling; a *line* is a stay's time on one
meter. Use runs through a month evenly, so a reading is the difference of a cumulative use at its two ends, whatever
they are: the first of a month, the fifteenth, a day of moving, the day on which a meter is exchanged.

Days are counted from the window's first day. Source of the figures: shapes.py, docs/demo-city.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from carbon_bank.demo import shapes
from carbon_bank.demo.occupants import BLOCK, Floats, Ints, Mask, Occupants, Window, draw_occupants
from carbon_bank.demo.shapes import DISTRICTS, DWELLING_TYPES, PROFILES
from carbon_bank.foundation.errors import InvalidInput

CODE, TIME_ZONE, CURRENCY = "gwangju", "Asia/Seoul", "KRW"
NAME = {"en": "Gwangju", "ko": "광주"}
FIRST_MONTH = 2024 * 12
MONTHS_MIN, MONTHS_MAX = 6, 120
HOUSEHOLDS_MAX = 100_000 * BLOCK
CHUNK = 20 * BLOCK
NOBODY = -1
COMMODITIES = len(PROFILES)
CALENDAR, MID_MONTH, TWO_MONTHLY = range(3)

ACTUAL, ESTIMATED, CORRECTED = range(3)
_QUALITY = pl.Series(["actual", "estimated", "corrected"])
_REASON = pl.Series(["", "estimate_replaced", "corrected"])
_COMMODITY = pl.Series([profile.commodity.value for profile in PROFILES])
_UTILITY = pl.Series([profile.utility for profile in PROFILES])
_UNIT = pl.Series([profile.unit for profile in PROFILES])


@dataclass(frozen=True)
class DemoCity:
    """The city as wire rows: every column is text, empty where there is nothing to say.

    districts: code, parent, name_en, name_ko. utilities: code, name, commodities (joined by `;`).
    households: household_number, district, dwelling_type, residents, joined_on.
    meters: utility, commodity, customer_number, meter_number, digits, calorific_value (gas; Wh per litre).
    tenures: household_number, utility, commodity, customer_number, meter_number, starts_on, ends_on.
    readings, revisions: utility, commodity, customer_number, meter_number, period_start, period_end, quantity, unit,
    quality, reason, reason_text; by meter and then by time. Revisions are sent after the readings.
    """

    districts: pl.DataFrame
    utilities: pl.DataFrame
    households: pl.DataFrame
    meters: pl.DataFrame
    tenures: pl.DataFrame
    readings: pl.DataFrame
    revisions: pl.DataFrame


@dataclass(frozen=True)
class _Lines:
    """One occupant's time on one meter, [starts, ends). `exchanged` is 1 on the meter that replaced the first one."""

    dwelling: Ints
    occupant: Ints
    holder: Ints
    commodity: Ints
    cycle: Ints
    exchanged: Ints
    ratio: Floats
    starts: Ints
    ends: Ints

    def where(self, mask: Mask) -> _Lines:
        return _Lines(*(getattr(self, field.name)[mask] for field in fields(self)))


def build_city(
    households: int = 2000, first_month: int = FIRST_MONTH, months: int = 30, seed: int = 2008
) -> DemoCity:
    """The whole city in one piece: about 2 GB of memory for each million readings' worth of ten thousand households.

    Args:    households: 1 or more. first_month: an integer month (foundation/calendar.py). months: 6 to 120.
    Raises:  InvalidInput `demo.city` (422).
    """
    chunks = list(build_city_chunks(households, first_month, months, seed))
    joined = {
        field.name: pl.concat([getattr(chunk, field.name) for chunk in chunks])
        for field in fields(DemoCity)
        if field.name not in {"districts", "utilities"}
    }
    return DemoCity(districts=chunks[0].districts, utilities=chunks[0].utilities, **joined)


def build_city_chunks(
    households: int = 2000,
    first_month: int = FIRST_MONTH,
    months: int = 30,
    seed: int = 2008,
    households_per_chunk: int = CHUNK,
) -> Iterator[DemoCity]:
    """The same city, some households at a time, each with its meters, tenures and readings; memory stays flat.

    Args:    as `build_city`. households_per_chunk: a multiple of the block, 500. Districts and utilities are the same
             in every chunk.
    Raises:  InvalidInput `demo.city` (422).
    """
    for name, value, least, most, step in (
        ("households", households, 1, HOUSEHOLDS_MAX, 1),
        ("months", months, MONTHS_MIN, MONTHS_MAX, 1),
        ("seed", seed, 0, 2**63 - 1, 1),
        ("households_per_chunk", households_per_chunk, BLOCK, HOUSEHOLDS_MAX, BLOCK),
    ):
        if not least <= value <= most or value % step:
            raise InvalidInput(
                "demo.city",
                f"{name} is {value}; it must be between {least} and {most}" + f", in steps of {step}." * (step > 1),
                {"name": name, "value": value},
            )
    window = Window.of(first_month, months, seed)
    blocks = range(-(-households // BLOCK))
    per_chunk = households_per_chunk // BLOCK
    return (
        _chunk([_block(window, seed, block, households) for block in blocks[first : first + per_chunk]])
        for first in range(0, len(blocks), per_chunk)
    )


def _chunk(blocks: list[dict[str, pl.DataFrame]]) -> DemoCity:
    districts = pl.DataFrame(
        [(each.code, "", each.name_en, each.name_ko) for each in DISTRICTS],
        schema=["code", "parent", "name_en", "name_ko"],
        orient="row",
    )
    utilities = pl.DataFrame(
        [(each.utility, each.utility_name, each.commodity.value) for each in PROFILES],
        schema=["code", "name", "commodities"],
        orient="row",
    )
    frames = {name: pl.concat([block[name] for block in blocks]) for name in blocks[0]}
    return DemoCity(districts=districts, utilities=utilities, **frames)


def _block(window: Window, seed: int, block: int, households: int) -> dict[str, pl.DataFrame]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1, block])))
    occupants = draw_occupants(rng, window)
    lines = _draw_lines(rng, window, occupants)
    inside = min(BLOCK, households - block * BLOCK)
    amounts = _draw_amounts(rng, window, occupants, lines)

    # Everything is drawn before the city's end cuts the block, so that the cut changes no draw.
    kept = np.isin(lines.dwelling, lines.dwelling[(lines.holder >= 0) & (lines.holder < inside)])
    names = _names(lines, block)
    held = kept & (lines.holder >= 0) & (lines.holder < inside)
    return {
        "households": _households(window, occupants, block, inside),
        "meters": _meters(names, lines, kept),
        "tenures": _tenures(window, occupants, names, lines, held, block),
        **{name: _rows(window, names, lines, kept, rows) for name, rows in amounts.items()},
    }
