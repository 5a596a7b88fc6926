"""Files that utilities sent, how far each has been worked, and the rows of it that were refused."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlmodel import SQLModel

from carbon_bank.foundation.tables import Moment, big, document, identity_key, instant, reference, words


class ReadingImport(SQLModel, table=True):
    """`digest` of the file; `options_digest` of how it is read: both and the utility make it one import.

    `chunks_done`: where it goes on after a crash. `mapping`: its text at the time, so that a later one changes nothing.
    """

    __tablename__ = "reading_import"
    __table_args__ = (
        ForeignKeyConstraint(["city_id", "utility_id"], ["utility.city_id", "utility.id"]),
        UniqueConstraint("utility_id", "digest", "options_digest"),
        CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name="state"),
        CheckConstraint("(state IN ('waiting', 'running')) = (finished_at IS NULL)", name="finished"),
        CheckConstraint("(state = 'failed') = (failure_code IS NOT NULL)", name="failure"),
        CheckConstraint("rows = accepted + duplicate + revised + refused + quarantined", name="counts"),
        Index("reading_import_city_idx", "city_id", "id"),
        Index("reading_import_open_idx", "city_id", postgresql_where=text("state IN ('waiting', 'running')")),
    )

    id: int | None = identity_key()
    city_id: int = big()
    utility_id: int = big(index=True)
    digest: str = words()
    options_digest: str = words()
    name: str = words()
    bytes: int = big()
    format: str = words()
    sum_to: str = words()
    strict: bool
    mapping: str | None = words(default=None)
    state: str = words(default="waiting")
    chunks_done: int = big(default=0)
    bytes_done: int = big(default=0)
    rows: int = big(default=0)
    accepted: int = big(default=0)
    duplicate: int = big(default=0)
    revised: int = big(default=0)
    refused: int = big(default=0)
    quarantined: int = big(default=0)
    passed_over: int = big(default=0)
    findings: list[dict[str, Any]] = document(default=[])
    failure_code: str | None = words(default=None)
    failure: str | None = words(default=None)
    by: str = words()
    created_at: Moment = instant()
    started_at: Moment | None = instant(default=None)
    finished_at: Moment | None = instant(default=None)
    is_kept: bool = True


class ReadingRejection(SQLModel, table=True):
    """A refused row. `sent`: its columns as they came, as a list of names and one of texts. `value`: of the column at fault."""

    __tablename__ = "reading_rejection"

    import_id: int = reference("reading_import.id", primary_key=True)
    line: int = big(primary_key=True)
    at: int
    code: str = words()
    column: str | None = words(default=None)
    value: str | None = words(default=None)
    sent: dict[str, Any] = document()
