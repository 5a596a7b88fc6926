"""Background jobs: the loops around the steps of a settlement, each step a transaction of its own.

Runs inside `serve`, or as processes of its own (`carbon-bank work`). Any of them may be killed at any moment: the next one
goes on at the next chunk or bucket.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import procrastinate
import structlog

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import APP_ROLE, Database, plain_url
from carbon_bank.foundation.errors import Refusal, Unavailable
from carbon_bank.foundation.jobs import QUEUE
from carbon_bank.foundation.store import Store
from carbon_bank.identity.actor import WORKER
from carbon_bank.ledger.service import Posted
from carbon_bank.programme import compare_service, rules
from carbon_bank.programme.compare_service import COMPARE_TASK, Trial
from carbon_bank.programme.comparison import Totals, add_totals, compare, totals
from carbon_bank.programme.comparison_report import report
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.span import periods_within
from carbon_bank.programme.sweep import evaluated_alike
from carbon_bank.readings import import_service, quarantine_service
from carbon_bank.readings.formats import known
from carbon_bank.readings.formats.normal import Chunk as ReadingChunk
from carbon_bank.readings.import_service import IMPORT_TASK
from carbon_bank.readings.import_service import Plan as ImportPlan
from carbon_bank.settings import Settings
from carbon_bank.settlement import compute_service, post_service
from carbon_bank.settlement.compute_service import Case, Chunk, Plan
from carbon_bank.settlement.service import COMPUTE_TASK, POST_TASK
from carbon_bank.settlement.states import SettlementState

Progress = Callable[[int], None]
"""Called with the number of households that a step has done."""

EVERY_FIVE_MINUTES = "*/5 * * * *"
COMING_WITHIN = timedelta(days=1)
"""A file on its way in for longer will not come."""
RETRIES = procrastinate.RetryStrategy(max_attempts=10, exponential_wait=2)

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

    Where the totals are not known yet, everybody is evaluated for them; what that gave waits on disk, so that memory stays
    flat and nobody is evaluated twice. A run that resumes finds the totals on record, and the households still to do.
    """
    if not plan.policy.needs_population:
        return None, _evaluated(database, plan, plan.computed_to, households)
    async with database.read() as session:
        kept = await compute_service.kept_population(session, plan)
    if kept is not None:
        return kept, _evaluated(database, plan, plan.computed_to, households)
    parts, waiting = [], []
    async for case in _evaluated(database, plan, 0, households):
        parts.append(rules.population(case.evaluated))
        waiting.append(await asyncio.to_thread(_put_by, case, folder))
    population = rules.add_populations(parts)
    async with database.write() as session:
        await compute_service.keep_population(session, plan, population)
    if plan.computed_to:  # totals of nobody are not on record: a city without a single complete usage, taken up again
        return population, _evaluated(database, plan, plan.computed_to, households)
    return population, _fetched(waiting)


async def _evaluated(database: Database, plan: Plan, after: int, households: int) -> AsyncIterator[Case]:
    async for chunk in _chunks(database, plan, after, households):
        yield await asyncio.to_thread(compute_service.evaluate_chunk, plan, chunk)


def _put_by(case: Case, folder: Path) -> tuple[Case, Path]:
    path = folder / f"{case.after}.arrow"
    case.evaluated.write_ipc(path)
    return replace(case, evaluated=pl.DataFrame()), path


async def _fetched(waiting: list[tuple[Case, Path]]) -> AsyncIterator[Case]:
    for case, path in waiting:
        yield replace(case, evaluated=await asyncio.to_thread(pl.read_ipc, path))


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


async def _recorded(database: Database, plan: ImportPlan, progress: Progress | None) -> bool:
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


