"""Background jobs: asked for in the same transaction as the act that needs them, worked by `carbon_bank.worker`.

The queue is procrastinate's, in the same PostgreSQL. A job that is asked for in a transaction that rolls back was never
asked for; one whose worker dies is taken up again.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from carbon_bank.foundation.database import WriteSession

QUEUE = "bank"
CALLS = "calls"
"""The queue of what talks to others: it waits for them, and shall neither hold up the bank's own work nor wait for that."""


async def enqueue(
    session: WriteSession,
    task: str,
    arguments: dict[str, Any],
    lock: str,
    *,
    queue: str = QUEUE,
    not_before: datetime | None = None,
) -> int:
    """Ask for a job. Jobs of one `lock` run one after the other, in the order in which they were asked for."""
    row = (
        await session.sql(
            "SELECT (procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, 0, :lock, NULL, CAST(:arguments AS jsonb), "
            "CAST(:not_before AS timestamptz))::procrastinate_job_to_defer_v1]))[1]",
            {
                "queue": queue,
                "task": task,
                "lock": lock,
                "arguments": json.dumps(arguments),
                "not_before": not_before,
            },
        )
    ).one()
    return int(row[0])
