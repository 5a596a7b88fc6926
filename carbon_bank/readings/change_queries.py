"""SQL of what was recorded after a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from carbon_bank.foundation.columns import fetch_columns
from carbon_bank.foundation.database import ReadSession


async def recorded_after(
    session: ReadSession, city_id: int, moment: datetime, windows: Sequence[tuple[date, date]], batch_id: int | None
) -> pl.DataFrame:
    query = """
        SELECT reading.meter_id, count(*) AS readings, count(*) FILTER (WHERE reading.revision > 1) AS revised
        FROM reading JOIN reading_batch AS batch ON batch.id = reading.batch_id
        WHERE reading.recorded_at > %(moment)s AND batch.city_id = %(city_id)s
          AND (%(batch_id)s::bigint IS NULL OR reading.batch_id = %(batch_id)s)
          AND EXISTS (
              SELECT 1 FROM unnest(%(firsts)s::date[], %(ends)s::date[]) AS span (first_day, end_day)
              WHERE reading.period_start < span.end_day AND reading.period_end > span.first_day
          )
        GROUP BY reading.meter_id
    """
    parameters = {
        "city_id": city_id,
        "moment": moment,
        "batch_id": batch_id,
        "firsts": [first for first, _ in windows],
        "ends": [end for _, end in windows],
    }
    schema = {"meter_id": pl.Int64, "readings": pl.Int64, "revised": pl.Int64}
    return await fetch_columns(session, query, parameters, schema)
