"""Sealing a posted settlement into the log, beside computing and posting it.

Ours: `worker.seal_city`: entries, commitments, tiles and a checkpoint for each household's side of the settlement's journals and
for its acts, with the digest of its awards and the close of its months, from an empty log.
Limit: the settlement itself, computed, approved and posted. What SHA-256 alone over the same bytes takes is printed beside it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, ClassVar

from carbon_bank import worker
from carbon_bank.audit import leaf_service
from carbon_bank.audit.log_keys import LogKeys
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement
from loadtests.bench import city
from loadtests.bench.harness import Bank, console
from loadtests.bench.settle import APPROVER, NOW, OPERATOR, Settle

LOG = ("log_leaf", "log_tile", "log_checkpoint", "log_secret", "log")
PARTS = {"evidence_of": "digests of awards", "closes_of": "closes of months"}


class Seal(Settle):
    unit: ClassVar[str] = "leaves"
    goal: ClassVar[str] = "<= 0.15"
    by_speed: ClassVar[bool] = False

    def __init__(self, bank: Bank, households: int) -> None:
        super().__init__(bank, households)
        self._keys = LogKeys(bank.folder / "log-keys", "https://bank.example", may_make=True)
        self._seconds: Counter[str] = Counter()
        self._whole = 0.0
        for name in PARTS:
            setattr(leaf_service, name, self._timed(name, getattr(leaf_service, name)))

    def _timed(self, name: str, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def timed(*given: Any) -> Any:
            began = time.perf_counter()
            result = await step(*given)
            self._seconds[name] += time.perf_counter() - began
            return result

        return timed

    async def fill(self) -> int:
        await super().fill()
        await self.limit()
        await self.ours()
        leaves = self._bank.owner.execute("SELECT count(*) FROM log_leaf").fetchall()[0][0]
        await self.reset()
        return int(leaves)

    async def ours(self) -> None:
        self._seconds.clear()
        began = time.perf_counter()
        await worker.seal_city(self._bank.database, self._keys, city.CITY_ID, "bench")
        self._whole = time.perf_counter() - began

    async def before_limit(self) -> None:
        """Nothing is left of the settlement before. What the parts took is told first."""
        rows = self._bank.owner.execute("SELECT data FROM log_tile WHERE level = -1").fetchall()
        began = time.perf_counter()
        for (data,) in rows:
            sha256(data).digest()
        alone = time.perf_counter() - began
        parts = ", ".join(f"{told} {self._seconds[name]:.2f} s" for name, told in PARTS.items())
        rest = self._whole - sum(self._seconds.values())
        console.print(f"seal: postings {rest:.2f} s, {parts}; SHA-256 alone over the entries {alone:.3f} s")
        with self._bank.unguarded() as owner:
            owner.execute(
                "TRUNCATE posting, lot, lot_use, hold, journal, award, award_review, settlement_total CASCADE"
            )
            owner.execute("UPDATE account SET available = 0, held = 0, debt = 0, version = 0")
            owner.execute("DELETE FROM trail WHERE subject LIKE 'settlement:%'")
            owner.execute("DELETE FROM settlement")
        self._bank.settle_down("posting", "award", "account", "lot", "journal")

    async def limit(self) -> None:
        await super().ours()
        database = self._bank.database
        async with database.write() as session:
            await settlement.approve(session, APPROVER, NOW, self._settlement_id)
            await settlement.start_posting(session, OPERATOR, NOW, self._settlement_id, in_background=False)
        await worker.post(database, self._settlement_id, Settings().bucket_households)

    async def reset(self) -> None:
        with self._bank.unguarded() as owner:
            for table in LOG:
                owner.execute(f"DELETE FROM {table}")
        self._bank.settle_down(*LOG, "posting", "lot", "journal")
