"""Redemptions, and the codes of voucher pools."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, words

_OPEN = text("state IN ('held', 'fulfilling')")


class Redemption(SQLModel, table=True):
    """Points of a household on their way into a reward.

    `occasion`: what made it, where no person did (`settlement:12`); once for each household. `money_minor`: in the smallest
    unit of `currency`. `pickup_hash`: by which a scanned code is found; the code itself is sealed. `journal_id`: by which the
    points left. `returned_at`: when the bank sent the money back after it was paid, and the points with it.
    """

    __tablename__ = "redemption"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "household_id"], ["household.city_id", "household.id"]),
        ForeignKeyConstraint(["city_id", "reward_id"], ["reward.city_id", "reward.id"]),
        ForeignKeyConstraint(["household_id", "hold_id"], ["hold.household_id", "hold.hold_id"]),
        CheckConstraint(
            "state IN ('requested', 'held', 'fulfilling', 'fulfilled', 'refused', 'cancelled', 'expired')", name="state"
        ),
        CheckConstraint("points > 0", name="points"),
        CheckConstraint("(money_minor IS NULL) = (currency IS NULL) AND money_minor > 0", name="money"),
        CheckConstraint("(state = 'requested') = (hold_id IS NULL) AND (hold_id IS NULL) = (held_at IS NULL)", name="held"),
        CheckConstraint("(state IN ('requested', 'held', 'fulfilling')) = (ended_at IS NULL)", name="ended"),
        CheckConstraint("(state IN ('refused', 'cancelled', 'expired') OR returned_at IS NOT NULL) = (reason IS NOT NULL)",
                        name="reason"),
        CheckConstraint("(state = 'fulfilled') = (journal_id IS NOT NULL)", name="journal"),
        CheckConstraint("returned_at IS NULL OR state = 'fulfilled'", name="returned"),
        CheckConstraint("(pickup_sealed IS NULL) = (pickup_hash IS NULL)", name="pickup"),
        Index("redemption_household_idx", "household_id", "id"),
        Index("redemption_city_idx", "city_id", "id"),
        Index("redemption_reward_open_idx", "reward_id", "id", postgresql_where=_OPEN),
        Index("redemption_due_idx", "deadline_at", postgresql_where=_OPEN),
        Index("redemption_occasion_key", "household_id", "occasion", unique=True,
              postgresql_where=text("occasion IS NOT NULL")),
        Index("redemption_pickup_key", "pickup_hash", unique=True, postgresql_where=text("pickup_hash IS NOT NULL")),
    )  # fmt: skip

    id: int | None = identity_key()
    city_id: int = big()
    household_id: int = big()
    reward_id: int = big()
    terms_id: int = reference("reward_terms.id")
    points: int = big()
    money_minor: int | None = big(default=None)
    currency: str | None = words(default=None)
    occasion: str | None = words(default=None)
    state: str = words(default="requested")
    requested_by: str = words()
    requested_at: Moment = instant()
    deadline_at: Moment | None = instant(default=None)
    hold_id: int | None = big(default=None)
    held_at: Moment | None = instant(default=None)
    fulfilling_at: Moment | None = instant(default=None)
    ended_at: Moment | None = instant(default=None)
    ended_by: str | None = words(default=None)
    reason: str | None = words(default=None)
    reason_text: str | None = words(default=None)
    reference: str | None = words(default=None)
    pickup_sealed: str | None = words(default=None)
    pickup_hash: bytes | None = None
    journal_id: UUID | None = None
    returned_at: Moment | None = instant(default=None)


class Voucher(SQLModel, table=True):
    """A code of a pool; given once. `expires_on`: the last day on which it can be used."""

    __tablename__ = "voucher"
    __table_args__ = (
        CheckConstraint("length(code) BETWEEN 1 AND 200", name="code"),
        CheckConstraint("(redemption_id IS NULL) = (given_at IS NULL)", name="given"),
        Index("voucher_free_idx", "reward_id", "expires_on", "code", postgresql_where=text("redemption_id IS NULL")),
    )

    reward_id: int = reference("reward.id", primary_key=True)
    code: str = words(primary_key=True)
    expires_on: date | None = None
    added_at: Moment = instant()
    redemption_id: int | None = big(default=None, foreign_key="redemption.id", unique=True)
    given_at: Moment | None = instant(default=None)
