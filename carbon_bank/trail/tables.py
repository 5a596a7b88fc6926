"""One row for one act. Nothing here is ever changed or removed: a trigger and the grants say so."""

from __future__ import annotations

from typing import Any

from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, document, identity_key, instant, reference, words


class TrailEntry(SQLModel, table=True):
    __tablename__ = "trail"

    id: int | None = identity_key()
    at: Moment = instant(index=True)
    city_id: int | None = reference("city.id", null=True, index=True)
    by: str = words()
    act: str = words()
    subject: str = words(index=True)
    reason: str | None = words(default=None)
    request_id: str | None = words(default=None)
    facts: dict[str, Any] = document(default_factory=dict)
