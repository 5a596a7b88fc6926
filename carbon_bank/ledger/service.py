"""Opening accounts, posting awards in bulk, and reading an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import polars as pl

from carbon_bank.foundation.calendar import days_in_month, first_day, month_of, month_text
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import NotFound
from carbon_bank.foundation.ids import uuid7
from carbon_bank.identity.actor import Actor
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import Kind
from carbon_bank.ledger import act_queries, act_service, queries
from carbon_bank.ledger.act_service import Context
from carbon_bank.ledger.grants import GRANTS
from carbon_bank.ledger.tables import Account, Journal
from carbon_bank.ledger.tables import Lot as Lot
from carbon_bank.ledger.tables import Posting as Posting
from carbon_bank.trail.service import Act, record

Clock = Literal["effective", "recorded"]


@dataclass(frozen=True)
class Posted:
    """What a bucket posted: postings and points."""

    postings: int
    points: int


async def open_accounts(session: WriteSession, household_ids: Sequence[int]) -> None:
    """An empty account for each new household."""
    await queries.open_accounts(session, household_ids)


async def post_awards(
    session: WriteSession,
    *,
    city_id: int,
    settlement_id: int,
    by: str,
    effective_on: date,
    expires_on: date | None,
    now: datetime,
) -> Posted:
    """Post the rows of the temporary table GRANTS, one posting and one lot for each. What is posted already is left out.

    Accounts are locked first, in order; debt is paid off before anything becomes available. Where nothing is left to post,
    nothing is written, not even a journal.
    """
    debtors = await queries.lock_accounts(session, GRANTS)
    journal = Journal(id=uuid7(now), city_id=city_id, kind="award", settlement_id=settlement_id, by=by, recorded_at=now)
    count, total = await queries.post_grants(session, GRANTS, journal.id, settlement_id, effective_on, now)
    if count == 0:
        return Posted(0, 0)
    await queries.add_journal(session, journal)
    await queries.add_lots(session, GRANTS, journal.id, expires_on)
    if debtors:
        await queries.note_repaid(session, GRANTS, journal.id)
    await queries.move_accounts(session, GRANTS, journal.id)
    return Posted(count, total)


async def posted_of_settlement(session: ReadSession, settlement_id: int) -> Posted:
    """What stands in the ledger for a settlement."""
    return Posted(*await queries.settlement_sums(session, settlement_id))


async def paid_by_award(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    """What stands in the ledger for a settlement's awards of some households: `household_id, commodity, paid, is_reversed`.

    `paid` counts what a restatement took back as taken, also where it did not ask for all of it, and leaves out a restatement that
    was taken back itself. `is_reversed`: the award was taken back.
    """
    return await queries.paid_by_award(session, settlement_id, first_id, last_id)


def lot_expiry(posted_on: date, valid_months: int | None) -> date | None:
    """The last day on which points posted on a day can be spent; null: they do not expire.

    Source: rules.md section 8: the end of the month, `valid_months` after posting.
    """
    if valid_months is None:
        return None
    return date.fromordinal(first_day(month_of(posted_on) + valid_months + 1).toordinal() - 1)


async def get_account(session: ReadSession, household_id: int) -> Account:
    """Raises: NotFound `ledger.unknown_account` (404)."""
    found = await queries.account(session, household_id)
    if found is None:
        raise NotFound("ledger.unknown_account", f"There is no account of household {household_id}.")
    return found


async def available_of(session: ReadSession, household_ids: Sequence[int]) -> dict[int, int]:
    """The points that open accounts show as available, of those of some households that show any."""
    return await queries.available_of(session, household_ids)


async def spendable_lots(session: ReadSession, household_id: int, today: date) -> Sequence[Lot]:
    """Lots with points left that have not expired, the soonest to expire first."""
    return await queries.lots_by_expiry(session, household_id, today)


async def notify_expiring(session: WriteSession, now: datetime, *, city_id: int, month: int) -> int:
    """Tell each household of a city whose points expire in a month, once for that month. Returns how many were told now."""
    first = first_day(month)
    await queries.expiring_between(session, city_id, first, first.replace(day=days_in_month(month)))
    subject = f"expiry:{month_text(month)}"
    return await inbox.notify_many(session, now, city_id=city_id, kind=Kind.POINTS_EXPIRE, subject=subject)


async def statement(session: ReadSession, household_id: int, before_seq: int | None, limit: int) -> Sequence[Posting]:
    """An account's postings, the newest first."""
    return await queries.postings(session, household_id, before_seq, limit)


async def get_posting(session: ReadSession, household_id: int, seq: int) -> Posting:
    """Raises: NotFound `ledger.unknown_posting` (404)."""
    found = await session.get(Posting, (household_id, seq))
    if found is None:
        raise NotFound(
            "ledger.unknown_posting", f"This account has no posting {seq}. Its statement lists those that it has."
        )
    return found


async def close_account(
    session: WriteSession, actor: Actor, now: datetime, today: date, household_id: int, reason: str
) -> int:
    """Close an account for good. Returns the points that were left, which are given up.

    Raises: NotFound `ledger.unknown_account` (404); Conflict `ledger.held` (409) while points are on hold.
    """
    subject = f"household:{household_id}"
    context = Context(actor.of_city(), actor.subject, now, today, subject, reason)
    closed = await act_service.close_account(session, context, household_id)
    given_up = await act_queries.given_up(session, household_id, closed.journal_id)
    record(
        session,
        Act.ACCOUNT_CLOSED,
        by=actor.subject,
        at=now,
        subject=subject,
        city_id=context.city_id,
        reason=reason,
        facts={"given_up": given_up},
    )
    return given_up


async def postings_of_award(
    session: ReadSession, household_id: int, settlement_id: int, commodity: str
) -> Sequence[tuple[Posting, Lot | None]]:
    """The postings of one award in their order, each with the lot that it made, if it made one."""
    return await queries.postings_of_award(session, household_id, settlement_id, commodity)


async def balance_as_of(session: ReadSession, household_id: int, day: date, by: Clock, end_of_day: datetime) -> int:
    """What a household owned (available and held, less debt) as of a day.

    Args: by: `effective`, by the month that postings belong to; `recorded`, by when they were made. end_of_day: the moment
          at which the day ends in the city.
    """
    await get_account(session, household_id)
    if by == "effective":
        return await queries.balance_effective(session, household_id, day)
    return await queries.balance_recorded(session, household_id, end_of_day)
