"""Computing and posting a settlement, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import structlog

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger.service import Posted
from carbon_bank.settlement import compute_service, post_service
from carbon_bank.settlement.compute_service import Case, Plan
from carbon_bank.settlement.states import SettlementState
from carbon_bank.worker.cases import added_up, evaluated, fetched
from carbon_bank.worker.progress import Progress

log = structlog.get_logger()


async def compute(
    database: Database, settlement_id: int, chunk_households: int, progress: Progress | None = None
) -> Plan:
    """Compute a settlement to its end, from the beginning or from where a run before stopped."""
    async with database.write() as session:
        plan = await compute_service.begin_computing(session, settlement_id)
    if plan.state is not SettlementState.COMPUTING:
        return plan
    with TemporaryDirectory(prefix="carbon-bank-") as folder:
        population, cases = await _compared(database, plan, chunk_households, Path(folder))
        async for case in cases:
            awards = await asyncio.to_thread(compute_service.award_case, plan, case, population)
            async with database.write() as session:
                if not await compute_service.write_chunk(session, plan, case, awards):
                    log.info("settlement left to others", settlement_id=settlement_id, after=case.after)
                    return plan
            if progress:
                progress(case.households)
    async with database.write() as session:
        await compute_service.finish_computing(session, WORKER, clock.now(), settlement_id)
    return plan


async def _compared(
    database: Database, plan: Plan, households: int, folder: Path
) -> tuple[pl.DataFrame | None, AsyncIterator[Case]]:
    """The city's totals, where the policy compares households, and the evaluated households that wait for their awards.

    Where the totals are not known yet, everybody is evaluated for them. A run that resumes finds the totals on record, and
    the households still to do.
    """
    if not plan.policy.needs_population:
        return None, evaluated(database, plan, plan.computed_to, households)
    async with database.read() as session:
        kept = await compute_service.kept_population(session, plan)
    if kept is not None:
        return kept, evaluated(database, plan, plan.computed_to, households)
    population, waiting = await added_up(database, plan, households, folder)
    async with database.write() as session:
        await compute_service.keep_population(session, plan, population)
    if plan.computed_to:  # totals of nobody are not on record: a city without a single complete usage, taken up again
        return population, evaluated(database, plan, plan.computed_to, households)
    return population, fetched(waiting)


async def post(
    database: Database, settlement_id: int, bucket_households: int, progress: Progress | None = None
) -> Posted:
    """Post a settlement to its end, from the beginning or from where a run before stopped."""
    while True:
        async with database.write() as session:
            bucket = await post_service.post_bucket(session, WORKER, clock.now(), settlement_id, bucket_households)
        if bucket is None:
            break
        if progress:
            progress(bucket.households)
    async with database.write() as session:
        return await post_service.finish_posting(session, WORKER, clock.now(), settlement_id)
