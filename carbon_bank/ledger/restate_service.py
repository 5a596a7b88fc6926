"""Posting what a restatement changed: the differences between the points that were posted and those that are right now."""

from __future__ import annotations

from datetime import date

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.ids import uuid7
from carbon_bank.ledger import act_queries, queries
from carbon_bank.ledger.act_service import Context
from carbon_bank.ledger.grants import GRANTS
from carbon_bank.ledger.service import Posted
from carbon_bank.ledger.tables import Journal


async def post_differences(
    session: WriteSession,
    context: Context,
    *,
    settlement_id: int,
    restatement_id: int,
    effective_on: date,
    expires_on: date | None,
    debt_max: int,
) -> Posted:
    """Post the signed rows of the temporary table GRANTS, one posting for each. What is posted already is left out.

    What is granted pays off debt first; what is taken back comes out of the award's own lot first, and what was spent becomes
    debt up to `debt_max`. Where nothing is left to post, nothing is written.
    """
    await queries.lock_accounts(session, GRANTS)
    journal = Journal(
        id=uuid7(context.now),
        city_id=context.city_id,
        kind="restatement",
        settlement_id=settlement_id,
        by=context.by,
        recorded_at=context.now,
        subject=context.subject,
        reason=context.reason,
    )
    parameters = {
        "journal": journal.id,
        "settlement_id": settlement_id,
        "restatement_id": restatement_id,
        "effective_on": effective_on,
        "expires_on": expires_on,
        "debt_max": debt_max,
        "today": context.today,
        "at": context.now,
    }
    count, points = await act_queries.restate_grants(session, parameters)
    if count:
        await queries.add_journal(session, journal)
    return Posted(count, points)


async def posted_of_restatement(session: ReadSession, subject: str, settlement_id: int) -> Posted:
    """What stands in the ledger for a restatement: its differences, and what they come to with what was not asked back."""
    return Posted(*await queries.restatement_sums(session, subject, settlement_id))
