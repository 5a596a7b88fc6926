"""Computing and posting a restatement, step by step."""

from __future__ import annotations

import asyncio

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger.service import Posted
from carbon_bank.settlement import compute_service
from carbon_bank.settlement import restate_work_service as steps
from carbon_bank.settlement.states import SettlementState


async def compute_restatement(database: Database, restatement_id: int, chunk_households: int) -> None:
    """Compute a restatement to its end, from the beginning or from where a run before stopped."""
    async with database.write() as session:
        restating = await steps.begin(session, restatement_id)
    if restating.state is not SettlementState.COMPUTING:
        return
    async with database.read() as session:
        # As the settlement first added it up: a household is compared with the city that it was compared with.
        population = await compute_service.kept_population(session, restating.plan)
    after = restating.computed_to
    for ids in steps.chunks_of(restating, chunk_households):
        async with database.read() as session:
            chunk, standing = await steps.read_chunk(session, restating, ids)
        rows = await asyncio.to_thread(steps.compare, restating, ids, chunk, standing, population)
        async with database.write() as session:
            if not await steps.write_awards(session, restating, after, int(ids[-1]), rows):
                return
        after = int(ids[-1])
    async with database.write() as session:
        await steps.finish_computing(session, WORKER, clock.now(), restatement_id)


async def post_restatement(database: Database, restatement_id: int, bucket_households: int, debt_max: int) -> Posted:
    """Post a restatement to its end, from the beginning or from where a run before stopped."""
    posted: int | None = 0
    while posted is not None:
        async with database.write() as session:
            posted = await steps.post_bucket(session, WORKER, clock.now(), restatement_id, bucket_households, debt_max)
    async with database.write() as session:
        return await steps.finish_posting(session, WORKER, clock.now(), restatement_id)
