"""All SQL of notifications and preferences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, func, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.inbox.kinds import FACTS, WRITTEN, Fact, Facts, Form, Kind
from carbon_bank.inbox.notices import NOTICES
from carbon_bank.inbox.tables import InboxPreference, Notification

_ADD = "INSERT INTO notification (household_id, city_id, kind, subject, facts, created_at, mail_planned)"
_ONCE = "ON CONFLICT (household_id, kind, subject) DO NOTHING"


async def add(
    session: WriteSession, now: datetime, city_id: int, household_id: int, kind: Kind, subject: str, facts: Facts
) -> bool:
    """Whether it was new."""
    statement = f"""
        {_ADD} VALUES (:household_id, :city_id, :kind, :subject, CAST(:facts AS jsonb), :now, false) {_ONCE} RETURNING id
    """
    parameters = {
        "household_id": household_id,
        "city_id": city_id,
        "kind": kind.value,
        "subject": subject,
        "facts": json.dumps(facts),
        "now": now,
    }
    return (await session.sql(statement, parameters)).first() is not None


async def add_noticed(session: WriteSession, now: datetime, city_id: int, kind: Kind, subject: str) -> int:
    """A notification for each row of the temporary table, in one statement. Returns how many were new."""
    statement = f"""
        WITH added AS (
            {_ADD} SELECT household_id, :city_id, :kind, :subject, facts, :now, false FROM {NOTICES} {_ONCE} RETURNING 1
        ) SELECT count(*) FROM added
    """
    parameters = {"city_id": city_id, "kind": kind.value, "subject": subject, "now": now}
    return int((await session.sql(statement, parameters)).scalar_one())


async def wrong_notice(session: ReadSession, kind: Kind) -> str | None:
    """The facts of a row of the temporary table that are not what the kind carries, or null."""
    holds = " AND ".join(_holds(name, fact) for name, fact in FACTS[kind].items())
    known = ", ".join(f"'{name}'" for name in FACTS[kind])
    statement = f"""
        SELECT coalesce(CAST(facts AS text), 'null') FROM {NOTICES}
        WHERE NOT coalesce({holds} AND facts - ARRAY[{known}] = '{{}}', false) LIMIT 1
    """
    found = (await session.sql(statement)).scalar_one_or_none()
    return None if found is None else str(found)


def _holds(name: str, fact: Fact) -> str:
    written = WRITTEN[fact.form]
    holds = f"jsonb_typeof(facts->'{name}') = '{written.json_type}' AND facts->>'{name}' ~ '^({written.pattern})$'"
    if fact.form is Form.CODE:
        holds += f" AND facts->>'{name}' IN ({', '.join(repr(code) for code in fact.codes)})"
    return f"(facts->'{name}' IS NULL OR ({holds}))" if fact.optional else f"({holds})"


async def drop_notices(session: WriteSession) -> None:
    await session.sql(f"DROP TABLE {NOTICES}")


async def listed(
    session: ReadSession, household_id: int, unread_only: bool, before: int | None, limit: int
) -> Sequence[Notification]:
    """The newest first."""
    statement = select(Notification).where(col(Notification.household_id) == household_id)
    if unread_only:
        statement = statement.where(col(Notification.read_at).is_(None))
    if before is not None:
        statement = statement.where(col(Notification.id) < before)
    return (await session.exec(statement.order_by(col(Notification.id).desc()).limit(limit))).all()


async def count_unread(session: ReadSession, household_id: int) -> int:
    statement = select(func.count()).select_from(Notification)
    unread = statement.where(col(Notification.household_id) == household_id, col(Notification.read_at).is_(None))
    return (await session.exec(unread)).one()


async def lock(session: WriteSession, household_id: int, notification_id: int) -> Notification | None:
    statement = select(Notification).where(
        col(Notification.household_id) == household_id, col(Notification.id) == notification_id
    )
    return (await session.exec(statement.with_for_update())).one_or_none()


async def mark_all_read(session: WriteSession, now: datetime, household_id: int) -> int:
    statement = """
        WITH marked AS (
            UPDATE notification SET read_at = :now WHERE household_id = :household_id AND read_at IS NULL RETURNING 1
        ) SELECT count(*) FROM marked
    """
    return int((await session.sql(statement, {"now": now, "household_id": household_id})).scalar_one())


async def preference(session: ReadSession, household_id: int) -> InboxPreference | None:
    statement = select(InboxPreference).where(col(InboxPreference.household_id) == household_id)
    return (await session.exec(statement)).one_or_none()


async def put_preference(session: WriteSession, row: InboxPreference) -> None:
    statement = """
        INSERT INTO inbox_preference (household_id, language, email, muted, changed_at)
        VALUES (:household_id, :language, :email, :muted, :changed_at)
        ON CONFLICT (household_id) DO UPDATE SET
            language = excluded.language, email = excluded.email, muted = excluded.muted, changed_at = excluded.changed_at
    """
    await session.sql(statement, row.model_dump())
