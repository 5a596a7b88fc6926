"""All SQL of the registry for one thing at a time. Whole files go through `imports.py`'s statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, TypeVar

import polars as pl
from sqlalchemy import ColumnElement
from sqlmodel import SQLModel, col, func, select

from carbon_bank.foundation.columns import Columns, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import COMMODITY_DTYPE
from carbon_bank.registry.tables import City, District, Household, Meter, Tenure, Utility

RowT = TypeVar("RowT", bound=SQLModel)

_LOCK_HOUSEHOLD = 3 << 48
_LOCK_IMPORT = 4 << 48

OPEN_END = date(9999, 1, 1)
"""Stands for the end of a tenure that has none."""


async def one(session: ReadSession, kind: type[RowT], *conditions: ColumnElement[bool] | bool) -> RowT | None:
    return (await session.exec(select(kind).where(*conditions))).one_or_none()


async def listed(
    session: ReadSession,
    kind: type[RowT],
    conditions: Sequence[ColumnElement[bool]],
    after: int,
    limit: int,
) -> Sequence[RowT]:
    key: ColumnElement[int] = kind.__table__.c.id  # type: ignore[attr-defined]
    query = select(kind).where(*conditions, key > after).order_by(key).limit(limit)
    return (await session.exec(query)).all()


async def city_by_code(session: ReadSession, code: str) -> City | None:
    return await one(session, City, col(City.code) == code)


async def city_by_id(session: ReadSession, city_id: int) -> City | None:
    return await one(session, City, col(City.id) == city_id)


async def district_by_code(session: ReadSession, city_id: int, code: str) -> District | None:
    return await one(session, District, col(District.city_id) == city_id, col(District.code) == code)


async def utility_by_code(session: ReadSession, city_id: int, code: str) -> Utility | None:
    return await one(session, Utility, col(Utility.city_id) == city_id, col(Utility.code) == code)


async def utility_with_time_zone(session: ReadSession, utility_id: int) -> tuple[Any, ...] | None:
    """Code, city, the city's time zone, and commodities."""
    query = """
        SELECT utility.code, utility.city_id, city.time_zone, utility.commodities
        FROM utility JOIN city ON city.id = utility.city_id WHERE utility.id = :utility_id
    """
    found = (await session.sql(query, {"utility_id": utility_id})).one_or_none()
    return None if found is None else tuple(found)


async def household_by_number(session: ReadSession, city_id: int, number: str) -> Household | None:
    return await one(session, Household, col(Household.city_id) == city_id, col(Household.number) == number)


async def household_by_id(session: ReadSession, city_id: int, household_id: int) -> Household | None:
    return await one(session, Household, col(Household.city_id) == city_id, col(Household.id) == household_id)


async def meters_by_key(
    session: ReadSession, utility_id: int, commodity: str, customer_number: str, meter_number: str
) -> Sequence[Meter]:
    conditions = [
        col(Meter.utility_id) == utility_id,
        col(Meter.commodity) == commodity,
        col(Meter.customer_number) == customer_number,
    ]
    if meter_number:
        conditions.append(col(Meter.meter_number) == meter_number)
    return (await session.exec(select(Meter).where(*conditions).limit(2))).all()


async def tenure_by_id(session: ReadSession, city_id: int, tenure_id: int) -> Tenure | None:
    return await one(session, Tenure, col(Tenure.city_id) == city_id, col(Tenure.id) == tenure_id)


async def tenures_of(session: ReadSession, household_id: int) -> Sequence[tuple[Tenure, Meter]]:
    query = (
        select(Tenure, Meter)
        .join(Meter, col(Meter.id) == col(Tenure.meter_id))
        .where(col(Tenure.household_id) == household_id)
        .order_by(col(Meter.commodity), col(Tenure.starts_on))
    )
    return (await session.exec(query)).all()


async def tenure_in_the_way(
    session: ReadSession, household_id: int, meter_id: int, starts_on: date, ends_on: date | None
) -> Tenure | None:
    query = select(Tenure).where(
        col(Tenure.household_id) == household_id,
        col(Tenure.meter_id) == meter_id,
        col(Tenure.starts_on) < (ends_on or OPEN_END),
        func.coalesce(col(Tenure.ends_on), OPEN_END) > starts_on,
    )
    return (await session.exec(query.limit(1))).one_or_none()


