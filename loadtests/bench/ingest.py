"""A utility's CSV through the import job, beside bare COPY of the same readings.

Ours: the file kept and digested, read in chunks, each row judged against what stands for its meter, recorded, counted.
Limit: COPY of the same rows, ready made, in one transaction, into a table with the same columns, keys, checks and foreign keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import ClassVar

import polars as pl

from carbon_bank import worker
from carbon_bank.foundation.calendar import first_day
from carbon_bank.foundation.store import Store
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import import_service
from carbon_bank.registry import service as registry
from loadtests.bench import city
from loadtests.bench.harness import Bank

UTILITY = 1  # electricity: meters 1, 4, 7, ...
MONTHS = 12
ACTOR = Actor("bench:utility", city_id=city.CITY_ID, utility_id=UTILITY)
NOW = datetime(2026, 7, 20, tzinfo=UTC)
_BLOCK = 2**20
LIMIT_TABLE = """
    CREATE TABLE limit_reading (LIKE reading INCLUDING ALL, FOREIGN KEY (meter_id) REFERENCES meter,
                                FOREIGN KEY (batch_id) REFERENCES reading_batch)
"""
_EMPTIED = "reading, reading_batch, reading_import, reading_rejection, limit_reading, trail"


class Ingest:
    unit: ClassVar[str] = "readings"
    goal: ClassVar[str] = ">= 0.5"
    by_speed: ClassVar[bool] = True

    def __init__(self, bank: Bank, households: int) -> None:
        self._bank, self._households = bank, households
        self._store = Store(bank.folder / "imports", 2**40)
        self._file = bank.folder / "readings.csv"
        self._copied = bank.folder / "readings.copy"

    async def fill(self) -> int:
        """The file month by month, as utilities bill."""
        city.fill_registry(self._bank, self._households)
        self._bank.owner.execute(LIMIT_TABLE)
        with self._file.open("wb") as file:
            for month in city.MONTHS[:MONTHS]:
                rows = self._month(month)
                rows.write_csv(file, include_header=month == city.MONTHS[0])
        return self._households * MONTHS

    def _month(self, month: int) -> pl.DataFrame:
        number = pl.int_range(0, self._households, eager=True)
        return pl.DataFrame({"customer_number": 3 * number + 1}).select(
            "customer_number",
            commodity=pl.lit("electricity"),
            period_start=pl.lit(str(first_day(month))),
            period_end=pl.lit(str(first_day(month + 1))),
            quantity=(200_000 + 997 * number % 300_000).cast(pl.String) + ".5",
            unit=pl.lit("Wh"),
        )

    async def ours(self) -> None:
        async with self._bank.database.read() as session:
            place = await registry.place_of_utility(session, UTILITY)
        stored = await self._store.put(import_service.owner_of(UTILITY), self._blocks())
        asked = import_service.Asked("readings.csv", "csv")
        async with self._bank.database.write() as session:
            made, _ = await import_service.receive(session, ACTOR, NOW, place, stored, asked, in_background=False)
        assert made.id is not None
        await worker.import_readings(self._bank.database, self._store, made.id)
        count = self._bank.owner.execute("SELECT accepted FROM reading_import").fetchone()
        assert count == (self._households * MONTHS,)

    async def _blocks(self) -> AsyncIterator[bytes]:
        with self._file.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    async def before_limit(self) -> None:
        if self._copied.exists():
            return
        statement = "COPY (SELECT * FROM reading ORDER BY period_start, meter_id) TO STDOUT"
        with self._copied.open("wb") as file, self._bank.owner.cursor() as cursor, cursor.copy(statement) as copy:
            for block in copy:
                file.write(bytes(block))

    async def limit(self) -> None:
        statement = "COPY limit_reading FROM STDIN"
        with self._copied.open("rb") as file, self._bank.owner.cursor() as cursor, cursor.copy(statement) as copy:
            while block := file.read(_BLOCK):
                copy.write(block)

    async def reset(self) -> None:
        with self._bank.unguarded() as owner:
            owner.execute(f"TRUNCATE {_EMPTIED} RESTART IDENTITY CASCADE")
        self._bank.settle_down("reading", "limit_reading")
