"""`POST /v1/readings` of 1,000 rows, beside COPY of the same readings from a bare FastAPI endpoint.

Ours: the request checked, its rows judged against what stands for their meters, recorded, answered one by one.
Limit: an endpoint that takes the same rows ready made as JSON, and copies them in one transaction per request into a table with
the same columns, keys, checks and foreign keys.
Both are called one request after the other, in the same process, through the same client.
"""

from __future__ import annotations

import json
from typing import ClassVar

import httpx
import psycopg
from fastapi import FastAPI, Request

from carbon_bank import main
from carbon_bank.foundation import clock, logs
from carbon_bank.foundation.calendar import first_day
from carbon_bank.foundation.database import plain_url
from carbon_bank.identity import tokens
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.readings.api import ROWS_MAX
from carbon_bank.settings import Settings
from loadtests.bench import city
from loadtests.bench.harness import Bank
from loadtests.bench.ingest import LIMIT_TABLE, UTILITY

MONTHS = 3
ACTOR = Actor("client:1", frozenset({Role.UTILITY}), city.CITY_ID, utility_id=UTILITY)
_EMPTIED = "reading, reading_batch, limit_reading, trail"
_COLUMNS = "meter_id, period_start, period_end, revision, quantity, quality, batch_id, recorded_at"


class IngestApi:
    unit: ClassVar[str] = "readings"
    goal: ClassVar[str] = ">= 0.4"
    by_speed: ClassVar[bool] = True

    def __init__(self, bank: Bank, households: int) -> None:
        self._bank, self._households = bank, households
        self._sent: list[bytes] = []
        self._ready: list[bytes] = []
        self._bearer: dict[str, str] = {}
        self._app = FastAPI()

    async def fill(self) -> int:
        city.fill_registry(self._bank, self._households)
        self._bank.owner.execute(LIMIT_TABLE)
        for month in city.MONTHS[:MONTHS]:
            for first in range(0, self._households, ROWS_MAX):
                numbers = range(first, min(first + ROWS_MAX, self._households))
                self._sent.append(json.dumps({"readings": [_row(each, month) for each in numbers]}).encode())
        logs.configure("console", "warning")  # ours is not to be timed with a terminal
        settings = Settings(data_dir=self._bank.folder, work_inside=False)
        self._app = main.create_app(settings, plain_url(self._bank.database.url))
        self._app.state.database = self._bank.database
        token = tokens.issue(self._app.state.keys, ACTOR, clock.now())
        self._bearer = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return self._households * MONTHS

    async def ours(self) -> None:
        await _post(self._app, "/v1/readings", self._sent, self._bearer)
        assert self._bank.owner.execute("SELECT count(*) FROM reading").fetchone() == (self._households * MONTHS,)

    async def before_limit(self) -> None:
        if self._ready:
            return
        query = f"SELECT {_COLUMNS} FROM reading ORDER BY batch_id, meter_id"
        rows = [[str(value) for value in row] for row in self._bank.owner.execute(query)]
        self._ready = [json.dumps(rows[at : at + ROWS_MAX]).encode() for at in range(0, len(rows), ROWS_MAX)]

    async def limit(self) -> None:
        bare = FastAPI()
        connection = await psycopg.AsyncConnection.connect(plain_url(self._bank.database.url))

        @bare.post("/rows")
        async def take(request: Request) -> dict[str, int]:
            rows = json.loads(await request.body())
            async with (
                connection.transaction(),
                connection.cursor() as cursor,
                cursor.copy(f"COPY limit_reading ({_COLUMNS}) FROM STDIN") as copy,
            ):
                for row in rows:
                    await copy.write_row(row)
            return {"rows": len(rows)}

        try:
            await _post(bare, "/rows", self._ready, {})
        finally:
            await connection.close()

    async def reset(self) -> None:
        with self._bank.unguarded() as owner:
            owner.execute(f"TRUNCATE {_EMPTIED} RESTART IDENTITY CASCADE")
        self._bank.settle_down("reading", "limit_reading")


async def _post(app: FastAPI, path: str, bodies: list[bytes], headers: dict[str, str]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bank.test") as client:
        for body in bodies:
            answer = await client.post(path, content=body, headers=headers)
            assert answer.status_code == 200, answer.text


def _row(number: int, month: int) -> dict[str, str]:
    return {
        "customer_number": str(3 * number + 1),
        "commodity": "electricity",
        "period_start": str(first_day(month)),
        "period_end": str(first_day(month + 1)),
        "quantity": f"{200_000 + 997 * number % 300_000}.5",
        "unit": "Wh",
    }
