"""The explanation of an award as a page: it tells what the API tells, to the same people."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import psycopg

from carbon_bank.foundation.database import Database
from tests.settlement.test_explanation import COMPARING, computed, of, post
from tests.small_city import SmallCity


async def see(client: httpx.AsyncClient, city: SmallCity, name: str, path: str, **query: str) -> httpx.Response:
    return await client.get(path, headers=city.bearer(name), params=query)


async def told(
    client: httpx.AsyncClient, city: SmallCity, name: str, award: str, language: str = "en"
) -> dict[str, Any]:
    answer = await see(client, city, name, f"/v1/awards/{award}/explanation", language=language)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def text_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


async def test_a_page_shows_every_sentence_number_and_posting_that_the_api_tells(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    await post(database, small_city, number)
    award = of(small_city, number, "saver")
    for name, language in (("saver", "en"), ("saver", "ko"), ("auditor", "en")):
        api = await told(client, small_city, name, award, language)
        page = await see(client, small_city, name, f"/awards/{award}", language=language)
        assert f'<html lang="{language}">' in page.text
        shown = text_of(page)
        hidden = {"award", "outcome"}
        assert [
            each["text"] for each in api["sentences"] if each["about"] not in hidden and each["text"] not in shown
        ] == []
        assert "5,000" in shown and "7.76" in shown
        for posting in api["postings"]:
            assert posting["journal_id"] in shown and posting["lot"]["expires_on"] in shown
        assert api["policy"]["digest"] in shown and f'href="{api["policy"]["text"]}"' in page.text
        assert len(re.findall(r'<rect class="used"', page.text)) == 6
        assert len(re.findall(r'<rect class="baseline"', page.text)) == 6
        assert shown.count("2022-0") >= 6  # readings of the first year that counts


async def test_a_page_is_seen_by_whom_the_api_lets_see_the_award(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    await post(database, small_city, number)
    award = of(small_city, number, "saver")
    statuses = {"saver": 200, "vacant": 404, "operator": 200, "auditor": 200, "elec": 403, "admin": 403}
    statuses |= {"far_operator": 404, "far_auditor": 404, "far_household": 404, "partner": 403, "privacy_officer": 403}
    for name, status in statuses.items():
        page = await see(client, small_city, name, f"/awards/{award}")
        assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8"), name
    assert (await client.get(f"/awards/{award}")).status_code == 401


async def test_the_trail_keeps_who_of_the_staff_looked_and_why_and_no_household(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, _ = await computed(database, small_city)
    await post(database, small_city, number)
    award = of(small_city, number, "saver")
    for name, query in (("auditor", {"reason": "asked by the council"}), ("operator", {}), ("saver", {})):
        await see(client, small_city, name, f"/awards/{award}", **query)
    acts = owner.execute(
        "SELECT by, reason FROM trail WHERE act = 'explanation.read' AND subject = %s ORDER BY id",
        [f"award:{award}"],
    ).fetchall()
    names = {name: small_city.actors[name].subject for name in ("auditor", "operator")}
    assert acts == [(names["auditor"], "asked by the council"), (names["operator"], None)]


async def test_a_held_award_says_so_and_a_rejected_one_says_why(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    award, why = of(small_city, number, "vacant"), "the household was <abroad> from March on"
    shown = text_of(await see(client, small_city, "auditor", f"/awards/{award}"))
    assert "Held: a person of the city has to decide." in shown and "Not posted yet" in shown
    answer = await client.post(
        f"/v1/awards/{award}/reject", json={"reason": why}, headers=small_city.bearer("operator")
    )
    assert answer.status_code == 200, answer.text
    await post(database, small_city, number)
    page = await see(client, small_city, "vacant", f"/awards/{award}")
    assert "Rejected by the city on " in text_of(page) and why in text_of(page)
    assert "&lt;abroad&gt;" in page.text
    assert small_city.actors["operator"].subject not in page.text


async def test_an_award_that_was_changed_behind_the_banks_back_is_shown_with_a_warning(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, _ = await computed(database, small_city)
    owner.execute("SET session_replication_role = replica")
    owner.execute(
        "UPDATE award SET usage = usage + 1 WHERE settlement_id = %s AND household_id = %s",
        [number, small_city.actors["saver"].household_id],
    )
    owner.execute("SET session_replication_role = DEFAULT")
    shown = text_of(await see(client, small_city, "auditor", f"/awards/{of(small_city, number, 'saver')}"))
    assert "it is not the same in: usage" in shown
    assert "it is the same" not in shown


async def test_every_award_of_a_city_has_a_page_in_both_languages(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, _ = await computed(database, small_city, COMPARING, moved_in={2: "2024-01-01", 3: "2023-05-05"})
    awards = owner.execute(
        "SELECT household_id, commodity, outcome FROM award WHERE settlement_id = %s ORDER BY 1, 2", [number]
    ).fetchall()
    assert len({outcome for _, _, outcome in awards}) > 2
    for household, commodity, _ in awards:
        for language in ("en", "ko"):
            page = await see(
                client, small_city, "auditor", f"/awards/{number}-{household}-{commodity}", language=language
            )
            text_of(page)


async def test_the_language_is_what_the_address_asks_for_then_the_households_then_the_browsers(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    async def language(name: str, path: str = "/awards", **headers: str) -> str:
        answer = await client.get(path, headers=small_city.bearer(name) | headers)
        return answer.headers["content-language"]

    korean = {"Accept-Language": "ko-KR,ko;q=0.9"}
    assert await language("alder") == "en"
    assert await language("alder", **korean) == "ko"
    assert await language("alder", "/awards?language=en", **korean) == "en"
    preference = {"language": "ko", "email": False, "muted": []}
    answer = await client.put("/v1/me/preferences", json=preference, headers=small_city.bearer("alder"))
    assert answer.status_code == 200, answer.text
    assert await language("alder", **{"Accept-Language": "en"}) == "ko"
    assert await language("auditor", **{"Accept-Language": "en"}) == "en"


async def test_the_staff_names_the_award_and_gets_there_with_its_reason(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    form = await see(client, small_city, "auditor", "/awards")
    assert 'name="award"' in form.text
    there = await see(client, small_city, "auditor", "/awards", award=" 12-3456-gas", reason="a & b", language="ko")
    assert (there.status_code, there.headers["location"]) == (303, "/awards/12-3456-gas?reason=a+%26+b&language=ko")
    bare = await see(client, small_city, "auditor", "/awards", award="12-3456-gas", reason="")
    assert bare.headers["location"] == "/awards/12-3456-gas"
    wrong = await see(client, small_city, "auditor", "/awards", award="twelve")
    assert (wrong.status_code, "There is no award &#39;twelve&#39;" in wrong.text) == (404, True)
