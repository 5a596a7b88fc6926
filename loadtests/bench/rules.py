"""Settling by the complete rules, beside settling the same households by the plain per-commodity rules.

Ours: a policy that uses everything a policy for each commodity can say: peers for newcomers, standard use, maintenance after
a run, points for each unit saved, a counted maximum, coverage below one, a cap, floors of use. Limit: baseline, tiers, nothing
else. Both by `worker.compute`, so that what the rules ask for beyond the law (a second pass, other tables) counts as well.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import yaml

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import service as programme
from carbon_bank.programme.policy import Policy, load_shipped, parse_policy
from carbon_bank.programme.sweep import written_out
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement
from carbon_bank.settlement.tables import Settlement
from loadtests.bench import city
from loadtests.bench.harness import Bank

OPERATOR, APPROVER = (Actor(f"bench:{name}", city_id=city.CITY_ID) for name in ("operator", "approver"))
NOW = datetime(2026, 7, 20, tzinfo=UTC)
_TIERS = [{"from": "0.05", "points_per_unit": "40"}, {"from": "0.15", "points_per_unit": "70"}]
_PAID = {"electricity": 3000, "gas": 1800, "water": 450}
_COMPLETE: dict[str, Any] = {
    "version": "complete",
    "usage": {"min_month_coverage": "0.9"},
    "baseline": {"method": "same_months_mean", "newcomer": "peer_mean"},
    "reduction": {"basis": "per_commodity", "counted_max": "0.3", "tiers": dict.fromkeys(_PAID, _TIERS)},
    "maintenance": {"after": 1, "points": _PAID},
    "standard_use": {"share": "0.5", "points": _PAID},
    "household_points_max": 30_000,
    "review": {"usage_per_day_below": {"electricity": "0.3", "gas": "0.01", "water": "0.01"}},
}
_PLAIN: dict[str, Any] = {"version": "plain", "maintenance": None, "standard_use": None}


def _policy(changes: dict[str, Any]) -> Policy:
    said = yaml.safe_load(load_shipped("korea-carbon-point@2024").text) | changes
    return parse_policy(written_out(said))


class Rules:
    unit: ClassVar[str] = "readings"
    goal: ClassVar[str] = "<= 1.5"
    by_speed: ClassVar[bool] = False

    def __init__(self, bank: Bank, households: int) -> None:
        self._bank, self._households = bank, households
        self._complete, self._plain = _policy(_COMPLETE), _policy(_PLAIN)
        self._running = 0

    async def fill(self) -> int:
        """A city of three kinds of dwellings where one in twenty moved in last year, and its settlement before this one."""
        city.fill_registry(self._bank, self._households)
        with self._bank.unguarded() as owner:
            kinds = "(ARRAY['apartment', 'house', 'row'])[1 + id % 3]"
            owner.execute(f"UPDATE household SET dwelling_type = {kinds}, residents = 1 + id % 5")
            owner.execute("UPDATE tenure SET starts_on = '2025-06-01' WHERE household_id % 20 = 0")
        rows = city.fill_readings(self._bank, self._households)
        before = city.PERIOD.shift(-1)
        number = await self._settle(self._complete, before)
        async with self._bank.database.write() as session:
            await settlement.approve(session, APPROVER, NOW, number)
        self._bank.settle_down("household", "tenure", "award", "settlement")
        return rows

    async def ours(self) -> None:
        self._running = await self._settle(self._complete, city.PERIOD)

    async def before_limit(self) -> None:
        await self._withdraw()

    async def limit(self) -> None:
        self._running = await self._settle(self._plain, city.PERIOD)

    async def reset(self) -> None:
        await self._withdraw()
        self._bank.settle_down("award", "settlement")

    async def _settle(self, policy: Policy, period: Period) -> int:
        """Straight into the table: the two policies could not be in force at one time."""
        async with self._bank.database.write() as session:
            made = Settlement(
                city_id=city.CITY_ID,
                policy_id=await programme.keep_policy(session, OPERATOR, NOW, policy),
                period=str(period),
                first_month=period.first_month,
                months=period.length,
                prepared_by=OPERATOR.subject,
                requested_at=NOW,
            )
            session.add(made)
        assert made.id is not None
        await worker.compute(self._bank.database, made.id, Settings().chunk_households)
        return made.id

    async def _withdraw(self) -> None:
        async with self._bank.database.write() as session:
            await settlement.withdraw(session, OPERATOR, NOW, self._running, "the other's turn")
        with self._bank.unguarded() as owner:
            owner.execute("DELETE FROM award WHERE settlement_id = %s", [self._running])
            owner.execute("DELETE FROM settlement_total WHERE settlement_id = %s", [self._running])
        self._bank.settle_down("award", "settlement")
