"""The inbox and the preferences over HTTP."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from carbon_bank.foundation.database import Database
from tests.inbox.test_service import tell_done
from tests.small_city import SmallCity


@pytest.fixture
async def told_three_times(database: Database, small_city: SmallCity) -> None:
    for number in (1, 2, 3):
        await tell_done(database, small_city, small_city.alder, f"redemption:{number}")
    await tell_done(database, small_city, small_city.birch)


@pytest.mark.usefixtures("told_three_times")
async def test_a_household_reads_its_own_inbox_page_by_page_and_marks_it_as_read(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    assert (await client.get("/v1/me/inbox")).status_code == 401
    alder, birch = small_city.bearer("alder"), small_city.bearer("birch")
    first = (await client.get("/v1/me/inbox", params={"limit": 2}, headers=alder)).json()
    second = (await client.get("/v1/me/inbox", params={"limit": 2, "cursor": first["next"]}, headers=alder)).json()
    items = first["items"] + second["items"]
    assert [item["about"] for item in items] == ["redemption:3", "redemption:2", "redemption:1"]
    assert (first["unread"], second["unread"], second["next"]) == (3, 3, None)
    assert items[0]["sentences"] == ["Redemption no. 7, for 100 points, is done."]
    assert items[0]["facts"] == {"redemption": 7, "points": 100}

    read = f"/v1/me/inbox/{items[1]['id']}/read"
    stranger = await client.post(read, headers=birch)
    assert (stranger.status_code, stranger.json()["type"]) == (404, "urn:carbon-bank:problem:inbox.unknown")
    marked = await client.post(read, headers=alder)
    assert marked.status_code == 200 and marked.json()["read_at"] is not None
    assert (await client.post(read, headers=alder)).json() == marked.json(), "the first moment stays"
    unread = (await client.get("/v1/me/inbox", params={"unread": True}, headers=alder)).json()
    assert ([item["about"] for item in unread["items"]], unread["unread"]) == (["redemption:3", "redemption:1"], 2)

    assert (await client.post("/v1/me/inbox/read-all", headers=alder)).json() == {"read": 2}
    assert (await client.get("/v1/me/inbox", params={"unread": True}, headers=alder)).json()["items"] == []
    assert (await client.get("/v1/me/inbox", headers=birch)).json()["unread"] == 1, "the neighbour's stays unread"


@pytest.mark.usefixtures("told_three_times")
async def test_the_inbox_is_in_the_language_that_is_chosen_or_asked_for(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    small_city.as_(client, "alder")
    korean = {"Accept-Language": "ko-KR,ko;q=0.9,en;q=0.8"}

    async def subject(headers: dict[str, str]) -> str:
        return str((await client.get("/v1/me/inbox", headers=headers)).json()["items"][0]["subject"])

    assert await subject({}) == "Your redemption is done"
    assert await subject(korean) == "포인트 교환이 완료되었습니다"
    assert (await client.get("/v1/me/preferences")).json() == {"language": None, "email": True, "muted": []}
    wanted = {"language": "en", "email": False, "muted": ["results_out"]}
    assert (await client.put("/v1/me/preferences", json=wanted)).json() == wanted
    assert (await client.put("/v1/me/preferences", json=wanted)).status_code == 200
    assert (await client.get("/v1/me/preferences")).json() == wanted
    assert await subject(korean) == "Your redemption is done"
    acts = owner.execute("SELECT by, subject, facts FROM trail WHERE act = 'inbox.preference_set'").fetchall()
    assert acts == [(small_city.actors["alder"].subject, f"household:{small_city.alder}", wanted)] * 2


@pytest.mark.parametrize(
    "wrong",
    [{"language": "de"}, {"muted": ["everything"]}, {"email": None}, {"phone": True}],
)
async def test_a_preference_that_does_not_exist_is_refused(
    client: httpx.AsyncClient, small_city: SmallCity, wrong: dict[str, object]
) -> None:
    small_city.as_(client, "alder")
    body = {"language": None, "email": True, "muted": []} | wrong
    assert (await client.put("/v1/me/preferences", json=body)).status_code == 422
    assert (await client.get("/v1/me/preferences")).json() == {"language": None, "email": True, "muted": []}
