"""When a job that went wrong is tried again, and when it is given up.

What the database or the network did is tried until it goes well. Anything else may be a mistake of the bank's own that would come
back for ever: after a few tries the job ends, and what asked for it says so.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import procrastinate
import psycopg
import sqlalchemy.exc
import structlog
from procrastinate.jobs import Job

RETRIES_MAX = 10
WAIT_SECONDS_MAX = 600
_OUTAGES = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    procrastinate.exceptions.ConnectorException,
    ConnectionError,
)

log = structlog.get_logger()


def is_outage(error: BaseException) -> bool:
    """Whether something that the bank needs was away, so that the same job may go well later."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, psycopg.errors.ProgramLimitExceeded):  # an OperationalError that comes back each time
        return False
    return isinstance(error, _OUTAGES) or bool(getattr(error, "connection_invalidated", False))


class Retries(procrastinate.BaseRetryStrategy):
    """Through an outage for as long as it takes; after any other error RETRIES_MAX times."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        if job.attempts >= RETRIES_MAX and not is_outage(exception):
            return None
        return procrastinate.RetryDecision(retry_in={"seconds": min(2 ** min(job.attempts + 1, 20), WAIT_SECONDS_MAX)})


@asynccontextmanager
async def given_up_by(end: Callable[[], Awaitable[None]], job: Job) -> AsyncIterator[None]:
    """Where the last try of a job fails, end what it worked on. An outage meanwhile is one of the job, which is tried again."""
    try:
        yield
    except Exception as error:
        if job.attempts >= RETRIES_MAX and not is_outage(error):
            log.exception("a job is given up", job_id=job.id, task=job.task_name, arguments=job.task_kwargs)
            await end()
        raise
