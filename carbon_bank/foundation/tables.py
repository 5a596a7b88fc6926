"""Column types that the rooms' tables share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, SmallInteger, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def identity_key() -> Any:
    """A `bigint` primary key that PostgreSQL counts."""
    return Field(default=None, primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])


def reference(column: str, *, null: bool = False, index: bool = False, primary_key: bool = False) -> Any:
    """A `bigint` foreign key to `table.column`."""
    options: dict[str, Any] = {"default": None} if null else {}
    return Field(
        sa_type=BigInteger,
        foreign_key=column,
        nullable=null,
        index=index,
        primary_key=primary_key,
        ondelete="RESTRICT",
        **options,
    )


def big(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


def small(**options: Any) -> Any:
    return Field(sa_type=SmallInteger, **options)


def words(**options: Any) -> Any:
    """Text of any length; PostgreSQL has no use for a narrower type."""
    return Field(sa_type=Text, **options)


def instant(**options: Any) -> Any:
    """A moment, aware, in UTC."""
    return Field(sa_type=DateTime(timezone=True), **options)


def document(**options: Any) -> Any:
    return Field(sa_type=JSONB, **options)


Moment = datetime
