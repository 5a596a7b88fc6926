"""Draws the demo city: households, meters, tenures and readings, as a city and its utilities would send them.

A block of 500 households is drawn whole from `PCG64(SeedSequence([seed, 1, block]))` and cut where the city ends, so
nothing of a household depends on how many others there are, or on chunks. It depends on `first_month` and `months`.

A *stay* is one occupant's time in one dwelling, a *line* a stay's time on one meter. A reading is the difference of a
cumulative use at its ends, whatever these are: a first, a fifteenth, a day of moving, the day of a meter's exchange.
A meter is a service point: the device in it is exchanged, and the meter stays.
Days are counted from the window's first day. Floating point makes up the demo's input here, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import polars as pl

from carbon_bank.demo import shapes
from carbon_bank.demo.shapes import BLOCK, DISTRICTS, PROFILES, Floats, Ints, Mask, Occupants, Window
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.units import DISPLAY_UNIT

CODE, TIME_ZONE, CURRENCY = "gwangju", "Asia/Seoul", "KRW"
NAME = {"en": "Gwangju", "ko": "광주"}
FIRST_MONTH = 2024 * 12
MONTHS_MIN, MONTHS_MAX = 6, 120
HOUSEHOLDS_MAX = 50_000_000
CHUNK = 20 * BLOCK
NOBODY = -1
METER_KEY = ("utility", "commodity", "customer_number", "meter_number")

_QUALITY = pl.Series(["actual", "estimated", "corrected"])
ACTUAL, ESTIMATED, CORRECTED = range(3)
_REASON = pl.Series(["", "estimate_replaced", "corrected"])
NO_REASON, REPLACED, MISTAKE = range(3)
_UNIT = pl.Series([DISPLAY_UNIT[profile.commodity].name for profile in PROFILES])


@dataclass(frozen=True)
class DemoCity:
    """The city as wire rows: every column is text, empty where there is nothing to say; M stands for METER_KEY.

    districts: code, parent, name_en, name_ko. utilities: code, name, commodities (joined by `;`).
    households: household_number, district, dwelling_type, residents, joined_on.
    meters: M, digits, calorific_value (gas; Wh per litre). tenures: household_number, M, starts_on, ends_on.
    readings, and revisions to be sent after them, by meter and time: M, period_start, period_end, quantity, unit,
    quality, reason, reason_text.
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
    """[starts, ends) on one meter. `holder` has the tenure; `exchange` is the day of it, the window's end for none."""

    dwelling: Ints
    occupant: Ints
    holder: Ints
    commodity: Ints
    exchange: Ints
    ratio: Floats
    starts: Ints
    ends: Ints


def build_city(households: int = 2000, first_month: int = FIRST_MONTH, months: int = 30, seed: int = 2008) -> DemoCity:
    """The whole city in one piece; `build_city_chunks` where it should not stand in memory at once.

    Args:    first_month: an integer month (foundation/calendar.py). months: 6 to 120.
    Raises:  InvalidInput `demo.city` (422).
    """
    chunks = list(build_city_chunks(households, first_month, months, seed))
    names = ("households", "meters", "tenures", "readings", "revisions")
    joined = {name: pl.concat([getattr(chunk, name) for chunk in chunks]) for name in names}
    return DemoCity(chunks[0].districts, chunks[0].utilities, **joined)


def build_city_chunks(
    households: int = 2000,
    first_month: int = FIRST_MONTH,
    months: int = 30,
    seed: int = 2008,
    households_per_chunk: int = CHUNK,
) -> Iterator[DemoCity]:
    """The same city some households at a time, each with all that is theirs; districts and utilities in every chunk.

    Args:    as `build_city`. households_per_chunk: rounded up to whole blocks.
    Raises:  InvalidInput `demo.city` (422).
    """
    for name, value, least, most in (
        ("households", households, 1, HOUSEHOLDS_MAX),
        ("months", months, MONTHS_MIN, MONTHS_MAX),
        ("seed", seed, 0, 2**63 - 1),
        ("households_per_chunk", households_per_chunk, 1, HOUSEHOLDS_MAX),
    ):
        if not least <= value <= most:
            raise InvalidInput("demo.city", f"{name} is {value}; it must be from {least} to {most}.", {name: value})
    window = Window.of(first_month, months, seed)
    blocks = range(-(-households // BLOCK))
    step = -(-households_per_chunk // BLOCK)
    return (
        _chunk([_block(window, seed, block, households) for block in blocks[first : first + step]])
        for first in range(0, len(blocks), step)
    )


def _chunk(blocks: list[dict[str, pl.DataFrame]]) -> DemoCity:
    districts = [(code, "", name_en, name_ko) for code, name_en, name_ko, _ in DISTRICTS]
    utilities = [(each.utility, f"Gwangju Demo {each.commodity.title()}", each.commodity.value) for each in PROFILES]
    return DemoCity(
        districts=pl.DataFrame(districts, ["code", "parent", "name_en", "name_ko"], orient="row"),
        utilities=pl.DataFrame(utilities, ["code", "name", "commodities"], orient="row"),
        **{name: pl.concat([block[name] for block in blocks]) for name in blocks[0]},
    )


def _block(window: Window, seed: int, block: int, households: int) -> dict[str, pl.DataFrame]:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1, block])))
    occupants = shapes.draw_occupants(rng, window)
    lines, cycle = _draw_lines(rng, window, occupants)
    meter = _meters(lines, block)
    readings, revisions = _draw_readings(rng, window, occupants, lines, cycle, meter)

    # Everything is drawn before the city's end cuts the block, so that the cut changes no draw.
    inside = min(BLOCK, households - block * BLOCK)
    held = (lines.holder >= 0) & (lines.holder < inside)
    kept = np.isin(lines.dwelling, lines.dwelling[held])
    meters = meter.filter(kept).unique(maintain_order=True)
    people = _households(window, occupants, block)
    return {
        "households": people[:inside],
        "meters": meters,
        "tenures": _tenures(window, occupants, people["household_number"], meter, lines, held),
        "readings": readings.join(meters, METER_KEY, how="semi", maintain_order="left"),
        "revisions": revisions.join(meters, METER_KEY, how="semi", maintain_order="left"),
    }


