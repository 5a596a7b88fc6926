"""SQL of findings about the register, readings, postings and approvals. All of a city; nothing here decides.

What a settlement's awards rest on stands in `finding_award_queries.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from carbon_bank.foundation.columns import Columns, array_text, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import COMMODITY_DTYPE

PERIOD_DAYS_MAX = 100
"""No reading is longer (`reading_period_check`), so that what reaches into some days began at most this long before them."""
OPEN_END = date(9999, 1, 1)

_PLAIN = """
    btrim(regexp_replace('-' || regexp_replace(regexp_replace(upper(normalize({column}, NFKC)), '[^[:alnum:]]+', '-', 'g'),
          '([[:alpha:]])(?=[0-9])|([0-9])(?=[[:alpha:]])', '\\1\\2-', 'g'), '-0+(?=[0-9])', '-', 'g'), '-')
"""
"""A number without what people leave out: case, full-width forms, which separator, leading zeros of a group of digits. Where the
groups begin still counts: 1-23 is not 12-3."""


async def as_of_one_moment(session: ReadSession) -> None:
    """All that follows in this transaction sees the same state of the database. To be called before anything else."""
    await session.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def city_of_settlement(session: ReadSession, settlement_id: int) -> int | None:
    found = await session.sql(
        "SELECT city_id FROM settlement WHERE id = :settlement_id", {"settlement_id": settlement_id}
    )
    city_id: int | None = found.scalar_one_or_none()
    return city_id


async def next_requested_at(session: ReadSession, city_id: int, after: datetime) -> datetime | None:
    """When the city asked for its next settlement after a moment."""
    query = "SELECT min(requested_at) FROM settlement WHERE city_id = :city_id AND requested_at > :after"
    moment: datetime | None = (await session.sql(query, {"city_id": city_id, "after": after})).scalar_one()
    return moment


async def counts(session: ReadSession, city_id: int) -> tuple[int, int, int]:
    """Households, meters and tenures of a city."""
    query = """
        SELECT (SELECT count(*) FROM household WHERE city_id = :city_id), (SELECT count(*) FROM meter WHERE city_id = :city_id),
               (SELECT count(*) FROM tenure WHERE city_id = :city_id)
    """
    households, meters, tenures = tuple((await session.sql(query, {"city_id": city_id})).one())
    return households, meters, tenures


async def held_twice(session: ReadSession, city_id: int, first_day: date, end_day: date) -> pl.DataFrame:
    """`meter_id, commodity, household_id, other_id, days` of tenures of two households that overlap within [first_day, end_day)."""
    query = f"""
        SELECT one.meter_id, {place_of(COMMODITY_DTYPE, "meter.commodity")} AS commodity, one.household_id,
               other.household_id AS other_id, sum(span.end_day - span.first_day)::bigint AS days
        FROM tenure AS one JOIN tenure AS other ON other.meter_id = one.meter_id AND other.household_id > one.household_id
        JOIN meter ON meter.id = one.meter_id
        CROSS JOIN LATERAL (SELECT greatest(one.starts_on, other.starts_on, %(first_day)s) AS first_day,
                                   least(one.ends_on, other.ends_on, %(end_day)s) AS end_day) AS span
        WHERE one.city_id = %(city_id)s AND span.first_day < span.end_day
        GROUP BY one.meter_id, meter.commodity, one.household_id, other.household_id
    """
    schema: Columns = {
        "meter_id": pl.Int64,
        "commodity": COMMODITY_DTYPE,
        "household_id": pl.Int64,
        "other_id": pl.Int64,
        "days": pl.Int64,
    }
    return await fetch_columns(session, query, {"city_id": city_id, "first_day": first_day, "end_day": end_day}, schema)


async def household_variants(session: ReadSession, city_id: int) -> pl.DataFrame:
    """`household_id, other_id`: each beside the first household whose number is a variant of its own."""
    query = f"""
        SELECT household_id, other_id FROM (
            SELECT min(id) OVER plain AS household_id, id AS other_id
            FROM (SELECT id, {_PLAIN.format(column="number")} AS plain FROM household WHERE city_id = %(city_id)s) AS named
            WHERE plain <> '' WINDOW plain AS (PARTITION BY plain)
        ) AS pair WHERE other_id <> household_id
    """
    return await fetch_columns(session, query, {"city_id": city_id}, {"household_id": pl.Int64, "other_id": pl.Int64})


async def meter_variants(session: ReadSession, city_id: int) -> pl.DataFrame:
    """`meter_id, other_id, commodity, household_id` (of either; 0: nobody) of meters whose numbers are variants of another's."""
    query = f"""
        SELECT meter_id, other_id, commodity,
               coalesce((SELECT max(household_id) FROM tenure WHERE tenure.meter_id IN (pair.meter_id, pair.other_id)), 0)
               AS household_id
        FROM (
            SELECT min(id) OVER plain AS meter_id, id AS other_id, {place_of(COMMODITY_DTYPE, "commodity")} AS commodity
            FROM (SELECT id, utility_id, commodity, {_PLAIN.format(column="customer_number")} AS customer,
                         {_PLAIN.format(column="meter_number")} AS number FROM meter WHERE city_id = %(city_id)s) AS named
            WHERE customer <> '' WINDOW plain AS (PARTITION BY utility_id, commodity, customer, number)
        ) AS pair WHERE other_id <> meter_id
    """
    schema: Columns = {
        "meter_id": pl.Int64,
        "other_id": pl.Int64,
        "commodity": COMMODITY_DTYPE,
        "household_id": pl.Int64,
    }
    return await fetch_columns(session, query, {"city_id": city_id}, schema)


