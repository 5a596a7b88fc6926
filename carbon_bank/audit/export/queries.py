"""What an export package reads: rows of the rooms below by the hundred thousand, as of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

import polars as pl
from sqlmodel import col, select

from carbon_bank.audit.log.tables import LogCheckpoint
from carbon_bank.foundation.columns import Columns, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession, driver
from carbon_bank.foundation.units import QUALITY_DTYPE
from carbon_bank.readings.intake import PERIOD_DAYS_MAX, Reason

NO_QUANTITY = -1
REASONS = pl.Enum(["", *(reason.value for reason in Reason)])
_READINGS: Columns = {
    "meter_id": pl.Int64,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "revision": pl.Int16,
    "quantity": pl.Int64,
    "quality": QUALITY_DTYPE,
    "reason": REASONS,
    "batch_id": pl.Int64,
    "recorded_at": pl.Datetime("us", "UTC"),
}


class ActPlace(NamedTuple):
    """An act and where it stands in the log, with the months that it closed; null while it is not sealed."""

    id: int
    act: str
    leaf: int | None
    last_leaf: int | None


class JournalPlace(NamedTuple):
    """A journal, how many of its households are not sealed, and its last leaf."""

    id: UUID
    unsealed: int
    last_leaf: int | None


async def as_of_one_moment(session: ReadSession) -> None:
    """All that follows in this transaction sees the same state of the database, whatever others commit meanwhile."""
    await session.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def acts_about(session: ReadSession, settlement_id: int) -> list[ActPlace]:
    """The acts about a settlement and its awards, in their order. Who looked at them is no part of the settlement."""
    statement = """
        WITH about AS (
            SELECT id, act FROM trail WHERE subject = 'settlement:' || :id AND act NOT LIKE '%.read'
            UNION ALL
            SELECT t.id, t.act FROM award_review r
            JOIN trail t ON t.subject = 'award:' || r.settlement_id || '-' || r.household_id || '-' || r.commodity
            WHERE r.settlement_id = :id AND t.act NOT LIKE '%.read'
        )
        SELECT about.id, about.act, min(l.leaf), max(l.leaf) FROM about LEFT JOIN log_leaf l ON l.act_id = about.id
        GROUP BY about.id, about.act ORDER BY about.id
    """
    return [ActPlace._make(row) for row in await session.sql(statement, {"id": settlement_id})]


async def approval_of_policy(session: ReadSession, city_id: int, policy_id: int, before: int) -> ActPlace | None:
    """The last approval of a policy in a city before an act."""
    statement = """
        SELECT t.id, t.act, l.leaf, l.leaf FROM policy_adoption a
        JOIN trail t ON t.subject = 'adoption:' || a.id AND t.act = 'policy.approved' AND t.id < :before
        LEFT JOIN log_leaf l ON l.act_id = t.id
        WHERE a.city_id = :city_id AND a.policy_id = :policy_id ORDER BY t.id DESC LIMIT 1
    """
    found = await session.sql(statement, {"city_id": city_id, "policy_id": policy_id, "before": before})
    row = found.one_or_none()
    return None if row is None else ActPlace._make(row)


async def journals_of(session: ReadSession, settlement_id: int) -> list[JournalPlace]:
    """The journals that posted a settlement's awards, in the order in which they were made."""
    statement = """
        SELECT j.id, count(*) FILTER (WHERE l.leaf IS NULL), max(l.leaf)
        FROM journal j JOIN posting p ON p.journal_id = j.id
        LEFT JOIN log_leaf l ON l.household_id = p.household_id AND l.journal_id = j.id
        WHERE j.settlement_id = :id AND j.kind = 'award' GROUP BY j.id ORDER BY j.made_in, j.id
    """
    return [JournalPlace._make(row) for row in await session.sql(statement, {"id": settlement_id})]


async def first_checkpoint_over(session: ReadSession, city_id: int, leaf: int) -> LogCheckpoint | None:
    """The first checkpoint that was signed over a leaf."""
    statement = select(LogCheckpoint).where(LogCheckpoint.city_id == city_id, col(LogCheckpoint.size) > leaf)
    return (await session.exec(statement.order_by(col(LogCheckpoint.size)).limit(1))).first()


async def meters(session: ReadSession, city_id: int, after: int, limit: int) -> pl.DataFrame:
    """The next meters of a city: `id, utility, commodity`."""
    query = """
        SELECT meter.id, utility.code, meter.commodity FROM meter JOIN utility ON utility.id = meter.utility_id
        WHERE meter.city_id = %(city_id)s AND meter.id > %(after)s ORDER BY meter.id LIMIT %(limit)s
    """
    schema = {"id": pl.Int64, "utility": pl.String, "commodity": pl.String}
    return await _copied(session, query, {"city_id": city_id, "after": after, "limit": limit}, schema)


