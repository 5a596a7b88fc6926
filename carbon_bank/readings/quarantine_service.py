"""Quarantine: rows that wait for their meter are recorded when it appears; a doubtful rollover waits for the operator.

Nothing that waits is lost: it ends recorded, refused (with its code), dropped (with a reason), or expired after 13 months.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import quarantine_queries as queries
from carbon_bank.readings.intake import Status
from carbon_bank.readings.quarantine_tables import QuarantinedRow as QuarantinedRow
from carbon_bank.readings.registers import HELD
from carbon_bank.readings.service import BATCH_ROWS_MAX, BatchResult, record_readings, rows_from
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act, record

_RECORDED = {Status.ACCEPTED, Status.DUPLICATE, Status.REVISED}


async def utilities_to_take_up(session: ReadSession) -> list[int]:
    """Utilities with rows that waited for a meter which is there now."""
    return await queries.utilities_to_take_up(session)


async def take_up(session: WriteSession, actor: Actor, now: datetime, utility_id: int) -> int:
    """Record the next rows of a utility whose meters have appeared. Returns how many were taken up; 0: none is left."""
    waiting = await queries.to_take_up(session, utility_id, BATCH_ROWS_MAX)
    if not waiting:
        return 0
    place = await registry.place_of_utility(session, utility_id)
    rows = rows_from([sent for _, sent in waiting])
    result = await record_readings(session, actor, now, place, rows, source="quarantine", mode="partial")
    outcomes = _outcomes([row_id for row_id, _ in waiting], result)
    await queries.decide(session, outcomes, now, actor.subject)
    return len(waiting)


async def expire(session: WriteSession, actor: Actor, now: datetime) -> int:
    """End the wait of rows that have waited long enough. Returns how many."""
    return await queries.expire(session, (now - timedelta(days=1)).date(), now, actor.subject)


async def list_rows(
    session: ReadSession,
    actor: Actor,
    utility: str | None,
    state: str,
    code: str | None,
    after: int,
    limit: int,
) -> Sequence[QuarantinedRow]:
    """A utility sees its own rows, city staff and auditors those of their city.

    Raises: NotFound `registry.unknown_utility` (404).
    """
    utility_id = await registry.utility_asked_for(session, actor, utility)
    return await queries.listed(session, actor.of_city(), utility_id, state, code, after, limit)


async def release(session: WriteSession, actor: Actor, now: datetime, row_id: int, reason: str) -> QuarantinedRow:
    """Record a row whose rollover was held: the register did go through its highest figure.

    Raises: NotFound `readings.unknown_quarantined` (404); Conflict `readings.not_waiting`, `readings.not_held` (409).
    """
    row = await _waiting(session, actor, row_id)
    if row.code != HELD:
        raise Conflict(
            "readings.not_held",
            f"Row {row_id} waits for its meter, not for a decision: enter the meter, and it is recorded by itself. Or drop it.",
            {"id": row_id, "code": row.code},
        )
    place = await registry.place_of_utility(session, row.utility_id)
    result = await record_readings(
        session, actor, now, place, rows_from([row.sent]), source="quarantine", mode="partial", trust_rollovers=True
    )
    await queries.decide(session, _outcomes([row_id], result), now, actor.subject, reason)
    return await _decided(session, actor, now, row, Act.QUARANTINE_RELEASED, reason)


async def drop(session: WriteSession, actor: Actor, now: datetime, row_id: int, reason: str) -> QuarantinedRow:
    """End a row's wait without recording it. It stays on record, with the reason.

    Raises: NotFound `readings.unknown_quarantined` (404); Conflict `readings.not_waiting` (409).
    """
    row = await _waiting(session, actor, row_id)
    await queries.decide(session, [(row_id, "dropped", None)], now, actor.subject, reason)
    return await _decided(session, actor, now, row, Act.QUARANTINE_DROPPED, reason)


async def _waiting(session: WriteSession, actor: Actor, row_id: int) -> QuarantinedRow:
    row = await queries.lock(session, actor.of_city(), row_id)
    if row is None:
        raise NotFound("readings.unknown_quarantined", f"There is no quarantined row {row_id} in this city.")
    if row.state != "waiting":
        raise Conflict(
            "readings.not_waiting",
            f"Row {row_id} waits no more: it was {row.state} on {row.decided_at:%Y-%m-%d}.",
            {"id": row_id, "state": row.state},
        )
    return row


async def _decided(
    session: WriteSession, actor: Actor, now: datetime, row: QuarantinedRow, act: Act, reason: str
) -> QuarantinedRow:
    await session.refresh(row)
    facts: dict[str, Any] = {"state": row.state, "outcome": row.outcome, "code": row.code}
    subject = f"reading_quarantine:{row.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=row.city_id, reason=reason, facts=facts)
    return row


def _outcomes(row_ids: list[int], result: BatchResult) -> list[tuple[int, str, str | None]]:
    codes = {refused.line: refused.code for refused in result.refused}
    return [
        (row_id, "recorded" if status in _RECORDED else "refused", codes.get(line, status))
        for line, (row_id, status) in enumerate(zip(row_ids, result.statuses, strict=True), start=1)
    ]
