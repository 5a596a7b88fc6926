"""SQL of findings about the awards of one settlement: what they rest on, what came after, how they lie among others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from carbon_bank.audit.findings.outliers import UNKNOWN
from carbon_bank.audit.findings.queries import OPEN_END, reach
from carbon_bank.foundation.columns import Columns, array_text, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE, COMBINED

RESIDENTS_BAND_MAX = 4
"""Four stands for four and more, as in the rules (rules.md section 4)."""
_PAYS = "award.points > 0 AND award.review IN ('clear', 'released')"
"""Whether it is posted already or will be."""
_AWARD: Columns = {"household_id": pl.Int64, "commodity": AWARD_COMMODITY_DTYPE}


@dataclass(frozen=True)
class Settled:
    """A settlement, its days and the moment up to which it read."""

    id: int
    first_day: date
    end_day: date
    as_of: datetime

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "settlement_id": self.id,
            "first_day": self.first_day,
            "end_day": self.end_day,
            "reach": reach(self.first_day),
            "as_of": self.as_of,
            "open_end": OPEN_END,
        }


async def cover(session: ReadSession, settled: Settled, moment: datetime) -> pl.DataFrame:
    """Of each award with points, the readings that stood at a moment in the days for which the household held a meter, as the
    settlement saw that: `household_id, commodity, points, readings, days_covered, days_estimated`."""
    query = f"""
        WITH held AS (
            SELECT award.household_id, award.commodity, tenure.meter_id, greatest(tenure.starts_on, %(first_day)s) AS first_day,
                   least(CASE WHEN tenure.ended_at <= %(as_of)s THEN tenure.ends_on END, %(end_day)s) AS end_day
            FROM award JOIN tenure ON tenure.household_id = award.household_id JOIN meter ON meter.id = tenure.meter_id
            WHERE award.settlement_id = %(settlement_id)s AND {_PAYS} AND award.commodity IN ('combined', meter.commodity)
              AND tenure.recorded_at <= %(as_of)s AND tenure.starts_on < %(end_day)s
              AND coalesce(CASE WHEN tenure.ended_at <= %(as_of)s THEN tenure.ends_on END, %(open_end)s) > %(first_day)s
        ), stood AS (
            SELECT DISTINCT ON (held.household_id, held.commodity, reading.meter_id, held.first_day, period_start, period_end)
                   held.household_id, held.commodity, quantity, quality = 'estimated' AS is_estimated,
                   least(period_end, held.end_day) - greatest(period_start, held.first_day) AS days
            FROM held JOIN reading ON reading.meter_id = held.meter_id AND recorded_at <= %(moment)s
                 AND period_start >= %(reach)s AND period_start < held.end_day AND period_end > held.first_day
            ORDER BY held.household_id, held.commodity, reading.meter_id, held.first_day, period_start, period_end, revision DESC
        ), covered AS (
            SELECT household_id, commodity, count(*) AS readings, sum(days) AS days_covered,
                   coalesce(sum(days) FILTER (WHERE is_estimated), 0) AS days_estimated
            FROM stood WHERE quantity IS NOT NULL GROUP BY household_id, commodity
        )
        SELECT award.household_id, {place_of(AWARD_COMMODITY_DTYPE, "award.commodity")} AS commodity, award.points,
               coalesce(readings, 0) AS readings, coalesce(days_covered, 0) AS days_covered,
               coalesce(days_estimated, 0) AS days_estimated
        FROM award LEFT JOIN covered USING (household_id, commodity)
        WHERE award.settlement_id = %(settlement_id)s AND {_PAYS}
    """
    columns = dict.fromkeys(("points", "readings", "days_covered", "days_estimated"), pl.Int64)
    schema: Columns = {**_AWARD, **columns}
    return await fetch_columns(session, query, settled.parameters | {"moment": moment}, schema)


async def held(session: ReadSession, city_id: int, settled: Settled) -> pl.DataFrame:
    """The tenures of its days that a settlement saw: `household_id, commodity, meter_id, first_day, end_day`."""
    query = f"""
        SELECT tenure.household_id, {place_of(AWARD_COMMODITY_DTYPE, "meter.commodity")} AS commodity, tenure.meter_id,
               greatest(tenure.starts_on, %(first_day)s) AS first_day,
               least(CASE WHEN tenure.ended_at <= %(as_of)s THEN tenure.ends_on END, %(end_day)s) AS end_day
        FROM tenure JOIN meter ON meter.id = tenure.meter_id
        WHERE tenure.city_id = %(city_id)s AND tenure.recorded_at <= %(as_of)s AND tenure.starts_on < %(end_day)s
          AND coalesce(CASE WHEN tenure.ended_at <= %(as_of)s THEN tenure.ends_on END, %(open_end)s) > %(first_day)s
    """
    schema: Columns = {**_AWARD, "meter_id": pl.Int64, "first_day": pl.Date, "end_day": pl.Date}
    return await fetch_columns(session, query, settled.parameters | {"city_id": city_id}, schema)


async def without_award(session: ReadSession, settled: Settled, held: pl.DataFrame) -> pl.DataFrame:
    """`household_id, commodity, meter_id, readings`: of tenures, as `held` gives them, those with readings that the settlement saw
    and no award."""
    query = f"""
        SELECT household_id, {place_of(AWARD_COMMODITY_DTYPE, "commodity")} AS commodity FROM award
        WHERE settlement_id = %(settlement_id)s
    """
    awards = await fetch_columns(session, query, settled.parameters, _AWARD)
    combined = awards.filter(pl.col("commodity") == COMBINED)
    bare = held.join(awards, on=["household_id", "commodity"], how="anti").join(combined, on="household_id", how="anti")
    query = """
        SELECT meter_id, period_start, period_end FROM reading
        WHERE meter_id = ANY(%(meter_ids)s::bigint[]) AND revision = 1 AND recorded_at <= %(as_of)s
          AND period_start >= %(reach)s AND period_start < %(end_day)s
    """
    keys = {"meter_id": pl.Int64, "period_start": pl.Date, "period_end": pl.Date}
    ids = array_text(bare["meter_id"].unique())
    found = await fetch_columns(session, query, settled.parameters | {"meter_ids": ids}, keys, by_key=True)
    within = (pl.col("period_start") < pl.col("end_day")) & (pl.col("period_end") > pl.col("first_day"))
    rows = bare.join(found, on="meter_id").filter(within)
    return rows.group_by("household_id", "commodity", "meter_id").agg(readings=pl.len())


async def restated_up_to(session: ReadSession, settlement_id: int) -> datetime | None:
    """The moment up to which the last posted restatement of a settlement read."""
    query = "SELECT max(as_of) FROM restatement WHERE settlement_id = :settlement_id AND state = 'posted'"
    moment: datetime | None = (await session.sql(query, {"settlement_id": settlement_id})).scalar_one()
    return moment


async def count_awards(session: ReadSession, settlement_id: int) -> int:
    query = "SELECT count(*) FROM award WHERE settlement_id = :settlement_id"
    return int((await session.sql(query, {"settlement_id": settlement_id})).scalar_one())


async def recorded_after(session: ReadSession, city_id: int, settled: Settled, since: datetime) -> pl.DataFrame:
    """Awards whose household holds a meter with readings of the period that were recorded after `since`: `household_id, commodity,
    points` (0 where it does not pay), `readings, revised, more`."""
    query = f"""
        WITH later AS (
            SELECT meter_id, period_start, period_end, bool_or(revision > 1) AS is_revised
            FROM reading JOIN reading_batch AS batch ON batch.id = reading.batch_id AND batch.city_id = %(city_id)s
            WHERE reading.recorded_at > %(since)s AND period_start >= %(reach)s AND period_start < %(end_day)s
              AND period_end > %(first_day)s
            GROUP BY meter_id, period_start, period_end
        ), moved AS (
            SELECT later.*,
                   coalesce((SELECT quantity FROM reading AS last WHERE last.meter_id = later.meter_id
                             AND last.period_start = later.period_start AND last.period_end = later.period_end
                             ORDER BY revision DESC LIMIT 1), 0)
                   - coalesce((SELECT quantity FROM reading AS before WHERE before.meter_id = later.meter_id
                               AND before.period_start = later.period_start AND before.period_end = later.period_end
                               AND before.recorded_at <= %(since)s ORDER BY revision DESC LIMIT 1), 0) AS more
            FROM later
        )
        SELECT award.household_id, {place_of(AWARD_COMMODITY_DTYPE, "award.commodity")} AS commodity,
               max(CASE WHEN {_PAYS} THEN award.points ELSE 0 END) AS points, count(*) AS readings,
               count(*) FILTER (WHERE is_revised) AS revised, sum(more)::bigint AS more
        FROM moved JOIN meter ON meter.id = moved.meter_id JOIN tenure ON tenure.meter_id = moved.meter_id
        JOIN award ON award.settlement_id = %(settlement_id)s AND award.household_id = tenure.household_id
             AND award.commodity IN ('combined', meter.commodity)
        WHERE tenure.starts_on < least(moved.period_end, %(end_day)s)
          AND coalesce(tenure.ends_on, %(open_end)s) > greatest(moved.period_start, %(first_day)s)
        GROUP BY award.household_id, award.commodity
    """
    schema: Columns = {**_AWARD, **dict.fromkeys(("points", "readings", "revised", "more"), pl.Int64)}
    return await fetch_columns(session, query, settled.parameters | {"city_id": city_id, "since": since}, schema)


async def measured(session: ReadSession, city_id: int, settled: Settled) -> pl.DataFrame:
    """The awards whose usage is known, with their peer groups, as `finding_outliers.outliers` takes them."""
    query = f"""
        SELECT award.household_id, {place_of(AWARD_COMMODITY_DTYPE, "award.commodity")} AS commodity,
               coalesce(array_position(%(kinds)s::text[], household.dwelling_type), 0) AS dwelling,
               coalesce(least(household.residents, {RESIDENTS_BAND_MAX}), 0) AS band, award.usage,
               coalesce(CASE WHEN baseline_num > 0 THEN greatest(-1000000000,
                   div((baseline_num - usage::numeric * baseline_den) * 10000, baseline_num)) END, {UNKNOWN})::bigint AS reduction_bp,
               award.points, {_PAYS} AS is_paid
        FROM award JOIN household ON household.id = award.household_id
        WHERE award.settlement_id = %(settlement_id)s AND award.usage IS NOT NULL
    """
    kinds = await session.sql(
        "SELECT DISTINCT dwelling_type FROM household WHERE city_id = :city_id AND dwelling_type IS NOT NULL ORDER BY 1",
        {"city_id": city_id},
    )
    parameters: Mapping[str, Any] = settled.parameters | {"kinds": [kind for (kind,) in kinds]}
    schema: Columns = {
        **_AWARD,
        **dict.fromkeys(("dwelling", "band", "usage", "reduction_bp", "points"), pl.Int64),
        "is_paid": pl.Boolean,
    }
    return await fetch_columns(session, query, parameters, schema)
