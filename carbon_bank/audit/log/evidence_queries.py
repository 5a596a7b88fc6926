"""Digests of rows that an act stood for, and the months that a settlement closes.

A row is a line: its columns as PostgreSQL writes them in UTC, texts in JSON, joined by commas between brackets. A digest is SHA-256
over the lines, each ended by a newline, in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from carbon_bank.foundation.database import ReadSession, driver
from carbon_bank.settlement.award_id import AwardId

READING_LINE = """'[' || r.meter_id || ',"' || r.period_start || '","' || r.period_end || '",' || r.revision || ','
    || coalesce(r.quantity::text, 'null') || ',"' || r.quality || '",' || coalesce('"' || r.reason || '"', 'null') || ','
    || coalesce(to_json(r.reason_text)::text, 'null') || ',' || r.batch_id || ',"' || r.recorded_at || '"]'"""
CLOSE_LINE = """'[' || r.meter_id || ',"' || r.period_start || '","' || r.period_end || '",' || r.revision || ',' || r.quantity
    || ',"' || r.quality || '","' || r.recorded_at || '"]'"""
AWARD_LINE = """'[' || a.household_id || ',"' || a.commodity || '","' || a.outcome || '",' || coalesce(a.usage::text, 'null') || ','
    || coalesce(a.baseline_num::text, 'null') || ',' || coalesce(a.baseline_den::text, 'null') || ',' || a.points || ','
    || coalesce(a.avoided_g::text, 'null') || ',' || coalesce(a.tier::text, 'null') || ',' || a.streak || ',' || a.findings || ']'"""
HOUSEHOLDS_TOGETHER = 1000
"""Awards are digested by this many ids at a time, and the digests once more: a city is no text of one piece."""
_LINES = "sha256(convert_to(coalesce(string_agg({line} || E'\\n', '' ORDER BY {order}), ''), 'UTF8'))"


async def row(session: ReadSession, table: str, row_id: int) -> dict[str, Any]:
    """A row of a table of the bank, without what is not there."""
    found = await session.sql(f"SELECT jsonb_strip_nulls(to_jsonb(t)) FROM {table} t WHERE id = :id", {"id": row_id})
    return dict(found.scalar_one_or_none() or {})


async def batch_digest(session: ReadSession, batch_id: int) -> tuple[int, str]:
    """How many readings a batch made, and the digest over them."""
    digest = _LINES.format(line=READING_LINE, order="r.meter_id, r.period_start, r.period_end, r.revision")
    statement = f"""
        SELECT count(*), encode({digest}, 'hex') FROM reading_batch b
        JOIN reading r ON r.batch_id = b.id AND r.recorded_at = b.recorded_at WHERE b.id = :id
    """
    return _counted((await session.sql(statement, {"id": batch_id})).one())


async def award_digest(session: ReadSession, settlement_id: int) -> tuple[int, str]:
    """How many awards a settlement made, and the digest over them; what was decided on held ones is no part of it."""
    digest = _LINES.format(line=AWARD_LINE, order="a.household_id, a.commodity")
    # Piece by piece along the key: in one go a city's lines would have to be sorted first. The pieces are those that are there,
    # whatever number somebody gave a household.
    statement = f"""
        WITH pieces AS (
            SELECT household_id / {HOUSEHOLDS_TOGETHER} AS piece, min(household_id) AS first, max(household_id) AS last
            FROM award WHERE settlement_id = :id GROUP BY 1
        )
        SELECT coalesce(sum(rows), 0), encode(sha256(coalesce(string_agg(digest, ''::bytea ORDER BY piece), '')), 'hex')
        FROM pieces CROSS JOIN LATERAL (
            SELECT count(*) AS rows, {digest} AS digest FROM award a
            WHERE a.settlement_id = :id AND a.household_id BETWEEN first AND last
        ) AS of_piece
    """
    return _counted((await session.sql(statement, {"id": settlement_id})).one())


async def table_digest(session: ReadSession, table: str, settlement_id: int) -> str:
    """The digest over a small table's rows of a settlement, each as JSON."""
    line = "jsonb_strip_nulls(to_jsonb(t))::text"
    digest = _LINES.format(line=line, order=line)
    statement = f"SELECT encode({digest}, 'hex') FROM {table} t WHERE settlement_id = :id"
    return str((await session.sql(statement, {"id": settlement_id})).scalar_one())


