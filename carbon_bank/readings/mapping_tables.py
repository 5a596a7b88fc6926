"""What a utility's own columns mean, saved under a name; every version stays."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, instant, small, words


class SavedMapping(SQLModel, table=True):
    """The last version of a name is the one that counts."""

    __tablename__ = "reading_mapping"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "utility_id"], ["utility.city_id", "utility.id"]),
        CheckConstraint("name ~ '^[a-z][a-z0-9-]{1,60}$'", name="name"),
        CheckConstraint("version >= 1", name="version"),
    )

    utility_id: int = big(primary_key=True)
    name: str = words(primary_key=True)
    version: int = small(primary_key=True)
    city_id: int = big()
    text: str = words()
    by: str = words()
    recorded_at: Moment = instant()
