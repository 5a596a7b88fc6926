"""Sealing a posted settlement into the log, beside computing and posting it.

Ours: `worker.seal_city`: entries, commitments, tiles and a checkpoint for each household's side of the settlement's journals and
for its acts, with the digest of its awards, from an empty log.
Limit: the settlement itself, computed, approved and posted.
Printed beside it: the close of the settlement's months, which reads each of their readings once more, and what SHA-256 alone over
the same entries takes.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any, ClassVar

from carbon_bank import worker
from carbon_bank.audit.log import leaf_service
from carbon_bank.audit.log.evidence_service import closes_of
from carbon_bank.audit.log.keys import LogKeys
from carbon_bank.audit.log.source_queries import LoggedAct
from carbon_bank.foundation.database import ReadSession
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement
from carbon_bank.trail.service import Act
from loadtests.bench import city
from loadtests.bench.harness import Bank, console
from loadtests.bench.settle import APPROVER, NOW, OPERATOR, Settle

LOG = ("log_leaf", "log_tile", "log_checkpoint", "log_secret", "log")


class Seal(Settle):
    unit: ClassVar[str] = "leaves"
    goal: ClassVar[str] = "<= 0.15"
    by_speed: ClassVar[bool] = False

    def __init__(self, bank: Bank, households: int) -> None:
        super().__init__(bank, households)
        self._keys = LogKeys(bank.folder / "log-keys", "https://bank.example", may_make=True)
        self._closing: tuple[LoggedAct, bytes] | None = None

    async def fill(self) -> int:
        await super().fill()
        await self.limit()
        await self.ours()
        leaves = self._bank.owner.execute("SELECT count(*) FROM log_leaf").fetchall()[0][0]
        await self.reset()
        return int(leaves)

    async def ours(self) -> None:
        leaf_service.closes_of = self._close_later
        try:
            await worker.seal_city(self._bank.database, self._keys, city.CITY_ID, "bench")
        finally:
            leaf_service.closes_of = closes_of

    async def _close_later(self, session: ReadSession, act: LoggedAct, key: bytes) -> list[dict[str, Any]]:
        """Keep what is to be closed for `before_limit`."""
        if act.act == Act.SETTLEMENT_POSTED:
            self._closing = act, key
        return []

    async def before_limit(self) -> None:
        """The close of the months, timed apart. Then nothing is left of the settlement before."""
        assert self._closing is not None
        began = time.perf_counter()
        async with self._bank.database.read() as session:
            months = await closes_of(session, *self._closing)
        closing = time.perf_counter() - began
        entries = self._bank.owner.execute("SELECT data FROM log_tile WHERE level = -1").fetchall()
        began = time.perf_counter()
        for (data,) in entries:
            sha256(data).digest()
        alone = time.perf_counter() - began
        console.print(f"seal: {len(months)} months closed in {closing:.2f} s; SHA-256 over the entries {alone:.3f} s")
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
