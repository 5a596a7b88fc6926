"""Setting up a city over HTTP, and seeing what is there."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from tests.small_city import SmallCity

NEW: dict[str, dict[str, Any]] = {
    "districts": {"code": "east", "name": {"en": "East", "ko": "동구"}, "parent": "north"},
    "utilities": {"code": "heat", "name": "Heat & Light", "commodities": ["gas", "electricity"]},
    "households": {"number": "cedar", "district": "north", "joined_on": "2026-01-01"},
    "meters": {"utility": "gas", "commodity": "gas", "customer_number": "C-g", "calorific_value": "11.861"},
}
CITY = {"code": "new", "name": {"en": "New"}, "time_zone": "Asia/Seoul", "currency": "KRW"}


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await client.post(f"/v1/{path}", json=body)
    return answer.status_code, answer.json()


async def refusal(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> tuple[int, str]:
    status, problem = await post(client, path, body)
    return status, problem["type"].removeprefix("urn:carbon-bank:problem:")


async def listed(client: httpx.AsyncClient, path: str, limit: int = 100, **asked: str) -> list[dict[str, Any]]:
    items, following = [], ""
    while following is not None:
        cursor = {"cursor": following} if following else {}
        page = (await client.get(f"/v1/{path}", params={**asked, **cursor, "limit": limit})).json()
        assert len(page["items"]) <= limit
        items += page["items"]
        following = page["next"]
    return items


async def test_nobody_in_particular_sees_and_adds_nothing(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for path in NEW:
        assert (await client.get(f"/v1/{path}")).status_code == 401
        assert await refusal(client, path, NEW[path]) == (401, "identity.no_token")


async def test_what_was_added_is_listed(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "operator")
    for path, body in NEW.items():
        before = await listed(client, path)
        status, made = await post(client, path, body)
        assert (status, await listed(client, path)) == (201, [*before, made]), path
    [district] = [each for each in await listed(client, "districts") if each["code"] == "east"]
    [north] = [each for each in await listed(client, "districts") if each["code"] == "north"]
    assert (district["name"], district["parent_id"]) == ({"en": "East", "ko": "동구"}, north["id"])
    assert (await listed(client, "utilities"))[-1]["commodities"] == ["electricity", "gas"]
    [meter] = await listed(client, "meters", customer_number="C-g")
    assert (meter["meter_number"], meter["digits"], meter["calorific_value"]) == ("", None, "11.861")
    [household] = await listed(client, "households", number="cedar")
    assert (household["district_id"], household["residents"]) == (north["id"], None)
    one = await client.get(f"/v1/households/{household['id']}")
    assert one.json() == household


async def test_a_list_comes_page_by_page(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "operator")
    for path, count in (("districts", 2), ("utilities", 3), ("households", 2), ("meters", 6)):
        whole = await listed(client, path)
        assert len(whole) == count
        assert await listed(client, path, limit=1) == whole
        assert (await client.get(f"/v1/{path}", params={"cursor": "x"})).status_code == 422
        assert (await client.get(f"/v1/{path}", params={"limit": 0})).status_code == 422


async def test_a_household_has_an_empty_account_from_the_start(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    _, made = await post(small_city.as_(client, "operator"), "households", NEW["households"])
    accounts = owner.execute(
        "SELECT available, held, debt, version FROM account WHERE household_id = %s", [made["id"]]
    ).fetchall()
    assert accounts == [(0, 0, 0, 0)]


async def test_only_the_operator_adds_to_a_city(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for name in ("approver", "auditor", "alder", "elec", "admin", "partner"):
        small_city.as_(client, name)
        for path, body in NEW.items():
            assert await refusal(client, path, body) == (403, "identity.forbidden"), (name, path)


async def test_nothing_of_another_city_is_seen_or_referred_to(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "operator")
    await post(client, "districts", NEW["districts"])
    small_city.as_(client, "far_operator")
    assert [each["number"] for each in await listed(client, "households")] == ["far"]
    assert [each["customer_number"] for each in await listed(client, "meters")] == ["F-e"]
    assert [each["name"] for each in await listed(client, "utilities")] == ["far"]
    assert [each["code"] for each in await listed(client, "districts")] == ["north", "south"]
    assert await listed(client, "households", number="alder") == []
    assert await listed(client, "meters", customer_number="A-e") == []
    assert (await client.get(f"/v1/households/{small_city.alder}")).status_code == 404
    assert (await client.get("/v1/cities")).json()[0]["code"] == "there"
    assert await refusal(client, "households", {**NEW["households"], "district": "east"}) == (
        404,
        "registry.unknown_district",
    )
    assert await refusal(client, "meters", NEW["meters"]) == (404, "registry.unknown_utility")
    far = {"household_id": small_city.far_household, "starts_on": "2026-01-01"}
    assert await refusal(client, "tenures", {**far, "meter_id": small_city.meters["A-e"]}) == (
        404,
        "registry.unknown_meter",
    )
    own = {"household_id": small_city.alder, "meter_id": small_city.meters["F-e"], "starts_on": "2026-01-01"}
    assert await refusal(client, "tenures", own) == (404, "registry.unknown_household")


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("districts", {"code": "north"}, 409, "registry.district_exists"),
    ("districts", {"parent": "nowhere"}, 404, "registry.unknown_district"),
    ("districts", {"code": "with blank"}, 422, "http.invalid"),
    ("districts", {"name": {}}, 422, "http.invalid"),
    ("districts", {"mayor": "somebody"}, 422, "http.invalid"),
    ("utilities", {"code": "gas"}, 409, "registry.utility_exists"),
    ("utilities", {"commodities": []}, 422, "http.invalid"),
    ("utilities", {"commodities": ["heat"]}, 422, "http.invalid"),
    ("households", {"number": "alder"}, 409, "registry.household_exists"),
    ("households", {"district": "nowhere"}, 404, "registry.unknown_district"),
    ("households", {"residents": 0}, 422, "http.invalid"),
    ("households", {"residents": 100}, 422, "http.invalid"),
    ("households", {"joined_on": "2026-02-29"}, 422, "http.invalid"),
    ("households", {"number": " cedar"}, 422, "http.invalid"),
    ("households", {"number": "n" * 65}, 422, "http.invalid"),
    ("meters", {"customer_number": "A-g", "calorific_value": None}, 409, "registry.meter_exists"),
    ("meters", {"utility": "nobody"}, 404, "registry.unknown_utility"),
    ("meters", {"utility": "elec"}, 422, "registry.not_supplied"),
    ("meters", {"utility": "elec", "commodity": "electricity"}, 422, "registry.calorific_value"),
    ("meters", {"calorific_value": "0"}, 422, "http.invalid"),
    ("meters", {"calorific_value": "11.8615"}, 422, "http.invalid"),
    ("meters", {"digits": 13}, 422, "http.invalid"),
    ("meters", {"customer_number": "C-g "}, 422, "http.invalid"),
    ("meters", {"meter_number": " "}, 422, "http.invalid"),
]


async def test_what_cannot_be_added_is_refused_with_its_reason(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    small_city.as_(client, "operator")
    for path, said, status, code in REFUSED:
        assert await refusal(client, path, {**NEW[path], **said}) == (status, code), (path, said)
    for path, body in NEW.items():
        assert (await post(client, path, body))[0] == 201, "the refusals left nothing behind"


async def test_cities_are_added_by_an_admin_and_seen_by_who_belongs_there(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    assert await refusal(small_city.as_(client, "operator"), "cities", CITY) == (403, "identity.forbidden")
    assert [each["code"] for each in (await client.get("/v1/cities")).json()] == ["here"]
    small_city.as_(client, "admin")
    for said, status, code in (
        ({"code": "here"}, 409, "registry.city_exists"),
        ({"code": "Here"}, 422, "http.invalid"),
        ({"time_zone": "Asia/Gwangju"}, 422, "registry.time_zone"),
        ({"time_zone": "Asia"}, 422, "registry.time_zone"),
        ({"time_zone": "../zone"}, 422, "registry.time_zone"),
        ({"time_zone": "localtime"}, 422, "registry.time_zone"),
        ({"time_zone": ""}, 422, "registry.time_zone"),
        ({"currency": "won"}, 422, "http.invalid"),
        ({"currency": "KRWX"}, 422, "http.invalid"),
    ):
        assert await refusal(client, "cities", {**CITY, **said}) == (status, code), said
    status, made = await post(client, "cities", CITY)
    assert (status, {key: made[key] for key in CITY}) == (201, CITY)
    assert [each["code"] for each in (await client.get("/v1/cities")).json()] == ["here", "there", "new"]


async def test_whoever_acts_for_no_city_is_told_so(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    assert (await small_city.as_(client, "admin").get("/v1/households")).status_code == 403


@pytest.fixture
async def tenure(client: httpx.AsyncClient, small_city: SmallCity) -> dict[str, Any]:
    """A new meter, held by alder from 1 January 2026 until 1 March."""
    small_city.as_(client, "operator")
    _, meter = await post(client, "meters", NEW["meters"])
    given = {"household_id": small_city.alder, "meter_id": meter["id"]}
    status, made = await post(client, "tenures", {**given, "starts_on": "2026-01-01", "ends_on": "2026-03-01"})
    assert status == 201
    assert made == {"id": made["id"], **given, "starts_on": "2026-01-01", "ends_on": "2026-03-01"}
    return given


async def test_a_households_tenures_of_a_meter_do_not_overlap(
    client: httpx.AsyncClient, small_city: SmallCity, tenure: dict[str, Any]
) -> None:
    for starts_on, ends_on in (
        ("2026-02-28", None),
        ("2025-12-01", "2026-01-02"),
        ("2025-12-01", None),
        ("2026-01-10", "2026-01-11"),
        ("2026-01-01", "2026-03-01"),
    ):
        answer = await refusal(client, "tenures", {**tenure, "starts_on": starts_on, "ends_on": ends_on})
        assert answer == (409, "registry.tenure_overlap"), starts_on
    for starts_on, ends_on in (("2025-12-01", "2026-01-01"), ("2026-03-01", None)):
        assert (await post(client, "tenures", {**tenure, "starts_on": starts_on, "ends_on": ends_on}))[0] == 201
    other = {**tenure, "household_id": small_city.birch, "starts_on": "2026-01-01"}
    assert (await post(client, "tenures", other))[0] == 201, "two households may claim one meter"


async def test_a_tenure_ends_after_it_starts(
    client: httpx.AsyncClient, small_city: SmallCity, tenure: dict[str, Any]
) -> None:
    for ends_on in ("2026-04-01", "2026-03-31"):
        answer = await refusal(client, "tenures", {**tenure, "starts_on": "2026-04-01", "ends_on": ends_on})
        assert answer == (422, "registry.tenure_order")


async def test_a_tenure_is_ended_once(client: httpx.AsyncClient, small_city: SmallCity, tenure: dict[str, Any]) -> None:
    _, made = await post(client, "tenures", {**tenure, "starts_on": "2026-04-01"})
    end = f"tenures/{made['id']}/end"
    assert await refusal(client, end, {"ends_on": "2026-04-01"}) == (422, "registry.tenure_order")
    assert await refusal(client, end, {}) == (422, "http.invalid")
    status, ended = await post(client, end, {"ends_on": "2026-04-02"})
    assert (status, ended) == (200, {**made, "ends_on": "2026-04-02"})
    assert await refusal(client, end, {"ends_on": "2026-05-01"}) == (409, "registry.tenure_ended")
    assert await refusal(client, "tenures/999999/end", {"ends_on": "2026-05-01"}) == (404, "registry.unknown_tenure")
    small_city.as_(client, "far_operator")
    assert await refusal(client, end, {"ends_on": "2026-05-01"}) == (404, "registry.unknown_tenure")


async def test_a_household_sees_itself_and_its_meters(
    client: httpx.AsyncClient, small_city: SmallCity, tenure: dict[str, Any]
) -> None:
    me = (await small_city.as_(client, "alder").get("/v1/me")).json()
    assert (me["household_id"], me["number"], me["city"]["code"]) == (small_city.alder, "alder", "here")
    assert [(each["customer_number"], each["starts_on"], each["ends_on"]) for each in me["meters"]] == [
        ("A-e", "2023-01-01", None),
        ("A-g", "2023-01-01", None),
        ("C-g", "2026-01-01", "2026-03-01"),
        ("A-w", "2023-01-01", None),
    ]
    assert (await small_city.as_(client, "operator").get("/v1/me")).status_code == 403


async def test_every_act_is_in_the_trail(
    client: httpx.AsyncClient, small_city: SmallCity, tenure: dict[str, Any], owner: psycopg.Connection
) -> None:
    for path in ("districts", "utilities", "households"):
        await post(client, path, NEW[path])
    by = small_city.actors["operator"].subject
    acts = owner.execute("SELECT act FROM trail WHERE by = %s AND city_id = %s ORDER BY id", [by, small_city.city_id])
    assert [act for (act,) in acts] == [
        "meter.added",
        "tenure.added",
        "district.added",
        "utility.added",
        "household.added",
    ]
