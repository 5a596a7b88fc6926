"""Computing a settlement, beside the least that any program would have to do for it in SQL.

Ours: `worker.compute`, as the background job runs it: read as of a moment, resolve revisions, cut, cover, judge, write.
Limit: one hand-written aggregate over the same readings (sum of the period, mean of the same months of two years; no
revisions, no gaps, no moment, no rules), and COPY of as many finished award rows into an equal table.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from carbon_bank import worker
from carbon_bank.foundation.calendar import MONTHS_PER_YEAR, first_day
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import adoption_service
from carbon_bank.programme.policy import load_shipped
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement
from loadtests.bench import city
from loadtests.bench.harness import Bank

POLICY = "korea-carbon-point@2024"
OPERATOR, APPROVER = (Actor(f"bench:{name}", city_id=city.CITY_ID) for name in ("operator", "approver"))
NOW = datetime(2026, 7, 20, tzinfo=UTC)


def _aggregate() -> str:
    days = [[first_day(month - back * MONTHS_PER_YEAR) for back in (1, 2)] for month in city.PERIOD.months]
    means = [f"avg(quantity) FILTER (WHERE period_start IN ('{one}', '{two}'))" for one, two in days]
    history = ", ".join(f"'{day}'" for pair in days for day in pair)
    return f"""
        SELECT count(*), sum(usage), sum(baseline) FROM (
            SELECT household_id, commodity, {" + ".join(means)} AS baseline,
                   sum(quantity) FILTER (WHERE period_start >= '{city.PERIOD.first_day}') AS usage
            FROM reading JOIN tenure USING (meter_id) JOIN meter ON meter.id = tenure.meter_id
            WHERE period_start >= '{city.PERIOD.first_day}' OR period_start IN ({history})
            GROUP BY household_id, commodity
        ) AS line
    """


_AGGREGATE = _aggregate()


class Settle:
    unit: ClassVar[str] = "readings"
    goal: ClassVar[str] = "<= 2.0"
    by_speed: ClassVar[bool] = False

    def __init__(self, bank: Bank, households: int) -> None:
        self._bank, self._households = bank, households
        self._awards = bank.folder / "awards"
        self._settlement_id = 0

    async def fill(self) -> int:
        city.fill_registry(self._bank, self._households)
        await self._adopt()
        rows = city.fill_readings(self._bank, self._households)
        self._bank.owner.execute("CREATE TABLE limit_award (LIKE award INCLUDING ALL)")
        return rows

    async def _adopt(self) -> None:
        policy = load_shipped(POLICY)
        async with self._bank.database.write() as session:
            drafted = await adoption_service.draft_policy(session, OPERATOR, NOW, policy, city.PERIOD.first_day)
            assert drafted.id is not None
            await adoption_service.propose(session, OPERATOR, NOW, drafted.id)
            await adoption_service.approve(session, APPROVER, NOW, drafted.id, policy.digest)

    async def ours(self) -> None:
        database = self._bank.database
        async with database.write() as session:
            made = await settlement.request_settlement(session, OPERATOR, NOW, period=city.PERIOD, in_background=False)
        assert made.id is not None
        self._settlement_id = made.id
        await worker.compute(database, made.id, Settings().chunk_households)

    async def before_limit(self) -> None:
        """The finished rows, so that the limit only has to write them."""
        copy = "COPY award TO STDOUT"
        with self._awards.open("wb") as file, self._bank.owner.cursor() as cursor, cursor.copy(copy) as rows:
            for block in rows:
                file.write(block)

    async def limit(self) -> None:
        owner, copy = self._bank.owner, "COPY limit_award FROM STDIN"
        lines, *_ = owner.execute(_AGGREGATE).fetchone() or (0,)
        assert lines == self._households * len(city.COMMODITIES)
        with self._awards.open("rb") as file, owner.cursor() as cursor, cursor.copy(copy) as rows:
            while block := file.read(2**20):
                rows.write(block)

    async def reset(self) -> None:
        async with self._bank.database.write() as session:
            await settlement.withdraw(session, OPERATOR, NOW, self._settlement_id, "the next round begins")
        with self._bank.unguarded() as owner:
            owner.execute("TRUNCATE award, award_review, limit_award, settlement_total")
        self._bank.settle_down("award", "settlement")
