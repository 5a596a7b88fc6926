"""What a city offers for points, and the terms on which."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, document, identity_key, instant, reference, small, words

_PRICE = """
    CASE WHEN points IS NOT NULL THEN points > 0 AND points_least IS NULL AND points_most IS NULL AND points_step IS NULL
    ELSE channel IN ('bank_transfer', 'donation') AND coalesce(points_least, 0) > 0
         AND coalesce(points_most, 0) >= points_least AND coalesce(points_step, 0) BETWEEN 1 AND points_least END
"""


class Reward(SQLModel, table=True):
    """`points`: of one; or any amount from `points_least` to `points_most` in steps. `stocked`: what came
    into stock in all; null: there is no end of it.
    """

    __tablename__ = "reward"
    __table_args__ = (
        UniqueConstraint("city_id", "id"),
        UniqueConstraint("city_id", "code"),
        CheckConstraint(
            "channel IN ('bank_transfer', 'donation', 'partner', 'pickup', 'voucher_pool')", name="channel"
        ),
        CheckConstraint("(partner_id IS NOT NULL) = (channel IN ('partner', 'pickup'))", name="partner"),
        CheckConstraint(_PRICE, name="price"),
        CheckConstraint("stocked >= 0 AND (stocked IS NULL OR channel <> 'voucher_pool')", name="stocked"),
        CheckConstraint("per_month_max >= 1", name="per_month_max"),
        CheckConstraint("ends_on > starts_on", name="days"),
        CheckConstraint("deadline_days BETWEEN 1 AND 366", name="deadline_days"),
        CheckConstraint("state IN ('draft', 'active', 'ended')", name="state"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    code: str = words()
    channel: str = words()
    partner_id: int | None = reference("client.id", null=True)
    points: int | None = big(default=None)
    points_least: int | None = big(default=None)
    points_most: int | None = big(default=None)
    points_step: int | None = big(default=None)
    name: dict[str, str] = document()
    description: dict[str, str] = document()
    stocked: int | None = big(default=None)
    per_month_max: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    deadline_days: int | None = None
    state: str = words(default="draft")
    prepared_by: str = words()
    prepared_at: Moment = instant()


class RewardStock(SQLModel, table=True):
    """A place in which a part of a reward's stock lies. All parts together are what came in, less what was taken."""

    __tablename__ = "reward_stock"
    __table_args__ = (CheckConstraint("stock BETWEEN 0 AND stocked", name="stock"),)

    reward_id: int = reference("reward.id", primary_key=True)
    place: int = small(primary_key=True)
    stock: int = big()
    stocked: int = big()


class RewardTerms(SQLModel, table=True):
    """What a point is worth, and what becomes of points that nobody claims. The last that was approved is in force.

    `default_reward_id`: what a household gets that made no choice. `payer`: the city's own bank account, for payouts.
    """

    __tablename__ = "reward_terms"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "default_reward_id"], ["reward.city_id", "reward.id"]),
        ForeignKeyConstraint(["city_id", "unclaimed_reward_id"], ["reward.city_id", "reward.id"]),
        CheckConstraint("value_num > 0 AND value_den > 0", name="value"),
        CheckConstraint("claim_days BETWEEN 1 AND 366", name="claim_days"),
        CheckConstraint("unclaimed IN ('household', 'donation')", name="unclaimed"),
        CheckConstraint("(unclaimed = 'donation') = (unclaimed_reward_id IS NOT NULL)", name="unclaimed_reward"),
        CheckConstraint(
            "(default_reward_id IS NULL) = (default_points_least IS NULL) AND default_points_least > 0", name="default"
        ),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="approved"),
        CheckConstraint("approved_by <> prepared_by", name="four_eyes"),
        Index("reward_terms_in_force_idx", "city_id", "approved_at", postgresql_where=text("approved_at IS NOT NULL")),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    currency: str = words()
    value_num: int = big()
    value_den: int = big()
    claim_days: int
    unclaimed: str = words(default="household")
    unclaimed_reward_id: int | None = big(default=None)
    default_reward_id: int | None = big(default=None)
    default_points_least: int | None = big(default=None)
    payer: dict[str, Any] | None = document(default=None)
    prepared_by: str = words()
    prepared_at: Moment = instant()
    approved_by: str | None = words(default=None)
    approved_at: Moment | None = instant(default=None)
