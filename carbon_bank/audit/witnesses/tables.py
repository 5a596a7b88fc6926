"""Witnesses that a city asks, and what they signed."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, words


class LogWitness(SQLModel, table=True):
    """Who is asked. `url`: its submission prefix. `asked_at`, `last_error`: the last request; no error where it went well."""

    __tablename__ = "log_witness"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name"),
        CheckConstraint("length(vkey) BETWEEN 1 AND 300", name="vkey"),
        CheckConstraint("length(url) BETWEEN 1 AND 1000", name="url"),
        CheckConstraint("length(last_error) <= 500", name="last_error"),
        Index("log_witness_live_key", "city_id", "name", unique=True, postgresql_where=text("removed_at IS NULL")),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    name: str = words()
    vkey: str = words()
    url: str = words()
    added_by: str = words()
    added_at: Moment = instant()
    removed_at: Moment | None = instant(default=None)
    asked_at: Moment | None = instant(default=None)
    last_error: str | None = words(default=None)


class LogCosignature(SQLModel, table=True):
    """A witness's line under a checkpoint, verified before it was stored. `line`: as it stands there, newline and all."""

    __tablename__ = "log_cosignature"
    __table_args__ = (
        CheckConstraint("size >= 0", name="size"),
        CheckConstraint("length(line) BETWEEN 1 AND 1000", name="line"),
        Index("log_cosignature_witness_idx", "witness_id", "size"),
    )

    city_id: int = reference("city.id", primary_key=True)
    size: int = big(primary_key=True)
    name: str = words(primary_key=True)
    witness_id: int = reference("log_witness.id")
    line: str = words()
    at: Moment = instant()