def _draw_stays(rng: np.random.Generator, window: Window, occupants: Occupants) -> tuple[tuple[Ints, ...], Floats]:
    """Who lives where and when: (dwelling, occupant whose use it is, holder of the tenure, from, until), use ratio.

    Every second mover of a district and dwelling type takes over what the one before left; the others move into a new
    dwelling, whose meters the utility hands over with their past.
    """
    end, everybody = window.day_end, np.arange(BLOCK)
    movers = np.flatnonzero(occupants.moves <= end)
    kind = (occupants.district * len(shapes.DWELLING_TYPES) + occupants.dwelling_type)[movers]
    order = np.lexsort((occupants.moves[movers], kind))
    movers, kind = movers[order], kind[order]
    taker = (np.arange(len(movers)) - np.searchsorted(kind, kind)) % 2 == 1
    before = np.roll(movers, 1)
    empty_days = rng.integers(0, shapes.EMPTY_DAYS_MAX + 1, len(movers))
    vacated = np.where(taker, occupants.moves[before], 0)
    arrives = np.where(taker, np.minimum(vacated + empty_days, end - 1), occupants.moves[movers])
    leaves = np.full(BLOCK, end)
    leaves[movers] = arrives
    home = np.where(taker, before, BLOCK + np.arange(len(movers)))
    other = np.exp(shapes.DWELLING_SPREAD * rng.standard_normal((2, len(movers))))
    nobody, until = np.full(len(movers), NOBODY), np.full(len(movers), end)
    columns = (
        (everybody, home, home),
        (everybody, movers, movers),
        (everybody, nobody, movers),
        (np.zeros(BLOCK, np.int64), vacated, arrives),
        (leaves, arrives, until),
    )
    ratio = np.concatenate([np.ones(BLOCK), np.where(taker, shapes.EMPTY_RATIO, other[0]), other[1]])
    return tuple(np.concatenate(parts) for parts in columns), ratio


def _draw_lines(rng: np.random.Generator, window: Window, occupants: Occupants) -> tuple[_Lines, Ints]:
    """The lines, stay by stay, in it by commodity; and their billing cycles."""
    (dwelling, occupant, holder, starts, ends), ratio = _draw_stays(rng, window, occupants)
    first_of = np.zeros(dwelling.max() + 1, np.int64)
    first_of[dwelling[::-1]] = occupant[::-1]  # a dwelling stays what it was under its first occupant
    cycles = shapes.draw_billing_cycles(rng, occupants.dwelling_type[first_of])
    share = 1 - (1 - shapes.EXCHANGE_SHARE_PER_MONTH) ** window.months
    days = rng.integers(1, window.day_end, cycles.shape)
    exchanges = np.where(rng.random(cycles.shape) < share, days, window.day_end)
    stay, commodity = (part.ravel() for part in np.indices((len(dwelling), len(PROFILES))))
    lines = _Lines(
        dwelling=dwelling[stay],
        occupant=occupant[stay],
        holder=holder[stay],
        commodity=commodity,
        exchange=exchanges[dwelling[stay], commodity],
        ratio=ratio[stay],
        starts=starts[stay],
        ends=ends[stay],
    )
    no_gas = occupants.all_electric[first_of[lines.dwelling]] & (commodity == shapes.GAS)
    real = (lines.starts < lines.ends) & ~no_gas
    lines = _Lines(*(getattr(lines, field.name)[real] for field in fields(lines)))
    return lines, cycles[lines.dwelling, lines.commodity]


