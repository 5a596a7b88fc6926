"""All SQL about held awards and what was decided about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import col, func, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.ledger.grants import GRANTS
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.tables import Award, AwardReview


def _of(award_id: AwardId) -> tuple[Any, ...]:
    return (
        col(Award.settlement_id) == award_id.settlement_id,
        col(Award.household_id) == award_id.household_id,
        col(Award.commodity) == award_id.commodity,
    )


async def award(session: ReadSession, award_id: AwardId) -> Award | None:
    return (await session.exec(select(Award).where(*_of(award_id)))).one_or_none()


async def decide(session: WriteSession, review: AwardReview) -> None:
    """Record a decision; the award's own row says which."""
    session.add(review)
    await session.flush()
    await session.sql(
        "UPDATE award SET review = :decision WHERE settlement_id = :settlement_id AND household_id = :household_id "
        "AND commodity = :commodity",
        review.model_dump(include={"decision", "settlement_id", "household_id", "commodity"}),
    )


async def decision(session: ReadSession, award_id: AwardId) -> AwardReview | None:
    statement = select(AwardReview).where(
        col(AwardReview.settlement_id) == award_id.settlement_id,
        col(AwardReview.household_id) == award_id.household_id,
        col(AwardReview.commodity) == award_id.commodity,
    )
    return (await session.exec(statement)).one_or_none()


async def in_review(
    session: ReadSession, settlement_id: int, review: str | None, after: Sequence[Any] | None, limit: int
) -> Sequence[tuple[Award, AwardReview | None]]:
    """Awards that are or were held, by household and commodity, with what was decided."""
    statement = (
        select(Award, AwardReview)
        .join(
            AwardReview,
            (col(AwardReview.settlement_id) == col(Award.settlement_id))
            & (col(AwardReview.household_id) == col(Award.household_id))
            & (col(AwardReview.commodity) == col(Award.commodity)),
            isouter=True,
        )
        .where(col(Award.settlement_id) == settlement_id, col(Award.review) != "clear")
    )
    if review is not None:
        statement = statement.where(col(Award.review) == review)
    if after is not None:
        household_id, commodity = after
        beyond = (col(Award.household_id) == household_id) & (col(Award.commodity) > commodity)
        statement = statement.where((col(Award.household_id) > household_id) | beyond)
    return (await session.exec(statement.order_by(col(Award.household_id), col(Award.commodity)).limit(limit))).all()


async def counts(session: ReadSession, settlement_id: int) -> Sequence[tuple[str, int, int]]:
    """`review, awards, points` of the awards that are or were held."""
    statement = (
        select(Award.review, func.count(), func.coalesce(func.sum(Award.points), 0))
        .where(col(Award.settlement_id) == settlement_id, col(Award.review) != "clear")
        .group_by(Award.review)
        .order_by(Award.review)
    )
    return [(review, count, int(points)) for review, count, points in (await session.exec(statement)).all()]


async def fill_grant(session: WriteSession, award_id: AwardId, points: int) -> None:
    """Put one award into the temporary table that the ledger posts from."""
    await session.sql(
        f"CREATE TEMPORARY TABLE {GRANTS} (household_id bigint, commodity text, points bigint) ON COMMIT DROP"
    )
    await session.sql(
        f"INSERT INTO {GRANTS} VALUES (:household_id, :commodity, :points)",
        {"household_id": award_id.household_id, "commodity": award_id.commodity, "points": points},
    )