def _read(plan: ImportPlan) -> Iterator[ReadingChunk]:
    """The chunks of a file. Where the bank itself fails at one it would fail each time, so the import ends and says so."""
    try:
        yield from known.read(plan.source, plan.format, plan.options)
    except (Refusal, OSError, MemoryError):
        raise
    except Exception as error:
        log.exception("a file could not be read", import_id=plan.import_id)
        raise Unavailable(
            "formats.unexpected",
            f"The bank made a mistake in reading {plan.source.name}. Tell the operator the number of the import, {plan.import_id}.",
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


async def compare_over_city(database: Database, comparison_id: int, chunk_households: int) -> None:
    """Compare two policies over a city. What refuses the comparison itself is recorded as its failure."""
    async with database.write() as session:
        trial = await compare_service.begin(session, comparison_id)
    if trial is None:
        return
    try:
        told, failure = await _tried(database, trial, chunk_households), None
    except Refusal as refusal:
        told, failure = None, str(refusal)
    async with database.write() as session:
        await compare_service.finish(session, clock.now(), comparison_id, told, failure)


async def _tried(database: Database, trial: Trial, households: int) -> dict[str, Any]:
    """The report. Of A and B all awards are kept for it, of the values of a sweep only what they come to."""
    pair: list[list[pl.DataFrame]] = [[], []]
    swept: list[list[Totals]] = [[] for _ in trial.sweep_values]
    for places in evaluated_alike(trial.policies):
        first = trial.policies[places[0]]
        streaks: dict[int, pl.DataFrame] = {}
        for period in periods_within(first, trial.first_month, trial.end_month):
            evaluated = await _evaluated_city(database, trial, first, period, households)
            for place in places:
                awards, streaks[place] = await asyncio.to_thread(
                    compare_service.awards_of_period, trial.policies[place], period, evaluated, streaks.get(place)
                )
                if place < len(pair):
                    pair[place].append(awards)
                else:
                    swept[place - len(pair)].append(totals(awards))
    async with database.read() as session:
        homes = await compare_service.homes_of(session, trial)
    a, b = [pl.concat(each) for each in pair]
    found = await asyncio.to_thread(compare, a, b, homes, trial.policies[0].factors)
    sums = zip(trial.sweep_values, map(add_totals, swept), strict=True)
    return report(found, trial.unit_price, list(sums))


async def _evaluated_city(
    database: Database, trial: Trial, policy: Policy, period: Period, households: int
) -> list[pl.DataFrame]:
    """The households of a city, evaluated chunk by chunk; one empty chunk of a city that has none."""
    evaluated: list[pl.DataFrame] = []
    after = 0
    while True:
        async with database.read() as session:
            part = await compare_service.evaluate_next(session, trial, policy, period, after, households)
        if part is None:
            return evaluated or [rules.EVALUATED_SCHEMA.to_frame()]
        after = part[0]
        evaluated.append(part[1])


def queue_of(database: Database, settings: Settings) -> procrastinate.App:
    """The job queue in the bank's database, with the tasks that are known."""
    connector = procrastinate.PsycopgConnector(
        conninfo=plain_url(database.url),
        min_size=1,
        max_size=3,
        kwargs={"options": f"-c role={APP_ROLE} -c timezone=UTC", "application_name": "carbon-bank worker"},
    )
    app = procrastinate.App(connector=connector)

    @app.task(name=COMPUTE_TASK, queue=QUEUE, retry=RETRIES)
    async def compute_settlement(settlement_id: int) -> None:
        await compute(database, settlement_id, settings.chunk_households)

    @app.task(name=COMPARE_TASK, queue=QUEUE, retry=RETRIES)
    async def compare_policies(comparison_id: int) -> None:
        await compare_over_city(database, comparison_id, settings.chunk_households)

    @app.task(name=IMPORT_TASK, queue=QUEUE, retry=RETRIES)
    async def import_file(import_id: int) -> None:
        await import_readings(database, store_of(settings), import_id)

    @app.periodic(cron=EVERY_FIVE_MINUTES)
    @app.task(name="look_after_readings", queue=QUEUE, queueing_lock="look_after_readings")
    async def look_after(timestamp: int) -> None:
        await look_after_readings(database, settings)

    @app.task(name=POST_TASK, queue=QUEUE, retry=RETRIES)
    async def post_settlement(settlement_id: int) -> None:
        await post(database, settlement_id, settings.bucket_households)

    return app


async def work(
    database: Database, settings: Settings, *, until_empty: bool = False, look_again_seconds: float = 30
) -> None:
    """Work the jobs: until cancelled, or until none is waiting.

    Args: look_again_seconds: how often to look for jobs whose worker died. One that was just killed counts as alive for half
          a minute, so a worker that is started at once in its place finds them only later.
    """
    async with queue_of(database, settings).open_async() as app:
        await _take_up_lost_jobs(app)
        looking = asyncio.create_task(_keep_looking(app, look_again_seconds))
        try:
            await app.run_worker_async(queues=[QUEUE], wait=not until_empty, install_signal_handlers=False)
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


async def _keep_looking(app: procrastinate.App, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await _take_up_lost_jobs(app)
        except procrastinate.exceptions.ConnectorException as error:
            log.warning("could not look for lost jobs; looking again later", error=repr(error))


async def _take_up_lost_jobs(app: procrastinate.App) -> None:
    """Put jobs whose worker died back into the queue."""
    for job in await app.job_manager.get_stalled_jobs():
        try:
            await app.job_manager.retry_job(job)
        except procrastinate.exceptions.ConnectorException:
            log.info("another worker took the job up first", job_id=job.id)


@asynccontextmanager
async def working_inside(database: Database, settings: Settings) -> AsyncIterator[None]:
    """A worker beside whatever runs in this block."""
    task = asyncio.create_task(_work_on(database, settings))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _work_on(database: Database, settings: Settings) -> None:
    """Work, and begin again after a pause where the database went away."""
    while True:
        try:
            await work(database, settings)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.error("the worker stopped; it begins again in 5 seconds", error=repr(error))
            await asyncio.sleep(5)
