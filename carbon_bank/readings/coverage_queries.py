"""SQL of coverage: what stands for some meters, and when it first came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from carbon_bank.foundation.columns import array_text, fetch_columns
from carbon_bank.foundation.database import ReadSession
from carbon_bank.readings.intake import PERIOD_DAYS_MAX
from carbon_bank.readings.queries import NO_QUANTITY

STANDING = """
    SELECT DISTINCT ON (meter_id, period_start, period_end) meter_id, period_start, period_end,
           coalesce(quantity, -1) AS quantity, quality = 'estimated' AS estimated,
           (min(recorded_at) OVER (PARTITION BY meter_id, period_start, period_end) AT TIME ZONE %(time_zone)s)::date AS recorded_on
    FROM reading
    WHERE meter_id = ANY(%(meter_ids)s::bigint[])
      AND period_start >= %(reach)s AND period_start < %(end_day)s AND period_end > %(first_day)s
    ORDER BY meter_id, period_start, period_end, revision DESC
"""


async def standing_with_arrival(
    session: ReadSession, meter_ids: Sequence[int], first_day: date, end_day: date, time_zone: str
) -> pl.DataFrame:
    """What stands for meters with periods that touch [first_day, end_day): as the rules take it, and `recorded_on`, the local
    day on which its first revision came."""
    parameters = {
        "meter_ids": array_text(pl.Series(meter_ids, dtype=pl.Int64)),
        "reach": first_day - timedelta(days=PERIOD_DAYS_MAX),
        "first_day": first_day,
        "end_day": end_day,
        "time_zone": time_zone,
    }
    schema = {
        "meter_id": pl.Int64,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "quantity": pl.Int64,
        "estimated": pl.Boolean,
        "recorded_on": pl.Date,
    }
    found = await fetch_columns(session, STANDING, parameters, schema, by_key=True)
    return found.filter(pl.col("quantity") != NO_QUANTITY)
