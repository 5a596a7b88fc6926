"""Reading the trail of a city, by days of its own clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import service as registry
from carbon_bank.trail import service as trail
from carbon_bank.trail.service import Act, TrailEntry, Wanted


async def acts(
    session: ReadSession,
    actor: Actor,
    wanted: Wanted,
    days: tuple[date | None, date | None],
    before: int | None,
    limit: int,
) -> Sequence[TrailEntry]:
    """The acts of the actor's own city, the newest first.

    Args: days: the first and the last one, both included; null: without end. before: the id of the last act that was seen.

    Raises: InvalidInput `audit.days` (422).
    """
    first, last = days
    if first is not None and last is not None and first > last:
        raise InvalidInput("audit.days", f"The trail from {first} to {last} is none: give the earlier day first.")
    city = await registry.get_city(session, actor.of_city())
    assert city.id is not None
    begins = clock.day_begins(first, city.time_zone) if first else None
    ends = clock.day_begins(last + timedelta(days=1), city.time_zone) if last else None
    return await trail.listed(session, city.id, replace(wanted, first=begins, end=ends), before, limit)


def act_named(name: str | None) -> Act | None:
    """Raises: InvalidInput `audit.act` (422)."""
    if name is not None and name not in set(Act):
        raise InvalidInput("audit.act", f"'{name[:80]}' is no act. There are {', '.join(Act)}.")
    return None if name is None else Act(name)
