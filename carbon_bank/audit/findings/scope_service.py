"""What a findings report is about: months of a city, the settlements of these months, and the time in which acts count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from carbon_bank.audit.findings import queries as finding_queries
from carbon_bank.audit.findings.award_queries import Settled
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period, first_day, month_text
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Conflict, InvalidInput, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import service as registry
from carbon_bank.settlement import service as settlement
from carbon_bank.settlement.service import Settlement
from carbon_bank.settlement.states import SettlementState

MONTHS_MAX = 120
SETTLEMENTS_MAX = 1000
_COMPUTED = {SettlementState.COMPUTED, SettlementState.APPROVED, SettlementState.POSTING, SettlementState.POSTED}


@dataclass(frozen=True)
class Scope:
    """What a report is about: readings and tenures of [first_month, end_month), the settlements of these months, and what was done
    within [acts_from, acts_to)."""

    city_id: int
    time_zone: str
    first_month: int
    end_month: int
    acts_from: datetime
    acts_to: datetime
    settlements: tuple[Settled, ...]

    @property
    def first_day(self) -> date:
        return first_day(self.first_month)

    @property
    def end_day(self) -> date:
        return first_day(self.end_month)

    @property
    def months(self) -> str:
        return f"{month_text(self.first_month)}..{month_text(self.end_month - 1)}"


async def city_of(session: ReadSession, settlement_id: int) -> int:
    """Raises: NotFound `settlement.unknown` (404)."""
    city_id = await finding_queries.city_of_settlement(session, settlement_id)
    if city_id is None:
        raise NotFound("settlement.unknown", f"There is no settlement {settlement_id}.")
    return city_id


async def of_settlement(session: ReadSession, actor: Actor, now: datetime, settlement_id: int) -> Scope:
    """The months of a settlement, and what was done from when it was asked for until the next one was.

    Raises: NotFound `settlement.unknown` (404); Conflict `settlement.state` (409).
    """
    asked = await settlement.get_settlement(session, actor, settlement_id)
    require_computed(asked)
    city = await registry.get_city(session, asked.city_id)
    until = await finding_queries.next_requested_at(session, asked.city_id, asked.requested_at) or now
    months = (asked.first_month, asked.first_month + asked.months)
    return Scope(asked.city_id, city.time_zone, *months, asked.requested_at, until, (_settled(asked),))


def require_computed(asked: Settlement) -> None:
    """Raises: Conflict `settlement.state` (409)."""
    if asked.state not in _COMPUTED:
        raise Conflict(
            "settlement.state",
            f"Settlement {asked.id} is {asked.state}: there are no awards to look at. Ask again when it is computed.",
            {"state": asked.state},
        )


async def of_months(session: ReadSession, actor: Actor, first: str, last: str) -> Scope:
    """Months of a city, both included, as `2026-01`; the settlements that have one of them; and what was done in them.

    Raises: InvalidInput `calendar.period`, `audit.months` (422).
    """
    begin, end = Period.parse(first), Period.parse(last)
    first_month, end_month = begin.first_month, end.first_month + end.length
    if not 0 < end_month - first_month <= MONTHS_MAX:
        raise InvalidInput(
            "audit.months",
            f"From {first} to {last} are {end_month - first_month} months; a report is about 1 to {MONTHS_MAX}. Give the earlier "
            "month first.",
            {"months_max": MONTHS_MAX},
        )
    city = await registry.get_city(session, actor.of_city())
    assert city.id is not None
    found = await settlement.list_settlements(session, actor, None, SETTLEMENTS_MAX)
    overlapping = [
        each for each in found if each.first_month < end_month and each.first_month + each.months > first_month
    ]
    settled = [_settled(each) for each in reversed(overlapping) if each.state in _COMPUTED]
    begins, ends = (clock.day_begins(first_day(month), city.time_zone) for month in (first_month, end_month))
    return Scope(city.id, city.time_zone, first_month, end_month, begins, ends, tuple(settled))


def _settled(asked: Settlement) -> Settled:
    assert asked.id is not None and asked.as_of is not None
    period = Period(asked.first_month, asked.months)
    return Settled(asked.id, period.first_day, period.end_day, asked.as_of)
