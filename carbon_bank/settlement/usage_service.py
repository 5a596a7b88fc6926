"""A household's usage month by month, beside what it would have used by the rule: by the law that settles it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, Period, first_day, month_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import BASE_UNIT, Commodity
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import adoption_service, rules
from carbon_bank.programme.policy import Policy, load_shipped
from carbon_bank.readings import service as readings
from carbon_bank.registry import service as registry

DEFAULT_POLICY = "korea-carbon-point@2024"
"""By whose rule a baseline is shown before the city has a policy in force."""


@dataclass(frozen=True)
class MonthOfUse:
    """One month of one commodity, in base units. Null: not known, or no baseline. `complete`: every day is read."""

    commodity: Commodity
    unit: str
    month: int
    usage: int | None
    days_covered: int
    days_estimated: int
    baseline_num: int | None
    baseline_den: int | None


async def policy_shown(session: ReadSession, city_id: int, day: date) -> Policy:
    """By whose rule a household sees its baseline: the policy in force for a period that begins on a day."""
    found = await adoption_service.policy_in_force(session, city_id, day)
    return found[1] if found else load_shipped(DEFAULT_POLICY)


async def usage_of(session: ReadSession, actor: Actor, now: datetime, months: int) -> list[MonthOfUse]:
    """The last months of a household, the newest first. The current month is among them as soon as it has a reading."""
    household_id, city_id = actor.of_household(), actor.of_city()
    city = await registry.get_city(session, city_id)
    last_month = month_of(clock.local_day(now, city.time_zone))
    policy = await policy_shown(session, city_id, first_day(last_month))
    period = Period(last_month - months + 1, 1)
    reach = first_day(period.first_month - policy.baseline.lookback_years * MONTHS_PER_YEAR)
    end = first_day(last_month + 1)
    tenures = await registry.tenures_as_of(session, city_id, household_id, household_id, reach, end, now)
    meters = tenures["meter_id"].unique().to_list()
    found = await readings.readings_as_of(session, meters, reach, end, now)
    wanted = range(last_month - months + 1, last_month + 1)
    table = rules.monthly_with_baseline(policy, wanted, found, tenures)
    return [_month(row) for row in table.iter_rows(named=True)]


def _month(row: dict[str, object]) -> MonthOfUse:
    commodity = Commodity(str(row.pop("commodity")))
    return MonthOfUse(commodity=commodity, unit=BASE_UNIT[commodity], **row)  # type: ignore[arg-type]
