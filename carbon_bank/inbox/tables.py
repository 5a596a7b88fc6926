"""Notifications, what each household prefers, and mails. Keys lead with household_id, as in the ledger.

A settlement notifies hundreds of thousands at a time, from rows that are never deleted: a foreign key would check each once
more, one by one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, CheckConstraint, ForeignKeyConstraint, Identity, Index, Text, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, document, instant, reference, small, words
from carbon_bank.inbox.kinds import Kind
from carbon_bank.inbox.languages import Language
from carbon_bank.inbox.mail_states import MailState


def _listed(values: list[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


class Notification(SQLModel, table=True):
    """`subject`: what it is about, as `settlement:12`; told once by each kind. `mail_planned`: whether it has its mails."""

    __tablename__ = "notification"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_listed(list(Kind))})", name="kind"),
        CheckConstraint("length(subject) BETWEEN 1 AND 100", name="subject"),
        Index("notification_household_id_kind_subject_key", "household_id", "kind", "subject", unique=True),
        Index("notification_unplanned_idx", "id", postgresql_where=text("NOT mail_planned")),
    )

    household_id: int = big(primary_key=True)
    id: int | None = big(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    city_id: int = big()
    kind: str = words()
    subject: str = words()
    facts: dict[str, Any] = document()
    created_at: Moment = instant()
    read_at: Moment | None = instant(default=None)
    mail_planned: bool = False


class InboxPreference(SQLModel, table=True):
    """How a household wants to be told. `language`: null, none chosen. `muted`: kinds that do not come by e-mail."""

    __tablename__ = "inbox_preference"
    __table_args__ = (
        CheckConstraint(f"language IN ({_listed(list(Language))})", name="language"),
        CheckConstraint(f"muted <@ ARRAY[{_listed(list(Kind))}]", name="muted"),
    )

    household_id: int = reference("household.id", primary_key=True)
    language: str | None = words(default=None)
    email: bool = True
    muted: list[str] = Field(default_factory=list, sa_type=ARRAY(Text))
    changed_at: Moment = instant()


class InboxMail(SQLModel, table=True):
    """A notification on its way to one person; the address is looked up when it is sent, and kept nowhere here.

    `due_at`: when it may be tried next; while a worker has it, when that worker counts as dead. `trouble`: why it is not sent.
    `code`: what the server said last.
    """

    __tablename__ = "inbox_mail"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "notification_id"], ["notification.household_id", "notification.id"]),
        CheckConstraint(f"state IN ({_listed(list(MailState))})", name="state"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ended"),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("inbox_mail_due_idx", "due_at", postgresql_where=text("state = 'waiting'")),
        Index("inbox_mail_city_idx", "city_id", "planned_at"),
    )

    household_id: int = big(primary_key=True)
    notification_id: int = big(primary_key=True)
    person_id: int = big(primary_key=True)
    city_id: int = big()
    state: str = words(default=MailState.WAITING.value)
    attempts: int = small(default=0)
    due_at: Moment = instant()
    planned_at: Moment = instant()
    ended_at: Moment | None = instant(default=None)
    trouble: str | None = words(default=None)
    code: int | None = small(default=None)
