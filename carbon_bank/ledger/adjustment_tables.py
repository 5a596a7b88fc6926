"""Adjustments: points added, taken or taken back by hand, prepared by one person and approved by another."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, words


class Adjustment(SQLModel, table=True):
    """Either `points` for a household, or the journal that it `reverses`. `expires_on`: the last day of points that are added;
    null: they do not expire."""

    __tablename__ = "adjustment"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "household_id"], ["household.city_id", "household.id"]),
        CheckConstraint("points <> 0", name="points"),
        CheckConstraint(
            "(points IS NULL) = (household_id IS NULL) AND (points IS NULL) = (reverses IS NOT NULL)", name="kind"
        ),
        CheckConstraint("reason IN ('complaint_upheld', 'error', 'goodwill', 'other')", name="reason"),
        CheckConstraint("length(reason_text) >= 3", name="reason_text"),
        CheckConstraint("expires_on IS NULL OR coalesce(points, 0) > 0", name="expires_on"),
        CheckConstraint("state IN ('prepared', 'approved', 'rejected', 'withdrawn')", name="state"),
        CheckConstraint(
            "(state = 'prepared') = (decided_by IS NULL) AND (state = 'prepared') = (decided_at IS NULL)",
            name="decided",
        ),
        CheckConstraint("(state = 'approved') = (journal_id IS NOT NULL)", name="journal"),
        CheckConstraint("state <> 'approved' OR decided_by <> prepared_by", name="four_eyes"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    household_id: int | None = big(default=None)
    points: int | None = big(default=None)
    reverses: UUID | None = None
    reason: str = words()
    reason_text: str = words()
    expires_on: date | None = None
    state: str = words(default="prepared")
    prepared_by: str = words()
    prepared_at: Moment = instant()
    decided_by: str | None = words(default=None)
    decided_at: Moment | None = instant(default=None)
    decided_reason: str | None = words(default=None)
    journal_id: UUID | None = None
