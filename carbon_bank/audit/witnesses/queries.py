"""All SQL of witnesses and their signatures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import true
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from carbon_bank.audit.witnesses.tables import LogCosignature, LogWitness
from carbon_bank.foundation.database import ReadSession, WriteSession


async def lock_city(session: WriteSession, city_id: int) -> None:
    """Of two acts on a city's witnesses at once, one waits."""
    await session.sql("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", {"key": f"log_witness {city_id}"})


async def live(session: ReadSession, city_id: int) -> Sequence[LogWitness]:
    query = select(LogWitness).where(col(LogWitness.city_id) == city_id, col(LogWitness.removed_at).is_(None))
    return (await session.exec(query.order_by(col(LogWitness.name)))).all()


async def lock(session: WriteSession, witness_id: int) -> LogWitness | None:
    query = select(LogWitness).where(col(LogWitness.id) == witness_id)
    return (await session.exec(query.with_for_update())).one_or_none()


async def cities(session: ReadSession) -> Sequence[int]:
    query = select(LogWitness.city_id).where(col(LogWitness.removed_at).is_(None)).distinct()
    return (await session.exec(query.order_by(col(LogWitness.city_id)))).all()


async def add(session: WriteSession, witness: LogWitness) -> None:
    session.add(witness)
    await session.flush()


async def with_latest(session: ReadSession, city_id: int) -> list[tuple[LogWitness, int | None, datetime | None]]:
    """Live witnesses, each with the largest tree that it signed, and when that came."""
    last = select(LogCosignature).where(col(LogCosignature.witness_id) == col(LogWitness.id))
    latest = aliased(LogCosignature, last.order_by(col(LogCosignature.size).desc()).limit(1).lateral())
    query = (
        select(LogWitness, latest.size, latest.at)
        .outerjoin(latest, true())
        .where(col(LogWitness.city_id) == city_id, col(LogWitness.removed_at).is_(None))
        .order_by(col(LogWitness.name))
    )
    return [(witness, size, at) for witness, size, at in (await session.exec(query)).all()]


async def keep(session: WriteSession, cosignature: LogCosignature) -> None:
    """The first line of a name for a tree stays."""
    await session.sql(
        "INSERT INTO log_cosignature (city_id, size, name, witness_id, line, at) "
        "VALUES (:city_id, :size, :name, :witness_id, :line, :at) ON CONFLICT DO NOTHING",
        cosignature.model_dump(),
    )


async def lines(session: ReadSession, city_id: int, size: int, limit: int) -> Sequence[str]:
    query = select(LogCosignature.line).where(col(LogCosignature.city_id) == city_id, col(LogCosignature.size) == size)
    return (await session.exec(query.order_by(col(LogCosignature.name)).limit(limit))).all()
