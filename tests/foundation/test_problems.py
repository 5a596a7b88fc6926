"""Whatever goes wrong, the answer is a problem document; and what every request passes at the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import psycopg
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

from carbon_bank import main
from carbon_bank.foundation import errors
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Fault, Refusal
from carbon_bank.foundation.web import Writing
from carbon_bank.settings import Settings
from tests.small_city import SmallCity

CITY = "INSERT INTO city (code, name, time_zone, currency, created_at) VALUES ('lost', '{}', 'UTC', 'EUR', now())"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
STATUSES: dict[type[Refusal], int] = {
    errors.InvalidInput: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.TooBusy: 429,
    errors.Unavailable: 503,
}


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    """The problem document of an answer, once its form is checked."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, object] = answer.json()
    assert (answer.status_code, body["status"]) == (status, status), answer.text
    assert body["type"] == f"urn:carbon-bank:problem:{code}"
    assert body["title"] and body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    return body


def test_every_kind_of_refusal_has_a_status() -> None:
    assert set(Refusal.__subclasses__()) == set(STATUSES)


async def test_each_kind_of_refusal_is_answered_with_its_status(client: httpx.AsyncClient, app: FastAPI) -> None:
    kinds = {kind.__name__: kind for kind in STATUSES}

    @app.get("/test/{kind}")
    async def refuse(kind: str) -> None:
        raise kinds[kind]("room.code", "What is wrong.", {"number": 7}, [Fault("rows/3", "room.fault", "Mend it.")])

    for name, kind in kinds.items():
        answer = await client.get(f"/test/{name}")
        body = problem(answer, STATUSES[kind], "room.code")
        assert (body["detail"], body["facts"]) == ("What is wrong.", {"number": 7})
        assert body["faults"] == [{"where": "rows/3", "code": "room.fault", "message": "Mend it."}]
        assert answer.headers.get("www-authenticate") == ("Bearer" if kind is errors.Unauthenticated else None)
        assert answer.headers.get("retry-after") == ("5" if kind is errors.Unavailable else None)


async def test_a_request_that_does_not_fit_lists_each_fault_with_its_place(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    new = {"code": "x y", "name": {}, "commodities": ["coal"], "more": 1}
    body = problem(
        await client.post("/v1/utilities", json=new, headers=small_city.bearer("operator")), 422, "http.invalid"
    )
    faults = {fault["where"]: fault for fault in body["faults"]}  # type: ignore[attr-defined]
    assert set(faults) == {"body/code", "body/name", "body/commodities/0", "body/more"}
    assert faults["body/commodities/0"]["value"] == "coal"
    assert "body/code" in str(body["detail"]) and "(and 1 more)" in str(body["detail"])


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"", b"\xff", b'{"code": "\\ud800"}', b'{"name": "' + b"x" * 3000 + b'"}']
)
async def test_a_body_that_is_no_such_object_is_refused(
    client: httpx.AsyncClient, small_city: SmallCity, body: bytes
) -> None:
    headers = small_city.bearer("operator") | {"Content-Type": "application/json"}
    answer = await client.post("/v1/utilities", content=body, headers=headers)
    assert answer.status_code in {400, 422} and len(answer.text) < 2000
    problem(answer, answer.status_code, "http.invalid" if answer.status_code == 422 else "http.error")


