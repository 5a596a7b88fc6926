"""SQL of meters as households hold them: what a utility is expected to send."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from sqlmodel import col, select

from carbon_bank.foundation.columns import Columns, array_text, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import COMMODITY_DTYPE
from carbon_bank.registry.queries import OPEN_END
from carbon_bank.registry.tables import District, Meter, Utility


@dataclass(frozen=True)
class MetersWanted:
    """Which meters of a city. Null: all of them. `district_ids`: where the households that hold them live."""

    utility_id: int | None = None
    commodity: str | None = None
    district_ids: Collection[int] | None = None


async def held_meters(
    session: ReadSession, city_id: int, wanted: MetersWanted, first_day: date, end_day: date, after: int, limit: int
) -> pl.DataFrame:
    query = f"""
        WITH held AS NOT MATERIALIZED (
            SELECT tenure.meter_id, tenure.household_id, household.district_id, starts_on, coalesce(ends_on, %(open_end)s) AS ends_on
            FROM tenure JOIN household ON household.id = tenure.household_id
            WHERE tenure.city_id = %(city_id)s AND starts_on < %(end_day)s AND coalesce(ends_on, %(open_end)s) > %(first_day)s
              AND (%(district_ids)s::bigint[] IS NULL OR household.district_id = ANY(%(district_ids)s::bigint[]))
        ), wanted AS (
            SELECT id, utility_id, commodity FROM meter
            WHERE city_id = %(city_id)s AND id > %(after)s
              AND (%(utility_id)s::bigint IS NULL OR utility_id = %(utility_id)s)
              AND (%(commodity)s::text IS NULL OR commodity = %(commodity)s)
              AND EXISTS (SELECT 1 FROM held WHERE held.meter_id = meter.id)
            ORDER BY id LIMIT %(limit)s
        )
        SELECT wanted.id AS meter_id, utility_id, household_id, district_id, starts_on, ends_on,
               {place_of(COMMODITY_DTYPE, "commodity")} AS commodity
        FROM wanted JOIN held ON held.meter_id = wanted.id
        ORDER BY wanted.id, starts_on, household_id DESC
    """
    parameters = {
        "city_id": city_id,
        "utility_id": wanted.utility_id,
        "commodity": wanted.commodity,
        "district_ids": None if wanted.district_ids is None else sorted(wanted.district_ids),
        "first_day": first_day,
        "end_day": end_day,
        "after": after,
        "limit": limit,
        "open_end": OPEN_END,
    }
    schema: Columns = {
        "meter_id": pl.Int64,
        "utility_id": pl.Int64,
        "household_id": pl.Int64,
        "district_id": pl.Int64,
        "commodity": COMMODITY_DTYPE,
        "starts_on": pl.Date,
        "ends_on": pl.Date,
    }
    return await fetch_columns(session, query, parameters, schema)


async def meters_by_id(session: ReadSession, meter_ids: Collection[int]) -> Sequence[Meter]:
    return (await session.exec(select(Meter).where(col(Meter.id).in_(meter_ids)))).all()


async def district_codes(session: ReadSession, city_id: int) -> Sequence[tuple[int, int | None, str]]:
    """Of all districts of a city: id, the id of the one above, code."""
    query = select(District.id, District.parent_id, District.code).where(col(District.city_id) == city_id)
    return (await session.exec(query)).all()  # type: ignore[return-value]


async def utility_codes(session: ReadSession, city_id: int) -> Sequence[tuple[int, str]]:
    query = select(Utility.id, Utility.code).where(col(Utility.city_id) == city_id)
    return (await session.exec(query)).all()  # type: ignore[return-value]


async def holders(
    session: ReadSession, city_id: int, meter_ids: pl.Series, first_day: date, end_day: date
) -> pl.DataFrame:
    query = f"""
        SELECT DISTINCT tenure.household_id, tenure.meter_id,
               {place_of(COMMODITY_DTYPE, "meter.commodity")} AS commodity
        FROM tenure JOIN meter ON meter.id = tenure.meter_id
        WHERE tenure.city_id = %(city_id)s AND tenure.meter_id = ANY(%(meter_ids)s::bigint[])
          AND starts_on < %(end_day)s AND coalesce(ends_on, %(open_end)s) > %(first_day)s
    """
    parameters = {
        "city_id": city_id,
        "meter_ids": array_text(meter_ids),
        "first_day": first_day,
        "end_day": end_day,
        "open_end": OPEN_END,
    }
    schema: Columns = {"household_id": pl.Int64, "meter_id": pl.Int64, "commodity": COMMODITY_DTYPE}
    return await fetch_columns(session, query, parameters, schema)


async def changed_after(
    session: ReadSession, city_id: int, moment: datetime, first_day: date, end_day: date
) -> pl.Series:
    query = """
        SELECT DISTINCT household_id FROM tenure
        WHERE city_id = %(city_id)s AND starts_on < %(end_day)s
          AND CASE WHEN recorded_at > %(moment)s THEN coalesce(ends_on, %(open_end)s) > %(first_day)s
                   ELSE ended_at > %(moment)s AND ends_on < %(end_day)s END
    """
    parameters = {
        "city_id": city_id,
        "moment": moment,
        "first_day": first_day,
        "end_day": end_day,
        "open_end": OPEN_END,
    }
    return (await fetch_columns(session, query, parameters, {"household_id": pl.Int64}))["household_id"]
