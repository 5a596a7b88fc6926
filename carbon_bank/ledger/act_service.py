"""Acts on an account: hold, spend or void a hold, take back, close, expire. One journal each, in the caller's transaction.

`today` is the day in the city: what expired before it cannot be spent, whether the daily job has booked it or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.foundation.ids import uuid7
from carbon_bank.ledger import act_queries, queries
from carbon_bank.ledger.refusals import refuse
from carbon_bank.ledger.tables import Journal


@dataclass(frozen=True)
class Context:
    """Who acts in which city, when, on which day there, and what for (`redemption:12`)."""

    city_id: int
    by: str
    now: datetime
    today: date
    subject: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Moved:
    """What an act did: its journal, the number of its posting, what the account holds after it, what it did not ask back."""

    journal_id: UUID
    seq: int
    available: int
    held: int
    debt: int
    forgiven: int = 0


@dataclass(frozen=True)
class Extent:
    """How many households a journal moved, by how many postings, and what these come to."""

    households: int
    postings: int
    points: int


async def hold_points(
    session: WriteSession, context: Context, household_id: int, points: int, deadline_at: datetime
) -> Moved:
    """Set points aside until a deadline; `seq` of the result is the hold's id.

    Raises: Conflict `ledger.insufficient`, `ledger.closed` (409); NotFound `ledger.unknown_account` (404).
    """
    assert points > 0 and deadline_at > context.now
    return await _act(session, context, "hold", "hold", household_id, {"points": points, "deadline_at": deadline_at})


async def spend_points(
    session: WriteSession, context: Context, household_id: int, points: int, deadline_at: datetime
) -> Moved:
    """Set points aside and let them leave in the same moment: both postings and both journals, in one act.

    The hold's id is the number before `seq` of the result, which tells of the redemption.

    Raises: Conflict `ledger.insufficient`, `ledger.closed` (409); NotFound `ledger.unknown_account` (404).
    """
    assert points > 0 and deadline_at > context.now
    spending = uuid7(context.now)
    given = {"points": points, "deadline_at": deadline_at, "spending": spending}
    moved = await _act(session, context, "spend", "hold", household_id, given)
    return replace(moved, journal_id=spending)


async def spend_hold(
    session: WriteSession, context: Context, household_id: int, hold_id: int, points: int | None = None
) -> Moved:
    """Let the points of a hold leave, whole or a part of them; the rest returns to its lots.

    Raises: NotFound `ledger.hold_unknown` (404); Conflict `ledger.hold_ended`, `ledger.hold_lapsed`, `ledger.hold_exceeded` (409).
    """
    assert points is None or points > 0
    return await _act(session, context, "end_hold", "redemption", household_id, {"hold_id": hold_id, "spent": points})


async def void_hold(session: WriteSession, context: Context, household_id: int, hold_id: int) -> Moved:
    """Return the points of a hold to their lots.

    Raises: NotFound `ledger.hold_unknown` (404); Conflict `ledger.hold_ended` (409).
    """
    return await _act(session, context, "end_hold", "release", household_id, {"hold_id": hold_id, "spent": 0})


async def adjust(
    session: WriteSession, context: Context, household_id: int, points: int, expires_on: date | None, debt_max: int
) -> Moved:
    """Add points, or take them where `points` is negative: what is not there becomes debt, up to `debt_max`."""
    kind = {"kind": "adjustment", "contra": "adjustment", "points": abs(points)}
    if points > 0:
        return await _act(session, context, "grant", "adjustment", household_id, kind | {"expires_on": expires_on})
    return await _act(session, context, "claw", "adjustment", household_id, kind | {"debt_max": debt_max})


async def close_account(session: WriteSession, context: Context, household_id: int) -> Moved:
    """Close an account: what is left in it is given up, and nothing can be set aside any more.

    Raises: Conflict `ledger.held` (409) while points are on hold.
    """
    return await _act(session, context, "close", "closing", household_id, {})


async def reverse_journal(
    session: WriteSession, context: Context, journal_id: UUID, debt_max: int
) -> list[tuple[int, Moved]]:
    """Take back everything that a journal posted, once. Returns each household with what its account holds after it.

    Raises: NotFound `ledger.unknown_journal` (404); Conflict `ledger.reversed`, `ledger.not_reversible` (409).
    """
    found = await require_reversible(session, context.city_id, journal_id)
    reversing = Journal(
        id=uuid7(context.now),
        city_id=context.city_id,
        kind="reversal",
        by=context.by,
        recorded_at=context.now,
        household_id=found.household_id,
        subject=context.subject,
        reason=context.reason,
        reverses=journal_id,
    )
    try:
        async with session.begin_nested():
            await queries.add_journal(session, reversing)
    except IntegrityError as error:
        if violated(error) != "journal_reverses_key":
            raise
        raise await _reversed(session, journal_id) from None
    results = await act_queries.reverse_all(session, journal_id, reversing.id, debt_max, context.today, context.now)
    return [(household_id, _moved(reversing.id, household_id, result)) for household_id, result in results]


async def require_reversible(session: ReadSession, city_id: int, journal_id: UUID) -> Journal:
    """A journal that may be taken back.

    Raises: NotFound `ledger.unknown_journal` (404); Conflict `ledger.reversed`, `ledger.not_reversible` (409).
    """
    found = await act_queries.journal(session, journal_id)
    if found is None or found.city_id != city_id:
        raise NotFound("ledger.unknown_journal", f"There is no journal {journal_id} in this city.")
    if found.kind not in {"award", "restatement", "adjustment", "redemption"}:
        raise Conflict(
            "ledger.not_reversible",
            f"Journal {journal_id} is a {found.kind}. Only awards, restatements, adjustments and redemptions are taken back.",
            {"kind": found.kind},
        )
    if await act_queries.reversal_of(session, journal_id) is not None:
        raise await _reversed(session, journal_id)
    return found


async def extent_of(session: ReadSession, journal_id: UUID) -> Extent:
    """What the taking back of a journal would touch."""
    return Extent(*await act_queries.extent(session, journal_id))


async def book_expiries(
    session: WriteSession, context: Context, after: int, accounts: int
) -> tuple[int | None, int, int]:
    """Book what expired in the next accounts of a city, those behind `after`.

    Returns the last account (null: none was due), how many there were, and their points.
    """
    journal = Journal(
        id=uuid7(context.now), city_id=context.city_id, kind="expiry", by=context.by, recorded_at=context.now
    )
    booked = await act_queries.expire(session, context.city_id, after, accounts, journal.id, context.today, context.now)
    if booked[0] is not None:
        await queries.add_journal(session, journal)
    return booked


async def _reversed(session: ReadSession, journal_id: UUID) -> Conflict:
    before = await act_queries.reversal_of(session, journal_id)
    when = f" at {before.recorded_at:%Y-%m-%d %H:%M} UTC" if before else ""
    return Conflict("ledger.reversed", f"Journal {journal_id} was taken back{when}. Nothing is taken back twice.")


async def _act(
    session: WriteSession,
    context: Context,
    name: str,
    journal_kind: str,
    household_id: int,
    given: dict[str, object],
) -> Moved:
    journal_id = uuid7(context.now)
    parameters = {
        "journal": journal_id,
        "city_id": context.city_id,
        "journal_kind": journal_kind,
        "by": context.by,
        "at": context.now,
        "today": context.today,
        "household_id": household_id,
        "subject": context.subject,
        "reason": context.reason,
    }
    return _moved(journal_id, household_id, await act_queries.act(session, name, parameters | given))


def _moved(journal_id: UUID, household_id: int, result: act_queries.Result) -> Moved:
    if result.refusal is not None:
        raise refuse(result.refusal, household_id, result.fact)
    assert result.seq is not None and result.available is not None
    assert result.held is not None and result.debt is not None
    return Moved(journal_id, result.seq, result.available, result.held, result.debt, result.forgiven or 0)
