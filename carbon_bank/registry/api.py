"""Cities, districts, utilities, households, meters, tenures."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from carbon_bank.foundation.paging import Cursor, Limit, Page, id_in, page_of
from carbon_bank.foundation.units import Commodity
from carbon_bank.foundation.web import Now, Reading, ReadingReason, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.identity.permissions import Permission
from carbon_bank.registry import enrol_service, service
from carbon_bank.registry.import_rows import CODE, NUMBER
from carbon_bank.trail.service import Act

router = APIRouter(prefix="/v1", tags=["registry"])

Code = Annotated[str, Field(pattern=CODE)]
Number = Annotated[str, Field(max_length=64, pattern=NUMBER)]
Names = Annotated[dict[str, Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=20)]
Id = Annotated[int, Path(ge=1, lt=2**63)]

CityReader = Annotated[Actor, Depends(allowed(Permission.CITY_READ))]
CityWriter = Annotated[Actor, Depends(allowed(Permission.CITY_WRITE))]
Reader = Annotated[Actor, Depends(allowed(Permission.REGISTRY_READ))]
Writer = Annotated[Actor, Depends(allowed(Permission.REGISTRY_WRITE))]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ))]


class New(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int


class NewCity(New):
    code: str = Field(pattern=r"^[a-z][a-z0-9-]{1,30}$", examples=["gwangju"])
    name: Names = Field(description="By language code.", examples=[{"en": "Gwangju", "ko": "광주"}])
    time_zone: str = Field(max_length=64, examples=["Asia/Seoul"])
    currency: str = Field(pattern=r"^[A-Z]{3}$", examples=["KRW"])


class CityRead(Row):
    code: str
    name: dict[str, str]
    time_zone: str
    currency: str


class NewDistrict(New):
    code: Code
    name: Names
    parent: Code | None = None
    geometry: dict[str, JsonValue] | None = Field(None, description="A GeoJSON geometry (RFC 7946).")


class DistrictRead(Row):
    code: str
    name: dict[str, str]
    parent_id: int | None
    geometry: dict[str, Any] | None


class NewUtility(New):
    code: Code
    name: str = Field(min_length=1, max_length=200)
    commodities: list[Commodity] = Field(min_length=1, max_length=3)


class UtilityRead(Row):
    code: str
    name: str
    commodities: list[Commodity]


class NewHousehold(New):
    number: Number = Field(description="The member number: what the household is known by, and nothing personal.")
    district: Code
    dwelling_type: Code | None = None
    residents: int | None = Field(None, ge=1, le=99)
    joined_on: date


class HouseholdRead(Row):
    number: str
    district_id: int
    dwelling_type: str | None
    residents: int | None
    joined_on: date


class NewMeter(New):
    utility: Code
    commodity: Commodity
    customer_number: Number
    meter_number: Number | Literal[""] = Field("", description="Where one customer has several meters.")
    digits: int | None = Field(None, ge=1, le=12, description="Digits of its register, for rollover.")
    calorific_value: Decimal | None = Field(
        None, gt=0, le=1000, max_digits=7, decimal_places=3, description="Wh per litre of gas."
    )


class MeterRead(Row):
    utility_id: int
    commodity: Commodity
    customer_number: str
    meter_number: str
    digits: int | None
    calorific_value: Decimal | None


class NewTenure(New):
    household_id: int = Field(ge=1, lt=2**63)
    meter_id: int = Field(ge=1, lt=2**63)
    starts_on: date
    ends_on: date | None = Field(None, description="The first day on which it is no longer held.")


class EndTenure(New):
    ends_on: date


class TenureRead(Row):
    household_id: int
    meter_id: int
    starts_on: date
    ends_on: date | None


class OwnMeter(BaseModel):
    commodity: Commodity
    customer_number: str
    starts_on: date
    ends_on: date | None


class Me(BaseModel):
    """A household as it sees itself."""

    household_id: int
    number: str
    city: CityRead
    dwelling_type: str | None
    residents: int | None
    joined_on: date
    meters: list[OwnMeter]


@router.post("/cities", status_code=201, summary="Add a city")
async def add_city(new: NewCity, session: Writing, now: Now, actor: CityWriter) -> CityRead:
    return CityRead.model_validate(await enrol_service.add_city(session, actor, now, **new.model_dump()))


@router.get("/cities", summary="The cities that you may see")
async def list_cities(session: Reading, actor: CityReader) -> list[CityRead]:
    return [CityRead.model_validate(city) for city in await service.list_cities(session, actor)]


@router.post("/districts", status_code=201, summary="Add a district")
async def add_district(new: NewDistrict, session: Writing, now: Now, actor: Writer) -> DistrictRead:
    return DistrictRead.model_validate(await enrol_service.add_district(session, actor, now, **new.model_dump()))


@router.get("/districts", summary="The city's districts")
async def list_districts(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[DistrictRead]:
    rows = await service.list_districts(session, actor, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[DistrictRead.model_validate(item) for item in items], next=following)


@router.post("/utilities", status_code=201, summary="Add a utility")
async def add_utility(new: NewUtility, session: Writing, now: Now, actor: Writer) -> UtilityRead:
    return UtilityRead.model_validate(await enrol_service.add_utility(session, actor, now, **new.model_dump()))


@router.get("/utilities", summary="The city's utilities")
async def list_utilities(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[UtilityRead]:
    rows = await service.list_utilities(session, actor, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[UtilityRead.model_validate(item) for item in items], next=following)


@router.post("/households", status_code=201, summary="Enrol a household")
async def add_household(new: NewHousehold, session: Writing, now: Now, actor: Writer) -> HouseholdRead:
    return HouseholdRead.model_validate(await enrol_service.add_household(session, actor, now, **new.model_dump()))


@router.get("/households", summary="The city's households")
async def list_households(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    number: Annotated[str | None, Query(max_length=64, description="Only the one with this number.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[HouseholdRead]:
    rows = await service.list_households(session, actor, number, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    subject = f"household:{items[0].id}" if number is not None and items else None
    after = id_in(cursor) or None
    note_look(trail, actor, now, Act.HOUSEHOLD_READ, subject, reason, what="list", rows=len(items), after=after)
    return Page(items=[HouseholdRead.model_validate(item) for item in items], next=following)


@router.get("/households/{household_id}", summary="One household")
async def get_household(
    household_id: Id, session: Reading, trail: Writing, now: Now, actor: Reader, reason: ReadingReason = None
) -> HouseholdRead:
    found = await service.get_household(session, actor, household_id)
    note_look(trail, actor, now, Act.HOUSEHOLD_READ, f"household:{household_id}", reason)
    return HouseholdRead.model_validate(found)


@router.post("/meters", status_code=201, summary="Add a meter")
async def add_meter(new: NewMeter, session: Writing, now: Now, actor: Writer) -> MeterRead:
    given = {name: getattr(new, name) for name in NewMeter.model_fields}
    return MeterRead.model_validate(await enrol_service.add_meter(session, actor, now, **given))


@router.get("/meters", summary="The city's meters")
async def list_meters(
    session: Reading,
    trail: Writing,
    now: Now,
    actor: Reader,
    customer_number: Annotated[str | None, Query(max_length=64, description="Only this customer's.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
    reason: ReadingReason = None,
) -> Page[MeterRead]:
    rows = await service.list_meters(session, actor, customer_number, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    subject = f"meter:{items[0].id}" if customer_number is not None and items else None
    after = id_in(cursor) or None
    note_look(trail, actor, now, Act.METER_READ, subject, reason, what="list", rows=len(items), after=after)
    return Page(items=[MeterRead.model_validate(item) for item in items], next=following)


@router.post("/tenures", status_code=201, summary="Say that a household holds a meter")
async def add_tenure(new: NewTenure, session: Writing, now: Now, actor: Writer) -> TenureRead:
    return TenureRead.model_validate(await enrol_service.add_tenure(session, actor, now, **new.model_dump()))


@router.post("/tenures/{tenure_id}/end", summary="Say that a tenure has ended")
async def end_tenure(tenure_id: Id, end: EndTenure, session: Writing, now: Now, actor: Writer) -> TenureRead:
    return TenureRead.model_validate(await enrol_service.end_tenure(session, actor, now, tenure_id, end.ends_on))


@router.get("/me", tags=["household"], summary="Your household and its meters")
async def get_me(session: Reading, actor: Member) -> Me:
    household = await service.get_household(session, actor, actor.of_household())
    city = await service.get_city(session, household.city_id)
    tenures = await service.tenures_of(session, actor.of_household())
    return Me(
        household_id=actor.of_household(),
        number=household.number,
        city=CityRead.model_validate(city),
        dwelling_type=household.dwelling_type,
        residents=household.residents,
        joined_on=household.joined_on,
        meters=[
            OwnMeter(
                commodity=Commodity(meter.commodity),
                customer_number=meter.customer_number,
                starts_on=tenure.starts_on,
                ends_on=tenure.ends_on,
            )
            for tenure, meter in tenures
        ],
    )
