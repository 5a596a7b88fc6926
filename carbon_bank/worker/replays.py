"""Replaying a settlement: computing it once more, chunk by chunk as it was computed, beside what stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from carbon_bank.audit import replay_service as steps
from carbon_bank.audit.replay_service import Part, Replaying, Standing, Sums
from carbon_bank.foundation.database import Database
from carbon_bank.settlement import compute_service
from carbon_bank.settlement.compute_service import Case, Plan
from carbon_bank.worker.cases import added_up, evaluated, fetched


async def replay(database: Database, settlement_id: int, chunk_households: int) -> AsyncIterator[Part]:
    """Each part of a settlement as it is done, the settlement itself first and its sums last. Nothing is written."""
    async with database.read() as session:
        replaying = await steps.begin(session, settlement_id)
    yield Part(replaying.found)
    if replaying.plan is not None:
        with TemporaryDirectory(prefix="carbon-bank-") as folder:
            async for part in _replayed(database, replaying, replaying.plan, chunk_households, Path(folder)):
                yield part


async def _replayed(
    database: Database, replaying: Replaying, plan: Plan, households: int, folder: Path
) -> AsyncIterator[Part]:
    """The totals of the city are added up anew: those that were kept are not trusted, but compared."""
    sums: list[Sums] = []
    population, cases = None, evaluated(database, plan, 0, households)
    if plan.policy.needs_population:
        population, waiting = await added_up(database, plan, households, folder)
        cases = fetched(waiting)
    behind, most = steps.EVERYBODY
    async for case in cases:
        part, of_part = await _compared(database, replaying, plan, case, population, behind)
        behind = case.last + 1
        del case  # before the next one is there
        sums.append(of_part)
        yield part
    # Behind the last household of the city nothing may stand.
    beyond, of_part = steps.compare(replaying, None, await _standing(database, replaying, behind, most), 0)
    sums.append(of_part)
    yield beyond
    async with database.read() as session:
        yield await steps.compare_sums(session, replaying, sums, population)


async def _compared(
    database: Database, replaying: Replaying, plan: Plan, case: Case, population: pl.DataFrame | None, first_id: int
) -> tuple[Part, Sums]:
    standing, rows = await asyncio.gather(
        _standing(database, replaying, first_id, case.last),
        asyncio.to_thread(compute_service.award_case, plan, case, population),
    )
    return await asyncio.to_thread(steps.compare, replaying, rows, standing, case.households)


async def _standing(database: Database, replaying: Replaying, first_id: int, last_id: int) -> Standing:
    async with database.read() as session:
        return await steps.read_standing(session, replaying, first_id, last_id)
