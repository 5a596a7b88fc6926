"""Calls of the ledger's acts, which are functions of the database: one statement writes the journal and moves the points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, func, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.ledger.grants import GRANTS
from carbon_bank.ledger.tables import Journal, Posting

_JOURNAL = """
    INSERT INTO journal (id, city_id, kind, settlement_id, by, recorded_at, household_id, subject, reason, reverses)
    VALUES (:journal, :city_id, :journal_kind, :settlement_id, :by, :at, :household_id, :subject, :reason, :reverses)
"""
_NOTHING = {"settlement_id": None, "household_id": None, "subject": None, "reason": None, "reverses": None}
_AND_SPENDING = """,
           (:spending, :city_id, 'redemption', :settlement_id, :by, :at, :household_id, :subject, :reason, :reverses)
"""
_CALLS = {
    "hold": "ledger_hold(:household_id, :journal, :points, :deadline_at, :today, :at)",
    "spend": "ledger_hold(:household_id, :journal, :points, :deadline_at, :today, :at, :spending)",
    "end_hold": "ledger_end_hold(:household_id, :journal, :hold_id, :spent, :today, :at)",
    "grant": "ledger_grant(:household_id, :journal, :kind, :contra, :points, :expires_on, :today, :today, :at)",
    "claw": "ledger_claw(:household_id, :journal, :kind, :contra, :points, NULL, :debt_max, :today, :today, :at)",
    "reverse": "ledger_reverse(:household_id, :journal, :seq, :debt_max, :today, :at)",
    "close": "ledger_close(:household_id, :journal, :today, :at)",
}
_REVERSIBLE = "('award', 'restatement', 'adjustment', 'redemption')"
STATEMENTS = {
    name: f"WITH written AS ({_JOURNAL.rstrip()}{_AND_SPENDING if name == 'spend' else ''}) SELECT result.* FROM {call} AS result"
    for name, call in _CALLS.items()
}


@dataclass(frozen=True)
class Result:
    """What an act came to: the number of its posting and what the account holds after it, or why it is refused."""

    refusal: str | None
    fact: int | None
    seq: int | None
    available: int | None
    held: int | None
    debt: int | None
    forgiven: int | None


async def act(session: WriteSession, name: str, parameters: Mapping[str, Any]) -> Result:
    """Write the journal and carry out one act on one account. Args: name: a key of `_CALLS`."""
    row = (await session.sql(STATEMENTS[name], _NOTHING | dict(parameters))).one()
    return Result(*tuple(row))


async def reverse_all(
    session: WriteSession, journal_id: UUID, reversing: UUID, debt_max: int, today: date, at: datetime
) -> list[tuple[int, Result]]:
    """Take back each posting of a journal, household by household in their order."""
    statement = f"""
        SELECT due.household_id, result.*
        FROM (SELECT household_id, seq FROM posting
              WHERE journal_id = :journal AND kind IN {_REVERSIBLE}
              ORDER BY household_id, seq OFFSET 0) AS due
        CROSS JOIN LATERAL ledger_reverse(due.household_id, :reversing, due.seq, :debt_max, :today, :at) AS result
    """
    parameters = {"journal": journal_id, "reversing": reversing, "debt_max": debt_max, "today": today, "at": at}
    rows = await session.sql(statement, parameters)
    return [(row[0], Result(*tuple(row)[1:])) for row in rows]


async def restate_grants(session: WriteSession, parameters: Mapping[str, Any]) -> tuple[int, int]:
    """Post the differences in the temporary table `(household_id, commodity, points)`, signed; those posted before are left out.

    Returns the number of postings and their sum.
    """
    statement = f"""
        WITH due AS MATERIALIZED (
            SELECT household_id, commodity, points,
                   (SELECT seq FROM posting AS was WHERE was.household_id = grants.household_id AND was.kind = 'award'
                       AND was.settlement_id = :settlement_id AND was.commodity = grants.commodity) AS first_lot
            FROM {GRANTS} AS grants
            WHERE points <> 0 AND NOT EXISTS (
                SELECT 1 FROM posting AS was WHERE was.household_id = grants.household_id AND was.kind = 'restatement'
                   AND was.restatement_id = :restatement_id AND was.commodity = grants.commodity)
            ORDER BY household_id, commodity
        ), done AS MATERIALIZED (
            SELECT due.points, CASE
                WHEN due.points > 0
                THEN ledger_grant(due.household_id, :journal, 'restatement', 'issuance', due.points, :expires_on,
                                  :effective_on, :today, :at, :settlement_id, :restatement_id, due.commodity)
                ELSE ledger_claw(due.household_id, :journal, 'restatement', 'clawback', -due.points, due.first_lot, :debt_max,
                                 :effective_on, :today, :at, NULL, :settlement_id, :restatement_id, due.commodity)
                END AS result
            FROM due
        )
        SELECT count(*), coalesce(sum(points), 0)::bigint FROM done WHERE (result).refusal IS NULL
    """
    count, points = tuple((await session.sql(statement, parameters)).one())
    return int(count), int(points)


async def expire(
    session: WriteSession, city_id: int, after: int, accounts: int, journal: UUID, today: date, at: datetime
) -> tuple[int | None, int, int]:
    """Book what expired in the next accounts of a city. Returns the last of them (null: none was due), how many, and the points."""
    statement = "SELECT last, households, points FROM ledger_expire(:city_id, :after, :accounts, :journal, :today, :at)"
    parameters = {
        "city_id": city_id,
        "after": after,
        "accounts": accounts,
        "journal": journal,
        "today": today,
        "at": at,
    }
    last, households, points = tuple((await session.sql(statement, parameters)).one())
    return last, int(households), int(points)


async def journal(session: ReadSession, journal_id: UUID) -> Journal | None:
    return (await session.exec(select(Journal).where(col(Journal.id) == journal_id))).one_or_none()


async def reversal_of(session: ReadSession, journal_id: UUID) -> Journal | None:
    return (await session.exec(select(Journal).where(col(Journal.reverses) == journal_id))).one_or_none()


async def extent(session: ReadSession, journal_id: UUID) -> tuple[int, int, int]:
    """Of what can be taken back of a journal: households, postings, and their sum."""
    statement = f"""
        SELECT count(DISTINCT household_id), count(*), coalesce(sum(amount), 0)::bigint
        FROM posting WHERE journal_id = :journal AND kind IN {_REVERSIBLE}
    """
    households, postings, points = tuple((await session.sql(statement, {"journal": journal_id})).one())
    return int(households), int(postings), int(points)


async def given_up(session: ReadSession, household_id: int, journal_id: UUID) -> int:
    """The points that the closing of an account took, by its journal."""
    statement = select(func.coalesce(func.sum(-col(Posting.amount)), 0)).where(
        col(Posting.household_id) == household_id,
        col(Posting.journal_id) == journal_id,
        col(Posting.kind) == "closing",
    )
    return int((await session.exec(statement)).one())
