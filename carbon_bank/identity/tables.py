"""People and clients. Nothing personal beyond what signing in needs."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, words


class Person(SQLModel, table=True):
    __tablename__ = "person"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "household_id"], ["household.city_id", "household.id"]),
        CheckConstraint("login = lower(login) AND length(login) BETWEEN 3 AND 254", name="login"),
        CheckConstraint("cardinality(roles) > 0", name="roles"),
        CheckConstraint("(household_id IS NULL) = NOT ('household' = ANY(roles))", name="household"),
        CheckConstraint("(city_id IS NULL) = (roles = ARRAY['admin'])", name="city"),
    )

    id: int | None = identity_key()
    login: str = words(unique=True)
    password_hash: str = words()
    roles: list[str] = Field(sa_type=ARRAY(Text))
    city_id: int | None = reference("city.id", null=True)
    household_id: int | None = big(default=None, index=True)
    created_at: Moment = instant()
    disabled_at: Moment | None = instant(default=None)


class Client(SQLModel, table=True):
    __tablename__ = "client"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "utility_id"], ["utility.city_id", "utility.id"]),
        CheckConstraint("role IN ('utility', 'partner')", name="role"),
        CheckConstraint("(utility_id IS NOT NULL) = (role = 'utility')", name="utility"),
    )

    id: int | None = identity_key()
    client_id: str = words(unique=True)
    secret_hash: str = words()
    role: str = words()
    city_id: int = reference("city.id")
    utility_id: int | None = big(default=None)
    created_at: Moment = instant()
    disabled_at: Moment | None = instant(default=None)
