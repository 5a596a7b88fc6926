"""All SQL of imports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import polars as pl
from sqlmodel import col, func, select

from carbon_bank.foundation.columns import copy_in
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.readings.import_states import OPEN
from carbon_bank.readings.import_tables import ReadingImport, ReadingRejection


async def count_open(session: ReadSession, city_id: int) -> int:
    query = select(func.count()).select_from(ReadingImport)
    open_ones = query.where(col(ReadingImport.city_id) == city_id, col(ReadingImport.state).in_(OPEN))
    return (await session.exec(open_ones)).one()


async def add_once(session: WriteSession, row: ReadingImport) -> tuple[ReadingImport, bool]:
    """Add an import, or find the one that is there. Returns it, and whether it is new. Two at once make one."""
    await session.sql(
        "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))",
        {"key": f"reading_import {row.utility_id} {row.digest} {row.options_digest}"},
    )
    found = await same(session, row.utility_id, row.digest, row.options_digest)
    if found is not None:
        return found, False
    session.add(row)
    await session.flush()
    return row, True


async def same(session: ReadSession, utility_id: int, digest: str, options_digest: str) -> ReadingImport | None:
    query = select(ReadingImport).where(
        col(ReadingImport.utility_id) == utility_id,
        col(ReadingImport.digest) == digest,
        col(ReadingImport.options_digest) == options_digest,
    )
    return (await session.exec(query)).one_or_none()


async def lock(session: WriteSession, import_id: int) -> ReadingImport | None:
    query = select(ReadingImport).where(col(ReadingImport.id) == import_id).with_for_update()
    return (await session.exec(query.execution_options(populate_existing=True))).one_or_none()


async def find(session: ReadSession, city_id: int, utility_id: int | None, import_id: int) -> ReadingImport | None:
    query = select(ReadingImport).where(col(ReadingImport.id) == import_id, col(ReadingImport.city_id) == city_id)
    if utility_id is not None:
        query = query.where(col(ReadingImport.utility_id) == utility_id)
    return (await session.exec(query)).one_or_none()


async def listed(
    session: ReadSession, city_id: int, utility_id: int | None, before: int | None, limit: int
) -> Sequence[ReadingImport]:
    """The newest first."""
    query = select(ReadingImport).where(col(ReadingImport.city_id) == city_id)
    if utility_id is not None:
        query = query.where(col(ReadingImport.utility_id) == utility_id)
    if before is not None:
        query = query.where(col(ReadingImport.id) < before)
    return (await session.exec(query.order_by(col(ReadingImport.id).desc()).limit(limit))).all()


async def add_rejections(session: WriteSession, import_id: int, rows: pl.DataFrame, sent: pl.DataFrame) -> None:
    """Args: rows: `line, at, code, column, value` of refused rows. sent: `line`, and their columns as they came."""
    columns = [name for name in sent.columns if name != "line"]
    theirs = rows.join(sent, on="line", how="left", maintain_order="left", suffix="_sent")
    names = [f"{name}_sent" if name in rows.columns else name for name in columns]
    texts = [
        json.dumps({"columns": columns, "values": values}, ensure_ascii=False) for values in theirs.select(names).rows()
    ]
    await copy_in(
        session,
        "reading_rejection",
        rows.select(
            pl.lit(import_id, pl.Int64).alias("import_id"), "line", "at", "code", "column", "value",
            pl.Series("sent", texts, dtype=pl.String),
        ),
    )  # fmt: skip


async def rejections(session: ReadSession, import_id: int, after: int, limit: int) -> Sequence[ReadingRejection]:
    query = select(ReadingRejection).where(
        col(ReadingRejection.import_id) == import_id, col(ReadingRejection.line) > after
    )
    return (await session.exec(query.order_by(col(ReadingRejection.line)).limit(limit))).all()


async def let_go(session: WriteSession, before: datetime) -> None:
    """No longer keep the originals of imports that ended before a moment."""
    await session.sql(
        "UPDATE reading_import SET is_kept = false WHERE finished_at < :before AND is_kept", {"before": before}
    )


async def kept(session: ReadSession) -> Sequence[tuple[int, str]]:
    """Utility and digest of the originals that are kept."""
    query = select(ReadingImport.utility_id, ReadingImport.digest).where(col(ReadingImport.is_kept))
    return (await session.exec(query)).all()