async def award_review(session: ReadSession, award: AwardId) -> dict[str, Any]:
    """What was decided on a held award."""
    statement = """
        SELECT to_jsonb(t) FROM award_review t
        WHERE settlement_id = :settlement_id AND household_id = :household_id AND commodity = :commodity
    """
    return dict((await session.sql(statement, vars(award))).scalar_one_or_none() or {})


async def last_meter(session: ReadSession, city_id: int, after: int, meters: int) -> int | None:
    """The last one of so many of a city's meters behind `after`; null where there are none."""
    statement = "SELECT max(id) FROM (SELECT id FROM meter WHERE city_id = :city_id AND id > :after ORDER BY id LIMIT :meters) AS piece"
    found = (await session.sql(statement, {"city_id": city_id, "after": after, "meters": meters})).scalar_one()
    return None if found is None else int(found)


class MonthOfMeters(NamedTuple):
    """Readings of some meters of a utility that end in a month. `commitments`: of 32 bytes each, in no order."""

    utility: str
    commodity: str
    month: date
    rows: int
    meters: int
    quantity: int
    commitments: bytes


async def months_of_meters(
    session: ReadSession,
    city_id: int,
    meters: tuple[int, int],
    days: tuple[date, date],
    as_of: datetime,
    keys: tuple[bytes, bytes],
) -> list[MonthOfMeters]:
    """The months of [first day, end day) as they were read at a moment, of a city's meters behind the first id up to the last.

    Only what the key of `reading` carries is read, as a settlement does. Args: keys: `closes.keys_of_readings`.
    """
    statement = f"""
        WITH used AS (
            SELECT DISTINCT ON (meter_id, period_start, period_end)
                   meter_id, period_start, period_end, revision, quantity, quality, recorded_at
            FROM reading
            WHERE meter_id > %(after)s AND meter_id <= %(last)s AND period_end > %(first)s AND period_end <= %(end)s
              AND recorded_at <= %(as_of)s
            ORDER BY meter_id, period_start, period_end, revision DESC
        ), committed AS (
            SELECT m.utility_id, m.commodity, date_trunc('month', r.period_end - 1)::date AS month, r.meter_id, r.quantity,
                   sha256(%(outer)s::bytea || sha256(%(inner)s::bytea || convert_to({CLOSE_LINE}, 'UTF8'))) AS commitment
            FROM used r JOIN meter m ON m.id = r.meter_id WHERE m.city_id = %(city_id)s AND r.quantity IS NOT NULL
        ), month AS (
            SELECT utility_id, commodity, month, count(*) AS rows,
                   (SELECT count(DISTINCT each) FROM unnest(array_agg(meter_id)) AS each) AS meters,
                   sum(quantity)::bigint AS quantity, string_agg(commitment, ''::bytea) AS commitments
            FROM committed GROUP BY utility_id, commodity, month
        )
        SELECT u.code, m.commodity, m.month, m.rows, m.meters, m.quantity, m.commitments
        FROM month m JOIN utility u ON u.id = m.utility_id
    """
    after, last = meters
    first, end = days
    inner, outer = keys
    parameters = {"city_id": city_id, "after": after, "last": last, "first": first, "end": end, "as_of": as_of}
    async with (await driver(session)).cursor(binary=True) as cursor:
        await cursor.execute(statement, parameters | {"inner": inner, "outer": outer})
        return [MonthOfMeters._make(row) for row in await cursor.fetchall()]


def _counted(row: Sequence[Any]) -> tuple[int, str]:
    return int(row[0]), str(row[1])
