"""A way to object: a household says that a posting of its own is wrong, once at a time, and a person answers for good."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank.foundation.database import Database
from tests.ledger.books import as_application, grant
from tests.small_city import SmallCity

WRONG = {"seq": 1, "text": "We were abroad in March, and the meter stood still."}
NO = {"upheld": False, "answer": "The reading of March was checked and is right."}
YES = {"upheld": True, "answer": "You are right: the meter was misread."}


@pytest.fixture
async def awarded(database: Database, small_city: SmallCity) -> None:
    """100 points at alder, 50 at birch."""
    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 100), (small_city.birch, "gas", 50)])


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


@pytest.mark.usefixtures("awarded")
async def test_a_household_objects_and_is_answered(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    async def post(who: str, path: str, body: dict[str, Any]) -> httpx.Response:
        return await client.post(path, json=body, headers=small_city.bearer(who))

    assert (await client.post("/v1/me/objections", json=WRONG)).status_code == 401
    made = await post("alder", "/v1/me/objections", WRONG)
    assert (made.status_code, made.json()["state"]) == (201, "open")
    number = made.json()["id"]
    assert refusal(await post("alder", "/v1/me/objections", WRONG)) == (409, "ledger.objection_open")
    assert refusal(await post("alder", "/v1/me/objections", WRONG | {"seq": 2})) == (404, "ledger.posting_unknown")
    assert refusal(await post("alder", "/v1/me/objections", WRONG | {"text": "no"})) == (422, "http.invalid")
    birch = await client.get("/v1/me/objections", headers=small_city.bearer("birch"))
    assert birch.json()["items"] == [], "the neighbour's"

    path = f"/v1/objections/{number}/answer"
    assert refusal(await post("auditor", path, NO)) == (403, "identity.forbidden")
    assert refusal(await post("far_operator", path, NO)) == (404, "ledger.unknown_objection")
    assert refusal(await post("operator", path, NO | {"adjustment_id": 1})) == (422, "ledger.objection_adjustment")
    assert refusal(await post("operator", path, YES | {"adjustment_id": 1})) == (404, "ledger.unknown_adjustment")
    why = {"points": 5, "reason": "complaint_upheld", "reason_text": "see the objection"}
    other = (await post("operator", f"/v1/households/{small_city.birch}/adjustments", why)).json()["id"]
    assert refusal(await post("operator", path, YES | {"adjustment_id": other})) == (404, "ledger.unknown_adjustment")
    right = (await post("operator", f"/v1/households/{small_city.alder}/adjustments", why)).json()["id"]
    answered = await post("operator", path, YES | {"adjustment_id": right})
    assert (answered.json()["state"], answered.json()["adjustment_id"]) == ("upheld", right)
    assert refusal(await post("operator", path, NO)) == (409, "ledger.objection_answered")

    for state, numbers in (("upheld", [number]), ("open", [])):
        listed = await client.get("/v1/objections", params={"state": state}, headers=small_city.bearer("auditor"))
        assert [each["id"] for each in listed.json()["items"]] == numbers
    own = await client.get("/v1/me/objections", headers=small_city.bearer("alder"))
    assert [(each["answer"], "answered_by" in each) for each in own.json()["items"]] == [(YES["answer"], False)]
    told = (await client.get("/v1/me/inbox", headers=small_city.bearer("alder"))).json()["items"]
    assert [(each["kind"], each["facts"]) for each in told] == [
        ("objection_answered", {"answer": "upheld", "objection": number})
    ]
    assert (await post("alder", "/v1/me/objections", WRONG)).status_code == 201, "after an answer it may object again"
    acts = owner.execute("SELECT act, facts::text FROM trail WHERE subject = %s ORDER BY id", [f"objection:{number}"])
    trail = acts.fetchall()
    assert [act for act, _ in trail] == ["objection.raised", "objection.answered"]
    assert not any("abroad" in facts or "misread" in facts for _, facts in trail)


@pytest.mark.usefixtures("awarded")
async def test_what_was_said_and_answered_stays(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    made = await client.post("/v1/me/objections", json=WRONG, headers=small_city.bearer("alder"))
    for change in ("UPDATE objection SET text = 'nothing'", "DELETE FROM objection"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(change)
        with as_application(owner), pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(change)
    path = f"/v1/objections/{made.json()['id']}/answer"
    await client.post(path, json=NO, headers=small_city.bearer("operator"))
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("UPDATE objection SET answer = 'something else'")


@pytest.mark.usefixtures("awarded")
async def test_who_is_corrected_is_told_by_how_much_and_why(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    async def approved(path: str, **body: Any) -> None:
        prepared = await client.post(path, json=body, headers=small_city.bearer("operator"))
        approval = f"/v1/adjustments/{prepared.json()['id']}/approve"
        done = await client.post(approval, headers=small_city.bearer("approver"))
        assert done.status_code == 200, done.text

    why = {"reason": "goodwill", "reason_text": "for a long wait"}
    await approved(f"/v1/households/{small_city.alder}/adjustments", points=7, **why)
    await approved(f"/v1/households/{small_city.birch}/adjustments", points=-50, **why)
    [(journal,)] = owner.execute("SELECT id FROM journal WHERE kind = 'award'").fetchall()
    await approved(f"/v1/journals/{journal}/reversal", reason="error", reason_text="settled twice")
    told = owner.execute(
        "SELECT household_id, subject, facts FROM notification WHERE kind = 'correction' ORDER BY id"
    ).fetchall()
    assert sorted(told, key=str) == sorted(
        [
            (small_city.alder, "adjustment:1", {"points": 7, "reason": "goodwill"}),
            (small_city.birch, "adjustment:2", {"points": -50, "reason": "goodwill"}),
            (small_city.alder, "adjustment:3", {"points": -100, "reason": "error"}),
            (small_city.birch, "adjustment:3", {"points": -50, "reason": "error"}),
        ],
        key=str,
    )
