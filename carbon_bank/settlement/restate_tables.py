"""Restatements: what a posted settlement would have been, had it known what was recorded since."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, Numeric, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, document, identity_key, instant, reference, small, words


class Restatement(SQLModel, table=True):
    """It reads as recorded up to `as_of`. `computed_to`, `posted_to`: the last household that is done.

    `points_min`: a smaller difference is recorded and not posted.
    """

    __tablename__ = "restatement"
    __table_args__ = (
        Index(
            "restatement_one_live_key",
            "settlement_id",
            unique=True,
            postgresql_where=text("state NOT IN ('posted', 'withdrawn')"),
        ),
        CheckConstraint(
            "state IN ('requested', 'computing', 'computed', 'approved', 'posting', 'posted', 'withdrawn')",
            name="state",
        ),
        CheckConstraint("approved_by <> prepared_by", name="four_eyes"),
        CheckConstraint(
            "state NOT IN ('approved', 'posting', 'posted') OR (approved_by IS NOT NULL AND approved_at IS NOT NULL)",
            name="approved",
        ),
        CheckConstraint("state IN ('requested', 'withdrawn') OR as_of IS NOT NULL", name="as_of"),
        CheckConstraint("points_min >= 1", name="points_min"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    settlement_id: int = reference("settlement.id", index=True)
    state: str = words(default="requested")
    reason: str = words()
    points_min: int = big()
    prepared_by: str = words()
    requested_at: Moment = instant()
    as_of: Moment | None = instant(default=None)
    computed_to: int = big(default=0)
    computed_at: Moment | None = instant(default=None)
    approved_by: str | None = words(default=None)
    approved_at: Moment | None = instant(default=None)
    posted_to: int = big(default=0)
    posted_at: Moment | None = instant(default=None)
    withdrawn_by: str | None = words(default=None)
    withdrawn_reason: str | None = words(default=None)


class RestatedAward(SQLModel, table=True):
    """An award as it comes out now, beside the points that the ledger holds for it. Quantities in base units (Wh, L).

    `standing` says what becomes of the difference: `post`; `same` (none); `small` (below the least); `held` (a finding holds
    the new award back), `rejected` (a person rejected it before) or `reversed` (it was taken back): then nothing is posted.
    """

    __tablename__ = "restated_award"
    __table_args__ = (
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("standing IN ('held', 'post', 'rejected', 'reversed', 'same', 'small')", name="standing"),
        CheckConstraint(
            "(standing = 'same') = (points = points_before) OR standing IN ('rejected', 'reversed', 'held')",
            name="same",
        ),
        CheckConstraint("(baseline_num IS NULL) = (baseline_den IS NULL)", name="baseline"),
    )

    restatement_id: int = reference("restatement.id", primary_key=True)
    household_id: int = big(primary_key=True)
    commodity: str = words(primary_key=True)
    outcome: str | None = words(default=None)
    usage: int | None = big(default=None)
    baseline_num: Decimal | None = Field(default=None, sa_type=Numeric(38, 0))
    baseline_den: Decimal | None = Field(default=None, sa_type=Numeric(38, 0))
    points: int = big()
    points_before: int = big()
    avoided_g: int | None = big(default=None)
    tier: int | None = small(default=None)
    streak: int = small(default=0)
    findings: list[dict[str, Any]] = document(default_factory=list)
    standing: str = words()
