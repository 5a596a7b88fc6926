"""When a delivery that failed is tried again, and when no more."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first failure, the second, ...: a little over three days. Source: Standard Webhooks, example schedule."""
ATTEMPTS_MAX = len(PAUSES) + 1
JITTER_DIVISOR = 10
"""A pause grows by up to a tenth, so that what failed together does not come again together."""
RETRY_AFTER_MAX = timedelta(hours=24)


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


def next_attempt(
    now: datetime, attempts: int, chance: float, retry_after_seconds: int | None = None
) -> datetime | None:
    """When to try again after so many failed attempts; null: never.

    Args: chance: from 0 to below 1. retry_after_seconds: what the receiver asked for; a longer pause than ours is kept.
    """
    if attempts >= ATTEMPTS_MAX:
        return None
    pause = PAUSES[attempts - 1]
    pause += pause * chance / JITTER_DIVISOR
    if retry_after_seconds is not None:
        pause = max(pause, min(timedelta(seconds=retry_after_seconds), RETRY_AFTER_MAX))
    return now + pause
