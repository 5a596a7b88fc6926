"""All SQL of settlements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlmodel import col, func, select

from carbon_bank.foundation.columns import Columns, copy_in, fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.inbox.notices import MAKE_NOTICES, NOTICES
from carbon_bank.ledger.grants import GRANTS
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Award, Settlement, SettlementPopulation, SettlementTotal

PAID = "('clear', 'released')"
"""Awards that are posted; held and rejected ones are not."""


async def get(session: ReadSession, settlement_id: int) -> Settlement | None:
    return (await session.exec(select(Settlement).where(col(Settlement.id) == settlement_id))).one_or_none()


async def lock(session: WriteSession, settlement_id: int) -> Settlement | None:
    statement = select(Settlement).where(col(Settlement.id) == settlement_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def live(session: ReadSession, city_id: int, period: str) -> Settlement | None:
    statement = select(Settlement).where(
        col(Settlement.city_id) == city_id,
        col(Settlement.period) == period,
        col(Settlement.state) != SettlementState.WITHDRAWN.value,
    )
    return (await session.exec(statement)).one_or_none()


async def listed(session: ReadSession, city_id: int, before: int | None, limit: int) -> Sequence[Settlement]:
    statement = select(Settlement).where(col(Settlement.city_id) == city_id)
    if before is not None:
        statement = statement.where(col(Settlement.id) < before)
    return (await session.exec(statement.order_by(col(Settlement.id).desc()).limit(limit))).all()


async def posted_of_city(session: ReadSession, city_id: int) -> Sequence[Settlement]:
    statement = select(Settlement).where(
        col(Settlement.city_id) == city_id, col(Settlement.state) == SettlementState.POSTED.value
    )
    return (await session.exec(statement.order_by(col(Settlement.first_month)))).all()


async def totals(session: ReadSession, settlement_id: int) -> Sequence[SettlementTotal]:
    statement = select(SettlementTotal).where(col(SettlementTotal.settlement_id) == settlement_id)
    order = (SettlementTotal.commodity, SettlementTotal.outcome, SettlementTotal.review)
    return (await session.exec(statement.order_by(*(col(part) for part in order)))).all()


async def streaks(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    """The runs of reductions that a settlement left its households with: `household_id, commodity, streak`."""
    query = f"""
        SELECT household_id, {place_of(AWARD_COMMODITY_DTYPE, "commodity")} AS commodity, streak
        FROM award
        WHERE settlement_id = %(settlement_id)s AND household_id BETWEEN %(first_id)s AND %(last_id)s AND streak > 0
    """
    parameters = {"settlement_id": settlement_id, "first_id": first_id, "last_id": last_id}
    schema: Columns = {"household_id": pl.Int64, "commodity": AWARD_COMMODITY_DTYPE, "streak": pl.Int16}
    return await fetch_columns(session, query, parameters, schema)


async def posted_since(session: ReadSession, since: datetime) -> Sequence[Settlement]:
    statement = select(Settlement).where(col(Settlement.state) == "posted", col(Settlement.posted_at) >= since)
    return (await session.exec(statement.order_by(col(Settlement.id)))).all()


async def population(session: ReadSession, settlement_id: int) -> Sequence[SettlementPopulation]:
    statement = select(SettlementPopulation).where(col(SettlementPopulation.settlement_id) == settlement_id)
    return (await session.exec(statement.order_by(col(SettlementPopulation.place)))).all()


async def add_population(session: WriteSession, settlement_id: int, totals: pl.DataFrame) -> None:
    await copy_in(
        session,
        "settlement_population",
        totals.with_row_index("place").with_columns(settlement_id=pl.lit(settlement_id, pl.Int64)),
    )


async def add_awards(session: WriteSession, awards: pl.DataFrame) -> int:
    return await copy_in(session, "award", awards)


async def add_totals(session: WriteSession, settlement_id: int) -> None:
    statement = """
        INSERT INTO settlement_total (settlement_id, commodity, outcome, review, awards, points, avoided_g)
        SELECT settlement_id, commodity, outcome, review, count(*), sum(points), coalesce(sum(avoided_g), 0)
        FROM award WHERE settlement_id = :settlement_id
        GROUP BY settlement_id, commodity, outcome, review
    """
    await session.sql(statement, {"settlement_id": settlement_id})


async def bucket_end(session: ReadSession, settlement_id: int, after: int, households: int) -> int | None:
    """The last of the next `households` households with points to post; null when there are none."""
    statement = f"""
        SELECT max(household_id) FROM (
            SELECT DISTINCT household_id FROM award
            WHERE settlement_id = :settlement_id AND household_id > :after AND points > 0 AND review IN {PAID}
            ORDER BY household_id LIMIT :households
        ) AS bucket
    """
    parameters = {"settlement_id": settlement_id, "after": after, "households": households}
    last = (await session.sql(statement, parameters)).scalar_one()
    return None if last is None else int(last)


async def fill_grants(session: WriteSession, settlement_id: int, after: int, last: int) -> int:
    """Put the bucket (after, last] into the temporary table that the ledger posts from. Returns the households in it."""
    await session.sql(
        f"CREATE TEMPORARY TABLE {GRANTS} (household_id bigint, commodity text, points bigint) ON COMMIT DROP"
    )
    statement = f"""
        INSERT INTO {GRANTS} SELECT household_id, commodity, points FROM award
        WHERE settlement_id = :settlement_id AND household_id > :after AND household_id <= :last
          AND points > 0 AND review IN {PAID}
    """
    await session.sql(statement, {"settlement_id": settlement_id, "after": after, "last": last})
    await session.sql(f"ANALYZE {GRANTS}")
    households = await session.sql(f"SELECT count(DISTINCT household_id) FROM {GRANTS}")
    return int(households.scalar_one())


async def to_post(session: ReadSession, settlement_id: int) -> tuple[int, int]:
    """Number and sum of the awards that are to be posted."""
    paid = (
        col(Award.settlement_id) == settlement_id,
        col(Award.points) > 0,
        col(Award.review).in_(["clear", "released"]),
    )
    statement = select(func.count(), func.coalesce(func.sum(Award.points), 0)).select_from(Award).where(*paid)
    count, points = (await session.exec(statement)).one()
    return count, int(points)


async def fill_results(session: WriteSession, settlement_id: int, period: str) -> None:
    """Put each household with an award among those to be told, with its points; also those that get none."""
    of_commodity = ", ".join(
        f"'{name}', sum(points) FILTER (WHERE commodity = '{name}' AND points > 0 AND review IN {PAID})"
        for name in AWARD_COMMODITY_DTYPE.categories
    )
    await session.sql(MAKE_NOTICES)
    statement = f"""
        INSERT INTO {NOTICES} SELECT household_id, jsonb_strip_nulls(jsonb_build_object(
            'period', CAST(:period AS text), 'points', coalesce(sum(points) FILTER (WHERE review IN {PAID}), 0),
            'held', count(*) FILTER (WHERE review = 'held'), {of_commodity}
        )) FROM award WHERE settlement_id = :settlement_id GROUP BY household_id
    """
    await session.sql(statement, {"settlement_id": settlement_id, "period": period})


async def awards(session: ReadSession, settlement_id: int, after: Sequence[Any] | None, limit: int) -> Sequence[Award]:
    statement = select(Award).where(col(Award.settlement_id) == settlement_id)
    if after is not None:
        household_id, commodity = after
        beyond = (col(Award.household_id) == household_id) & (col(Award.commodity) > commodity)
        statement = statement.where((col(Award.household_id) > household_id) | beyond).where(
            col(Award.household_id) >= household_id
        )
    return (await session.exec(statement.order_by(col(Award.household_id), col(Award.commodity)).limit(limit))).all()


async def awards_of_household(
    session: ReadSession, household_id: int, settlement_ids: Sequence[int]
) -> Sequence[Award]:
    statement = select(Award).where(
        col(Award.settlement_id).in_(settlement_ids), col(Award.household_id) == household_id
    )
    return (await session.exec(statement.order_by(col(Award.settlement_id).desc(), col(Award.commodity)))).all()


async def award_rows(session: ReadSession, settlement_id: int) -> Sequence[tuple[int, str, str, int]]:
    statement = select(Award.household_id, Award.commodity, Award.outcome, Award.points)
    return (await session.exec(statement.where(col(Award.settlement_id) == settlement_id))).all()
