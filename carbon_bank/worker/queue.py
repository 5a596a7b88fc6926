"""The job queue: which tasks there are, workers that take them up, and jobs whose worker died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import procrastinate
import structlog

from carbon_bank.audit.witnesses.service import COSIGN_TASK
from carbon_bank.audit.witnesses.service import Post as WitnessPost
from carbon_bank.foundation.database import APP_ROLE, Database, plain_url
from carbon_bank.foundation.errors import Unavailable
from carbon_bank.foundation.jobs import CALLS, QUEUE
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger.adjustment_service import TAKEN_BACK_TASK
from carbon_bank.programme.compare_service import COMPARE_TASK
from carbon_bank.readings.import_service import IMPORT_TASK
from carbon_bank.settings import Settings
from carbon_bank.settlement.restate_service import COMPUTE_RESTATEMENT_TASK, POST_RESTATEMENT_TASK
from carbon_bank.settlement.service import COMPUTE_TASK, POST_TASK
from carbon_bank.webhooks.service import DELIVER_TASK
from carbon_bank.worker.comparisons import compare_over_city, give_up_comparison
from carbon_bank.worker.expiries import book_expiries
from carbon_bank.worker.imports import give_up_import, import_readings, look_after_readings, store_of
from carbon_bank.worker.mail import mailer_of, send_mail
from carbon_bank.worker.notices import notify_expiring
from carbon_bank.worker.restatements import compute_restatement, post_restatement
from carbon_bank.worker.retries import Retries, given_up_by, is_outage
from carbon_bank.worker.rewards import look_after_rewards, note_taken_back, pay_out_daily, pay_out_settlement
from carbon_bank.worker.sealing import StoredLog, log_keys_of, seal_all
from carbon_bank.worker.settlements import compute, post
from carbon_bank.worker.webhooks import Post, caller_of, deliver_webhooks, sealer_of
from carbon_bank.worker.witnesses import look_after_cosignatures, post_by, request_cosignatures

HOURLY = "7 * * * *"
"""Somewhere a day begins with each of them."""
EVERY_MINUTE = "* * * * *"
EVERY_FIVE_MINUTES = "*/5 * * * *"
EVERY_NIGHT = "20 2 * * *"
EVERY_MORNING = "40 3 * * *"
RETRIES = Retries()

log = structlog.get_logger()


def queue_of(database: Database, settings: Settings) -> procrastinate.App:
    """The job queue in the bank's database, with the tasks that are known."""
    connector = procrastinate.PsycopgConnector(
        conninfo=plain_url(database.url),
        min_size=1,
        max_size=6,  # each of the two workers keeps one to listen on
        kwargs={"options": f"-c role={APP_ROLE} -c timezone=UTC", "application_name": "carbon-bank worker"},
    )
    app = procrastinate.App(connector=connector)
    sealer = sealer_of(settings)

    _add_settling(app, database, settings, sealer)
    _add_readings(app, database, settings)
    _add_telling(app, database, settings)
    _add_rewards(app, database, sealer)
    _add_sealing(app, database, settings)
    _add_witnesses(app, database, post_by(caller_of(settings)))
    _add_calls(app, Post(database, sealer, caller_of(settings)))
    return app


def _add_settling(app: procrastinate.App, database: Database, settings: Settings, sealer: Sealer) -> None:
    @app.task(name=COMPUTE_TASK, queue=QUEUE, retry=RETRIES)
    async def compute_settlement(settlement_id: int) -> None:
        await compute(database, settlement_id, settings.chunk_households)

    @app.task(name=POST_TASK, queue=QUEUE, retry=RETRIES)
    async def post_settlement(settlement_id: int) -> None:
        await post(database, settlement_id, settings.bucket_households)
        await pay_out_settlement(database, sealer, settlement_id)

    @app.task(name=COMPUTE_RESTATEMENT_TASK, queue=QUEUE, retry=RETRIES)
    async def compute_again(restatement_id: int) -> None:
        await compute_restatement(database, restatement_id, settings.chunk_households)

    @app.task(name=POST_RESTATEMENT_TASK, queue=QUEUE, retry=RETRIES)
    async def post_again(restatement_id: int) -> None:
        await post_restatement(database, restatement_id, settings.bucket_households, settings.debt_points_max)

    @app.task(name=COMPARE_TASK, queue=QUEUE, retry=RETRIES, pass_context=True)
    async def compare_policies(context: procrastinate.JobContext, comparison_id: int) -> None:
        async with given_up_by(lambda: give_up_comparison(database, comparison_id), context.job):
            await compare_over_city(database, comparison_id, settings.chunk_households)

    @app.periodic(cron=HOURLY)
    @app.task(name="expire_points", queue=QUEUE, queueing_lock="expire_points")
    async def expire_points(timestamp: int) -> None:
        await book_expiries(database, settings.bucket_households)