async def import_alone(session: ReadSession, city_id: int) -> None:
    """Let no other import into a city, nor a tenure, until this one is done: what it was checked against stays."""
    await session.sql("SELECT pg_advisory_xact_lock(:key)", {"key": _LOCK_IMPORT + city_id})


async def no_import(session: ReadSession, city_id: int) -> None:
    await session.sql("SELECT pg_advisory_xact_lock_shared(:key)", {"key": _LOCK_IMPORT + city_id})


async def lock_household(session: ReadSession, household_id: int) -> None:
    await session.sql("SELECT pg_advisory_xact_lock(:key)", {"key": _LOCK_HOUSEHOLD + household_id})


async def household_ids(session: ReadSession, city_id: int, after: int, limit: int) -> pl.Series:
    query = """
        SELECT id FROM household WHERE city_id = %(city_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s
    """
    parameters = {"city_id": city_id, "after": after, "limit": limit}
    return (await fetch_columns(session, query, parameters, {"id": pl.Int64}))["id"].sort()


async def count_households(session: ReadSession, city_id: int) -> int:
    query = select(func.count()).select_from(Household).where(col(Household.city_id) == city_id)
    return (await session.exec(query)).one()


async def tenures_as_of(
    session: ReadSession, city_id: int, first_id: int, last_id: int, first_day: date, end_day: date, as_of: datetime
) -> pl.DataFrame:
    query = f"""
        WITH claim AS (
            SELECT household_id, meter_id, starts_on,
                   CASE WHEN ended_at <= %(as_of)s THEN ends_on ELSE %(open_end)s END AS ends_on
            FROM tenure
            WHERE city_id = %(city_id)s AND household_id BETWEEN %(first_id)s AND %(last_id)s AND recorded_at <= %(as_of)s
        )
        SELECT claim.household_id, claim.meter_id, claim.starts_on, claim.ends_on,
               {place_of(COMMODITY_DTYPE, "meter.commodity")} AS commodity,
               EXISTS (
                   SELECT 1 FROM tenure AS other
                   WHERE other.meter_id = claim.meter_id AND other.household_id <> claim.household_id
                     AND other.recorded_at <= %(as_of)s
                     AND greatest(other.starts_on, claim.starts_on, %(first_day)s)
                         < least(CASE WHEN other.ended_at <= %(as_of)s THEN other.ends_on END, claim.ends_on, %(end_day)s)
               ) AS shared
        FROM claim JOIN meter ON meter.id = claim.meter_id
        WHERE claim.starts_on < %(end_day)s AND claim.ends_on > %(first_day)s
    """
    parameters = {
        "city_id": city_id,
        "first_id": first_id,
        "last_id": last_id,
        "first_day": first_day,
        "end_day": end_day,
        "as_of": as_of,
        "open_end": OPEN_END,
    }
    schema: Columns = {
        "household_id": pl.Int64,
        "meter_id": pl.Int64,
        "commodity": COMMODITY_DTYPE,
        "starts_on": pl.Date,
        "ends_on": pl.Date,
        "shared": pl.Boolean,
    }
    return await fetch_columns(session, query, parameters, schema)


async def dwellings(
    session: ReadSession, city_id: int, first_id: int, last_id: int
) -> Sequence[tuple[int, str | None, int | None]]:
    query = (
        select(Household.id, Household.dwelling_type, Household.residents)
        .where(col(Household.city_id) == city_id, col(Household.id).between(first_id, last_id))
        .order_by(col(Household.id))
    )
    return (await session.exec(query)).all()  # type: ignore[return-value]


async def districts_of_households(session: ReadSession, city_id: int) -> Sequence[tuple[int, str]]:
    query = (
        select(Household.id, District.code)
        .join(District, col(District.id) == col(Household.district_id))
        .where(col(Household.city_id) == city_id)
    )
    return (await session.exec(query)).all()  # type: ignore[return-value]
