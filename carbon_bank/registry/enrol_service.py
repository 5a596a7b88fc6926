"""Enrolling: cities, districts, utilities, households, meters, and who holds which meter. Within the actor's own city."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel, col

from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict, InvalidInput, NotFound
from carbon_bank.foundation.moments import recording_moment
from carbon_bank.foundation.units import Commodity
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import queries
from carbon_bank.registry.rules import check_city
from carbon_bank.registry.service import find_district, get_household, utility_with_code
from carbon_bank.registry.tables import City, District, Household, Meter, Tenure, Utility
from carbon_bank.trail.service import Act, changes, record


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
    parent_id = None if parent is None else (await find_district(session, city_id, parent)).id
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
    place = await find_district(session, city_id, district)
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
    supplier = await utility_with_code(session, city_id, utility)
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
    facts = changes({"ends_on": None}, {"ends_on": ends_on})
    subject, city_id = f"tenure:{tenure_id}", tenure.city_id
    record(session, Act.TENURE_ENDED, by=actor.subject, at=now, subject=subject, city_id=city_id, facts=facts)
    return tenure


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