async def utilities(session: ReadSession, city_id: int) -> dict[int, str]:
    rows = await session.sql(
        "SELECT id, code FROM utility WHERE city_id = :city_id ORDER BY code", {"city_id": city_id}
    )
    return dict(map(tuple, rows))


async def meters(session: ReadSession, city_id: int) -> pl.DataFrame:
    """`meter_id, utility_id, commodity`, in order."""
    query = f"""
        SELECT id AS meter_id, utility_id, {place_of(COMMODITY_DTYPE, "commodity")} AS commodity FROM meter
        WHERE city_id = %(city_id)s
    """
    schema: Columns = {"meter_id": pl.Int64, "utility_id": pl.Int64, "commodity": COMMODITY_DTYPE}
    return (await fetch_columns(session, query, {"city_id": city_id}, schema)).sort("meter_id")


async def standing(session: ReadSession, first_id: int, last_id: int, first_day: date, end_day: date) -> pl.DataFrame:
    """What stands now for meters from one id to another, of periods that begin within [first_day, end_day): `meter_id, period_start,
    period_end, quantity, is_estimated`, by meter and time."""
    query = """
        SELECT meter_id, period_start, period_end, quantity, is_estimated FROM (
            SELECT DISTINCT ON (meter_id, period_start, period_end) meter_id, period_start, period_end, quantity,
                   quality = 'estimated' AS is_estimated
            FROM reading WHERE meter_id BETWEEN %(first_id)s AND %(last_id)s
              AND period_start >= %(first_day)s AND period_start < %(end_day)s
            ORDER BY meter_id, period_start, period_end, revision DESC
        ) AS stands WHERE quantity IS NOT NULL
    """
    parameters = {"first_id": first_id, "last_id": last_id, "first_day": first_day, "end_day": end_day}
    schema: Columns = {
        "meter_id": pl.Int64,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "quantity": pl.Int64,
        "is_estimated": pl.Boolean,
    }
    return await fetch_columns(session, query, parameters, schema)


async def standing_of(session: ReadSession, meter_ids: Sequence[int], first_day: date, end_day: date) -> pl.DataFrame:
    """As `standing`, of a few meters."""
    none = await standing(session, 0, 0, first_day, end_day)
    return pl.concat([none, *[await standing(session, each, each, first_day, end_day) for each in meter_ids]])


async def holders(session: ReadSession, meter_ids: Sequence[int], first_day: date, end_day: date) -> pl.DataFrame:
    """`meter_id, household_id` of tenures that touch [first_day, end_day)."""
    query = """
        SELECT DISTINCT meter_id, household_id FROM tenure
        WHERE meter_id = ANY(%(meter_ids)s::bigint[]) AND starts_on < %(end_day)s AND coalesce(ends_on, %(open_end)s) > %(first_day)s
    """
    ids = array_text(pl.Series(meter_ids, dtype=pl.Int64))
    parameters = {"meter_ids": ids, "first_day": first_day, "end_day": end_day, "open_end": OPEN_END}
    return await fetch_columns(session, query, parameters, {"meter_id": pl.Int64, "household_id": pl.Int64})


