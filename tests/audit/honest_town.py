"""A town with a posted settlement in which there is nothing to find: what the tests of findings plant something into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from carbon_bank import worker
from carbon_bank.audit.findings import scope_service as scopes
from carbon_bank.audit.findings import service
from carbon_bank.audit.findings.kinds import Code, Found
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.settlement import service as settlement
from tests.settlement.town import found_town, request
from tests.small_city import SmallCity

HOUSEHOLDS = 36
MONDAY_NOON = datetime(2024, 7, 22, 3, 0, tzinfo=UTC)
"""In Seoul, where the town lies."""
YEAR_BEFORE = Period.parse("2024-01").first_month
KEY = Sealer({"k": b"k" * 32})


def chance(*words: object) -> int:
    """A number from 0 to 999 that is the same in every run."""
    return int.from_bytes(hashlib.sha256(" ".join(map(str, words)).encode()).digest()[:4], "big") % 1000


def honest_use(household: int, commodity: str, month: int) -> int | None:
    """1,000 to 2,300 a month, by chance; from 2024 on every third household uses a tenth less."""
    use = 1000 + chance(household, commodity) // 3 + chance(household, commodity, month)
    return use * 9 // 10 if month >= YEAR_BEFORE and household % 3 == 0 else use


@dataclass
class HonestTown:
    """households: ids of `t000`, `t001`, ... paid, unpaid: places in that list of those with points for both their meters, and
    of those with none."""

    database: Database
    city: SmallCity
    owner: psycopg.Connection
    settlement_id: int
    households: list[int]
    paid: list[int]
    unpaid: list[int]

    async def report(self, *codes: Code, months: tuple[str, str] | None = None) -> dict[Code, Found]:
        """Of the settlement, or of months; all kinds, where none is named."""
        actor = Actor("system:test", city_id=self.city.city_id)
        async with self.database.read() as session:
            await service.begin(session)
            if months:
                scope = await scopes.of_months(session, actor, *months)
            else:
                scope = await scopes.of_settlement(session, actor, clock.now(), self.settlement_id)
            found = [each async for each in service.report(session, scope, codes or tuple(Code), KEY)]
        return {each.kind.code: each for each in found}

    def meter(self, household: int, commodity: str = "electricity") -> int:
        """The meter of the n-th household."""
        query = (
            "SELECT meter_id FROM tenure JOIN meter ON meter.id = meter_id WHERE household_id = %s AND commodity = %s"
        )
        row = self.owner.execute(query, [self.households[household], commodity]).fetchone()
        assert row is not None
        return int(row[0])

    def plant(self, statement: str, *parameters: object) -> None:
        """As the owner of the tables, past every trigger."""
        self.owner.execute("SET session_replication_role = replica")
        self.owner.execute(statement, parameters)
        self.owner.execute("SET session_replication_role = DEFAULT")

    def replace(self, meter_id: int, what: str, *, months: str = "true") -> None:
        """A further revision of readings of the period, as recorded before the settlement read them. Args: what: SQL for the
        quantity and the quality."""
        self.plant(
            f"""
            INSERT INTO reading (meter_id, period_start, period_end, revision, quantity, quality, reason, batch_id, recorded_at)
            SELECT meter_id, period_start, period_end, 2, {what}, 'corrected', batch_id, recorded_at
            FROM reading WHERE meter_id = %s AND period_start >= '2024-01-01' AND revision = 1 AND {months}
            """,
            meter_id,
        )


async def found_honest_town(database: Database, city: SmallCity, owner: psycopg.Connection) -> HonestTown:
    town = await found_town(database, city, HOUSEHOLDS, use=honest_use)
    owner.execute("UPDATE household SET residents = 3 WHERE number LIKE 't%'")  # one peer group
    number = await request(database, city.actors["operator"], now=MONDAY_NOON)
    await worker.compute(database, number, 100)
    async with database.write() as session:
        await settlement.approve(session, city.actors["approver"], MONDAY_NOON, number)
    async with database.write() as session:
        await settlement.start_posting(session, city.actors["operator"], MONDAY_NOON, number, in_background=False)
    await worker.post(database, number, 100)
    households = town.households[-HOUSEHOLDS:]
    query = (
        "SELECT household_id, count(*) FILTER (WHERE points > 0) FROM award GROUP BY household_id ORDER BY household_id"
    )
    points = [(households.index(each), paid) for each, paid in owner.execute(query) if each in households]
    paid, unpaid = ([at for at, count in points if count == wanted] for wanted in (2, 0))
    return HonestTown(database, city, owner, number, households, paid, unpaid)
