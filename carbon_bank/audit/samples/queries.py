"""SQL of samples: the awards of a settlement, as they are drawn from."""

from __future__ import annotations

import polars as pl

from carbon_bank.foundation.columns import Columns, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.programme.award import OUTCOME_DTYPE

REVIEW_DTYPE = pl.Enum(["clear", "held", "released", "rejected"])


async def population(session: ReadSession, settlement_id: int) -> pl.DataFrame:
    """`household_id, commodity, outcome, review, points, district_id`; points are those that it pays: none while it is held, or
    rejected."""
    query = f"""
        SELECT award.household_id, {place_of(AWARD_COMMODITY_DTYPE, "commodity")} AS commodity,
               {place_of(OUTCOME_DTYPE, "outcome")} AS outcome, {place_of(REVIEW_DTYPE, "review")} AS review,
               CASE WHEN review IN ('clear', 'released') THEN points ELSE 0 END AS points, household.district_id
        FROM award JOIN household ON household.id = award.household_id WHERE settlement_id = %(settlement_id)s
    """
    schema: Columns = {
        "household_id": pl.Int64,
        "commodity": AWARD_COMMODITY_DTYPE,
        "outcome": OUTCOME_DTYPE,
        "review": REVIEW_DTYPE,
        "points": pl.Int64,
        "district_id": pl.Int64,
    }
    return await fetch_columns(session, query, {"settlement_id": settlement_id}, schema)


async def districts(session: ReadSession, city_id: int) -> dict[int, str]:
    rows = await session.sql("SELECT id, code FROM district WHERE city_id = :city_id", {"city_id": city_id})
    return dict(map(tuple, rows))