async def readings_recorded(
    session: ReadSession, meter_ids: Sequence[int], windows: Sequence[tuple[date, date]], as_of: datetime
) -> pl.DataFrame:
    """Every revision recorded up to a moment whose period touches one of some days, in order.

    Returns: `_READINGS`; NO_QUANTITY where it was taken back, "" for no reason.
    """
    query = f"""
        SELECT meter_id, period_start, period_end, revision, coalesce(quantity, {NO_QUANTITY}) AS quantity,
               {place_of(QUALITY_DTYPE, "quality::text")} AS quality, {place_of(REASONS, "coalesce(reason::text, '')")} AS reason,
               batch_id, recorded_at
        FROM reading
        WHERE meter_id = ANY(%(meter_ids)s) AND period_start >= %(reach)s AND period_start < %(end)s AND period_end > %(first)s
          AND recorded_at <= %(as_of)s
    """
    found = [
        await fetch_columns(
            session,
            query,
            {"meter_ids": list(meter_ids), "first": first, "end": end, "reach": _reach(first), "as_of": as_of},
            _READINGS,
        )
        for first, end in windows
    ]
    return pl.concat(found).sort("meter_id", "period_start", "period_end", "revision")


def _reach(first: date) -> date:
    return first - timedelta(days=PERIOD_DAYS_MAX)


AWARDS: Columns = {
    "household_id": pl.Int64,
    "commodity": pl.String,
    "outcome": pl.String,
    "usage": pl.Int64,
    "baseline_num": pl.String,
    "baseline_den": pl.String,
    "tier": pl.Int64,
    "streak": pl.Int64,
    "points": pl.Int64,
    "avoided_g": pl.Int64,
    "review": pl.String,
    "findings_told": pl.String,
}


async def awards(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    """The awards of the households from one id to another, in order; findings as the database writes them."""
    query = """
        SELECT household_id, commodity, outcome, usage, baseline_num, baseline_den, tier, streak, points, avoided_g, review, findings
        FROM award WHERE settlement_id = %(id)s AND household_id BETWEEN %(first)s AND %(last)s
    """
    found = await _copied(session, query, {"id": settlement_id, "first": first_id, "last": last_id}, AWARDS)
    return found.sort("household_id", "commodity")


async def reviews(session: ReadSession, settlement_id: int) -> list[dict[str, Any]]:
    statement = """
        SELECT household_id, commodity, decision, by, at, reason FROM award_review
        WHERE settlement_id = :id ORDER BY household_id, commodity
    """
    return [dict(row) for row in (await session.sql(statement, {"id": settlement_id})).mappings()]


async def leaves_of(session: ReadSession, journal_id: UUID, household_ids: Sequence[int]) -> dict[int, int]:
    """Where a journal's households stand in the log."""
    query = """
        SELECT l.household_id, l.leaf FROM unnest(%(households)s::bigint[]) AS side(household_id)
        JOIN log_leaf l ON l.household_id = side.household_id AND l.journal_id = %(journal)s
    """
    parameters = {"households": list(household_ids), "journal": journal_id}
    schema = {"household_id": pl.Int64, "leaf": pl.Int64}
    found = await fetch_columns(session, query, parameters, schema, by_key=True)
    return dict(found.iter_rows())


async def household_numbers(session: ReadSession, ids: Sequence[int]) -> pl.DataFrame:
    """`id, number` of households."""
    query = "SELECT id, number FROM household WHERE id = ANY(%(ids)s) ORDER BY id"
    return await _copied(session, query, {"ids": list(ids)}, {"id": pl.Int64, "number": pl.String})


async def meter_numbers(session: ReadSession, ids: Sequence[int]) -> pl.DataFrame:
    """`id, number, meter_number, utility` of meters: `number` is the customer's."""
    query = """
        SELECT meter.id, customer_number, nullif(meter_number, ''), utility.code FROM meter
        JOIN utility ON utility.id = meter.utility_id WHERE meter.id = ANY(%(ids)s) ORDER BY meter.id
    """
    schema = {"id": pl.Int64, "number": pl.String, "meter_number": pl.String, "utility": pl.String}
    return await _copied(session, query, {"ids": list(ids)}, schema)


async def _copied(session: ReadSession, query: str, parameters: Mapping[str, Any], schema: Columns) -> pl.DataFrame:
    """The rows of a query by COPY, which has texts and nulls as well: its columns in the order of the schema."""
    async with (
        (await driver(session)).cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", parameters) as copy,
    ):
        data = b"".join([bytes(part) async for part in copy])
    if not data:
        return pl.DataFrame(schema=dict(schema))
    return pl.read_csv(BytesIO(data), has_header=False, schema=dict(schema))
