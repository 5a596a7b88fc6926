"""The life of a mail, and how long it waits between two attempts."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


class MailState(StrEnum):
    """`waiting` until it is `sent`, `refused` for good by the recipient's server, `given_up` after days, or `dropped`
    because nobody wants it any more."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"


LEASE = timedelta(minutes=20)
"""For so long a claimed mail is nobody else's. A worker that dies holds it up no longer."""
GIVE_UP_AFTER = timedelta(days=4)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5 * 60, 4 * 60 * 60
JITTER_PERMILLE_MAX = 250


def pause_after(attempts: int, jitter_permille: int) -> timedelta:
    """How long to wait after some attempts: doubling from five minutes to four hours, and longer by the jitter.

    Args: jitter_permille: 0 to 250, by chance, so that what failed together does not come back together.
    """
    assert attempts >= 1 and 0 <= jitter_permille <= JITTER_PERMILLE_MAX
    seconds = min(FIRST_PAUSE_SECONDS << min(attempts - 1, 20), LONGEST_PAUSE_SECONDS)
    return timedelta(seconds=seconds + seconds * jitter_permille // 1000)


def is_too_old(planned_at: datetime, now: datetime) -> bool:
    """Whether to give a mail up that still cannot be sent."""
    return now - planned_at >= GIVE_UP_AFTER
