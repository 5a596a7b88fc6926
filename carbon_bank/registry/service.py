"""Looking things up in a city, one by one and in sets. Everything happens within the actor's own city."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl
from sqlmodel import col

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import InvalidInput, NotFound
from carbon_bank.foundation.units import Commodity
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import queries
from carbon_bank.registry.tables import City, District, Household, Meter, Tenure, Utility


@dataclass(frozen=True)
class UtilityPlace:
    """Where a utility's readings belong."""

    utility_id: int
    code: str
    city_id: int
    time_zone: str
    commodities: frozenset[str]


async def list_cities(session: ReadSession, actor: Actor) -> Sequence[City]:
    """All cities for an admin, the own one for everybody else."""
    own = [] if actor.city_id is None else [col(City.id) == actor.city_id]
    return await queries.listed(session, City, own, 0, 1000)


async def get_city(session: ReadSession, city_id: int) -> City:
    city = await queries.city_by_id(session, city_id)
    if city is None:
        raise NotFound("registry.unknown_city", "There is no such city.")
    return city


async def today_in(session: ReadSession, city_id: int, now: datetime) -> date:
    """The day that it is in a city."""
    return clock.local_day(now, (await get_city(session, city_id)).time_zone)


async def find_city(session: ReadSession, code: str) -> City:
    """Raises: NotFound `registry.unknown_city` (404)."""
    city = await queries.city_by_code(session, code)
    if city is None:
        raise NotFound("registry.unknown_city", f"There is no city '{code}'. Add it with `carbon-bank registry city`.")
    return city


async def get_household(session: ReadSession, actor: Actor, household_id: int) -> Household:
    """Raises: NotFound `registry.unknown_household` (404)."""
    household = await queries.household_by_id(session, actor.of_city(), household_id)
    if household is None:
        raise NotFound("registry.unknown_household", f"There is no household {household_id} in this city.")
    return household


async def find_household(session: ReadSession, city_id: int, number: str) -> Household:
    """Raises: NotFound `registry.unknown_household` (404)."""
    household = await queries.household_by_number(session, city_id, number)
    if household is None:
        raise NotFound("registry.unknown_household", f"There is no household '{number}' in this city.")
    return household


async def list_districts(session: ReadSession, actor: Actor, after: int, limit: int) -> Sequence[District]:
    own = [col(District.city_id) == actor.of_city()]
    return await queries.listed(session, District, own, after, limit)


async def list_utilities(session: ReadSession, actor: Actor, after: int, limit: int) -> Sequence[Utility]:
    own = [col(Utility.city_id) == actor.of_city()]
    return await queries.listed(session, Utility, own, after, limit)


async def list_households(
    session: ReadSession, actor: Actor, number: str | None, after: int, limit: int
) -> Sequence[Household]:
    wanted = [col(Household.city_id) == actor.of_city()]
    if number is not None:
        wanted.append(col(Household.number) == number)
    return await queries.listed(session, Household, wanted, after, limit)


async def list_meters(
    session: ReadSession, actor: Actor, customer_number: str | None, after: int, limit: int
) -> Sequence[Meter]:
    wanted = [col(Meter.city_id) == actor.of_city()]
    if customer_number is not None:
        wanted.append(col(Meter.customer_number) == customer_number)
    return await queries.listed(session, Meter, wanted, after, limit)


async def tenures_of(session: ReadSession, household_id: int) -> Sequence[tuple[Tenure, Meter]]:
    return await queries.tenures_of(session, household_id)


async def place_of_utility(session: ReadSession, utility_id: int) -> UtilityPlace:
    found = await queries.utility_with_time_zone(session, utility_id)
    if found is None:
        raise NotFound("registry.unknown_utility", "There is no such utility.")
    code, city_id, time_zone, commodities = found
    return UtilityPlace(utility_id, code, city_id, time_zone, frozenset(commodities))


async def find_utility(session: ReadSession, city_code: str, utility_code: str) -> UtilityPlace:
    """Raises: NotFound `registry.unknown_city`, `registry.unknown_utility` (404)."""
    city = await find_city(session, city_code)
    assert city.id is not None
    utility = await utility_with_code(session, city.id, utility_code)
    assert utility.id is not None
    return await place_of_utility(session, utility.id)


async def find_meter(
    session: ReadSession,
    actor: Actor,
    utility: str | None,
    commodity: Commodity,
    customer_number: str,
    meter_number: str,
) -> int | None:
    """The meter with these numbers, as far as the actor may see it; null where there is none or more than one."""
    utility_id = await utility_asked_for(session, actor, utility)
    if utility_id is None:
        raise InvalidInput("registry.utility_missing", "Name the utility by its code: a customer number is its own.")
    found = await queries.meters_by_key(session, utility_id, commodity.value, customer_number, meter_number)
    return found[0].id if len(found) == 1 else None


async def count_households(session: ReadSession, city_id: int) -> int:
    return await queries.count_households(session, city_id)


async def household_ids(session: ReadSession, city_id: int, after: int, limit: int) -> pl.Series:
    """The next `limit` households of a city after an id, in order."""
    return await queries.household_ids(session, city_id, after, limit)


async def tenures_as_of(
    session: ReadSession, city_id: int, first_id: int, last_id: int, first_day: date, end_day: date, as_of: datetime
) -> pl.DataFrame:
    """The tenures within [first_day, end_day) of a range of households as recorded at a moment, as the rules take them.

    `shared`: whether another household, of the range or not, claims the meter at the same time in these days.
    """
    return await queries.tenures_as_of(session, city_id, first_id, last_id, first_day, end_day, as_of)


async def districts_of_households(session: ReadSession, city_id: int) -> pl.DataFrame:
    """`household_id, district`: the code of the district that each household of a city lives in."""
    rows = await queries.districts_of_households(session, city_id)
    return pl.DataFrame(
        [tuple(row) for row in rows], schema={"household_id": pl.Int64, "district": pl.String}, orient="row"
    )


async def dwellings(session: ReadSession, city_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    """`household_id, dwelling_type, residents` of a range of households."""
    rows = await queries.dwellings(session, city_id, first_id, last_id)
    schema = {"household_id": pl.Int64, "dwelling_type": pl.String, "residents": pl.Int64}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


async def find_district(session: ReadSession, city_id: int, code: str) -> District:
    district = await queries.district_by_code(session, city_id, code)
    if district is None:
        raise NotFound("registry.unknown_district", f"There is no district '{code}' in this city. Add it first.")
    return district


async def utility_asked_for(session: ReadSession, actor: Actor, code: str | None) -> int | None:
    """A utility's client sees its own, whatever it names; others the one of their city that they name. Null: none was named.

    Raises: NotFound `registry.unknown_utility` (404).
    """
    if actor.utility_id is not None or code is None:
        return actor.utility_id
    return (await utility_with_code(session, actor.of_city(), code)).id


async def utility_with_code(session: ReadSession, city_id: int, code: str) -> Utility:
    utility = await queries.utility_by_code(session, city_id, code)
    if utility is None:
        raise NotFound("registry.unknown_utility", f"There is no utility '{code}' in this city. Add it first.")
    return utility