def _draw_readings(
    rng: np.random.Generator, window: Window, occupants: Occupants, lines: _Lines, cycle: Ints, meter: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the utilities send first, and what they send afterwards to put some of it right."""
    days = np.sort(np.column_stack([shapes.billing_days(window)[cycle], lines.exchange]))
    days = np.clip(days, lines.starts[:, None], lines.ends[:, None])
    line, period = np.nonzero(days[:, :-1] < days[:, 1:])
    starts, ends, of = days[line, period], days[line, period + 1], lines.commodity[line]
    use = occupants.use_until(window, lines.occupant, lines.commodity, days) * lines.ratio[:, None]
    true = use[line, period + 1] - use[line, period]
    followed = np.append(line[:-1] == line[1:], False)

    lot = rng.random((4, len(line)))
    # Whoever moves out or exchanges a device reads it: only one that goes on, or the last day, is estimated.
    share = np.array([each.estimated_shares for each in PROFILES])[of, window.winter_at(ends)]
    estimated = (lot[0] < share) & ((followed & (ends != lines.exchange[line])) | (ends == window.day_end))
    missing = lot[1] < shapes.MISSING_SHARE
    misread = ~estimated & (lot[2] < shapes.MISREAD_SHARE)
    error = np.clip(shapes.ESTIMATE_ERROR * rng.standard_normal(len(line)), *shapes.ESTIMATE_ERRORS)
    error *= estimated * np.minimum(true, np.where(followed, np.roll(true, -1), true))
    # The reading after an estimate makes up for its error: the register goes on from where it stands.
    carried = np.roll(error * followed, 1)
    right = true + error - carried
    said = np.where(misread, right * rng.uniform(*shapes.MISREAD_RATIOS, len(line)), right)

    plain = ~missing & ~misread
    replaced = estimated & followed & plain & np.roll(plain & ~estimated, -1) & (lot[3] < shapes.REPLACED_SHARE)
    after = np.roll(replaced, 1)
    corrected = after | (misread & ~missing & (lot[3] < shapes.MISREAD_CORRECTED_SHARE))
    restated = right - replaced * error + after * carried

    rows = (
        meter[line]
        .select(METER_KEY)
        .with_columns(period_start=window.day_texts[starts], period_end=window.day_texts[ends])
    )
    first = _said(rows, of, said, estimated * ESTIMATED, estimated * NO_REASON)
    then = _said(rows, of, restated, np.where(replaced, ACTUAL, CORRECTED), np.where(replaced, REPLACED, MISTAKE))
    return first.filter(~missing), then.filter(replaced | corrected)


def _said(rows: pl.DataFrame, commodity: Ints, quantity: Floats, quality: Ints, reason: Ints) -> pl.DataFrame:
    scale = shapes.SCALES[commodity]
    return rows.with_columns(
        quantity=pl.Series(np.rint(quantity * scale) / scale).cast(pl.String),
        unit=_UNIT[commodity],
        quality=_QUALITY[quality],
        reason=_REASON[reason],
        reason_text=pl.lit(""),
    )


def _meters(lines: _Lines, block: int) -> pl.DataFrame:
    """The meter of each line, with the columns of `DemoCity.meters`."""
    rows = []
    for of, dwelling in np.stack([lines.commodity, lines.dwelling], axis=1).tolist():
        place, profile = f"{block:05d}{dwelling:04d}", PROFILES[of]
        names = (profile.utility, profile.commodity.value, f"{of + 1}{place}", f"{'EGW'[of]}{place}")
        rows.append((*names, shapes.DIGITS, shapes.CALORIFIC_VALUE if of == shapes.GAS else ""))
    return pl.DataFrame(rows, [*METER_KEY, "digits", "calorific_value"], orient="row")


def _households(window: Window, occupants: Occupants, block: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "household_number": [f"GJ{block * BLOCK + each + 1:08d}" for each in range(BLOCK)],
            "district": pl.Series([code for code, *_ in DISTRICTS])[occupants.district],
            "dwelling_type": pl.Series(shapes.DWELLING_TYPES)[occupants.dwelling_type],
            "residents": pl.Series(occupants.residents).cast(pl.String),
            "joined_on": window.text_of(occupants.joins),
        }
    )


def _tenures(
    window: Window, occupants: Occupants, number: pl.Series, meter: pl.DataFrame, lines: _Lines, held: Mask
) -> pl.DataFrame:
    # Who was there on the window's first day has been since joining; who joined later holds nothing before.
    joins = occupants.joins[lines.holder]
    starts = np.where(lines.starts == 0, joins, np.maximum(lines.starts, joins))
    rows = np.flatnonzero(held & (starts < lines.ends))
    open_ended = pl.Series(lines.ends[rows] == window.day_end)
    return (
        meter[rows]
        .select(number[lines.holder[rows]], *METER_KEY)
        .with_columns(
            starts_on=window.text_of(starts[rows]),
            ends_on=window.text_of(lines.ends[rows]).set(open_ended, ""),
        )
    )