async def test_a_value_that_no_column_can_hold_is_refused(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    who = small_city.bearer("operator") | {"Content-Type": "application/json"}
    for path, content in (
        ("utilities", r'{"code": "a", "name": "\u0000", "commodities": ["gas"]}'),
        ("districts", r'{"code": "a", "name": {"en": "\u0000"}}'),
    ):
        answer = await client.post(f"/v1/{path}", content=content, headers=who)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    asked = await client.get("/v1/households", params={"number": "a\0"}, headers=small_city.bearer("operator"))
    problem(asked, 422, "http.unstorable")


async def test_a_mistake_of_the_bank_tells_its_request_id_and_nothing_else(
    client: httpx.AsyncClient, app: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    @app.get("/test/mistake")
    async def mistake() -> None:
        raise RuntimeError("a detail of the inside")

    @app.get("/test/division")
    async def division(session: Writing) -> None:
        await session.sql("SELECT 1 / 0")

    for path, word in (("mistake", "a detail of the inside"), ("division", "DivisionByZero")):
        answer = await client.get(f"/test/{path}")
        body = problem(answer, 500, "bank.unexpected")
        assert "inside" not in answer.text and "Traceback" not in answer.text and "Division" not in answer.text
        logged = capsys.readouterr().out
        assert word in logged and str(body["request_id"]) in logged


async def test_what_is_not_there_and_what_is_not_done_there_are_problems(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/v1/nowhere"), 404, "http.not_found")["facts"] == {"path": "/v1/nowhere"}
    assert problem(await client.get("/health/ready%0A"), 404, "http.not_found")["facts"] == {"path": "/health/ready\n"}
    answer = await client.put("/v1/policies", json={})
    problem(answer, 405, "http.method")
    assert answer.headers["allow"] == "GET"


async def test_a_commit_that_fails_is_never_told_as_done(
    client: httpx.AsyncClient, app: FastAPI, owner: psycopg.Connection
) -> None:
    owner.execute("ALTER TABLE city ADD CONSTRAINT city_late UNIQUE (time_zone) DEFERRABLE INITIALLY DEFERRED")
    owner.execute(CITY.replace("lost", "first"))

    @app.post("/test/deferred")
    async def deferred(session: Writing) -> dict[str, bool]:
        await session.sql(CITY)
        return {"done": True}

    @app.post("/test/killed")
    async def killed(session: Writing) -> dict[str, bool]:
        pid = (await session.sql("SELECT pg_backend_pid()")).scalar_one()
        await session.sql(CITY.replace("UTC", "Europe/Berlin"))
        owner.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return {"done": True}

    problem(await client.post("/test/deferred"), 500, "bank.unexpected")
    problem(await client.post("/test/killed"), 503, "database.unreachable")
    assert owner.execute("SELECT code FROM city").fetchall() == [("first",)]


async def test_without_a_database_the_bank_says_what_to_check(
    client: httpx.AsyncClient, app: FastAPI, small_city: SmallCity
) -> None:
    app.state.database = Database("postgresql://nobody@127.0.0.1:1/none")
    for path, who in (("/health/ready", {}), ("/v1/cities", small_city.bearer("admin"))):
        answer = await client.get(path, headers=who)
        body = problem(answer, 503, "database.unreachable")
        assert "CARBON_BANK_DATABASE_URL" in str(body["detail"]) and answer.headers["retry-after"] == "5"
    assert (await client.get("/health/live")).json()["status"] == "alive"
    assert (await client.get("/v1/cities")).status_code == 401


async def test_a_database_that_is_not_migrated_is_not_ready(
    client: httpx.AsyncClient, owner: psycopg.Connection
) -> None:
    assert (await client.get("/health/ready")).json() == {"status": "ready"}
    owner.execute("DROP TABLE posting CASCADE")
    body = problem(await client.get("/health/ready"), 503, "database.not_migrated")
    assert "carbon-bank db upgrade" in str(body["detail"])


class Note(BaseModel):
    text: Annotated[str, Field(max_length=5000)]


@pytest.fixture
async def narrow(settings: Settings, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The bank with a limit of 2,000 bytes, and a route that tells how long a body is."""
    app = main.create_app(settings.model_copy(update={"body_bytes_max": 2000}), database_url)

    @app.post("/test/json")
    async def as_json(note: Note) -> int:
        return len(note.text)

    @app.post("/test/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, False), base_url="http://bank.test") as client:
        yield client


async def test_a_body_over_the_limit_is_refused_however_it_comes(narrow: httpx.AsyncClient) -> None:
    def body(length: int) -> bytes:
        return b'{"text":"' + b"x" * (length - 11) + b'"}'

    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100):
            yield content[start : start + 100]

    headers = {"Content-Type": "application/json"}
    for path in ("/test/json", "/test/raw"):
        for content, fits in ((body(2000), True), (body(2001), False), (body(4000), False)):
            for sent in (content, pieces(content)):
                answer = await narrow.post(path, content=sent, headers=headers)
                if fits:
                    assert answer.status_code == 200, answer.text
                else:
                    body_told = problem(answer, 413, "http.body_too_large")
                    assert body_told["facts"] == {"bytes_max": 2000}
                    assert "CARBON_BANK_BODY_BYTES_MAX" in str(body_told["detail"])


@pytest.mark.parametrize("given", ["12345678", "a-b_c.D-0123456789", "x" * 64])
async def test_a_request_id_is_kept(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/v1/nowhere", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize("given", [None, "", "short", "x" * 65, "has space", "new\tline", "<script>", "é" * 10])
async def test_a_request_id_is_made_where_none_can_be_kept(client: httpx.AsyncClient, given: str | None) -> None:
    sent = {} if given is None else {"X-Request-Id": given.encode()}
    first, second = [(await client.get("/health/live", headers=sent)).headers["x-request-id"] for _ in range(2)]
    assert len(first) == 16 and first != second and first != given


async def test_every_answer_has_the_headers_that_keep_browsers_safe(client: httpx.AsyncClient) -> None:
    for path in ("/health/live", "/v1/policies", "/docs", "/"):
        answer = await client.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, path


async def test_the_log_has_the_form_of_a_path_and_neither_ids_nor_tokens(
    client: httpx.AsyncClient, small_city: SmallCity, capsys: pytest.CaptureFixture[str]
) -> None:
    who = small_city.bearer("operator")
    answer = await client.get("/v1/households/987654321", params={"secret": "query-word"}, headers=who)
    await client.get("/v1/somebody/987654321")
    logged = capsys.readouterr().out
    assert "/v1/households/{household_id}" in logged and answer.headers["x-request-id"] in logged
    assert "(no route)" in logged
    for word in ("987654321", "query-word", who["Authorization"][-20:]):
        assert word not in logged
