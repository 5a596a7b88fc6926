"""Policies: the exact text, known by its digest, never changed; and the life of a policy in a city."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, document, identity_key, instant, reference, words
from carbon_bank.programme.adoption import AdoptionState


class StoredPolicy(SQLModel, table=True):
    __tablename__ = "policy"

    id: int | None = identity_key()
    digest: str = words(unique=True)
    name: str = words()
    version: str = words()
    text: str = words()
    stored_at: Moment = instant()
    stored_by: str = words()


class PolicyAdoption(SQLModel, table=True):
    """A policy in a city, active from a day on. What was proposed is what is approved, by somebody else, and stays."""

    __tablename__ = "policy_adoption"
    __table_args__ = (
        Index(
            "policy_adoption_one_key",
            "city_id",
            "active_from",
            unique=True,
            postgresql_where=text("state = 'approved'"),
        ),
        CheckConstraint("state IN ('draft', 'proposed', 'approved', 'rejected', 'withdrawn')", name="state"),
        CheckConstraint("approved_by <> drafted_by AND approved_by <> proposed_by", name="four_eyes"),
        CheckConstraint(
            "state <> 'approved' OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)", name="approved"
        ),
        CheckConstraint(
            "state NOT IN ('proposed', 'approved', 'rejected') OR (proposed_by IS NOT NULL AND proposed_at IS NOT NULL)",
            name="proposed",
        ),
        CheckConstraint(
            "(state IN ('rejected', 'withdrawn')) = "
            "(closed_by IS NOT NULL AND closed_at IS NOT NULL AND closed_reason IS NOT NULL)",
            name="closed",
        ),
        CheckConstraint("EXTRACT(day FROM active_from) = 1", name="first_of_month"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    policy_id: int = reference("policy.id")
    active_from: date
    state: str = words(default=AdoptionState.DRAFT.value)
    drafted_by: str = words()
    drafted_at: Moment = instant()
    proposed_by: str | None = words(default=None)
    proposed_at: Moment | None = instant(default=None)
    approved_by: str | None = words(default=None)
    approved_at: Moment | None = instant(default=None)
    closed_by: str | None = words(default=None)
    closed_at: Moment | None = instant(default=None)
    closed_reason: str | None = words(default=None)


class PolicyComparison(SQLModel, table=True):
    """Two policies over a city's past readings, [first_month, end_month). Its report is made by a job."""

    __tablename__ = "policy_comparison"
    __table_args__ = (
        CheckConstraint("state IN ('requested', 'done', 'failed')", name="state"),
        CheckConstraint("(state = 'requested') = (finished_at IS NULL)", name="finished"),
        CheckConstraint("end_month > first_month", name="span"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    policy_a_id: int = reference("policy.id")
    policy_b_id: int = reference("policy.id")
    first_month: int
    end_month: int
    unit_price: str = words()
    sweep_key: str | None = words(default=None)
    sweep_values: list[str] = document(default_factory=list)
    requested_by: str = words()
    requested_at: Moment = instant()
    state: str = words(default="requested")
    as_of: Moment | None = instant(default=None)
    report: dict[str, Any] | None = document(default=None)
    failure: str | None = words(default=None)
    finished_at: Moment | None = instant(default=None)
