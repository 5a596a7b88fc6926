"""One household replayed over HTTP, for auditors of its city."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import psycopg

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from tests.audit.forged import change_reading, gone, one, other, posted
from tests.ledger.books import without_triggers
from tests.settlement.test_explanation import COMPARING
from tests.settlement.town import found_town, request
from tests.small_city import SmallCity

PROBLEM = "urn:carbon-bank:problem:"


async def ask(
    client: httpx.AsyncClient, city: SmallCity, who: str | None, number: int, household: int
) -> httpx.Response:
    headers = city.bearer(who) if who else {}
    path = f"/v1/audit/settlements/{number}/replay"
    return await client.get(path, params={"household_id": household}, headers=headers)


async def told(client: httpx.AsyncClient, city: SmallCity, number: int, household: int) -> list[dict[str, Any]]:
    answer = await ask(client, city, "auditor", number, household)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["differences"]
    return found


async def test_a_household_is_replayed_for_auditors_of_its_city(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posted(database, small_city, owner, COMPARING)
    award = one(owner, "award", "tier = 1 AND review = 'clear' AND commodity = 'electricity'")
    household = award["household_id"]
    for who, status in {None: 401, "operator": 403, "alder": 403, "far_auditor": 404}.items():
        assert (await ask(client, small_city, who, number, household)).status_code == status, who
    answer = await ask(client, small_city, "auditor", number, household)
    assert answer.json() == {"settlement_id": number, "household_id": household, "awards": 2, "differences": []}
    with other(owner, "award", award, points=award["points"] + 1, tier=2):
        assert await told(client, small_city, number, household) == [
            {
                "household_id": household,
                "commodity": "electricity",
                "table": "award",
                "column": column,
                "stands": stands,
            }
            | {"recomputed": recomputed}
            for column, stands, recomputed in (
                ("points", str(award["points"] + 1), str(award["points"])),
                ("tier", "2", "1"),
            )
        ]
        assert await told(client, small_city, number, small_city.alder) == []
    with gone(owner, "posting", one(owner, "posting", f"household_id = {household}")):
        assert [(each["table"], each["stands"]) for each in await told(client, small_city, number, household)] == [
            ("posting", "missing")
        ]
    policy = one(owner, "policy")
    with other(owner, "policy", policy, text=f"{policy['text']}\n"):
        assert [each["table"] for each in await told(client, small_city, number, household)] == ["policy"]
    change_reading(owner, household, "electricity", date(2024, 3, 1), 1)
    assert "usage" in {each["column"] for each in await told(client, small_city, number, household)}


async def test_what_cannot_be_replayed_is_refused(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await found_town(database, small_city, 4)
    number = await request(database, small_city.actors["operator"], COMPARING)

    async def refusal(settlement: int, household: int) -> tuple[int, str]:
        answer = await ask(client, small_city, "auditor", settlement, household)
        return answer.status_code, answer.json()["type"].removeprefix(PROBLEM)

    assert await refusal(number, small_city.alder) == (409, "settlement.state")
    await worker.compute(database, number, 100)
    assert await refusal(99, small_city.alder) == (404, "settlement.unknown")
    assert await refusal(number, small_city.far_household) == (404, "registry.unknown_household")
    with without_triggers(owner):
        owner.execute("DELETE FROM settlement_population")
    used = one(owner, "award", "usage IS NOT NULL")["household_id"]
    assert await refusal(number, used) == (409, "settlement.totals_not_kept")
    assert await told(client, small_city, number, small_city.alder) == [], "who used nothing is compared with nobody"
