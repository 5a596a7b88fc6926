"""All SQL of readings. Sets go in as arrays and come out as columns (foundation/columns.py)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl
from sqlalchemy import insert
from sqlmodel import col, select, tuple_

from carbon_bank.foundation.columns import Columns, array_text, copy_in, fetch_columns
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.moments import recording_moment
from carbon_bank.foundation.units import QUALITY_DTYPE
from carbon_bank.readings.intake import PERIOD_DAYS_MAX
from carbon_bank.readings.tables import MeterReading, ReadingBatch

_KNOWN = [
    *(pl.when(pl.col(name) >= 0).then(name).alias(name) for name in ("meter_id", "calorific_value", "digits")),
    pl.col("matches"),
]
# Into its table, without the session's unit of work and what an insert of objects does: both cost as much as the statement.
_BATCHES = ReadingBatch.__table__  # type: ignore[attr-defined]
_ADD_BATCH = insert(_BATCHES).returning(_BATCHES.c.id)
_LOCK_UTILITY = 2 << 48
NO_QUANTITY = -1


async def one_batch_at_a_time(session: WriteSession, utility_id: int, city_id: int) -> datetime:
    """Let one batch of a utility through at a time: what a row is judged against cannot change under it. Returns the moment to
    stamp on what it records."""
    return await recording_moment(session, city_id, after_lock=_LOCK_UTILITY + utility_id)


async def meters_of(
    session: ReadSession, utility_id: int, rows: pl.DataFrame, any_calorific_value: int
) -> pl.DataFrame:
    """Of the meter of each row that `tidied` gave, in their order: `meter_id, calorific_value, digits, matches`.

    `calorific_value` in Wh per m3 (any_calorific_value where there is no meter) and `digits` of the register, null where
    unknown; the first three mean something where `matches` is at most 1.
    """
    # A row for each that was sent, in their order: to join them here would take longer than to look them up.
    query = """
        SELECT coalesce(min(meter.id), -1) AS meter_id, count(meter.id) AS matches, coalesce(min(meter.digits), -1) AS digits,
               CASE count(meter.id) WHEN 0 THEN %(any_value)s::bigint ELSE coalesce(min(meter.calorific_value) * 1000, -1) END
               AS calorific_value
        FROM unnest(%(commodity)s::text[], %(customer_number)s::text[], %(meter_number)s::text[])
             WITH ORDINALITY AS sent (commodity, customer_number, meter_number, place)
        LEFT JOIN meter ON meter.utility_id = %(utility_id)s AND meter.commodity = sent.commodity
             AND meter.customer_number = sent.customer_number
             AND (sent.meter_number = '' OR meter.meter_number = sent.meter_number)
        GROUP BY sent.place ORDER BY sent.place
    """
    numbers = {name: array_text(rows[name]) for name in ("commodity", "customer_number", "meter_number")}
    parameters = {"utility_id": utility_id, "any_value": any_calorific_value, **numbers}
    schema = {"meter_id": pl.Int64, "calorific_value": pl.Int64, "digits": pl.Int16, "matches": pl.Int32}
    found = await fetch_columns(session, query, parameters, schema)
    return found.select_seq(_KNOWN)


async def standing(session: ReadSession, meter_ids: pl.Series, first: date, last: date) -> pl.DataFrame:
    """The current revisions of meters whose periods touch [first, last)."""
    query = """
        SELECT DISTINCT ON (meter_id, period_start, period_end) meter_id, period_start, period_end, revision,
               coalesce(quantity, -1) AS quantity, array_position(enum_range(NULL::reading_quality), quality) - 1 AS quality
        FROM reading
        WHERE meter_id = ANY(%(meter_ids)s::bigint[])
          AND period_start >= %(reach)s AND period_start < %(last)s AND period_end > %(first)s
        ORDER BY meter_id, period_start, period_end, revision DESC
    """
    reach = first - timedelta(days=PERIOD_DAYS_MAX)
    parameters = {"meter_ids": array_text(meter_ids), "first": first, "last": last, "reach": reach}
    schema: Columns = {
        "meter_id": pl.Int64,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "revision": pl.Int16,
        "quantity": pl.Int64,
        "quality": QUALITY_DTYPE,
    }
    found = await fetch_columns(session, query, parameters, schema, by_key=True)
    return found.with_columns_seq(pl.when(pl.col("quantity") != NO_QUANTITY).then("quantity").alias("quantity"))


async def usual_use(session: ReadSession, meter_ids: Sequence[int], since: date) -> pl.DataFrame:
    """What stands for meters since a day, added up: `meter_id, quantity, days`. Meters without readings are not there."""
    query = """
        SELECT meter_id, sum(quantity)::bigint AS quantity, sum(period_end - period_start)::bigint AS days
        FROM (
            SELECT DISTINCT ON (meter_id, period_start, period_end) meter_id, period_start, period_end, quantity
            FROM reading WHERE meter_id = ANY(%(meter_ids)s) AND period_start >= %(since)s
            ORDER BY meter_id, period_start, period_end, revision DESC
        ) AS stands
        WHERE quantity IS NOT NULL GROUP BY meter_id
    """
    parameters = {"meter_ids": list(meter_ids), "since": since}
    schema = {"meter_id": pl.Int64, "quantity": pl.Int64, "days": pl.Int64}
    return await fetch_columns(session, query, parameters, schema)


async def recorded_by(
    session: ReadSession, meter_ids: Sequence[int], first: date, last: date, as_of: datetime
) -> pl.DataFrame:
    """Every revision recorded up to a moment whose period touches [first, last), cancelled ones with NO_QUANTITY."""
    query = """
        SELECT meter_id, period_start, period_end, revision, coalesce(quantity, -1) AS quantity, quality = 'estimated' AS estimated
        FROM reading
        WHERE meter_id = ANY(%(meter_ids)s) AND period_start >= %(reach)s AND period_start < %(last)s AND period_end > %(first)s
          AND recorded_at <= %(as_of)s
    """
    reach = first - timedelta(days=PERIOD_DAYS_MAX)
    parameters = {"meter_ids": list(meter_ids), "first": first, "last": last, "reach": reach, "as_of": as_of}
    schema = {
        "meter_id": pl.Int64,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "revision": pl.Int16,
        "quantity": pl.Int64,
        "estimated": pl.Boolean,
    }
    return await fetch_columns(session, query, parameters, schema)


async def add_batch(session: WriteSession, batch: ReadingBatch, readings: pl.DataFrame) -> int:
    batch.id = (await session.exec(_ADD_BATCH, params=batch.model_dump(exclude={"id"}))).scalar_one()
    assert batch.id is not None
    stamped = readings.with_columns_seq(
        batch_id=pl.lit(batch.id, pl.Int64), recorded_at=pl.lit(batch.recorded_at.isoformat(), pl.String)
    )
    if stamped.height:
        await copy_in(session, "reading", stamped)
    return batch.id


async def revisions_near(
    session: ReadSession, meter_ids: Sequence[int], first: date, last: date
) -> Sequence[MeterReading]:
    """Every revision of readings whose periods touch [first, last), of few meters, in order."""
    key = (MeterReading.meter_id, MeterReading.period_start, MeterReading.period_end, MeterReading.revision)
    query = select(MeterReading).where(
        col(MeterReading.meter_id).in_(meter_ids),
        col(MeterReading.period_start) >= first - timedelta(days=PERIOD_DAYS_MAX),
        col(MeterReading.period_start) < last,
        col(MeterReading.period_end) > first,
    )
    return (await session.exec(query.order_by(*(col(part) for part in key)))).all()


async def list_revisions(
    session: ReadSession, meter_id: int, after: Sequence[object] | None, limit: int
) -> Sequence[MeterReading]:
    key = (MeterReading.period_start, MeterReading.period_end, MeterReading.revision)
    query = (
        select(MeterReading)
        .where(col(MeterReading.meter_id) == meter_id)
        .order_by(*(col(part) for part in key))
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(*(col(part) for part in key)) > tuple_(*after))
    return (await session.exec(query)).all()
