"""`GET /v1/me/outlook`: the running half-year of a household, from readings that came over the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from carbon_bank.foundation import web
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.readings.intake import COLUMNS
from carbon_bank.readings.service import record_readings
from tests.settlement.town import KOREA, adopt, policy_with, reading, text_frame
from tests.small_city import SmallCity

IN_MAY = datetime(2040, 5, 10, 3, 0, tzinfo=UTC)
"""Far ahead of whenever the test runs, since what is recorded carries the moment of the database."""


@pytest.fixture(autouse=True)
def _in_may(app: FastAPI) -> None:
    app.dependency_overrides[web.now] = lambda: IN_MAY


async def outlook(client: httpx.AsyncClient, city: SmallCity, name: str = "alder", **query: str) -> dict[str, Any]:
    answer = await client.get("/v1/me/outlook", params=query, headers=city.bearer(name))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def push(database: Database, city: SmallCity, first: str, count: int, kilowatt_hours: int) -> None:
    start = Period.parse(first).first_month
    rows = [reading("A-e", "electricity", start + step, kilowatt_hours) for step in range(count)]
    frame = text_frame(rows, list(COLUMNS))
    async with database.write() as session:
        result = await record_readings(
            session, city.actors["elec"], IN_MAY, city.places["elec"], frame, source="test", mode="atomic"
        )
    assert result.refused == []


async def test_a_household_sees_in_may_how_far_it_is_from_each_tier(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push(database, small_city, "2038-01", 24, 300)
    await push(database, small_city, "2040-01", 4, 270)
    told = await outlook(client, small_city)
    assert (told["period"], told["policy"], told["policy_digest"]) == ("2040-H1", KOREA.reference, KOREA.digest)
    [electricity, gas, water] = told["outlooks"]
    assert electricity["months_read"] == ["2040-01", "2040-02", "2040-03", "2040-04"]
    assert (electricity["months_left"], electricity["months_missing"]) == (["2040-05", "2040-06"], [])
    assert (electricity["used"], electricity["baseline_so_far"], electricity["baseline"]) == (
        1_080_000,
        1_200_000,
        1_800_000,
    )
    assert [(rung["tier"], rung["most_left"], rung["most_left_each"]) for rung in electricity["rungs"]] == [
        (1, 630_000, 315_000),
        (2, 540_000, 270_000),
        (3, 450_000, 225_000),
    ]
    assert electricity["rungs"][0]["share_of_baseline"] == "105.00"
    assert (electricity["like_baseline"], electricity["like_so_far"]) == (1, 2)
    assert "at most 630 kWh in the 2 months left" in electricity["sentences"][1]
    assert {each["reason"] for each in (gas, water)} == {"no_baseline"}
    assert gas["months_missing"] == ["2040-01", "2040-02", "2040-03", "2040-04"]


async def test_the_words_are_in_the_language_that_is_asked_for(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push(database, small_city, "2038-01", 28, 300)
    told = await outlook(client, small_city, language="ko")
    assert "기준사용량" in " ".join(told["outlooks"][0]["sentences"])
    answer = await client.get("/v1/me/outlook?language=xx", headers=small_city.bearer("alder"))
    assert answer.status_code == 422


async def test_a_month_that_did_not_arrive_is_named(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push(database, small_city, "2038-01", 26, 300)
    await push(database, small_city, "2040-04", 1, 300)
    [electricity, *_] = (await outlook(client, small_city))["outlooks"]
    assert electricity["months_missing"] == ["2040-03"]
    assert "2040-03" in electricity["sentences"][0]


async def test_the_rule_is_that_of_the_policy_in_force(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    quarterly = policy_with(
        version="quarterly", period_months=3, baseline={"method": "same_months_mean"}, household_points_max=9000
    )
    await adopt(database, small_city.city_id, quarterly)
    await push(database, small_city, "2038-01", 28, 300)
    told = await outlook(client, small_city)
    assert (told["period"], told["policy"], told["household_points_max"]) == (
        "2040-Q2",
        "korea-carbon-point@quarterly",
        9000,
    )
    assert told["outlooks"][0]["months_read"] == ["2040-04"]


async def test_nobody_sees_anothers_outlook(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push(database, small_city, "2038-01", 28, 300)
    [electricity, *_] = (await outlook(client, small_city, "birch"))["outlooks"]
    assert (electricity["used"], electricity["months_read"]) == (0, [])
    assert (await client.get("/v1/me/outlook")).status_code == 401
    assert (await client.get("/v1/me/outlook", headers=small_city.bearer("operator"))).status_code == 403
