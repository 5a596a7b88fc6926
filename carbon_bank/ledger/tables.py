"""Accounts, journals, postings, lots and holds. Keys lead with household_id, so that the tables can be spread over nodes.

For the same reason a posting names its journal without a foreign key: the journal of a batch belongs to many households.
"""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Computed, ForeignKeyConstraint, Index, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, instant, made_in, reference, words


class Account(SQLModel, table=True):
    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available"),
        CheckConstraint("held >= 0", name="held"),
        CheckConstraint("debt >= 0", name="debt"),
        CheckConstraint("version >= 0", name="version"),
        CheckConstraint("debt = 0 OR available = 0", name="debt_first"),
    )

    household_id: int = reference("household.id", primary_key=True)
    available: int = big(default=0)
    held: int = big(default=0)
    debt: int = big(default=0)
    version: int = big(default=0)
    closed_at: Moment | None = instant(default=None)


class Journal(SQLModel, table=True):
    """One operation, or one bucket of a batch. `household_id`: whose account, where it is one; `subject`: what it was done for,
    as `redemption:12`. The city has no key: each journal would lock its one row.
    """

    __tablename__ = "journal"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('adjustment', 'award', 'closing', 'expiry', 'hold', 'redemption', 'release', 'restatement', 'reversal')",
            name="kind",
        ),
        CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name="reverses"),
        Index("journal_city_id_made_in_id_idx", "city_id", "made_in", "id"),
        # Most journals have neither: those are in no index but the primary key's.
        Index("journal_reverses_key", "reverses", unique=True, postgresql_where=text("reverses IS NOT NULL")),
        Index("journal_settlement_id_idx", "settlement_id", postgresql_where=text("settlement_id IS NOT NULL")),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"eager_defaults": False}

    id: UUID = Field(primary_key=True)
    city_id: int = big()
    kind: str = words()
    settlement_id: int | None = big(default=None)
    by: str = words()
    recorded_at: Moment = instant()
    household_id: int | None = big(default=None)
    subject: str | None = words(default=None)
    reason: str | None = words(default=None)
    reverses: UUID | None = None
    made_in: str | None = made_in()


class Posting(SQLModel, table=True):
    """What a posting of each kind is, the trigger `posting_continues` says (`posting_kind_check`).

    `hold_id`: the hold that it begins (its own `seq`) or ends; `reverses`: the `seq` that it takes back;
    `forgiven`: what it would have taken beyond `amount` and did not ask for.
    """

    __tablename__ = "posting"
    __table_args__ = (
        ForeignKeyConstraint(["household_id"], ["account.household_id"]),
        CheckConstraint("seq >= 1", name="seq"),
        CheckConstraint("available_after >= 0 AND held_after >= 0 AND debt_after >= 0", name="after"),
        Index(
            "posting_award_key",
            "household_id",
            "settlement_id",
            "commodity",
            unique=True,
            postgresql_where=text("kind = 'award'"),
        ),
        Index(
            "posting_restatement_key",
            "household_id",
            "restatement_id",
            "commodity",
            unique=True,
            postgresql_where=text("kind = 'restatement'"),
        ),
        Index(
            "posting_reverses_key",
            "household_id",
            "reverses",
            unique=True,
            postgresql_where=text("reverses IS NOT NULL"),
        ),
        # Journals are named by their time, and postings stand in its order: a summary of blocks finds those of one.
        Index("posting_journal_idx", "journal_id", postgresql_using="brin", postgresql_with={"autosummarize": "on"}),
    )

    household_id: int = big(primary_key=True)
    seq: int = big(primary_key=True)
    journal_id: UUID
    kind: str = words()
    contra: str | None = words(default=None)
    amount: int = big()
    available_after: int = big()
    held_after: int = big()
    debt_after: int = big()
    effective_on: date
    recorded_at: Moment = instant()
    settlement_id: int | None = big(default=None)
    commodity: str | None = words(default=None)
    hold_id: int | None = big(default=None)
    reverses: int | None = big(default=None)
    restatement_id: int | None = big(default=None)
    forgiven: int = big(default=0, sa_column_kwargs={"server_default": "0"})


class Lot(SQLModel, table=True):
    __tablename__ = "lot"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "lot_id"], ["posting.household_id", "posting.seq"]),
        CheckConstraint("granted > 0 AND remaining BETWEEN 0 AND granted", name="remaining"),
        Index(
            "lot_expiring_idx",
            "expires_on",
            "household_id",
            postgresql_where=text("is_left AND expires_on IS NOT NULL"),
        ),
        # With room in each page for a row's next version, which then needs no new entries in the indexes.
        {"postgresql_with": {"fillfactor": 80}},
    )

    household_id: int = big(primary_key=True)
    lot_id: int = big(primary_key=True)
    granted: int = big()
    remaining: int = big()
    expires_on: date | None = None
    is_left: bool | None = Field(default=None, sa_column_args=[Computed("remaining > 0", persisted=True)])


class LotUse(SQLModel, table=True):
    """What a posting took from a lot, or, below zero, gave back to it."""

    __tablename__ = "lot_use"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "seq"], ["posting.household_id", "posting.seq"]),
        ForeignKeyConstraint(["household_id", "lot_id"], ["lot.household_id", "lot.lot_id"]),
        CheckConstraint("amount <> 0", name="amount"),
    )

    household_id: int = big(primary_key=True)
    seq: int = big(primary_key=True)
    lot_id: int = big(primary_key=True)
    amount: int = big()


class Hold(SQLModel, table=True):
    """Points set aside until a deadline; `hold_id` is the `seq` of its posting. It ends once: `spent` of them left."""

    __tablename__ = "hold"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "hold_id"], ["posting.household_id", "posting.seq"]),
        ForeignKeyConstraint(["household_id", "ended_seq"], ["posting.household_id", "posting.seq"]),
        CheckConstraint("points > 0", name="points"),
        CheckConstraint(
            "(ended_seq IS NULL) = (spent IS NULL) AND spent BETWEEN 0 AND points AND ended_seq > hold_id", name="ended"
        ),
    )

    household_id: int = big(primary_key=True)
    hold_id: int = big(primary_key=True)
    points: int = big()
    deadline_at: Moment = instant()
    ended_seq: int | None = big(default=None)
    spent: int | None = big(default=None)
