"""Working the files that utilities sent, and what comes round by itself for readings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import structlog

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Refusal, Unavailable
from carbon_bank.foundation.store import Store
from carbon_bank.identity.actor import WORKER
from carbon_bank.readings import import_service, quarantine_service
from carbon_bank.readings.formats import known
from carbon_bank.readings.formats.normal import Chunk
from carbon_bank.readings.import_service import Plan
from carbon_bank.settings import Settings
from carbon_bank.worker.progress import Progress

COMING_WITHIN = timedelta(days=1)
"""A file on its way in for longer will not come."""

log = structlog.get_logger()


async def import_readings(database: Database, store: Store, import_id: int, progress: Progress | None = None) -> None:
    """Work an import to its end, from the beginning or from where a run before stopped. One chunk is read while the one
    before is being recorded."""
    async with database.write() as session:
        plan = await import_service.begin(session, clock.now(), import_id, store)
    if plan is None:
        return
    failure = None
    try:
        if not await _recorded(database, plan, progress):
            return
    except Refusal as refusal:
        failure = refusal
    async with database.write() as session:
        await import_service.finish(session, clock.now(), import_id, failure)


async def give_up_import(database: Database, import_id: int) -> None:
    """End an import that a mistake of the bank keeps from its end. What was recorded stays."""
    async with database.write() as session:
        await import_service.give_up(session, WORKER, clock.now(), import_id)


async def _recorded(database: Database, plan: Plan, progress: Progress | None) -> bool:
    """Record all chunks. False where somebody else ended the import."""
    chunks = _read(plan)
    number = 0
    chunk = await asyncio.to_thread(next, chunks, None)
    while chunk is not None:
        following = asyncio.create_task(asyncio.to_thread(next, chunks, None))
        try:
            if number >= plan.chunks_done:
                async with database.write() as session:
                    if not await import_service.record_chunk(session, clock.now(), plan, number, chunk):
                        return False
                if progress:
                    progress(chunk.rows.height)
        finally:
            await asyncio.wait([following])
        number, chunk = number + 1, following.result()
    return True


def _read(plan: Plan) -> Iterator[Chunk]:
    """The chunks of a file. Where the bank itself fails at one it would fail each time, so the import ends and says so."""
    try:
        yield from known.read(plan.source, plan.format, plan.options)
    except (Refusal, OSError, MemoryError):
        raise
    except Exception as error:
        log.exception("a file could not be read", import_id=plan.import_id)
        raise Unavailable(
            import_service.UNREADABLE,
            f"The bank made a mistake in reading {plan.source.name}. Tell the operator the number of the import, {plan.import_id}; "
            "when the mistake is mended, send the file again, and it goes on.",
        ) from error


async def look_after_readings(database: Database, settings: Settings) -> None:
    """What comes round by itself: rows whose meter has appeared are recorded, waits end, old originals go."""
    async with database.read() as session:
        utilities = await quarantine_service.utilities_to_take_up(session)
    for utility_id in utilities:
        taken = 1
        while taken:
            async with database.write() as session:
                taken = await quarantine_service.take_up(session, WORKER, clock.now(), utility_id)
    async with database.write() as session:
        await quarantine_service.expire(session, WORKER, clock.now())
    async with database.write() as session:
        await import_service.let_go(session, clock.now(), settings.import_keep_days)
        needed = await import_service.kept_files(session)
    await asyncio.to_thread(store_of(settings).sweep, needed, clock.now() - COMING_WITHIN)


def store_of(settings: Settings) -> Store:
    """Where imported files are kept."""
    return Store(settings.data_dir / "imports", settings.import_bytes_max)
