"""A household's statement for some days: what stood before and after them, each posting between, and what expires."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import InvalidInput, TooLarge
from carbon_bank.ledger import queries
from carbon_bank.ledger.service import get_account, spendable_lots
from carbon_bank.ledger.statement_file import ExpiringLot, StatementHead, StatementLine
from carbon_bank.ledger.tables import Posting

LINES_MAX = 20_000
"""A PDF has fewer: `statement_file.LINES_MAX`."""


@dataclass(frozen=True)
class Whose:
    """Whose account. `city`: its name; `member_number`: how the household is known outside."""

    household_id: int
    member_number: str
    city: str
    time_zone: str


@dataclass(frozen=True)
class Statement:
    head: StatementHead
    lines: list[StatementLine]
    lots: list[ExpiringLot]


async def read_statement(
    session: ReadSession, now: datetime, whose: Whose, first_day: date | None, last_day: date | None
) -> Statement:
    """The postings that were recorded from one day to another in the city, both included, in the order of `seq`.

    Of two that stood beside each other at midnight, the first closes the day: no posting is left out or told twice by the
    statements of days that follow each other, and each line's balance is the one before it and its amount.

    Args:   last_day: left out, today. first_day: left out, the first day of that year.
    Raises: NotFound `ledger.unknown_account` (404); InvalidInput `ledger.statement_days` (422);
            TooLarge `ledger.statement_lines` (413).
    """
    await get_account(session, whose.household_id)
    today = clock.local_day(now, whose.time_zone)
    last_day = last_day or today
    first_day = first_day or last_day.replace(month=1, day=1)
    if first_day > last_day:
        raise InvalidInput(
            "ledger.statement_days",
            f"The statement would begin on {first_day} and end on {last_day}, before it. Give the earlier day first.",
        )
    before = await queries.last_recorded(session, whose.household_id, clock.day_begins(first_day, whose.time_zone))
    end = clock.day_begins(last_day + timedelta(days=1), whose.time_zone)
    last = await queries.last_recorded(session, whose.household_id, end)
    after_seq, last_seq = before.seq if before else 0, last.seq if last else 0
    found = await queries.postings_between(session, whose.household_id, after_seq, last_seq, LINES_MAX + 1)
    if len(found) > LINES_MAX:
        message = f"A statement has at most {LINES_MAX} lines, and these days have more. Ask for fewer days."
        raise TooLarge("ledger.statement_lines", message, {"lines_max": LINES_MAX})
    head = StatementHead(
        city=whose.city,
        member_number=whose.member_number,
        first_day=first_day,
        last_day=last_day,
        opening=_owned(before),
        opening_held=before.held_after if before else 0,
        closing=_owned(last),
        closing_held=last.held_after if last else 0,
        created_at=now.astimezone(ZoneInfo(whose.time_zone)),
    )
    expiring: Counter[date] = Counter()
    for lot in await spendable_lots(session, whose.household_id, today):
        if lot.expires_on is not None:
            expiring[lot.expires_on] += lot.remaining
    lots = [ExpiringLot(points, day) for day, points in sorted(expiring.items())]
    return Statement(head, [_line(each, whose.time_zone) for each in found], lots)


def _owned(posting: Posting | None) -> int:
    return posting.available_after + posting.held_after - posting.debt_after if posting else 0


def _line(posting: Posting, time_zone: str) -> StatementLine:
    return StatementLine(
        seq=posting.seq,
        journal_id=posting.journal_id,
        day=clock.local_day(posting.recorded_at, time_zone),
        kind=posting.kind,
        commodity=posting.commodity,
        belongs_to=posting.effective_on,
        amount=posting.amount,
        balance=_owned(posting),
        held=posting.held_after,
        forgiven=posting.forgiven,
    )
