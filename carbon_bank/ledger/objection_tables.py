"""Objections: a household says that a posting of its own is wrong, and a person answers."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Identity, Index, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, instant, words


class Objection(SQLModel, table=True):
    """To one posting (`seq`). `adjustment_id`: what put it right, where the answer names it."""

    __tablename__ = "objection"
    __table_args__ = (
        ForeignKeyConstraint(["household_id", "seq"], ["posting.household_id", "posting.seq"]),
        CheckConstraint("length(text) BETWEEN 3 AND 2000", name="text"),
        CheckConstraint("length(answer) BETWEEN 3 AND 2000", name="answer"),
        CheckConstraint("state IN ('open', 'rejected', 'upheld')", name="state"),
        CheckConstraint(
            "(state = 'open') = (answer IS NULL) AND (state = 'open') = (answered_by IS NULL) "
            "AND (state = 'open') = (answered_at IS NULL)",
            name="answered",
        ),
        CheckConstraint("adjustment_id IS NULL OR state = 'upheld'", name="adjustment"),
        Index("objection_open_key", "household_id", "seq", unique=True, postgresql_where=text("state = 'open'")),
        Index("objection_city_idx", "city_id", "id"),
    )

    household_id: int = big(primary_key=True)
    id: int | None = big(default=None, primary_key=True, sa_column_args=[Identity(always=True)])
    city_id: int = big()
    seq: int = big()
    text: str = words()
    state: str = words(default="open")
    raised_by: str = words()
    raised_at: Moment = instant()
    answer: str | None = words(default=None)
    answered_by: str | None = words(default=None)
    answered_at: Moment | None = instant(default=None)
    adjustment_id: int | None = big(default=None)
