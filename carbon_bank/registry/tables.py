"""What a city has. `(city_id, id)` is unique wherever other tables point, so that a reference cannot leave the city."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Index, Numeric, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, document, identity_key, instant, reference, small, words


class City(SQLModel, table=True):
    __tablename__ = "city"
    __table_args__ = (CheckConstraint("code ~ '^[a-z][a-z0-9-]{1,30}$'", name="code"),)

    id: int | None = identity_key()
    code: str = words(unique=True)
    name: dict[str, str] = document()
    time_zone: str = words()
    currency: str = words()
    created_at: Moment = instant()


class District(SQLModel, table=True):
    __tablename__ = "district"
    __table_args__ = (
        UniqueConstraint("city_id", "id"),
        UniqueConstraint("city_id", "code"),
        ForeignKeyConstraint(["city_id", "parent_id"], ["district.city_id", "district.id"]),
        CheckConstraint("parent_id <> id", name="parent"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    code: str = words()
    parent_id: int | None = big(default=None)
    name: dict[str, str] = document()
    geometry: dict[str, Any] | None = document(default=None)


class Utility(SQLModel, table=True):
    __tablename__ = "utility"
    __table_args__ = (
        UniqueConstraint("city_id", "id"),
        UniqueConstraint("city_id", "code"),
        CheckConstraint("cardinality(commodities) > 0", name="commodities"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    code: str = words()
    name: str = words()
    commodities: list[str] = Field(sa_type=ARRAY(Text))


class Household(SQLModel, table=True):
    __tablename__ = "household"
    __table_args__ = (
        UniqueConstraint("city_id", "id"),
        UniqueConstraint("city_id", "number"),
        ForeignKeyConstraint(["city_id", "district_id"], ["district.city_id", "district.id"]),
        CheckConstraint("residents BETWEEN 1 AND 99", name="residents"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    number: str = words()
    district_id: int = big(index=True)
    dwelling_type: str | None = words(default=None)
    residents: int | None = small(default=None)
    joined_on: date


class Meter(SQLModel, table=True):
    """`calorific_value` in Wh per litre, for gas that is billed in energy."""

    __tablename__ = "meter"
    __table_args__ = (
        UniqueConstraint("city_id", "id"),
        UniqueConstraint("utility_id", "commodity", "customer_number", "meter_number"),
        ForeignKeyConstraint(["city_id", "utility_id"], ["utility.city_id", "utility.id"]),
        CheckConstraint("commodity IN ('electricity', 'gas', 'water')", name="commodity"),
        CheckConstraint("digits BETWEEN 1 AND 12", name="digits"),
        CheckConstraint(
            "calorific_value IS NULL OR (calorific_value > 0 AND commodity = 'gas')", name="calorific_value"
        ),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    utility_id: int = big()
    commodity: str = words()
    customer_number: str = words()
    meter_number: str = words(default="")
    digits: int | None = small(default=None)
    calorific_value: Decimal | None = Field(default=None, sa_type=Numeric(7, 3))


class Tenure(SQLModel, table=True):
    __tablename__ = "tenure"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "household_id"], ["household.city_id", "household.id"]),
        ForeignKeyConstraint(["city_id", "meter_id"], ["meter.city_id", "meter.id"]),
        CheckConstraint("ends_on > starts_on", name="ends_after_start"),
        CheckConstraint("(ends_on IS NULL) = (ended_at IS NULL)", name="ended"),
        Index("tenure_household_id_meter_id_starts_on_key", "household_id", "meter_id", "starts_on", unique=True),
        Index("tenure_one_open_key", "household_id", "meter_id", unique=True, postgresql_where=text("ends_on IS NULL")),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    household_id: int = big()
    meter_id: int = big(index=True)
    starts_on: date
    ends_on: date | None = None
    recorded_at: Moment = instant()
    ended_at: Moment | None = instant(default=None)
