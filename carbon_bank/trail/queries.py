"""SQL of reading the trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from carbon_bank.foundation.database import ReadSession
from carbon_bank.trail.tables import TrailEntry


@dataclass(frozen=True)
class Wanted:
    """Which acts. Null: whichever. They lie within [first, end)."""

    act: str | None = None
    subject: str | None = None
    by: str | None = None
    first: datetime | None = None
    end: datetime | None = None


async def listed(
    session: ReadSession, city_id: int, wanted: Wanted, before: int | None, limit: int
) -> Sequence[TrailEntry]:
    return (await session.exec(newest(city_id, wanted, before, limit))).all()


def newest(city_id: int, wanted: Wanted, before: int | None, limit: int) -> SelectOfScalar[TrailEntry]:
    query = select(TrailEntry).where(col(TrailEntry.city_id) == city_id)
    for name in ("act", "subject", "by"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(col(getattr(TrailEntry, name)) == value)
    if wanted.first is not None:
        query = query.where(col(TrailEntry.at) >= wanted.first)
    if wanted.end is not None:
        query = query.where(col(TrailEntry.at) < wanted.end)
    if before is not None:
        query = query.where(col(TrailEntry.id) < before)
    return query.order_by(col(TrailEntry.id).desc()).limit(limit)
