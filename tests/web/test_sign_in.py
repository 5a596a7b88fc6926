"""Signing in with a browser: what the cookie is, who gets one, and where one ends up."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from carbon_bank import main
from carbon_bank.foundation.database import Database
from carbon_bank.identity import service
from carbon_bank.identity.permissions import Role
from carbon_bank.settings import Settings
from tests.small_city import NOW, SmallCity

PASSWORD = "a long enough password"


@pytest.fixture
async def member(database: Database, small_city: SmallCity) -> str:
    """The login of somebody of the household alder."""
    async with database.write() as session:
        await service.add_person(
            session,
            small_city.actors["operator"],
            NOW,
            login="alder@home.example",
            password=PASSWORD,
            roles=[Role.HOUSEHOLD],
            city_id=small_city.city_id,
            household_id=small_city.alder,
        )
    return "alder@home.example"


async def sign_in(client: httpx.AsyncClient, login: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return await client.post("/sign-in", data={"login": login, "password": password} | more)


def cookie_of(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    [(name, morsel)] = SimpleCookie(answer.headers["set-cookie"]).items()
    return name, {key: value for key, value in morsel.items() if value}


async def test_a_household_signs_in_sees_its_awards_and_signs_out(client: httpx.AsyncClient, member: str) -> None:
    first = await client.get("/awards")
    assert (first.status_code, first.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert 'action="/sign-in"' in first.text and 'name="after" value="/awards"' in first.text

    answer = await sign_in(client, member)
    assert (answer.status_code, answer.headers["location"]) == (303, "/awards")
    name, cookie = cookie_of(answer)
    assert (name, cookie) == ("carbon-bank", {"path": "/", "max-age": "900", "samesite": "lax", "httponly": True})

    assert "No award yet" in (await client.get("/awards")).text
    assert (await client.get("/v1/me/awards")).status_code == 401  # the API takes no cookie
    left = await client.post("/sign-out")
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    assert (await client.get("/awards")).status_code == 401


async def test_over_tls_the_cookie_is_bound_to_the_host(
    settings: Settings, database_url: str, database: Database, member: str
) -> None:
    app = main.create_app(settings.model_copy(update={"public_url": "https://bank.test"}), database_url)
    app.state.database = database
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://bank.test") as client:
        name, cookie = cookie_of(await sign_in(client, member))
        assert (name, cookie["secure"], cookie["path"], cookie.get("domain")) == ("__Host-carbon-bank", True, "/", None)
        assert (await client.get("/awards")).status_code == 200


@pytest.mark.parametrize(("login", "password"), [("alder@home.example", "wrong"), ("nobody", PASSWORD), ("", "")])
async def test_a_wrong_login_and_a_wrong_password_get_the_form_again_and_the_same_words(
    client: httpx.AsyncClient, member: str, login: str, password: str
) -> None:
    answer = await sign_in(client, login, password, after="/awards/1-2-water")
    assert answer.status_code == 401
    assert "Login or password is wrong" in answer.text
    assert 'value="/awards/1-2-water"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "after",
    ["//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example", "/a\r\nx: y", "awards", "/awards\n"],
)
async def test_signing_in_leads_nowhere_else(client: httpx.AsyncClient, member: str, after: str) -> None:
    assert (await sign_in(client, member, after=after)).headers["location"] == "/awards"
    kept = await sign_in(client, member, after="/awards/1-2-water?language=ko")
    assert kept.headers["location"] == "/awards/1-2-water?language=ko"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
    ],
)
async def test_a_foreign_sites_form_is_refused(client: httpx.AsyncClient, member: str, headers: dict[str, str]) -> None:
    for path in ("/sign-in", "/sign-out"):
        answer = await client.post(path, data={"login": member, "password": PASSWORD}, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "sent from another site" in answer.text
        assert "set-cookie" not in answer.headers
    own = {"Origin": "http://bank.test", "Sec-Fetch-Site": "same-origin"}
    assert (await client.post("/sign-out", headers=own)).status_code == 303


async def test_a_token_that_does_not_hold_leads_back_to_the_form(client: httpx.AsyncClient) -> None:
    client.cookies.set("carbon-bank", "nonsense")
    answer = await client.get("/awards?language=ko")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "시간이 지나 로그아웃되었습니다" in answer.text
    assert 'value="/awards?language=ko"' in answer.text


async def test_every_page_forbids_scripts_and_strange_places(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for path in ("/sign-in", "/awards", "/awards/1-2-water", f"/awards/{quote('<script>')}"):
        answer = await client.get(path, headers=small_city.bearer("auditor"))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "script-src" not in policy
        assert "<script" not in answer.text and "style=" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
    refused = await client.get(f"/awards/{quote('<b>x')}", headers=small_city.bearer("auditor"))
    assert (refused.status_code, "&lt;b&gt;x" in refused.text) == (404, True)


async def test_the_files_of_pages_are_kept_by_browsers_and_nothing_else_is_served(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    page = (await client.get("/sign-in")).text
    for name, kind in {"pages.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}.items():
        address = page.split(f'href="/static/{name}')[1].split('"')[0]
        answer = await client.get(f"/static/{name}{address}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert "immutable" in answer.headers["cache-control"]
    assert (await client.get("/static/award_view.py")).status_code in {404, 422}
