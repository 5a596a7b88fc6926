"""A settlement's households evaluated, chunk by chunk: for computing it, and for computing it once more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from carbon_bank.foundation.database import Database
from carbon_bank.programme import rules
from carbon_bank.settlement import compute_service
from carbon_bank.settlement.compute_service import Case, Chunk, Plan

Waiting = list[tuple[Case, Path]]
"""Cases whose evaluation waits on disk."""


async def evaluated(database: Database, plan: Plan, after: int, households: int) -> AsyncIterator[Case]:
    """The households behind one, so many at a time."""
    async for chunk in _chunks(database, plan, after, households):
        yield await asyncio.to_thread(compute_service.evaluate_chunk, plan, chunk)


async def added_up(database: Database, plan: Plan, households: int, folder: Path) -> tuple[pl.DataFrame, Waiting]:
    """The city's totals, and all its households evaluated.

    What evaluating gave waits on disk, so that memory stays flat and nobody is evaluated twice.
    """
    parts, waiting = [], []
    async for case in evaluated(database, plan, 0, households):
        parts.append(rules.population(case.evaluated))
        waiting.append(await asyncio.to_thread(_put_by, case, folder))
    return rules.add_populations(parts), waiting


async def fetched(waiting: Waiting) -> AsyncIterator[Case]:
    """The cases that were put by, in their order."""
    for case, path in waiting:
        yield replace(case, evaluated=await asyncio.to_thread(pl.read_ipc, path))


def _put_by(case: Case, folder: Path) -> tuple[Case, Path]:
    path = folder / f"{case.after}.arrow"
    case.evaluated.write_ipc(path)
    return replace(case, evaluated=pl.DataFrame()), path


async def _chunks(database: Database, plan: Plan, after: int, households: int) -> AsyncIterator[Chunk]:
    """The chunks behind a household; PostgreSQL reads one while the one before is being judged."""

    async def read(behind: int) -> Chunk | None:
        async with database.read() as session:
            return await compute_service.read_chunk(session, plan, behind, households)

    chunk = await read(after)
    while chunk is not None:
        following = asyncio.create_task(read(chunk.last))
        try:
            yield chunk
        finally:
            chunk = await following
