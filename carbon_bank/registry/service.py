"""Setting up a city, and looking things up in it. Everything happens within the actor's own city."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import polars as pl
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel, col

from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, InvalidInput, NotFound
from carbon_bank.foundation.moments import recording_moment
from carbon_bank.foundation.units import Commodity
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import queries
from carbon_bank.registry.rules import check_city
from carbon_bank.registry.tables import City, District, Household, Meter, Tenure, Utility
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class UtilityPlace:
    """Where a utility's readings belong."""

    utility_id: int
    code: str
    city_id: int
    time_zone: str
    commodities: frozenset[str]


async def add_city(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    *,
    code: str,
    name: dict[str, str],
    time_zone: str,
    currency: str,
) -> City:
    """Raises: InvalidInput `registry.time_zone`, `registry.currency` (422), Conflict `registry.city_exists` (409)."""
    check_city(time_zone, currency)
    city = City(code=code, name=name, time_zone=time_zone, currency=currency, created_at=now)
    await _add(session, city, f"There is a city '{code}' already.", "registry.city_exists")
    assert city.id is not None
    record(session, Act.CITY_ADDED, by=actor.subject, at=now, subject=f"city:{city.id}", city_id=city.id)
    return city


async def list_cities(session: ReadSession, actor: Actor) -> Sequence[City]:
    """All cities for an admin, the own one for everybody else."""
    own = [] if actor.city_id is None else [col(City.id) == actor.city_id]
    return await queries.listed(session, City, own, 0, 1000)


async def get_city(session: ReadSession, city_id: int) -> City:
    city = await queries.city_by_id(session, city_id)
    if city is None:
        raise NotFound("registry.unknown_city", "There is no such city.")
    return city


async def find_city(session: ReadSession, code: str) -> City:
    """Raises: NotFound `registry.unknown_city` (404)."""
    city = await queries.city_by_code(session, code)
    if city is None:
        raise NotFound("registry.unknown_city", f"There is no city '{code}'. Add it with `carbon-bank registry city`.")
    return city


async def add_district(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    *,
    code: str,
    name: dict[str, str],
    parent: str | None,
    geometry: dict[str, object] | None,
) -> District:
    """Raises: NotFound `registry.unknown_district` (404), Conflict `registry.district_exists` (409)."""
    city_id = actor.of_city()
    parent_id = None if parent is None else (await _district(session, city_id, parent)).id
    district = District(city_id=city_id, code=code, name=name, parent_id=parent_id, geometry=geometry)
    await _add(session, district, f"There is a district '{code}' already.", "registry.district_exists")
    record(session, Act.DISTRICT_ADDED, by=actor.subject, at=now, subject=f"district:{district.id}", city_id=city_id)
    return district


async def add_utility(
    session: WriteSession, actor: Actor, now: datetime, *, code: str, name: str, commodities: Sequence[Commodity]
) -> Utility:
    """Raises: Conflict `registry.utility_exists` (409)."""
    city_id = actor.of_city()
    utility = Utility(city_id=city_id, code=code, name=name, commodities=sorted({c.value for c in commodities}))
    await _add(session, utility, f"There is a utility '{code}' already.", "registry.utility_exists")
    record(session, Act.UTILITY_ADDED, by=actor.subject, at=now, subject=f"utility:{utility.id}", city_id=city_id)
    return utility


async def add_household(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    *,
    number: str,
    district: str,
    dwelling_type: str | None,
    residents: int | None,
    joined_on: date,
) -> Household:
    """Enrol a household and open its points account.

    Raises: NotFound `registry.unknown_district` (404), Conflict `registry.household_exists` (409).
    """
    city_id = actor.of_city()
    place = await _district(session, city_id, district)
    assert place.id is not None
    household = Household(
        city_id=city_id,
        number=number,
        district_id=place.id,
        dwelling_type=dwelling_type,
        residents=residents,
        joined_on=joined_on,
    )
    await _add(session, household, f"There is a household '{number}' already.", "registry.household_exists")
    assert household.id is not None
    await ledger.open_accounts(session, [household.id])
    record(session, Act.HOUSEHOLD_ADDED, by=actor.subject, at=now, subject=f"household:{household.id}", city_id=city_id)
    return household


async def add_meter(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    *,
    utility: str,
    commodity: Commodity,
    customer_number: str,
    meter_number: str,
    digits: int | None,
    calorific_value: Decimal | None,
) -> Meter:
    """Raises: NotFound `registry.unknown_utility` (404); InvalidInput `registry.not_supplied`, `registry.calorific_value`
    (422); Conflict `registry.meter_exists` (409)."""
    city_id = actor.of_city()
    supplier = await _utility(session, city_id, utility)
    assert supplier.id is not None
    if commodity not in supplier.commodities:
        raise InvalidInput(
            "registry.not_supplied",
            f"The utility '{utility}' supplies {', '.join(supplier.commodities)}, not {commodity}.",
        )
    if calorific_value is not None and commodity is not Commodity.GAS:
        raise InvalidInput(
            "registry.calorific_value", f"Only a gas meter has a calorific value, and this one is of {commodity}."
        )
    meter = Meter(
        city_id=city_id,
        utility_id=supplier.id,
        commodity=commodity.value,
        customer_number=customer_number,
        meter_number=meter_number,
        digits=digits,
        calorific_value=calorific_value,
    )
    await _add(session, meter, "There is a meter with these numbers already.", "registry.meter_exists")
    record(session, Act.METER_ADDED, by=actor.subject, at=now, subject=f"meter:{meter.id}", city_id=city_id)
    return meter


