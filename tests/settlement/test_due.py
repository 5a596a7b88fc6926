"""What is recorded after a settlement makes households due for restatement. Source: readings.md; ledger.md "Restatement"."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.registry import enrol_service
from tests.settlement.test_posting import posting
from tests.settlement.town import look, reading, send
from tests.small_city import NOW, SmallCity

MARCH_2024, MARCH_2023, JULY_2023 = (Period.parse(month).first_month for month in ("2024-03", "2023-03", "2023-07"))


async def posted(database: Database, city: SmallCity) -> tuple[int, list[int]]:
    """A posted settlement of 2024-H1 and the town's households."""
    number = await posting(database, city, households=5)
    await worker.post(database, number, 100)
    town = await look(database, city)
    return number, town.households[-5:]


async def get(client: httpx.AsyncClient, city: SmallCity, path: str, who: str = "operator", **query: Any) -> Any:
    answer = await client.get(path, params=query, headers=city.bearer(who))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_revision_of_a_month_that_was_read_makes_its_household_due(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, homes = await posted(database, small_city)
    assert await get(client, small_city, "/v1/restatements/due") == []
    before = reading("t000", "electricity", MARCH_2024, 299)
    await send(database, small_city, "elec", [reading("t001", "electricity", JULY_2023, 9, reason="corrected")])
    assert await get(client, small_city, "/v1/restatements/due") == [], "July is in no window of January to June"
    await send(database, small_city, "elec", [before | {"reason": "corrected"}])
    await send(database, small_city, "water", [reading("t000", "water", MARCH_2023, 7, reason="meter_fault")])
    await send(database, small_city, "water", [reading("t002", "water", MARCH_2023, 8, reason="meter_fault")])
    (settlement,) = await get(client, small_city, "/v1/restatements/due", who="auditor")
    assert (settlement["settlement_id"], settlement["period"]) == (number, "2024-H1")
    assert (settlement["households"], settlement["readings"], settlement["revised"]) == (2, 3, 3)
    path = f"/v1/settlements/{number}/due"
    found = await get(client, small_city, path)
    first = {"household_id": homes[0], "commodities": ["electricity", "water"], "readings": 2, "revised": 2}
    second = {"household_id": homes[2], "commodities": ["water"], "readings": 1, "revised": 1}
    assert found == {"items": [each | {"tenure_changed": False} for each in (first, second)], "next": None}
    page = await get(client, small_city, path, limit=1)
    assert page["items"] == found["items"][:1]
    assert (await get(client, small_city, path, limit=1, cursor=page["next"]))["items"] == found["items"][1:]
    rows = owner.execute("SELECT max(batch_id) FROM reading").fetchall()
    by_batch = await get(client, small_city, path, batch_id=rows[0][0])
    assert [each["household_id"] for each in by_batch["items"]] == [homes[2]]
    assert await get(client, small_city, "/v1/restatements/due", batch_id=2**40) == []
    assert await get(client, small_city, "/v1/restatements/due", who="far_auditor") == []


async def test_the_same_reading_again_makes_nobody_due(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await posted(database, small_city)
    stands = (await look(database, small_city)).readings
    assert stands.height
    await send(database, small_city, "elec", [reading("t000", "electricity", MARCH_2023, 300 + MARCH_2023 % 12)])
    assert (await get(client, small_city, f"/v1/settlements/{number}/due"))["items"] == []


async def test_a_tenure_that_is_recorded_late_makes_its_household_due(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, homes = await posted(database, small_city)
    rows = owner.execute("SELECT id FROM tenure WHERE household_id = %s ORDER BY id", [homes[3]]).fetchall()
    async with database.write() as session:
        operator = small_city.actors["operator"]
        await enrol_service.end_tenure(session, operator, NOW, rows[0][0], Period.parse("2024-05").first_day)
    found = (await get(client, small_city, f"/v1/settlements/{number}/due"))["items"]
    assert found == [{"household_id": homes[3], "commodities": [], "readings": 0, "revised": 0, "tenure_changed": True}]


async def test_who_moves_out_after_the_period_is_not_due_for_it(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, homes = await posted(database, small_city)
    rows = owner.execute("SELECT id FROM tenure WHERE household_id = %s ORDER BY id", [homes[3]]).fetchall()
    async with database.write() as session:
        operator = small_city.actors["operator"]
        await enrol_service.end_tenure(session, operator, NOW, rows[0][0], Period.parse("2024-07").first_day)
    assert (await get(client, small_city, f"/v1/settlements/{number}/due"))["items"] == []


async def test_only_a_posted_settlement_can_be_overtaken(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number = await posting(database, small_city, households=5)
    answer = await client.get(f"/v1/settlements/{number}/due", headers=small_city.bearer("operator"))
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "settlement.state")
