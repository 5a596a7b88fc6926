"""Readings and the batches in which they came. Every revision is a row of its own; nothing is overwritten."""

from __future__ import annotations

from datetime import date

from sqlalchemy import CheckConstraint, Enum, ForeignKeyConstraint, Index, PrimaryKeyConstraint
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, small, words
from carbon_bank.foundation.units import Quality
from carbon_bank.readings.intake import Reason

QUALITY = Enum(*(quality.value for quality in Quality), name="reading_quality", metadata=SQLModel.metadata)
REASON = Enum(*(reason.value for reason in Reason), name="reading_reason", metadata=SQLModel.metadata)


class ReadingBatch(SQLModel, table=True):
    __tablename__ = "reading_batch"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "utility_id"], ["utility.city_id", "utility.id"]),
        CheckConstraint("rows = accepted + duplicate + revised + refused + quarantined", name="counts"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    utility_id: int = big(index=True)
    source: str = words()
    by: str = words()
    recorded_at: Moment = instant()
    rows: int
    accepted: int
    duplicate: int
    revised: int
    refused: int
    quarantined: int = 0


class MeterReading(SQLModel, table=True):
    """`quantity` in base units; null in the revision that cancels a reading."""

    __tablename__ = "reading"
    __table_args__ = (
        # The columns that a settlement reads ride along, so that it need not visit the table itself.
        PrimaryKeyConstraint(
            "meter_id",
            "period_start",
            "period_end",
            "revision",
            name="reading_pkey",
            postgresql_include=["quantity", "quality", "recorded_at"],
        ),
        CheckConstraint("period_end > period_start AND period_end - period_start <= 100", name="period"),
        CheckConstraint("quantity BETWEEN 0 AND 1000000000000", name="quantity"),
        CheckConstraint("revision >= 1 AND (revision = 1) = (reason IS NULL)", name="revision"),
        CheckConstraint("quantity IS NOT NULL OR revision > 1", name="cancelled"),
        CheckConstraint("reason IS DISTINCT FROM 'other' OR coalesce(length(reason_text), 0) > 0", name="reason_text"),
        # Rows come in this order: a few pages tell where those after a settlement's moment lie.
        Index(
            "reading_recorded_at_idx", "recorded_at", postgresql_using="brin", postgresql_with={"autosummarize": "on"}
        ),
    )

    meter_id: int = reference("meter.id")
    period_start: date
    period_end: date
    revision: int = small()
    quantity: int | None = big(default=None)
    quality: Quality = Field(sa_type=QUALITY)
    reason: Reason | None = Field(default=None, sa_type=REASON)
    reason_text: str | None = words(default=None)
    batch_id: int = reference("reading_batch.id")
    recorded_at: Moment = instant()
