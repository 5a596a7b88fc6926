"""A city of any size, straight into the tables: what its registry and its utilities would have left there.

Households hold one meter of each commodity, read monthly for 30 months. Readings come month by month, as utilities bill,
so that those of one meter lie apart on disk; and a part of the city at a time, so that the bench's own memory stays small.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial

import numpy as np
import polars as pl
import psycopg
from psycopg import sql

from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, Period, first_day, month_of
from carbon_bank.foundation.units import Commodity
from loadtests.bench.harness import Bank

CITY_ID = 1
PERIOD = Period.parse("2026-H1")
MONTHS = range(month_of(date(2024, 1, 1)), month_of(date(2026, 7, 1)))
COMMODITIES = list(Commodity)
RECORDED_AT = "2026-07-10T00:00:00Z"
REVISED_SHARE = 0.005
"""So that revisions occur in every chunk of a settlement, as they do in a real city."""
_MONTHLY = np.array([300_000, 450_000, 15_000])
_SWING = np.array([0.15, 0.7, 0.1])
_PART_HOUSEHOLDS = 20_000
_SEED = 2008


def fill_registry(bank: Bank, households: int) -> None:
    """One district, a utility for each commodity, and households with their meters, tenures and empty accounts."""
    with bank.unguarded() as owner:
        insert = partial(_insert, owner)
        named = {"name": '{"en": "Bench"}'}
        insert(
            "city",
            {
                "id": CITY_ID,
                "code": "bench",
                **named,
                "time_zone": "Asia/Seoul",
                "currency": "KRW",
                "created_at": RECORDED_AT,
            },
        )
        insert("district", {"id": 1, "city_id": CITY_ID, "code": "one", **named})
        for number, name in enumerate(COMMODITIES, start=1):
            insert("utility", {"id": number, "city_id": CITY_ID, "code": name, "name": name, "commodities": [name]})
        for ids in _parts(households):
            _fill_homes(owner, ids)
    bank.settle_down("household", "account", "meter", "tenure")


def _fill_homes(owner: psycopg.Connection, ids: np.ndarray) -> None:
    city, since = pl.lit(CITY_ID).alias("city_id"), pl.lit("2020-01-01")
    homes = pl.DataFrame({"id": ids})
    copy(owner, "household", homes.select("id", city, number="id", district_id=1, joined_on=since))
    copy(owner, "account", homes.select(household_id="id", available=0, held=0, debt=0, version=0))
    kinds = len(COMMODITIES)
    meters = pl.DataFrame({"id": _meters(ids)}).with_columns(kind=(pl.col("id") - 1) % kinds)
    names = pl.col("kind").replace_strict(range(kinds), COMMODITIES, return_dtype=pl.String)
    copy(
        owner,
        "meter",
        meters.select(
            "id", city, utility_id=pl.col("kind") + 1, commodity=names, customer_number="id", meter_number=pl.lit("")
        ),
    )
    held = meters.select(
        "id",
        city,
        household_id=(pl.col("id") - 1) // kinds + 1,
        meter_id="id",
        starts_on=since,
        recorded_at=pl.lit(RECORDED_AT),
    )
    copy(owner, "tenure", held)


def fill_readings(bank: Bank, households: int) -> int:
    """A reading of each meter and month, some of them revised. Returns how many rows there are."""
    count = 0
    with bank.unguarded() as owner:
        for number, name in enumerate(COMMODITIES, start=1):
            counts = dict.fromkeys(("rows", "accepted", "duplicate", "revised", "refused", "quarantined"), 0)
            batch = {"id": number, "city_id": CITY_ID, "utility_id": number, "source": name, "by": "bench"}
            _insert(owner, "reading_batch", {**batch, "recorded_at": RECORDED_AT, **counts})
        for month in MONTHS:
            for ids in _parts(households):
                readings = _readings(month, _meters(ids))
                count += copy(owner, "reading", readings)
    bank.settle_down("reading")
    return count


def _readings(month: int, meters: np.ndarray) -> pl.DataFrame:
    """Of one month: each home uses what it always does, more in winter, and from year to year more or less."""
    kind = (meters - 1) % len(COMMODITIES)
    homes = np.random.default_rng([_SEED, int(meters[0])])
    usual, trend = homes.lognormal(0, 0.35, len(meters)), homes.normal(-0.03, 0.08, len(meters))
    luck = np.random.default_rng([_SEED, int(meters[0]), month])
    noise, revised = luck.lognormal(0, 0.08, len(meters)), luck.random(len(meters)) < REVISED_SHARE
    season = 1 + _SWING[kind] * np.cos(2 * np.pi * (month % MONTHS_PER_YEAR) / MONTHS_PER_YEAR)
    years = (month - MONTHS[0]) / MONTHS_PER_YEAR
    quantity = (_MONTHLY[kind] * usual * season * (1 + trend) ** years * noise).astype(np.int64)
    first = pl.DataFrame({"meter_id": meters, "quantity": quantity, "batch_id": kind + 1}).with_columns(
        period_start=pl.lit(first_day(month)),
        period_end=pl.lit(first_day(month + 1)),
        revision=pl.lit(1),
        quality=pl.lit("actual"),
        reason=pl.lit(None, pl.String),
        recorded_at=pl.lit(RECORDED_AT),
    )
    later = first.filter(revised).with_columns(
        pl.col("quantity") + 100, revision=pl.lit(2), quality=pl.lit("corrected"), reason=pl.lit("corrected")
    )
    return pl.concat([first, later])


def _parts(households: int) -> Iterator[np.ndarray]:
    """Ids of households, from 1."""
    for first in range(1, households + 1, _PART_HOUSEHOLDS):
        yield np.arange(first, min(first + _PART_HOUSEHOLDS, households + 1))


def _meters(ids: np.ndarray) -> np.ndarray:
    kinds = len(COMMODITIES)
    return (ids[:, None] * kinds + np.arange(1 - kinds, 1)).ravel()


def copy(owner: psycopg.Connection, table: str, frame: pl.DataFrame) -> int:
    columns = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL '\\N')").format(sql.Identifier(table), columns)
    with owner.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(frame.write_csv(include_header=False, null_value="\\N").encode())
    return frame.height


def _insert(owner: psycopg.Connection, table: str, row: dict[str, object]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    owner.execute(statement, list(row.values()))
