"""All SQL of restatements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlmodel import col, func, select

from carbon_bank.foundation.columns import Columns, copy_in, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.ledger.grants import GRANTS
from carbon_bank.settlement.restate_tables import RestatedAward, Restatement

REVIEW_DTYPE = pl.Enum(["clear", "held", "released", "rejected"])


async def add(session: WriteSession, restatement: Restatement) -> None:
    session.add(restatement)
    await session.flush()


async def get(session: ReadSession, restatement_id: int) -> Restatement | None:
    return (await session.exec(select(Restatement).where(col(Restatement.id) == restatement_id))).one_or_none()


async def lock(session: WriteSession, restatement_id: int) -> Restatement | None:
    statement = select(Restatement).where(col(Restatement.id) == restatement_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def listed(session: ReadSession, city_id: int, before: int | None, limit: int) -> Sequence[Restatement]:
    statement = select(Restatement).where(col(Restatement.city_id) == city_id)
    if before is not None:
        statement = statement.where(col(Restatement.id) < before)
    return (await session.exec(statement.order_by(col(Restatement.id).desc()).limit(limit))).all()


async def last_as_of(session: ReadSession, settlement_id: int) -> datetime | None:
    """The moment up to which the last posted restatement of a settlement read."""
    statement = select(func.max(Restatement.as_of)).where(
        col(Restatement.settlement_id) == settlement_id, col(Restatement.state) == "posted"
    )
    return (await session.exec(statement)).one()


async def reviews(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    """What a settlement's awards stand under now: `household_id, commodity, reviewed`."""
    query = f"""
        SELECT household_id, {place_of(AWARD_COMMODITY_DTYPE, "commodity")} AS commodity,
               {place_of(REVIEW_DTYPE, "review")} AS reviewed
        FROM award WHERE settlement_id = %(settlement_id)s AND household_id BETWEEN %(first_id)s AND %(last_id)s
    """
    parameters = {"settlement_id": settlement_id, "first_id": first_id, "last_id": last_id}
    schema: Columns = {"household_id": pl.Int64, "commodity": AWARD_COMMODITY_DTYPE, "reviewed": REVIEW_DTYPE}
    return await fetch_columns(session, query, parameters, schema)


async def add_awards(session: WriteSession, awards: pl.DataFrame) -> int:
    return await copy_in(session, "restated_award", awards)


async def awards(
    session: ReadSession, restatement_id: int, standing: str | None, after: Sequence[Any] | None, limit: int
) -> Sequence[RestatedAward]:
    statement = select(RestatedAward).where(col(RestatedAward.restatement_id) == restatement_id)
    if standing is not None:
        statement = statement.where(col(RestatedAward.standing) == standing)
    if after is not None:
        household_id, commodity = after
        beyond = (col(RestatedAward.household_id) == household_id) & (col(RestatedAward.commodity) > commodity)
        statement = statement.where((col(RestatedAward.household_id) > household_id) | beyond)
    order = (col(RestatedAward.household_id), col(RestatedAward.commodity))
    return (await session.exec(statement.order_by(*order).limit(limit))).all()


async def totals(session: ReadSession, restatement_id: int) -> Sequence[tuple[str, int, int, int]]:
    """By standing: awards, points more, points less."""
    statement = """
        SELECT standing, count(*), coalesce(sum(greatest(points - points_before, 0)), 0)::bigint,
               coalesce(sum(greatest(points_before - points, 0)), 0)::bigint
        FROM restated_award WHERE restatement_id = :restatement_id GROUP BY standing ORDER BY standing
    """
    return [tuple(row) for row in await session.sql(statement, {"restatement_id": restatement_id})]


async def bucket_end(session: ReadSession, restatement_id: int, after: int, households: int) -> int | None:
    """The last of the next households with a difference to post; null when there are none."""
    statement = """
        SELECT max(household_id) FROM (
            SELECT DISTINCT household_id FROM restated_award
            WHERE restatement_id = :restatement_id AND household_id > :after AND standing = 'post'
            ORDER BY household_id LIMIT :households
        ) AS bucket
    """
    parameters = {"restatement_id": restatement_id, "after": after, "households": households}
    last = (await session.sql(statement, parameters)).scalar_one()
    return None if last is None else int(last)


async def fill_grants(session: WriteSession, restatement_id: int, after: int, last: int) -> int:
    """Put the differences of the bucket (after, last] where the ledger posts from. Returns the households in it."""
    await session.sql(
        f"CREATE TEMPORARY TABLE {GRANTS} (household_id bigint, commodity text, points bigint) ON COMMIT DROP"
    )
    statement = f"""
        INSERT INTO {GRANTS} SELECT household_id, commodity, points - points_before FROM restated_award
        WHERE restatement_id = :restatement_id AND household_id > :after AND household_id <= :last AND standing = 'post'
    """
    await session.sql(statement, {"restatement_id": restatement_id, "after": after, "last": last})
    await session.sql(f"ANALYZE {GRANTS}")
    return int((await session.sql(f"SELECT count(DISTINCT household_id) FROM {GRANTS}")).scalar_one())
