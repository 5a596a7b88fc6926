"""Settlements and accounts over HTTP, as the city's staff see them."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.settlement import service
from tests.settlement.town import JULY_2024, KOREA, adopt, found_town, request, stored
from tests.small_city import SmallCity

NEW = {"period": "2024-H1"}


async def posted_town(database: Database, city: SmallCity, households: int = 12) -> int:
    """A town whose settlement of 2024-H1 is posted."""
    await found_town(database, city, households)
    number = await request(database, city.actors["operator"])
    await worker.compute(database, number, 1000)
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], JULY_2024, number)
        await service.start_posting(session, city.actors["operator"], JULY_2024, number, in_background=False)
    await worker.post(database, number, 1000)
    return number


async def pages(client: httpx.AsyncClient, path: str, headers: dict[str, str], limit: int) -> list[list[Any]]:
    """Every page of a list."""
    found, cursor = [], None
    while True:
        parameters = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        answer = await client.get(path, params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        cursor = answer.json()["next"]
        if cursor is None:
            return found


ROUTES = [
    ("POST", "/v1/settlements", NEW, {"operator"}),
    ("GET", "/v1/settlements", None, {"operator", "approver", "auditor"}),
    ("GET", "/v1/settlements/1", None, {"operator", "approver", "auditor"}),
    ("GET", "/v1/settlements/1/awards", None, {"operator", "approver", "auditor"}),
    ("POST", "/v1/settlements/1/approve", None, {"approver"}),
    ("POST", "/v1/settlements/1/post", None, {"operator"}),
    ("POST", "/v1/settlements/1/withdraw", {"reason": "a test"}, {"operator"}),
    ("GET", "/v1/households/1/balance?day=2024-01-01", None, {"operator", "approver", "auditor"}),
    ("GET", "/v1/households/1/postings", None, {"operator", "approver", "auditor"}),
]


async def test_each_route_opens_for_those_whose_task_it_is(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    names = {"operator", "approver", "auditor", "privacy_officer", "admin", "alder", "elec", "partner"}
    for method, path, body, allowed in ROUTES:
        assert (await client.request(method, path, json=body)).status_code == 401, (method, path)
        for name in sorted(names - allowed):
            answer = await client.request(method, path, json=body, headers=small_city.bearer(name))
            assert answer.status_code == 403, (method, path, name)
        for name in sorted(allowed):
            answer = await client.request(method, path, json=body, headers=small_city.bearer(name))
            assert answer.status_code not in {401, 403}, (method, path, name, answer.text)


async def test_another_citys_settlements_and_accounts_are_not_there(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number = await request(database, small_city.actors["operator"])
    for method, path, name in (
        ("GET", f"/v1/settlements/{number}", "far_auditor"),
        ("GET", f"/v1/settlements/{number}/awards", "far_auditor"),
        ("POST", f"/v1/settlements/{number}/approve", "far_approver"),
        ("POST", f"/v1/settlements/{number}/post", "far_operator"),
        ("GET", f"/v1/households/{small_city.alder}/balance?day=2024-01-01", "far_auditor"),
        ("GET", f"/v1/households/{small_city.alder}/postings", "far_auditor"),
    ):
        answer = await client.request(method, path, headers=small_city.bearer(name))
        assert answer.status_code == 404, (method, path, answer.text)
    answer = await client.get("/v1/settlements", headers=small_city.bearer("far_auditor"))
    assert answer.json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ({"period": "soon"}, "calendar.period"),
        ({"period": "2024-Q1"}, "programme.period"),
        ({"period": "2999-H1"}, "settlement.period_not_over"),
        ({"period": "2024-H1", "policy": "korea-carbon-point@2024"}, "http.invalid"),
    ],
)
async def test_a_settlement_that_cannot_be_right_is_refused_with_the_reason(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, new: dict[str, Any], code: str
) -> None:
    await adopt(database, small_city.city_id)
    answer = await client.post("/v1/settlements", json=new, headers=small_city.bearer("operator"))
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:carbon-bank:problem:{code}")
    listed = await client.get("/v1/settlements", headers=small_city.bearer("operator"))
    assert listed.json()["items"] == []


async def test_a_period_for_which_no_policy_is_in_force_is_refused_with_what_to_do(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await adopt(database, small_city.city_id)
    for period in ("2023-H2", "2021-Q1"):
        answer = await client.post("/v1/settlements", json={"period": period}, headers=small_city.bearer("operator"))
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:carbon-bank:problem:programme.no_policy")
        assert "approved by another person" in answer.json()["detail"]


async def test_approving_ones_own_settlement_is_forbidden(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number = await request(database, small_city.actors["both"])
    await worker.compute(database, number, 10)
    answer = await client.post(f"/v1/settlements/{number}/approve", headers=small_city.bearer("both"))
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:carbon-bank:problem:settlement.own")


async def test_a_settlement_shows_its_policy_and_what_it_comes_to(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number = await posted_town(database, small_city)
    detail = (await client.get(f"/v1/settlements/{number}", headers=small_city.bearer("auditor"))).json()
    assert (detail["policy"], detail["policy_digest"]) == (KOREA.reference, KOREA.digest)
    assert (detail["period"], detail["state"], detail["households"]) == ("2024-H1", "posted", 14)
    assert detail["prepared_by"] == small_city.actors["operator"].subject
    assert detail["approved_by"] == small_city.actors["approver"].subject
    awards = await stored(database, number)
    for total in detail["totals"]:
        rows = [
            row
            for row in awards
            if (row["commodity"], row["outcome"], row["review"])
            == (total["commodity"], total["outcome"], total["review"])
        ]
        assert (total["awards"], total["points"]) == (len(rows), sum(row["points"] for row in rows))
        assert total["avoided_g"] == sum(row["avoided_g"] or 0 for row in rows)
    assert sum(total["awards"] for total in detail["totals"]) == len(awards) == 30


@pytest.mark.parametrize("limit", [1, 7, 500])
async def test_awards_come_page_by_page_each_once(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, limit: int
) -> None:
    await found_town(database, small_city, 5)
    number = await request(database, small_city.actors["operator"])
    await worker.compute(database, number, 1000)
    found = await pages(client, f"/v1/settlements/{number}/awards", small_city.bearer("auditor"), limit)
    assert [len(page) <= limit for page in found] == [True] * len(found)
    assert len(found) == -(-16 // limit), "no empty page at the end"
    shown = [award for page in found for award in page]
    awards = await stored(database, number)
    assert [(row["household_id"], row["commodity"], row["points"], row["findings"]) for row in shown] == [
        (row["household_id"], row["commodity"], row["points"], row["findings"]) for row in awards
    ]
    fractions = [
        None if row["baseline_num"] is None else f"{row['baseline_num']}/{row['baseline_den']}" for row in awards
    ]
    assert [row["baseline"] for row in shown] == fractions
    assert any(fractions)


async def test_settlements_are_listed_newest_first(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(await request(database, small_city.actors["operator"]))
        async with database.write() as session:
            await service.withdraw(session, small_city.actors["operator"], JULY_2024, numbers[-1], "the next")
    found = await pages(client, "/v1/settlements", small_city.bearer("approver"), 2)
    assert [[each["id"] for each in page] for page in found] == [numbers[:0:-1], numbers[:1]]


async def test_a_cursor_that_was_made_up_is_refused(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    answer = await client.get("/v1/settlements?cursor=abc", headers=small_city.bearer("approver"))
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:carbon-bank:problem:paging.cursor")


async def test_an_auditor_sees_an_accounts_balance_by_either_clock_and_its_postings(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await posted_town(database, small_city)
    household, points = owner.execute(
        "SELECT household_id, sum(amount)::int FROM posting GROUP BY 1 HAVING count(*) = 2 ORDER BY 1 LIMIT 1"
    ).fetchall()[0]
    auditor = small_city.bearer("auditor")

    async def balance(day: str, by: str) -> int:
        answer = await client.get(f"/v1/households/{household}/balance?day={day}&by={by}", headers=auditor)
        assert answer.status_code == 200, answer.text
        assert {key: answer.json()[key] for key in ("household_id", "day", "by")} == {
            "household_id": household,
            "day": day,
            "by": by,
        }
        return int(answer.json()["points"])

    assert [await balance(day, "effective") for day in ("2024-06-29", "2024-06-30")] == [0, points]
    assert [await balance(day, "recorded") for day in ("2024-06-30", "9999-12-31")] == [0, points]
    found = await pages(client, f"/v1/households/{household}/postings", auditor, 1)
    lines = [line for page in found for line in page]
    assert [line["seq"] for line in lines] == [2, 1]
    assert [line["available_after"] for line in lines] == [points, points - lines[0]["amount"]]
    assert {(line["kind"], line["contra"], line["effective_on"]) for line in lines} == {
        ("award", "issuance", "2024-06-30")
    }
