"""One row for one act. Nothing here is ever changed or removed: a trigger and the grants say so."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Index
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, document, identity_key, instant, made_in, reference, words


class TrailEntry(SQLModel, table=True):
    """`by` in the office of `role`; null: a program of the bank's own. `client`: the address that a request came from, of those
    who act for others."""

    __tablename__ = "trail"
    __table_args__ = (
        Index("trail_city_id_made_in_id_idx", "city_id", "made_in", "id"),
        Index("trail_newest_idx", "city_id", "id"),
        Index("trail_act_idx", "city_id", "act", "id"),
        Index("trail_by_idx", "city_id", "by", "id"),
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"eager_defaults": False}

    id: int | None = identity_key()
    at: Moment = instant(index=True)
    city_id: int | None = reference("city.id", null=True)
    by: str = words()
    role: str | None = words(default=None)
    client: str | None = words(default=None)
    act: str = words()
    subject: str = words(index=True)
    reason: str | None = words(default=None)
    request_id: str | None = words(default=None)
    facts: dict[str, Any] = document(default_factory=dict)
    made_in: str | None = made_in()
