"""Mails: planned from notifications, claimed by a worker, sent outside of any transaction, and recorded.

The worker (`carbon_bank.worker.mail`) runs the steps. A claim is a lease: a worker that dies between sending and recording
leaves a mail that is sent again later, under the same Message-ID.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.mail import Answer, Verdict
from carbon_bank.identity import service as identity
from carbon_bank.identity.actor import Actor
from carbon_bank.inbox import mail_queries as queries
from carbon_bank.inbox.kinds import Kind
from carbon_bank.inbox.languages import Language, language_for
from carbon_bank.inbox.letter import Letter
from carbon_bank.inbox.mail_queries import Key
from carbon_bank.inbox.mail_states import LEASE, MailState, is_too_old, pause_after


@dataclass(frozen=True)
class MailCount:
    """How many mails are in a state, by what stood in the way (null: nothing) and what the server said last."""

    state: MailState
    trouble: str | None
    code: int | None
    mails: int


@dataclass(frozen=True)
class MailCounts:
    """`states` has every state. `oldest_waiting_at`: since when the oldest mail waits; null: none does."""

    states: dict[MailState, int]
    troubles: list[MailCount]
    oldest_waiting_at: datetime | None


async def plan(session: WriteSession, now: datetime, limit: int) -> int:
    """Make the mails of the next notifications: one for each person of the household whose login is an e-mail address.

    Returns: how many notifications were looked at; 0: none is left.
    """
    found = await queries.lock_unplanned(session, limit)
    if not found:
        return 0
    wanted = [(row.household_id, row.id) for row in found if row.wanted]
    persons = defaultdict(list)
    for each in await identity.mail_addresses(session, {household_id for household_id, _ in wanted}):
        persons[each.household_id].append(each.person_id)
    mails = [(*notification, person) for notification in wanted for person in persons[notification[0]]]
    if mails:
        await queries.add_mails(session, now, mails)
    await queries.set_planned(session, found)
    return len(found)


async def pass_over(session: WriteSession, limit: int) -> int:
    """Let the next notifications have no mails, since there is nothing to send them with. Returns how many there were."""
    found = await queries.lock_unplanned(session, limit)
    if found:
        await queries.set_planned(session, found)
    return len(found)


async def claim(session: WriteSession, now: datetime, limit: int, default: Language) -> tuple[list[Letter], int]:
    """The mails that are due, for this worker alone until the lease ends, and how many were claimed.

    Those that nobody wants any more, or whose person has no address any more, end here. Args: default: the language of
    households that chose none.
    """
    rows = await queries.claim(session, now, now + LEASE, limit)
    people = await identity.mail_addresses(session, {row.household_id for row in rows})
    addresses = {each.person_id: each.address for each in people}
    letters = []
    for row in rows:
        address = addresses.get(row.person_id)
        if not row.wanted or address is None:
            key = Key(row.household_id, row.notification_id, row.person_id, row.attempts)
            trouble = "no_address" if row.wanted else "not_wanted"
            await queries.end(session, now, key, MailState.DROPPED, trouble, None)
            continue
        language = language_for(row.language, None, default)
        number = (row.household_id, row.notification_id, row.person_id, row.attempts, row.planned_at)
        letters.append(Letter(*number, Kind(row.kind), row.facts, language, address))
    return letters, len(rows)


async def record_answer(
    session: WriteSession, now: datetime, letter: Letter, answer: Answer, jitter_permille: int
) -> MailState:
    """Keep what came of an attempt: sent, ended for good, or to be tried again after a pause. Returns the state it is in now."""
    key = Key(letter.household_id, letter.notification_id, letter.person_id, letter.attempts)
    if answer.verdict is Verdict.TAKEN:
        state, trouble = MailState.SENT, None
    elif answer.verdict is Verdict.REFUSED:
        state, trouble = MailState.REFUSED, answer.trouble
    elif is_too_old(letter.planned_at, now):
        state, trouble = MailState.GIVEN_UP, answer.trouble
    else:
        due_at = now + pause_after(letter.attempts, jitter_permille)
        await queries.put_off(session, key, due_at, answer.trouble, answer.code)
        return MailState.WAITING
    await queries.end(session, now, key, state, trouble, answer.code)
    return state


async def counts(session: ReadSession, actor: Actor, now: datetime, days: int) -> MailCounts:
    """What became of the mails of the actor's city that were planned within some days."""
    rows = await queries.counts(session, actor.of_city(), now - timedelta(days=days))
    states: Counter[MailState] = Counter()
    for row in rows:
        states[MailState(row.state)] += row.mails
    troubles: Sequence[MailCount] = [
        MailCount(MailState(row.state), row.trouble, row.code, row.mails) for row in rows if row.trouble is not None
    ]
    waiting = [row.oldest_at for row in rows if row.state == MailState.WAITING]
    return MailCounts({state: states[state] for state in MailState}, list(troubles), min(waiting, default=None))
