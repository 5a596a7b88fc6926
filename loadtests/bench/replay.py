"""Replaying a posted settlement, beside computing one of the same city for the first time.

Ours: `worker.replay`, as `carbon-bank audit replay` runs it: read as of the settlement's moment, judge, and compare every column
of every award, the decisions, the postings and the sums. It must find no difference.
Limit: `worker.compute` over the same readings by the same policy, as `settle` measures it.

After the warm-up one reading is changed behind the bank's back: a replay must find its household, and no other.
"""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from psycopg import sql

from carbon_bank import worker
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement
from loadtests.bench import city
from loadtests.bench.harness import Bank, console
from loadtests.bench.settle import APPROVER, NOW, OPERATOR, Settle

_SET_STATE = "UPDATE settlement SET state = %s WHERE id = %s"
_OF_HOUSEHOLD = """
    SELECT reading.meter_id, period_start, period_end, revision FROM reading JOIN tenure USING (meter_id)
    WHERE household_id = %s AND period_start = %s ORDER BY meter_id, revision DESC LIMIT 1
"""
_ADD = """
    UPDATE reading SET quantity = quantity + %s WHERE meter_id = %s AND period_start = %s AND period_end = %s AND revision = %s
"""
_FORGED_WH = 100_000


class Replay(Settle):
    unit: ClassVar[str] = "awards"
    goal: ClassVar[str] = "<= 1.2"

    def __init__(self, bank: Bank, households: int) -> None:
        super().__init__(bank, households)
        self._posted_id = 0
        self._forgery_was_found = False

    async def fill(self) -> int:
        await super().fill()
        await super().ours()
        self._posted_id, database = self._settlement_id, self._bank.database
        async with database.write() as session:
            await settlement.approve(session, APPROVER, NOW, self._posted_id)
        async with database.write() as session:
            await settlement.start_posting(session, OPERATOR, NOW, self._posted_id, in_background=False)
        posted = await worker.post(database, self._posted_id, Settings().bucket_households)
        self._bank.settle_down("award", "posting", "settlement")
        (awards,) = self._bank.owner.execute("SELECT count(*) FROM award").fetchone() or (0,)
        console.print(f"replay: {awards:,} awards, {posted.postings:,} postings")
        return int(awards)

    async def ours(self) -> None:
        found = await self._replayed()
        assert found.is_empty(), found

    async def before_limit(self) -> None:
        """Room for another settlement of the period, while the posted one is out of the way."""
        self._set_state("withdrawn", self._posted_id)

    async def limit(self) -> None:
        await super().ours()

    async def reset(self) -> None:
        self._set_state("withdrawn", self._settlement_id)
        self._set_state("posted", self._posted_id)
        with self._bank.unguarded() as owner:
            for table in map(sql.Identifier, ("award", "settlement_total")):
                statement = sql.SQL("DELETE FROM {} WHERE settlement_id = %s").format(table)
                owner.execute(statement, [self._settlement_id])
        self._bank.settle_down("award", "settlement")
        if not self._forgery_was_found:
            await self._forge()
            self._forgery_was_found = True

    async def _forge(self) -> None:
        """One reading is more than it was, for the time of a replay."""
        household = 1 + self._households // 2
        reading = self._bank.owner.execute(_OF_HOUSEHOLD, [household, city.PERIOD.first_day]).fetchone()
        assert reading is not None
        self._add_to(reading, _FORGED_WH)
        found = await self._replayed()
        self._add_to(reading, -_FORGED_WH)
        self._bank.settle_down("reading")
        whose = found["household_id"].drop_nulls().unique().to_list()
        assert whose == [household], found
        changed = found.filter(pl.col("household_id") == household)
        told = ", ".join(f"{table}.{column}" for table, column in changed.select("table", "column").iter_rows())
        console.print(f"replay: one changed reading shows household {household} and no other: {told}")

    def _set_state(self, state: str, settlement_id: int) -> None:
        with self._bank.unguarded() as owner:
            owner.execute(_SET_STATE, [state, settlement_id])

    def _add_to(self, reading: tuple[object, ...], quantity: int) -> None:
        with self._bank.unguarded() as owner:
            assert owner.execute(_ADD, [quantity, *reading]).rowcount == 1

    async def _replayed(self) -> pl.DataFrame:
        parts = worker.replay(self._bank.database, self._posted_id, Settings().chunk_households)
        return pl.concat([part.differences async for part in parts])
