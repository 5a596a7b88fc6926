"""Rows that are in order but cannot be recorded yet: no such meter, or a rollover that needs a person's eye."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, document, identity_key, instant, reference, words

_WAITING = text("state = 'waiting'")


class QuarantinedRow(SQLModel, table=True):
    """`sent`: column -> text, as it came. `digest` of it: the same row again waits once. `kept_until`: the last day."""

    __tablename__ = "reading_quarantine"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "utility_id"], ["utility.city_id", "utility.id"]),
        CheckConstraint("code IN ('readings.unknown_meter', 'readings.rollover_held')", name="code"),
        CheckConstraint("state IN ('waiting', 'recorded', 'refused', 'dropped', 'expired')", name="state"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
        CheckConstraint("state <> 'dropped' OR length(reason) >= 3", name="reason"),
        Index("reading_quarantine_digest_key", "utility_id", "digest", unique=True, postgresql_where=_WAITING),
        Index(
            "reading_quarantine_waiting_idx",
            "utility_id",
            "commodity",
            "customer_number",
            "meter_number",
            postgresql_where=_WAITING,
        ),
        Index("reading_quarantine_city_idx", "city_id", "state", "id"),
    )

    id: int | None = identity_key()
    city_id: int = big()
    utility_id: int = big()
    batch_id: int = reference("reading_batch.id")
    code: str = words()
    commodity: str = words()
    customer_number: str = words()
    meter_number: str = words()
    sent: dict[str, Any] = document()
    digest: str = words()
    recorded_at: Moment = instant()
    kept_until: date
    state: str = words(default="waiting")
    outcome: str | None = words(default=None)
    decided_at: Moment | None = instant(default=None)
    decided_by: str | None = words(default=None)
    reason: str | None = words(default=None)
