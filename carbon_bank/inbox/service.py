"""Telling households, and what they do with it: read, mark as read, prefer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.inbox import queries
from carbon_bank.inbox.kinds import FactValue, Kind, facts_of
from carbon_bank.inbox.languages import Language, language_for
from carbon_bank.inbox.tables import InboxPreference
from carbon_bank.inbox.tables import Notification as Notification
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class Preference:
    """How a household wants to be told; as it stands here where it never said. `muted`: kinds that do not come by e-mail."""

    language: Language | None = None
    email: bool = True
    muted: frozenset[Kind] = frozenset()


async def notify(
    session: WriteSession,
    now: datetime,
    *,
    city_id: int,
    household_id: int,
    kind: Kind,
    facts: Mapping[str, FactValue | date | Period],
    subject: str,
) -> bool:
    """Tell a household of something, in the transaction that does it. Once for each kind and subject; returns whether it was new.

    Args:   facts: those of `kinds.FACTS`; days and periods may be given as they are. subject: what it is about, as `settlement:12`.
    Raises: ValueError where the facts are not those of the kind.
    """
    return await queries.add(session, now, city_id, household_id, kind, subject, facts_of(kind, facts))


async def notify_many(session: WriteSession, now: datetime, *, city_id: int, kind: Kind, subject: str) -> int:
    """Tell each household of the temporary table NOTICES, in one statement, and drop the table. Returns how many were new.

    Raises: ValueError where some facts are not those of the kind.
    """
    wrong = await queries.wrong_notice(session, kind)
    if wrong is not None:
        raise ValueError(f"a notification {kind} does not hold: {wrong}")
    added = await queries.add_noticed(session, now, city_id, kind, subject)
    await queries.drop_notices(session)
    return added


async def listed(
    session: ReadSession, actor: Actor, unread_only: bool, before: int | None, limit: int
) -> Sequence[Notification]:
    """The household's notifications, the newest first."""
    return await queries.listed(session, actor.of_household(), unread_only, before, limit)


async def count_unread(session: ReadSession, actor: Actor) -> int:
    return await queries.count_unread(session, actor.of_household())


async def mark_read(session: WriteSession, actor: Actor, now: datetime, notification_id: int) -> Notification:
    """Mark one as read; the first moment stays.

    Raises: NotFound `inbox.unknown` (404), also for another household's.
    """
    found = await queries.lock(session, actor.of_household(), notification_id)
    if found is None:
        raise NotFound("inbox.unknown", f"There is no notification {notification_id} in your inbox. List them first.")
    if found.read_at is None:
        found.read_at = now
    return found


async def mark_all_read(session: WriteSession, actor: Actor, now: datetime) -> int:
    """Returns how many were unread."""
    return await queries.mark_all_read(session, now, actor.of_household())


async def get_preference(session: ReadSession, actor: Actor) -> Preference:
    found = await queries.preference(session, actor.of_household())
    if found is None:
        return Preference()
    language = None if found.language is None else Language(found.language)
    return Preference(language, found.email, frozenset(Kind(kind) for kind in found.muted))


async def put_preference(session: WriteSession, actor: Actor, now: datetime, wanted: Preference) -> Preference:
    """Keep how the household wants to be told from now on. Mails that wait follow it as well."""
    muted = sorted(kind.value for kind in wanted.muted)
    row = InboxPreference(
        household_id=actor.of_household(),
        language=wanted.language.value if wanted.language else None,
        email=wanted.email,
        muted=muted,
        changed_at=now,
    )
    await queries.put_preference(session, row)
    record(
        session,
        Act.INBOX_PREFERENCE_SET,
        by=actor.subject,
        at=now,
        subject=f"household:{row.household_id}",
        city_id=actor.city_id,
        facts={"language": row.language, "email": row.email, "muted": muted},
    )
    return wanted


async def language_of(session: ReadSession, actor: Actor, accepted: str | None, default: Language) -> Language:
    """Args: accepted: the Accept-Language of the request."""
    return await language_of_household(session, actor.of_household(), accepted, default)


async def language_of_household(
    session: ReadSession, household_id: int, accepted: str | None, default: Language
) -> Language:
    """Args: accepted: the Accept-Language of whoever asks, also of the city's staff."""
    found = await queries.preference(session, household_id)
    return language_for(found.language if found else None, accepted, default)
