"""Policies as adopted: the exact text, known by its digest, never changed."""

from __future__ import annotations

from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, identity_key, instant, words


class StoredPolicy(SQLModel, table=True):
    __tablename__ = "policy"

    id: int | None = identity_key()
    digest: str = words(unique=True)
    name: str = words()
    version: str = words()
    text: str = words()
    stored_at: Moment = instant()
    stored_by: str = words()