def _add_readings(app: procrastinate.App, database: Database, settings: Settings) -> None:
    @app.task(name=IMPORT_TASK, queue=QUEUE, retry=RETRIES, pass_context=True)
    async def import_file(context: procrastinate.JobContext, import_id: int) -> None:
        async with given_up_by(lambda: give_up_import(database, import_id), context.job):
            await import_readings(database, store_of(settings), import_id)

    @app.periodic(cron=EVERY_FIVE_MINUTES)
    @app.task(name="look_after_readings", queue=QUEUE, queueing_lock="look_after_readings")
    async def look_after(timestamp: int) -> None:
        await look_after_readings(database, settings)


def _add_telling(app: procrastinate.App, database: Database, settings: Settings) -> None:
    mailer, default = mailer_of(settings), Language(settings.language)

    @app.periodic(cron=EVERY_NIGHT)
    @app.task(name="notify_expiring", queue=QUEUE, queueing_lock="notify_expiring", retry=RETRIES)
    async def notify_of_expiry(timestamp: int) -> None:
        await notify_expiring(database)

    @app.periodic(cron=EVERY_FIVE_MINUTES)
    @app.task(name="send_mail", queue=QUEUE, queueing_lock="send_mail")
    async def send_some_mail(timestamp: int) -> None:
        if await send_mail(database, mailer, default):
            with suppress(procrastinate.exceptions.AlreadyEnqueued):
                await app.configure_task("send_mail", queue=QUEUE, queueing_lock="send_mail").defer_async(
                    timestamp=timestamp
                )


def _add_rewards(app: procrastinate.App, database: Database, sealer: Sealer) -> None:
    @app.task(name=TAKEN_BACK_TASK, queue=QUEUE, retry=RETRIES)
    async def redemption_taken_back(journal_id: str) -> None:
        await note_taken_back(database, UUID(journal_id))

    @app.periodic(cron=EVERY_FIVE_MINUTES)
    @app.task(name="rewards.look_after", queue=QUEUE, queueing_lock="rewards.look_after")
    async def look_after(timestamp: int) -> None:
        await look_after_rewards(database, sealer)

    @app.periodic(cron=EVERY_MORNING)
    @app.task(name="rewards.pay_out", queue=QUEUE, queueing_lock="rewards.pay_out", retry=RETRIES)
    async def pay_out(timestamp: int) -> None:
        await pay_out_daily(database, sealer)


def _add_sealing(app: procrastinate.App, database: Database, settings: Settings) -> None:
    keys = log_keys_of(settings)

    @app.periodic(cron=EVERY_MINUTE)
    @app.task(name="seal_logs", queue=QUEUE, queueing_lock="seal_logs")
    async def seal_logs(timestamp: int) -> None:
        await seal_all(database, keys)


def _add_witnesses(app: procrastinate.App, database: Database, post: WitnessPost) -> None:
    def log_of(city_id: int) -> StoredLog:
        return StoredLog(database, city_id)

    @app.task(name=COSIGN_TASK, queue=CALLS, retry=RETRIES)
    async def ask_witnesses(city_id: int) -> None:
        await request_cosignatures(database, post, city_id, log_of(city_id))

    @app.periodic(cron=EVERY_FIVE_MINUTES)
    @app.task(name="look_after_cosignatures", queue=CALLS, queueing_lock="look_after_cosignatures")
    async def look_again(timestamp: int) -> None:
        await look_after_cosignatures(database, post, log_of)


def _add_calls(app: procrastinate.App, webhooks: Post) -> None:
    """The tasks that talk to others, in a queue of their own."""

    @app.task(name=DELIVER_TASK, queue=CALLS, retry=RETRIES)
    async def deliver() -> None:
        await deliver_webhooks(webhooks)

    @app.periodic(cron=EVERY_MINUTE)
    @app.task(name="look_for_due_webhooks", queue=CALLS, queueing_lock="look_for_due_webhooks")
    async def look_for_due(timestamp: int) -> None:
        await deliver_webhooks(webhooks)


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
            if until_empty:
                await app.run_worker_async(queues=[QUEUE, CALLS], wait=False, install_signal_handlers=False)
            else:
                await _work_queues(app)
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


async def _work_queues(app: procrastinate.App) -> None:
    """A worker for each queue, since each does one job at a time. Where one ends, both do.

    Raises: Unavailable `worker.stopped`: a worker that loses the database only says so in the log, and ends as if all were well.
    """
    # Deliveries tell what came of a call; the job that looks for them each minute need not be kept.
    workers = [
        asyncio.create_task(app.run_worker_async(queues=[QUEUE], install_signal_handlers=False)),
        asyncio.create_task(
            app.run_worker_async(queues=[CALLS], delete_jobs="successful", install_signal_handlers=False)
        ),
    ]
    try:
        ended, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in workers:
            each.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    error = next((each.exception() for each in ended if each.exception() is not None), None)
    if error is not None and not is_outage(error):
        raise error
    raise Unavailable(
        "worker.stopped",
        "The worker has lost the database, and stops. Nothing is lost: start it again, and it goes on with the jobs that wait.",
    ) from error


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
