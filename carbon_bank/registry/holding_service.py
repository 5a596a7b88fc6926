"""Meters as households hold them: what a utility is expected to send readings of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

import polars as pl

from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import NotFound
from carbon_bank.registry import holding_queries as queries
from carbon_bank.registry.holding_queries import MetersWanted as MetersWanted
from carbon_bank.registry.tables import Meter


async def held_meters(
    session: ReadSession, city_id: int, wanted: MetersWanted, first_day: date, end_day: date, after: int, limit: int
) -> pl.DataFrame:
    """The next meters behind an id that some household holds on some day of [first_day, end_day).

    Returns: `meter_id, utility_id, household_id, district_id, commodity, starts_on, ends_on`: a row for each holding of at
             most `limit` meters, by meter and first day.
    """
    return await queries.held_meters(session, city_id, wanted, first_day, end_day, after, limit)


async def districts_within(session: ReadSession, city_id: int, code: str) -> set[int]:
    """A district and all that lie within it.

    Raises: NotFound `registry.unknown_district` (404).
    """
    districts = await queries.district_codes(session, city_id)
    within = {key for key, _, name in districts if name == code}
    if not within:
        raise NotFound("registry.unknown_district", f"There is no district '{code}' in this city.")
    while more := {key for key, above, _ in districts if above in within} - within:
        within |= more
    return within


async def district_codes(session: ReadSession, city_id: int) -> dict[int, str]:
    return {key: code for key, _, code in await queries.district_codes(session, city_id)}


async def utility_codes(session: ReadSession, city_id: int) -> dict[int, str]:
    return dict(await queries.utility_codes(session, city_id))


async def meters_by_id(session: ReadSession, meter_ids: Collection[int]) -> dict[int, Meter]:
    return {meter.id: meter for meter in await queries.meters_by_id(session, meter_ids) if meter.id is not None}


async def holders(
    session: ReadSession, city_id: int, meter_ids: pl.Series, first_day: date, end_day: date
) -> pl.DataFrame:
    """Who holds some meters on some day of [first_day, end_day): `household_id, meter_id, commodity`."""
    return await queries.holders(session, city_id, meter_ids, first_day, end_day)


async def changed_after(
    session: ReadSession, city_id: int, moment: datetime, first_day: date, end_day: date
) -> pl.Series:
    """The households whose tenures in [first_day, end_day) are others than they were at a moment.

    One that began within these days, or before, was recorded since; or one that was open then has ended before they did. Who
    moves out later held the meter on all of them, as before.
    """
    return await queries.changed_after(session, city_id, moment, first_day, end_day)
