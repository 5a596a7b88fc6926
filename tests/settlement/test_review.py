"""Held awards: who may release or reject them, when, and what becomes of the points."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.settlement import post_service, service
from tests.ledger.books import as_application
from tests.settlement.town import JULY_2024, found_town, request, stored
from tests.small_city import SmallCity

PROBLEM = "urn:carbon-bank:problem:"
WHY = {"reason": "the household was abroad from March on"}


async def computed(database: Database, city: SmallCity, preparer: str = "operator") -> tuple[int, list[dict[str, Any]]]:
    """A computed settlement, and its held awards. Household 6 of the town used a third: that is held as unusual."""
    await found_town(database, city, 16)
    number = await request(database, city.actors[preparer])
    await worker.compute(database, number, 1000)
    held = [award for award in await stored(database, number) if award["review"] == "held"]
    assert len(held) >= 4 and all(award["points"] > 0 for award in held)
    return number, held


async def approve_and_post(database: Database, city: SmallCity, number: int) -> None:
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], JULY_2024, number)
        await service.start_posting(session, city.actors["operator"], JULY_2024, number, in_background=False)
    await worker.post(database, number, 3)


async def decide(
    client: httpx.AsyncClient, city: SmallCity, name: str, number: int, award: dict[str, Any], step: str
) -> tuple[int, str]:
    path = f"/v1/awards/{number}-{award['household_id']}-{award['commodity']}/{step}"
    answer = await client.post(path, json=WHY, headers=city.bearer(name))
    told = answer.json()
    return answer.status_code, told.get("review") or told["type"].removeprefix(PROBLEM)


def posted(owner: psycopg.Connection, award: dict[str, Any]) -> list[int]:
    query = "SELECT amount::int FROM posting WHERE household_id = %s AND commodity = %s"
    return [amount for (amount,) in owner.execute(query, [award["household_id"], award["commodity"]])]


def books_agree(owner: psycopg.Connection) -> None:
    """Accounts equal postings equal lots; both sides of each posting sum to zero."""
    sums = owner.execute(
        "SELECT (SELECT sum(available) FROM account), (SELECT sum(amount) FROM posting), (SELECT sum(remaining) FROM lot), "
        "(SELECT coalesce(sum(amount), 0) FROM entry)"
    ).fetchall()
    [(accounts, postings, lots, entries)] = sums
    assert (accounts, lots, entries) == (postings, postings, 0)


async def test_what_is_released_before_approval_is_posted_and_what_is_rejected_never(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, (first, second, third, *_) = await computed(database, small_city)
    assert await decide(client, small_city, "operator", number, first, "release") == (200, "released")
    assert await decide(client, small_city, "operator", number, second, "reject") == (200, "rejected")
    await approve_and_post(database, small_city, number)
    assert posted(owner, first) == [first["points"]]
    assert posted(owner, second) == posted(owner, third) == []
    books_agree(owner)


async def test_what_is_released_after_posting_is_posted_at_once(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, (first, second, *_) = await computed(database, small_city)
    await approve_and_post(database, small_city, number)
    assert await decide(client, small_city, "approver", number, first, "release") == (200, "released")
    assert posted(owner, first) == [first["points"]]
    assert await decide(client, small_city, "approver", number, second, "reject") == (200, "rejected")
    assert posted(owner, second) == []
    books_agree(owner)
    [(by,)] = owner.execute("SELECT by FROM journal ORDER BY recorded_at DESC LIMIT 1").fetchall()
    assert by == small_city.actors["approver"].subject, "the journal names who moved the points"
    async with database.read() as session:
        posted_one = await service.get_settlement(session, small_city.actors["auditor"], number)
        assert posted_one.state == "posted"
    again = await worker.post(database, number, 3)
    sums = owner.execute("SELECT count(*), sum(amount)::int FROM posting").fetchall()
    assert [(again.postings, again.points)] == sums, "posting again finds the books in order"


async def test_what_is_released_while_posting_is_under_way_is_posted_once(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, held = await computed(database, small_city)
    passed, ahead = held[0], held[-1]
    async with database.write() as session:
        await service.approve(session, small_city.actors["approver"], JULY_2024, number)
        await service.start_posting(session, small_city.actors["operator"], JULY_2024, number, in_background=False)
    while True:
        async with database.write() as session:
            bucket = await post_service.post_bucket(session, small_city.actors["operator"], JULY_2024, number, 1)
        assert bucket is not None
        if bucket.last >= passed["household_id"]:
            break
    assert bucket.last < ahead["household_id"]
    for award, now in ((passed, [passed["points"]]), (ahead, [])):
        assert await decide(client, small_city, "approver", number, award, "release") == (200, "released")
        assert posted(owner, award) == now
    await worker.post(database, number, 3)
    assert (posted(owner, passed), posted(owner, ahead)) == ([passed["points"]], [ahead["points"]])
    books_agree(owner)


async def test_after_approval_it_takes_an_approver_who_did_not_prepare_the_settlement(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, (first, *_) = await computed(database, small_city, "both")
    await approve_and_post(database, small_city, number)
    for name, code in (("operator", "identity.forbidden"), ("both", "settlement.review_own")):
        for step in ("release", "reject"):
            assert await decide(client, small_city, name, number, first, step) == (403, code)
    assert posted(owner, first) == []
    assert await decide(client, small_city, "approver", number, first, "release") == (200, "released")


async def test_an_award_is_decided_once_and_only_where_it_is_held(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, (first, *_) = await computed(database, small_city)
    clear = next(award for award in await stored(database, number) if award["review"] == "clear")
    assert await decide(client, small_city, "operator", number, clear, "release") == (409, "settlement.not_held")
    await decide(client, small_city, "operator", number, first, "reject")
    path = f"/v1/awards/{number}-{first['household_id']}-{first['commodity']}/release"
    answer = await client.post(path, json=WHY, headers=small_city.bearer("operator"))
    assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}settlement.not_held")
    assert WHY["reason"] in answer.json()["detail"], "it says what was decided, and why"
    nobody = {"household_id": 10**9, "commodity": "water"}
    assert await decide(client, small_city, "operator", number, nobody, "reject") == (404, "settlement.unknown_award")
    for name in ("12", "1-2-heat", "0-1-water", "1-2-water-3", "9" * 30 + "-1-gas"):
        answer = await client.post(f"/v1/awards/{name}/reject", json=WHY, headers=small_city.bearer("operator"))
        assert (answer.status_code, answer.json()["type"]) == (404, f"{PROBLEM}settlement.unknown_award"), name
    for body in ({}, {"reason": ""}, {"reason": "no", "force": True}):
        answer = await client.post(path, json=body, headers=small_city.bearer("operator"))
        assert answer.status_code == 422


async def test_a_withdrawn_settlement_has_nothing_to_decide(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, (first, *_) = await computed(database, small_city)
    async with database.write() as session:
        await service.withdraw(session, small_city.actors["operator"], JULY_2024, number, "readings were missing")
    assert await decide(client, small_city, "operator", number, first, "release") == (409, "settlement.state")


async def test_what_is_held_and_what_was_decided_is_listed_and_counted(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, held = await computed(database, small_city)
    first, second, *rest = held
    await decide(client, small_city, "operator", number, first, "release")
    await decide(client, small_city, "operator", number, second, "reject")
    auditor = small_city.bearer("auditor")

    async def listed(**parameters: Any) -> list[dict[str, Any]]:
        answer = await client.get(f"/v1/settlements/{number}/reviews", params=parameters, headers=auditor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        return page["items"] + (await listed(**parameters | {"cursor": page["next"]}) if page["next"] else [])

    everything = await listed(limit=1)
    assert [each["id"] for each in everything] == [
        f"{number}-{award['household_id']}-{award['commodity']}" for award in held
    ]
    assert [each["id"] for each in await listed(review="held")] == [each["id"] for each in everything[2:]]
    [released] = await listed(review="released")
    assert released["decided"] | {"at": ""} == {
        "decision": "released",
        "by": small_city.actors["operator"].subject,
        "at": "",
        "reason": WHY["reason"],
    }
    detail = (await client.get(f"/v1/settlements/{number}", headers=auditor)).json()
    assert detail["reviews"] == [
        {"review": "held", "awards": len(rest), "points": sum(award["points"] for award in rest)},
        {"review": "rejected", "awards": 1, "points": second["points"]},
        {"review": "released", "awards": 1, "points": first["points"]},
    ]
    trail = owner.execute(
        "SELECT act, by, subject, reason FROM trail WHERE act LIKE 'award.%ed' ORDER BY id"
    ).fetchall()
    operator = small_city.actors["operator"].subject
    assert trail == [
        ("award.released", operator, f"award:{everything[0]['id']}", WHY["reason"]),
        ("award.rejected", operator, f"award:{everything[1]['id']}", WHY["reason"]),
    ]


async def test_another_citys_awards_are_not_there(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, (first, *_) = await computed(database, small_city)
    unknown = (404, "settlement.unknown_award")
    assert await decide(client, small_city, "far_operator", number, first, "release") == unknown
    answer = await client.get(f"/v1/settlements/{number}/reviews", headers=small_city.bearer("far_auditor"))
    assert answer.status_code == 404


async def test_a_decision_is_never_changed_whatever_program_tries(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, (first, *_) = await computed(database, small_city)
    await decide(client, small_city, "operator", number, first, "reject")
    for statement in ("UPDATE award_review SET decision = 'released'", "DELETE FROM award_review"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
        with as_application(owner), pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement)


async def test_other_eyes_decide_after_approval_whatever_program_tries(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, (first, second, *_) = await computed(database, small_city)
    await approve_and_post(database, small_city, number)
    insert = "INSERT INTO award_review VALUES (%s, %s, %s, 'released', %s, now(), 'for a friend')"
    operator, approver = (small_city.actors[name].subject for name in ("operator", "approver"))
    own = [number, first["household_id"], first["commodity"], operator]
    with pytest.raises(psycopg.errors.CheckViolation, match="prepared settlement"):
        owner.execute(insert, own)
    with as_application(owner), pytest.raises(psycopg.errors.CheckViolation, match="prepared settlement"):
        owner.execute(insert, own)
    owner.execute(insert, [number, second["household_id"], second["commodity"], approver])


async def test_a_settlement_keeps_its_policy_whatever_program_tries(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await computed(database, small_city)
    for change in ("policy_id = policy_id", "period = '2024-H2'", "prepared_by = 'person:0'"):
        with as_application(owner), pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(f"UPDATE settlement SET {change}")