async def takings(
    session: ReadSession, city_id: int, settlement_ids: Sequence[int], first: datetime, end: datetime
) -> pl.DataFrame:
    """Postings that took points back, of some settlements or within [first, end): `household_id, seq, kind, taken, debt_after,
    forgiven, settlement_id, commodity`, and `spent`: what the household had redeemed since it got them."""
    query = """
        WITH taking AS (
            SELECT posting.household_id, posting.seq, posting.kind, posting.forgiven - posting.amount AS taken, posting.debt_after,
                   posting.forgiven, coalesce(was.settlement_id, posting.settlement_id, 0) AS settlement_id,
                   coalesce(was.commodity, posting.commodity, '') AS commodity, coalesce(was.seq, award.seq, 0) AS got_seq
            FROM posting JOIN household ON household.id = posting.household_id AND household.city_id = :city_id
            LEFT JOIN posting AS was ON was.household_id = posting.household_id AND was.seq = posting.reverses
            LEFT JOIN posting AS award ON posting.kind = 'restatement' AND award.household_id = posting.household_id
                 AND award.kind = 'award' AND award.settlement_id = posting.settlement_id AND award.commodity = posting.commodity
            WHERE posting.kind IN ('reversal', 'restatement') AND posting.amount - posting.forgiven < 0
              AND (coalesce(was.settlement_id, posting.settlement_id) = ANY(:settlement_ids)
                   OR (posting.recorded_at >= :first AND posting.recorded_at < :end))
        )
        SELECT taking.household_id, seq, kind, taken, debt_after, forgiven, settlement_id, commodity, (
            SELECT coalesce(-sum(spent.amount), 0)::bigint FROM posting AS spent
            WHERE spent.household_id = taking.household_id AND spent.kind = 'redemption'
              AND spent.seq > taking.got_seq AND spent.seq < taking.seq
              AND NOT EXISTS (SELECT 1 FROM posting AS undone WHERE undone.household_id = spent.household_id
                              AND undone.reverses = spent.seq AND undone.seq < taking.seq)
        ) AS spent FROM taking
    """
    parameters = {"city_id": city_id, "settlement_ids": list(settlement_ids), "first": first, "end": end}
    rows = [tuple(row) for row in await session.sql(query, parameters)]
    whole = dict.fromkeys(("taken", "debt_after", "forgiven", "settlement_id"), pl.Int64)
    schema: dict[str, Any] = {"household_id": pl.Int64, "seq": pl.Int64, "kind": pl.String, **whole}
    return pl.DataFrame(rows, schema={**schema, "commodity": pl.String, "spent": pl.Int64}, orient="row")


async def approvals(
    session: ReadSession, city_id: int, acts: Sequence[str], first: datetime, end: datetime
) -> Sequence[tuple[str, str, str, datetime]]:
    """`act, subject, by, at` of some acts within [first, end)."""
    query = """
        SELECT act, subject, by, at FROM trail
        WHERE city_id = :city_id AND act = ANY(:acts) AND at >= :first AND at < :end ORDER BY at, id
    """
    rows = await session.sql(query, {"city_id": city_id, "acts": list(acts), "first": first, "end": end})
    return [(act, subject, by, at) for act, subject, by, at in map(tuple, rows)]


async def sealed_accounts(session: ReadSession, city_id: int, first: datetime, end: datetime) -> list[tuple[int, str]]:
    """Household and sealed account: as households named it, and as runs prepared within [first, end) paid it."""
    query = """
        SELECT household_id, sealed FROM payout_account WHERE city_id = :city_id
        UNION ALL
        SELECT payment.household_id, payment.sealed FROM payout_payment AS payment JOIN payout_run AS run ON run.id = payment.run_id
        WHERE run.city_id = :city_id AND run.prepared_at >= :first AND run.prepared_at < :end AND payment.is_live
    """
    rows = await session.sql(query, {"city_id": city_id, "first": first, "end": end})
    return [(household_id, sealed) for household_id, sealed in map(tuple, rows)]


def reach(first_day: date) -> date:
    """Readings that begin before this day do not reach into the days from `first_day` on."""
    return first_day - timedelta(days=PERIOD_DAYS_MAX)
