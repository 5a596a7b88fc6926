"""Nobody sees over the wall of their city, nor a household or utility over its own."""

from __future__ import annotations

import httpx
import pytest

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity import tokens
from carbon_bank.identity.actor import Actor
from tests.settlement.town import adopt
from tests.small_city import SmallCity


@pytest.mark.parametrize("name", ["far_operator", "far_auditor"])
async def test_lists_hold_nothing_of_another_city(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, name: str
) -> None:
    await adopt(database, small_city.city_id)
    asked = {"period": "2026-H1"}
    assert (await client.post("/v1/settlements", json=asked, headers=small_city.bearer("operator"))).status_code == 202
    own, far = small_city.bearer("operator"), small_city.bearer(name)
    for path in ("districts", "utilities", "households", "meters", "settlements", "adoptions"):
        here = {item["id"] for item in (await client.get(f"/v1/{path}", headers=own)).json()["items"]}
        there = {item["id"] for item in (await client.get(f"/v1/{path}", headers=far)).json()["items"]}
        assert here and not here & there, path
    cities = (await client.get("/v1/cities", headers=far)).json()
    assert [city["id"] for city in cities] == [small_city.other_city_id]


async def test_a_meter_of_another_city_or_utility_cannot_be_looked_up(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    asked = {"commodity": "electricity", "customer_number": "A-e"}
    for name, query, status in (
        ("elec", asked, 200),
        ("operator", asked | {"utility": "elec"}, 200),
        ("far_utility", asked, 404),
        ("gas", asked, 404),
        ("far_operator", asked | {"utility": "elec"}, 404),
    ):
        answer = await client.get("/v1/readings", params=query, headers=small_city.bearer(name))
        assert answer.status_code == status, (name, answer.text)


async def test_a_household_sees_itself_and_nobody_else(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for name, household in (
        ("alder", small_city.alder),
        ("birch", small_city.birch),
        ("far_household", small_city.far_household),
    ):
        me = (await client.get("/v1/me", headers=small_city.bearer(name))).json()
        assert (me["household_id"], len(me["meters"])) == (household, 1 if name == "far_household" else 3)


async def test_a_person_without_a_role_may_do_nothing(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    nobody = Actor("person:1", frozenset(), small_city.city_id)
    token = tokens.issue(small_city.keys, nobody, clock.now())
    assert (await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 403
