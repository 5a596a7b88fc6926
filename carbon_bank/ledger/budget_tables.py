"""A city's budget of points: what may be granted between two days, and what has been."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, words


class Budget(SQLModel, table=True):
    """Points from `starts_on` up to, not including, `ends_on`. In force once another person has approved it."""

    __tablename__ = "budget"
    __table_args__ = (
        CheckConstraint("ends_on > starts_on", name="days"),
        CheckConstraint("used BETWEEN 0 AND points", name="used"),
        CheckConstraint(
            "(approved_by IS NULL) = (approved_at IS NULL) AND (used = 0 OR approved_by IS NOT NULL)", name="approved"
        ),
        CheckConstraint("approved_by <> prepared_by", name="four_eyes"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    starts_on: date
    ends_on: date
    points: int = big()
    used: int = big(default=0)
    prepared_by: str = words()
    prepared_at: Moment = instant()
    approved_by: str | None = words(default=None)
    approved_at: Moment | None = instant(default=None)


class BudgetUse(SQLModel, table=True):
    """What was reserved, once for each `subject`, as `settlement:12`."""

    __tablename__ = "budget_use"
    __table_args__ = (CheckConstraint("points <> 0", name="points"),)

    id: int | None = identity_key()
    budget_id: int = reference("budget.id", index=True)
    subject: str = words(unique=True)
    points: int = big()
    at: Moment = instant()
