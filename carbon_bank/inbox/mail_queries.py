"""All SQL of mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.inbox.mail_states import MailState

Rows = Sequence[Any]


@dataclass(frozen=True)
class Key:
    """One mail, at one attempt."""

    household_id: int
    notification_id: int
    person_id: int
    attempts: int


async def lock_unplanned(session: WriteSession, limit: int) -> Rows:
    """The next notifications without their mails: `household_id, id, wanted`. `wanted`: the household wants it by e-mail."""
    statement = """
        SELECT notification.household_id, notification.id,
               coalesce(preference.email AND NOT notification.kind = ANY(preference.muted), true) AS wanted
        FROM notification LEFT JOIN inbox_preference AS preference USING (household_id)
        WHERE NOT notification.mail_planned ORDER BY notification.id LIMIT :limit
        FOR NO KEY UPDATE OF notification SKIP LOCKED
    """
    return (await session.sql(statement, {"limit": limit})).all()


async def set_planned(session: WriteSession, found: Rows) -> None:
    statement = """
        UPDATE notification SET mail_planned = true
        FROM unnest(CAST(:household_ids AS bigint[]), CAST(:ids AS bigint[])) AS done (household_id, id)
        WHERE notification.household_id = done.household_id AND notification.id = done.id
    """
    await session.sql(
        statement, {"household_ids": [row.household_id for row in found], "ids": [row.id for row in found]}
    )


async def add_mails(session: WriteSession, now: datetime, wanted: Sequence[tuple[int, int, int]]) -> None:
    """Args: wanted: `household_id, notification_id, person_id`."""
    statement = """
        INSERT INTO inbox_mail (household_id, notification_id, person_id, city_id, state, attempts, due_at, planned_at)
        SELECT each.household_id, each.notification_id, each.person_id, notification.city_id, 'waiting', 0, :now, :now
        FROM unnest(CAST(:household_ids AS bigint[]), CAST(:notification_ids AS bigint[]), CAST(:person_ids AS bigint[]))
             AS each (household_id, notification_id, person_id)
        JOIN notification ON notification.household_id = each.household_id AND notification.id = each.notification_id
        ON CONFLICT (household_id, notification_id, person_id) DO NOTHING
    """
    names = ("household_ids", "notification_ids", "person_ids")
    columns = zip(names, zip(*wanted, strict=True), strict=True)
    await session.sql(statement, {name: list(values) for name, values in columns} | {"now": now})


async def claim(session: WriteSession, now: datetime, leased_until: datetime, limit: int) -> Rows:
    """The mails that are due, the longest due first, with what they tell. Nobody else gets them before the lease ends."""
    statement = """
        WITH due AS (
            SELECT household_id, notification_id, person_id FROM inbox_mail
            WHERE state = 'waiting' AND due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ), claimed AS (
            UPDATE inbox_mail AS mail SET attempts = mail.attempts + 1, due_at = :leased_until
            FROM due WHERE (mail.household_id, mail.notification_id, mail.person_id)
                           = (due.household_id, due.notification_id, due.person_id)
            RETURNING mail.household_id, mail.notification_id, mail.person_id, mail.attempts, mail.planned_at
        )
        SELECT claimed.*, notification.kind, notification.facts, preference.language,
               coalesce(preference.email AND NOT notification.kind = ANY(preference.muted), true) AS wanted
        FROM claimed
        JOIN notification ON notification.household_id = claimed.household_id AND notification.id = claimed.notification_id
        LEFT JOIN inbox_preference AS preference ON preference.household_id = claimed.household_id
        ORDER BY claimed.household_id, claimed.notification_id, claimed.person_id
    """
    parameters = {"now": now, "leased_until": leased_until, "limit": limit}
    return (await session.sql(statement, parameters)).all()


async def end(
    session: WriteSession, now: datetime, key: Key, state: MailState, trouble: str | None, code: int | None
) -> None:
    await _set(session, key, "state = :state, ended_at = :now", state=state.value, now=now, trouble=trouble, code=code)


async def put_off(session: WriteSession, key: Key, due_at: datetime, trouble: str, code: int | None) -> None:
    await _set(session, key, "due_at = :due_at", due_at=due_at, trouble=trouble, code=code)


async def _set(session: WriteSession, key: Key, change: str, **parameters: Any) -> None:
    """Change a mail, unless another worker has claimed it since."""
    statement = f"""
        UPDATE inbox_mail SET {change}, trouble = :trouble, code = :code
        WHERE household_id = :household_id AND notification_id = :notification_id AND person_id = :person_id
          AND attempts = :attempts AND state = 'waiting'
    """
    await session.sql(statement, vars(key) | parameters)


async def counts(session: ReadSession, city_id: int, since: datetime) -> Rows:
    """`state, trouble, code, mails, oldest_at` of the mails of a city that were planned since a moment."""
    statement = """
        SELECT state, trouble, code, count(*) AS mails, min(planned_at) AS oldest_at FROM inbox_mail
        WHERE city_id = :city_id AND planned_at >= :since GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
    return (await session.sql(statement, {"city_id": city_id, "since": since})).all()
