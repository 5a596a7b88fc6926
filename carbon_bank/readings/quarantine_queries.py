"""All SQL of the quarantine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from sqlmodel import col, select

from carbon_bank.foundation.columns import copy_in, fetch_columns
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.readings.intake import COLUMNS
from carbon_bank.readings.quarantine_tables import QuarantinedRow
from carbon_bank.readings.tables import ReadingBatch

_INCOMING = "quarantine_incoming"
_METER_IS_THERE = """
    waiting.state = 'waiting' AND waiting.code = 'readings.unknown_meter' AND EXISTS (
        SELECT 1 FROM meter WHERE meter.utility_id = waiting.utility_id AND meter.commodity = waiting.commodity
          AND meter.customer_number = waiting.customer_number
          AND (waiting.meter_number = '' OR meter.meter_number = waiting.meter_number))
"""


async def keep(session: WriteSession, batch: ReadingBatch, rows: pl.DataFrame, kept_until: date) -> None:
    """Keep rows (`code` and the columns of COLUMNS as text); one that waits already is kept once."""
    documents = [
        {name: value for name, value in row.items() if value is not None}
        for row in rows.select(*COLUMNS).iter_rows(named=True)
    ]
    texts = [json.dumps(document, ensure_ascii=False, sort_keys=True) for document in documents]
    numbers = [
        pl.col(name).fill_null("").str.strip_chars() for name in ("commodity", "customer_number", "meter_number")
    ]
    incoming = rows.select("code", *numbers).with_columns(
        sent=pl.Series(texts, dtype=pl.String),
        digest=pl.Series([hashlib.sha256(each.encode()).hexdigest() for each in texts], dtype=pl.String),
    )
    await session.sql(
        f"CREATE TEMPORARY TABLE {_INCOMING} (code text, commodity text, customer_number text, meter_number text, sent text, "
        "digest text) ON COMMIT DROP"
    )
    await copy_in(session, _INCOMING, incoming)
    await session.sql(
        f"""
        INSERT INTO reading_quarantine (city_id, utility_id, batch_id, code, commodity, customer_number, meter_number, sent,
                                        digest, recorded_at, kept_until, state)
        SELECT :city_id, :utility_id, :batch_id, code, commodity, customer_number, meter_number, CAST(sent AS jsonb), digest,
               :recorded_at, :kept_until, 'waiting'
        FROM {_INCOMING}
        ON CONFLICT (utility_id, digest) WHERE state = 'waiting' DO NOTHING
        """,
        {
            "city_id": batch.city_id,
            "utility_id": batch.utility_id,
            "batch_id": batch.id,
            "recorded_at": batch.recorded_at,
            "kept_until": kept_until,
        },
    )
    await session.sql(f"DROP TABLE {_INCOMING}")


async def utilities_to_take_up(session: ReadSession) -> list[int]:
    """Utilities with a waiting row whose meter is there now."""
    query = f"""
        SELECT DISTINCT waiting.utility_id FROM reading_quarantine waiting WHERE {_METER_IS_THERE} ORDER BY waiting.utility_id
    """
    found: list[int] = (await fetch_columns(session, query, {}, {"utility_id": pl.Int64}))["utility_id"].to_list()
    return found


async def to_take_up(session: WriteSession, utility_id: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
    """The next waiting rows whose meter is there now, in the order in which they came: `id, sent`."""
    rows = await session.sql(
        f"""
        SELECT waiting.id, waiting.sent FROM reading_quarantine waiting
        WHERE waiting.utility_id = :utility_id AND {_METER_IS_THERE} ORDER BY waiting.id LIMIT :limit FOR UPDATE
        """,
        {"utility_id": utility_id, "limit": limit},
    )
    return [(int(row_id), sent) for row_id, sent in map(tuple, rows)]


async def decide(
    session: WriteSession,
    outcomes: Sequence[tuple[int, str, str | None]],
    at: datetime,
    by: str,
    reason: str | None = None,
) -> None:
    """Args: outcomes: `id, state, outcome` of rows that waited."""
    ids, states, codes = (list(part) for part in zip(*outcomes, strict=True))
    await session.sql(
        """
        UPDATE reading_quarantine SET state = decided.state, outcome = decided.outcome, decided_at = :at, decided_by = :by,
               reason = :reason
        FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:codes AS text[])) AS decided (id, state, outcome)
        WHERE reading_quarantine.id = decided.id AND reading_quarantine.state = 'waiting'
        """,
        {"ids": ids, "states": states, "codes": codes, "at": at, "by": by, "reason": reason},
    )


async def expire(session: WriteSession, before: date, at: datetime, by: str) -> int:
    """End the wait of rows that were kept until a day before this one. Returns how many."""
    rows = await session.sql(
        """
        UPDATE reading_quarantine SET state = 'expired', decided_at = :at, decided_by = :by
        WHERE state = 'waiting' AND kept_until < :before RETURNING id
        """,
        {"before": before, "at": at, "by": by},
    )
    return len(rows.all())


async def lock(session: WriteSession, city_id: int, row_id: int) -> QuarantinedRow | None:
    query = select(QuarantinedRow).where(col(QuarantinedRow.id) == row_id, col(QuarantinedRow.city_id) == city_id)
    return (await session.exec(query.with_for_update())).one_or_none()


async def listed(
    session: ReadSession, city_id: int, utility_id: int | None, state: str, code: str | None, after: int, limit: int
) -> Sequence[QuarantinedRow]:
    query = select(QuarantinedRow).where(
        col(QuarantinedRow.city_id) == city_id, col(QuarantinedRow.state) == state, col(QuarantinedRow.id) > after
    )
    if utility_id is not None:
        query = query.where(col(QuarantinedRow.utility_id) == utility_id)
    if code is not None:
        query = query.where(col(QuarantinedRow.code) == code)
    return (await session.exec(query.order_by(col(QuarantinedRow.id)).limit(limit))).all()
