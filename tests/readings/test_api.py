"""`/v1/readings` over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg

from tests.readings.sending import APRIL, MARCH, Row, row
from tests.small_city import SmallCity

METER = {"commodity": "electricity", "customer_number": "A-e"}


async def post(
    client: httpx.AsyncClient, *rows: Row | dict[str, Any], mode: str | None = None
) -> tuple[int, dict[str, Any]]:
    answer = await client.post("/v1/readings", json={"readings": rows} | ({"mode": mode} if mode else {}))
    return answer.status_code, answer.json()


async def listed(client: httpx.AsyncClient, **asked: str | int) -> list[dict[str, Any]]:
    """All pages, one after the other."""
    items, following = [], ""
    while following is not None:
        answer = await client.get(
            "/v1/readings", params={**METER, **asked} | ({"cursor": following} if following else {})
        )
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= int(asked.get("limit", 100))
        items += page["items"]
        following = page["next"]
    return items


async def refused(client: httpx.AsyncClient, **asked: str | int) -> tuple[int, str]:
    answer = await client.get("/v1/readings", params={**METER, **asked})
    return answer.status_code, answer.json()["type"].removeprefix("urn:carbon-bank:problem:")


async def test_nobody_in_particular_sends_and_sees_nothing(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    status, problem = await post(client, row())
    assert (status, problem["type"]) == (401, "urn:carbon-bank:problem:identity.no_token")
    assert await refused(client) == (401, "identity.no_token")


async def test_only_a_utility_sends_readings(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for name in ("operator", "alder", "auditor", "admin", "partner"):
        status, _ = await post(small_city.as_(client, name), row())
        assert status == 403, name


async def test_200_where_every_row_was_taken(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "elec")
    status, batch = await post(client, row(), row("B-e"), row())
    assert status == 200
    assert (batch["accepted"], batch["duplicate"], batch["revised"], batch["refused"]) == (2, 1, 0, 0)
    assert [(each["row"], each["status"]) for each in batch["results"]] == [
        (1, "accepted"),
        (2, "accepted"),
        (3, "duplicate"),
    ]
    status, again = await post(client, row(), row(quantity="90", reason="corrected"))
    assert (status, again["duplicate"], again["revised"]) == (200, 1, 1)


async def test_207_where_one_was_refused_and_the_results_in_the_order_of_the_rows(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    small_city.as_(client, "elec")
    status, batch = await post(client, row(quantity="x" * 200), row(), {}, row("F-e"), row("A-g"), row(period=APRIL))
    assert (status, batch["accepted"], batch["refused"], batch["quarantined"]) == (207, 2, 3, 1)
    told = [(each["row"], each["status"], each.get("code"), each.get("column")) for each in batch["results"]]
    assert told == [
        (1, "refused", "readings.not_a_number", "quantity"),
        (2, "accepted", None, None),
        (3, "refused", "readings.commodity", "commodity"),
        (4, "quarantined", "readings.unknown_meter", "customer_number"),
        (5, "refused", "readings.not_this_utility", "commodity"),
        (6, "accepted", None, None),
    ]
    assert batch["results"][0]["value"] == "x" * 80
    assert batch["results"][3]["value"] == "F-e"
    assert batch["results"][3]["message"].startswith("No meter of this utility")


async def test_an_atomic_batch_is_taken_whole_or_not_at_all(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "elec")
    status, batch = await post(client, row(), row(quantity="x"), mode="atomic")
    assert (status, batch["accepted"], batch["refused"]) == (207, 0, 2)
    assert [each["code"] for each in batch["results"]] == ["readings.batch_atomic", "readings.not_a_number"]
    assert await listed(client) == []


async def test_a_whole_number_is_taken_as_it_stands(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "elec")
    status, _ = await post(client, {**row(), "quantity": 310})
    assert status == 200
    assert [each["quantity"] for each in await listed(client)] == [310_000]


async def test_a_quantity_that_json_may_have_rounded_refuses_the_request(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    small_city.as_(client, "elec")
    for quantity in (310.5, 310.0, 1e3, True, [1], {"value": 1}):
        status, problem = await post(client, row(), {**row("B-e"), "quantity": quantity})
        assert (status, problem["type"]) == (422, "urn:carbon-bank:problem:http.invalid"), quantity
        assert "readings/1/quantity" in problem["faults"][0]["where"]
    assert await listed(client) == []


async def test_a_request_of_another_form_is_refused_whole(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    small_city.as_(client, "elec")
    for body in (
        {},
        {"readings": []},
        {"readings": [row()] * 1001},
        {"readings": [{**row(), "household": "alder"}]},
        {"readings": [row()], "mode": "some"},
        {"readings": [row()], "utility": "gas"},
        {"readings": [{**row(), "unit": "k" * 1001}]},
        [row()],
    ):
        answer = await client.post("/v1/readings", json=body)
        assert (answer.status_code, answer.json()["title"]) == (422, "The request cannot be right")
        assert answer.json()["faults"]
    assert owner.execute("SELECT count(*) FROM reading_batch").fetchall() == [(0,)]


async def test_a_thousand_rows_are_taken_at_once(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    status, batch = await post(small_city.as_(client, "elec"), *[row()] * 1000)
    assert (status, batch["accepted"], batch["duplicate"], len(batch["results"])) == (200, 1, 999, 1000)


async def test_every_revision_is_listed_page_by_page(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "elec")
    await post(client, row(), row(period=APRIL, quality="estimated"), row("B-e"))
    await post(client, row(quantity="90", reason="other", reason_text="read again"))
    await post(client, row(cancel="yes", reason="rebilled"))
    for limit in (1, 2, 100):
        found = await listed(client, limit=limit)
        told = [(each["period_start"], each["period_end"], each["revision"], each["quantity"]) for each in found]
        assert told == [(*MARCH, 1, 100_000), (*MARCH, 2, 90_000), (*MARCH, 3, None), (*APRIL, 1, 100_000)]
    assert [each["reason"] for each in found] == [None, "other", "rebilled", None]
    assert [each["quality"] for each in found] == ["actual", "actual", "actual", "estimated"]
    assert found[1]["reason_text"] == "read again"


async def test_a_utility_sees_its_own_meters_only(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    await post(small_city.as_(client, "elec"), row())
    small_city.as_(client, "gas")
    assert await refused(client) == (404, "readings.unknown_meter")
    assert await refused(client, utility="elec") == (404, "readings.unknown_meter"), "it cannot ask for another's"
    small_city.as_(client, "far_utility")
    assert await refused(client, utility="elec") == (404, "readings.unknown_meter")


async def test_staff_names_the_utility_and_sees_its_own_city_only(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    await post(small_city.as_(client, "elec"), row())
    for name in ("operator", "auditor"):
        small_city.as_(client, name)
        assert await refused(client) == (422, "registry.utility_missing")
        assert await refused(client, utility="nobody") == (404, "registry.unknown_utility")
        assert await refused(client, utility="elec", customer_number="F-e") == (404, "readings.unknown_meter")
        assert len(await listed(client, utility="elec")) == 1
    small_city.as_(client, "far_operator")
    assert await refused(client, utility="elec") == (404, "readings.unknown_meter")
    assert await refused(client, utility="gas") == (404, "registry.unknown_utility")


async def test_who_has_no_business_with_readings_sees_none(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for name in ("alder", "partner", "privacy_officer"):
        assert await refused(small_city.as_(client, name), utility="elec") == (403, "identity.forbidden")


async def test_a_cursor_of_ones_own_making_is_refused(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "elec")
    for cursor in ("x", "bnVsbA", "WyIyMDI2IiwiMjAyNiIsMV0", "WzFd"):
        assert await refused(client, cursor=cursor) == (422, "paging.cursor")
