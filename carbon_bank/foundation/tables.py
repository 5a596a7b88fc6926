"""Column types that the rooms' tables share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Identity, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field


class TransactionId(UserDefinedType[str]):
    """PostgreSQL's `xid8`: the number of a transaction, which rises and is never used twice. As text, in Python."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId  # or a comparison of schema and database would not know it
TRANSACTION = TransactionId()


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


def made_in() -> Any:
    """The transaction that made a row. Once no older one runs, all rows up to it can be seen, and their order is final."""
    return Field(
        default=None,
        sa_type=TRANSACTION,
        nullable=False,
        sa_column_kwargs={"server_default": text("pg_current_xact_id()")},
    )


def document(**options: Any) -> Any:
    return Field(sa_type=JSONB, **options)


Moment = datetime
