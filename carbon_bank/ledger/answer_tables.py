"""Answers kept under the key that a household's client sent, so that a request sent twice has one effect."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, instant, small, words


class KeptAnswer(SQLModel, table=True):
    """`request_sha256`: of the method, the path and the body."""

    __tablename__ = "kept_answer"
    __table_args__ = (
        ForeignKeyConstraint(["household_id"], ["account.household_id"]),
        CheckConstraint("length(key) BETWEEN 1 AND 200", name="key"),
    )

    household_id: int = big(primary_key=True)
    key: str = words(primary_key=True)
    request_sha256: bytes
    status: int = small()
    body: bytes
    recorded_at: Moment = instant(index=True)
