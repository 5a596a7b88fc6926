"""Accounts, journals, postings and lots. Keys lead with household_id, so that the tables can be spread over nodes.

For the same reason a posting names its journal without a foreign key: the journal of a batch belongs to many households.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, instant, reference, words


class Account(SQLModel, table=True):
    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available"),
        CheckConstraint("held >= 0", name="held"),
        CheckConstraint("debt >= 0", name="debt"),
        CheckConstraint("version >= 0", name="version"),
    )

    household_id: int = reference("household.id", primary_key=True)
    available: int = big(default=0)
    held: int = big(default=0)
    debt: int = big(default=0)
    version: int = big(default=0)


class Journal(SQLModel, table=True):
    __tablename__ = "journal"
    __table_args__ = (CheckConstraint("kind IN ('award')", name="kind"),)

    id: UUID = Field(primary_key=True)
    city_id: int = reference("city.id")
    kind: str = words()
    settlement_id: int | None = big(default=None, index=True)
    by: str = words()
    recorded_at: Moment = instant()


class Posting(SQLModel, table=True):
    __tablename__ = "posting"
    __table_args__ = (
        ForeignKeyConstraint(["household_id"], ["account.household_id"]),
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint("available_after >= 0 AND held_after >= 0 AND debt_after >= 0", name="after"),
        CheckConstraint(
            "kind = 'award' AND contra = 'issuance' AND amount > 0 AND settlement_id IS NOT NULL", name="kind"
        ),
        Index(
            "posting_award_key",
            "household_id",
            "settlement_id",
            "commodity",
            unique=True,
            postgresql_where=text("kind = 'award'"),
        ),
    )

    household_id: int = big(primary_key=True)
    seq: int = big(primary_key=True)
    journal_id: UUID
    kind: str = words()
    contra: str = words()
    amount: int = big()
    available_after: int = big()
    held_after: int = big()
    debt_after: int = big()
    effective_on: date
    recorded_at: Moment = instant()
    settlement_id: int | None = big(default=None)
    commodity: str | None = words(default=None)


class Lot(SQLModel, table=True):
    __tablename__ = "lot"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "lot_id"], ["posting.household_id", "posting.seq"]),
        CheckConstraint("granted > 0 AND remaining BETWEEN 0 AND granted", name="remaining"),
        Index("lot_expires_on_idx", "expires_on", postgresql_using="brin"),  # rows come nearly in its order
    )

    household_id: int = big(primary_key=True)
    lot_id: int = big(primary_key=True)
    granted: int = big()
    remaining: int = big()
    expires_on: date | None = None


class LotUse(SQLModel, table=True):
    __tablename__ = "lot_use"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "seq"], ["posting.household_id", "posting.seq"]),
        ForeignKeyConstraint(["household_id", "lot_id"], ["lot.household_id", "lot.lot_id"]),
        CheckConstraint("amount > 0", name="amount"),
    )

    household_id: int = big(primary_key=True)
    seq: int = big(primary_key=True)
    lot_id: int = big(primary_key=True)
    amount: int = big()
