"""Settlements and their awards.

The order of a settlement's states is `SettlementState`; the checks tie each state to what must be known by then, and no
person can approve what they prepared, whatever program writes the row.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Numeric, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, document, identity_key, instant, reference, small, words
from carbon_bank.settlement.states import SettlementState


class Settlement(SQLModel, table=True):
    """`computed_to`, `posted_to`: the last household that is done; work goes on behind it."""

    __tablename__ = "settlement"
    __table_args__ = (
        Index(
            "settlement_one_live_key", "city_id", "period", unique=True, postgresql_where=text("state <> 'withdrawn'")
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
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    policy_id: int = reference("policy.id")
    period: str = words()
    first_month: int
    months: int = small()
    state: str = words(default=SettlementState.REQUESTED.value)
    prepared_by: str = words()
    requested_at: Moment = instant()
    as_of: Moment | None = instant(default=None)
    households: int | None = big(default=None)
    computed_to: int = big(default=0)
    computed_at: Moment | None = instant(default=None)
    approved_by: str | None = words(default=None)
    approved_at: Moment | None = instant(default=None)
    posted_to: int = big(default=0)
    posted_at: Moment | None = instant(default=None)
    withdrawn_by: str | None = words(default=None)
    withdrawn_reason: str | None = words(default=None)


class SettlementTotal(SQLModel, table=True):
    """What a computed settlement comes to: awards and points by commodity, outcome and whether they are held."""

    __tablename__ = "settlement_total"

    settlement_id: int = reference("settlement.id", primary_key=True)
    commodity: str = words(primary_key=True)
    outcome: str = words(primary_key=True)
    review: str = words(primary_key=True)
    awards: int = big()
    points: int = big()
    avoided_g: Decimal = Field(sa_type=Numeric(38, 0))


class SettlementPopulation(SQLModel, table=True):
    """What the city used as a settlement saw it, by commodity and peer group, where its policy compares households.

    Kept so that one award can be explained without computing the city again.
    """

    __tablename__ = "settlement_population"
    __table_args__ = (
        Index(
            "settlement_population_group_key",
            "settlement_id",
            "commodity",
            "dwelling_type",
            "residents_band",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("households > 0 AND usage_total >= 0", name="totals"),
    )

    settlement_id: int = reference("settlement.id", primary_key=True)
    place: int = Field(primary_key=True)
    commodity: str = words()
    dwelling_type: str | None = words(default=None)
    residents_band: int | None = small(default=None)
    households: int = big()
    usage_total: Decimal = Field(sa_type=Numeric(38, 0))


class Award(SQLModel, table=True):
    """Points for one household, commodity and settlement. Quantities in base units (Wh, L), `combined` in grams CO2e.

    Millions are written at a time, by this room alone and from rows that are never deleted: a foreign key would check
    each of them once more, one by one.
    """

    __tablename__ = "award"
    __table_args__ = (
        CheckConstraint("points >= 0", name="points"),
        CheckConstraint("outcome <> 'incomplete' OR points = 0", name="unpaid"),
        CheckConstraint("(baseline_num IS NULL) = (baseline_den IS NULL)", name="baseline"),
        CheckConstraint("review IN ('clear', 'held', 'released', 'rejected')", name="review"),
        Index(
            "award_in_review_idx",
            "settlement_id",
            "household_id",
            "commodity",
            postgresql_where=text("review <> 'clear'"),
        ),
    )

    settlement_id: int = big(primary_key=True)
    household_id: int = big(primary_key=True)
    commodity: str = words(primary_key=True)
    outcome: str = words()
    usage: int | None = big(default=None)
    baseline_num: Decimal | None = Field(default=None, sa_type=Numeric(38, 0))
    baseline_den: Decimal | None = Field(default=None, sa_type=Numeric(38, 0))
    points: int = big()
    avoided_g: int | None = big(default=None)
    tier: int | None = small(default=None)
    streak: int = small(default=0)
    review: str = words(default="clear")
    findings: list[dict[str, Any]] = document(default_factory=list)


class AwardReview(SQLModel, table=True):
    """What a person decided about a held award, and why. Once, and for good."""

    __tablename__ = "award_review"
    __table_args__ = (
        ForeignKeyConstraint(
            ["settlement_id", "household_id", "commodity"],
            ["award.settlement_id", "award.household_id", "award.commodity"],
        ),
        CheckConstraint("decision IN ('released', 'rejected')", name="decision"),
        CheckConstraint("length(reason) >= 3", name="reason"),
    )

    settlement_id: int = big(primary_key=True)
    household_id: int = big(primary_key=True)
    commodity: str = words(primary_key=True)
    decision: str = words()
    by: str = words()
    at: Moment = instant()
    reason: str = words()