async def add_tenure(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    *,
    household_id: int,
    meter_id: int,
    starts_on: date,
    ends_on: date | None,
) -> Tenure:
    """Say that a household holds a meter for the days [starts_on, ends_on).

    Raises: NotFound `registry.unknown_household`, `registry.unknown_meter` (404); InvalidInput `registry.tenure_order` (422);
            Conflict `registry.tenure_overlap` (409).
    """
    city_id = actor.of_city()
    if ends_on is not None and ends_on <= starts_on:
        raise InvalidInput(
            "registry.tenure_order", f"The tenure ends on {ends_on}, not after {starts_on}, when it starts."
        )
    await get_household(session, actor, household_id)
    if await queries.one(session, Meter, col(Meter.city_id) == city_id, col(Meter.id) == meter_id) is None:
        raise NotFound("registry.unknown_meter", f"There is no meter {meter_id} in this city.")
    await queries.no_import(session, city_id)
    await queries.lock_household(session, household_id)
    other = await queries.tenure_in_the_way(session, household_id, meter_id, starts_on, ends_on)
    if other is not None:
        until = f"until {other.ends_on}" if other.ends_on else "without an end"
        raise Conflict(
            "registry.tenure_overlap",
            f"This household holds this meter from {other.starts_on} {until} already. End that tenure first.",
            {"tenure_id": other.id},
        )
    moment = await recording_moment(session, city_id)
    tenure = Tenure(
        city_id=city_id,
        household_id=household_id,
        meter_id=meter_id,
        starts_on=starts_on,
        ends_on=ends_on,
        recorded_at=moment,
        ended_at=moment if ends_on else None,
    )
    await _add(session, tenure, "This tenure is there already.", "registry.tenure_overlap")
    record(session, Act.TENURE_ADDED, by=actor.subject, at=now, subject=f"tenure:{tenure.id}", city_id=city_id)
    return tenure


async def end_tenure(session: WriteSession, actor: Actor, now: datetime, tenure_id: int, ends_on: date) -> Tenure:
    """Raises: NotFound `registry.unknown_tenure` (404); Conflict `registry.tenure_ended` (409); InvalidInput
    `registry.tenure_order` (422)."""
    tenure = await queries.tenure_by_id(session, actor.of_city(), tenure_id)
    if tenure is None:
        raise NotFound("registry.unknown_tenure", f"There is no tenure {tenure_id} in this city.")
    await queries.lock_household(session, tenure.household_id)
    await session.refresh(tenure)
    if tenure.ends_on is not None:
        raise Conflict(
            "registry.tenure_ended", f"The tenure has ended on {tenure.ends_on}. Add another one if it goes on."
        )
    if ends_on <= tenure.starts_on:
        raise InvalidInput(
            "registry.tenure_order", f"The tenure starts on {tenure.starts_on}; it can end from the day after."
        )
    tenure.ends_on, tenure.ended_at = ends_on, await recording_moment(session, tenure.city_id)
    record(session, Act.TENURE_ENDED, by=actor.subject, at=now, subject=f"tenure:{tenure_id}", city_id=tenure.city_id)
    return tenure


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
    utility = await queries.utility_by_id(session, utility_id)
    if utility is None:
        raise NotFound("registry.unknown_utility", "There is no such utility.")
    city = await get_city(session, utility.city_id)
    return UtilityPlace(utility_id, utility.code, utility.city_id, city.time_zone, frozenset(utility.commodities))


async def find_utility(session: ReadSession, city_code: str, utility_code: str) -> UtilityPlace:
    """Raises: NotFound `registry.unknown_city`, `registry.unknown_utility` (404)."""
    city = await find_city(session, city_code)
    assert city.id is not None
    utility = await _utility(session, city.id, utility_code)
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
    utility_id = actor.utility_id
    if utility_id is None:
        if utility is None:
            raise InvalidInput(
                "registry.utility_missing", "Name the utility by its code: a customer number is its own."
            )
        utility_id = (await _utility(session, actor.of_city(), utility)).id
    assert utility_id is not None
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


async def _district(session: ReadSession, city_id: int, code: str) -> District:
    district = await queries.district_by_code(session, city_id, code)
    if district is None:
        raise NotFound("registry.unknown_district", f"There is no district '{code}' in this city. Add it first.")
    return district


async def _utility(session: ReadSession, city_id: int, code: str) -> Utility:
    utility = await queries.utility_by_code(session, city_id, code)
    if utility is None:
        raise NotFound("registry.unknown_utility", f"There is no utility '{code}' in this city. Add it first.")
    return utility


async def _add(session: WriteSession, row: SQLModel, taken: str, taken_code: str) -> None:
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        name = violated(error)
        if name.endswith("_key"):
            raise Conflict(taken_code, f"{taken} Choose another, or use the one that is there.") from None
        raise InvalidInput(
            "registry.invalid", f"The database refuses it by its rule {name}. Check the values."
        ) from None
