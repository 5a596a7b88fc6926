"""Bank accounts of households, payout runs and their payments, and what households chose to be paid out by."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, words


class PayoutAccount(SQLModel, table=True):
    """`sealed`: holder and account. `shown`: its last characters. `refused_at`: since when a bank does not take it."""

    __tablename__ = "payout_account"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "household_id"], ["household.city_id", "household.id"]),
        CheckConstraint("own_account", name="own_account"),
        CheckConstraint("(refused_at IS NULL) = (refused_reason IS NULL)", name="refused"),
    )

    household_id: int = big(primary_key=True)
    city_id: int = big()
    sealed: str = words()
    shown: str = words()
    own_account: bool
    changed_at: Moment = instant()
    changed_by: str = words()
    refused_at: Moment | None = instant(default=None)
    refused_reason: str | None = words(default=None)


class PayoutChoice(SQLModel, table=True):
    """Pay me out by this every time, as soon as there are so many points."""

    __tablename__ = "payout_choice"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "household_id"], ["household.city_id", "household.id"]),
        ForeignKeyConstraint(["city_id", "reward_id"], ["reward.city_id", "reward.id"]),
        CheckConstraint("points_least > 0", name="points_least"),
        Index("payout_choice_city_idx", "city_id", "household_id"),
    )

    household_id: int = big(primary_key=True)
    city_id: int = big()
    reward_id: int = big()
    points_least: int = big()
    changed_at: Moment = instant()
    changed_by: str = words()


class PayoutRun(SQLModel, table=True):
    """The transfers that a bank is given in one file: prepared by one person, approved by another who names its digest."""

    __tablename__ = "payout_run"
    __table_args__ = (
        UniqueConstraint("city_id", "id"),
        CheckConstraint("state IN ('prepared', 'approved', 'sent', 'closed', 'withdrawn')", name="state"),
        CheckConstraint("payments > 0 AND total_minor > 0", name="totals"),
        CheckConstraint("approved_by <> prepared_by", name="four_eyes"),
        CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL) AND (approved_by IS NULL) = (approved_form IS NULL)",
                        name="approved"),
        CheckConstraint("state NOT IN ('approved', 'sent', 'closed') OR approved_by IS NOT NULL", name="approved_first"),
        CheckConstraint("(state IN ('sent', 'closed')) = (sent_at IS NOT NULL)", name="sent"),
        CheckConstraint("approved_form IN ('csv', 'pain.001')", name="approved_form"),
        CheckConstraint("(state = 'withdrawn') = (withdrawn_by IS NOT NULL)", name="withdrawn"),
    )  # fmt: skip

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    terms_id: int = reference("reward_terms.id")
    message_id: str = words(unique=True)
    state: str = words(default="prepared")
    currency: str = words()
    execute_on: date
    payments: int = big()
    total_minor: int = big()
    pain001_sha256: str = words()
    csv_sha256: str = words()
    prepared_by: str = words()
    prepared_at: Moment = instant()
    approved_by: str | None = words(default=None)
    approved_at: Moment | None = instant(default=None)
    approved_form: str | None = words(default=None)
    sent_at: Moment | None = instant(default=None)
    closed_at: Moment | None = instant(default=None)
    withdrawn_by: str | None = words(default=None)
    withdrawn_reason: str | None = words(default=None)


class PayoutPayment(SQLModel, table=True):
    """One transfer of a run, with the account as it was sealed then. `end_to_end_id`: by which the bank's answer is known
    again; a redemption that comes into another run gets another one. `is_live`: not of a run that was withdrawn."""

    __tablename__ = "payout_payment"
    __table_args__ = (
        CheckConstraint("outcome IN ('open', 'paid', 'refused', 'returned')", name="outcome"),
        CheckConstraint("amount_minor > 0", name="amount"),
        CheckConstraint("(outcome = 'open') = (decided_at IS NULL)", name="decided"),
        Index("payout_payment_live_key", "redemption_id", unique=True, postgresql_where=text("is_live")),
    )

    run_id: int = reference("payout_run.id", primary_key=True)
    redemption_id: int = reference("redemption.id", primary_key=True)
    household_id: int = big()
    end_to_end_id: str = words(unique=True)
    amount_minor: int = big()
    sealed: str = words()
    outcome: str = words(default="open")
    bank_code: str | None = words(default=None)
    bank_text: str | None = words(default=None)
    decided_at: Moment | None = instant(default=None)
    is_live: bool = True
