"""A household's outlook in the running period, from what is recorded now, by the policy that will settle it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period, first_day, month_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.identity.actor import Actor
from carbon_bank.programme.inputs_service import inputs_as_of
from carbon_bank.programme.outlook import Outlook, outlooks
from carbon_bank.programme.policy import Policy
from carbon_bank.registry import service as registry
from carbon_bank.settlement import queries
from carbon_bank.settlement.usage_service import policy_shown


@dataclass(frozen=True)
class OutlookOfPeriod:
    """`outlooks` is empty where the household holds no meter in the period."""

    period: Period
    policy: Policy
    outlooks: list[Outlook]


async def outlook_of(session: ReadSession, actor: Actor, now: datetime) -> OutlookOfPeriod:
    """The outlook of the actor's household in the period that the city is in."""
    household_id, city_id = actor.of_household(), actor.of_city()
    city = await registry.get_city(session, city_id)
    month = month_of(clock.local_day(now, city.time_zone))
    policy = await policy_shown(session, city_id, first_day(month))
    period = Period.containing(month, policy.period_months, policy.anchor_month)
    found = await inputs_as_of(session, city_id, household_id, household_id, policy, period, now)
    before = await queries.live(session, city_id, str(period.shift(-1)))
    streaks = None
    if before is not None and before.id is not None and before.approved_at is not None:
        streaks = await queries.streaks(session, before.id, household_id, household_id)
    return OutlookOfPeriod(period, policy, outlooks(policy, period, month, found.readings, found.tenures, streaks))
