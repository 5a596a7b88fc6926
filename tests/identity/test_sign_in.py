"""Signing in, and who may let whom in."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity import secrets, service, tokens
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import STAFF, Role
from tests.small_city import SmallCity

PASSWORD = "correct horse"
PROBLEM = "urn:carbon-bank:problem:"
SYSTEM = Actor("system:test")


@pytest.fixture
async def alma(database: Database, small_city: SmallCity) -> dict[str, str]:
    """Somebody of the household alder, who signs in as alma."""
    async with database.write() as session:
        await service.add_person(
            session,
            SYSTEM,
            clock.now(),
            login=" Alma@Here.Test ",
            password=PASSWORD,
            roles=[Role.HOUSEHOLD],
            city_id=small_city.city_id,
            household_id=small_city.alder,
        )
    return {"grant_type": "password", "username": "alma@here.test", "password": PASSWORD}


@pytest.fixture
async def machine(database: Database, small_city: SmallCity) -> tuple[str, str]:
    """Id and secret of a client of the electricity utility."""
    async with database.write() as session:
        client, secret = await service.add_client(
            session,
            SYSTEM,
            clock.now(),
            role=Role.UTILITY,
            city_id=small_city.city_id,
            utility_id=small_city.places["elec"].utility_id,
        )
    return client.client_id, secret


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix(PROBLEM)


async def test_a_person_signs_in_with_login_and_password(
    client: httpx.AsyncClient, small_city: SmallCity, alma: dict[str, str]
) -> None:
    for login in ("alma@here.test", " ALMA@here.test"):
        answer = await client.post("/v1/token", data=alma | {"username": login})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        token = answer.json()
        assert (token["token_type"], token["expires_in"], token["scope"]) == (
            "Bearer",
            900,
            "award.read own.read own.write rewards.read",
        )
        me = await client.get("/v1/me", headers={"Authorization": f"bearer {token['access_token']}"})
        assert me.json()["household_id"] == small_city.alder


@pytest.mark.parametrize("way", ["form", "basic"])
async def test_a_machine_signs_in_with_its_credentials(
    client: httpx.AsyncClient, small_city: SmallCity, machine: tuple[str, str], way: str
) -> None:
    form, headers = {"grant_type": "client_credentials"}, {}
    if way == "basic":
        headers = basic(*machine)
    else:
        form |= {"client_id": machine[0], "client_secret": machine[1]}
    answer = await client.post("/v1/token", data=form, headers=headers)
    assert answer.status_code == 200, answer.text
    actor = tokens.read(small_city.keys, answer.json()["access_token"])
    assert (actor.roles, actor.city_id) == ({Role.UTILITY}, small_city.city_id)
    assert actor.utility_id == small_city.places["elec"].utility_id


async def test_unknown_wrong_and_disabled_get_the_same_answer(
    client: httpx.AsyncClient, alma: dict[str, str], owner: psycopg.Connection
) -> None:
    answers = [
        await client.post("/v1/token", data=alma | {"password": "wrong password"}),
        await client.post("/v1/token", data=alma | {"username": "nobody@here.test"}),
        await client.post("/v1/token", data=alma | {"username": "operator@here.test", "password": "!"}),
    ]
    owner.execute("UPDATE person SET disabled_at = now() WHERE login = 'alma@here.test'")
    answers.append(await client.post("/v1/token", data=alma))
    assert {told(answer) for answer in answers} == {(401, "identity.credentials")}
    assert len({answer.text.replace(answer.headers["x-request-id"], "") for answer in answers}) == 1
    assert answers[0].json()["facts"] == {"error": "invalid_grant"}


async def test_an_unknown_a_wrong_and_a_disabled_machine_get_the_same_answer(
    client: httpx.AsyncClient, machine: tuple[str, str], owner: psycopg.Connection
) -> None:
    form = {"grant_type": "client_credentials"}
    answers = [
        await client.post("/v1/token", data=form, headers=basic(machine[0], "wrong")),
        await client.post("/v1/token", data=form, headers=basic("nobody", machine[1])),
        await client.post("/v1/token", data=form | {"client_id": machine[0], "client_secret": "wrong"}),
    ]
    owner.execute("UPDATE client SET disabled_at = now() WHERE client_id = %s", [machine[0]])
    answers.append(await client.post("/v1/token", data=form, headers=basic(*machine)))
    assert {told(answer) for answer in answers} == {(401, "identity.client_credentials")}
    assert len({answer.text.replace(answer.headers["x-request-id"], "") for answer in answers}) == 1


async def test_a_form_that_cannot_be_right_is_refused(client: httpx.AsyncClient) -> None:
    for form, headers, code in [
        ({}, {}, "http.invalid"),
        ({"grant_type": "implicit"}, {}, "http.invalid"),
        ({"grant_type": "password", "username": "abc"}, {}, "identity.credentials_missing"),
        ({"grant_type": "password", "username": "abc", "password": "x", "otp": "1"}, {}, "http.invalid"),
        ({"grant_type": "password", "username": "abc", "password": "x" * 129}, {}, "http.invalid"),
        ({"grant_type": "password", "username": "a\0bc", "password": "x"}, {}, "http.unstorable"),
        ({"grant_type": "client_credentials", "client_id": "abc"}, {}, "identity.credentials_missing"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic !"}, "identity.credentials_missing"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic YWJj"}, "identity.credentials_missing"),
    ]:
        assert told(await client.post("/v1/token", data=form, headers=headers)) == (422, code), form


async def test_no_refusal_repeats_a_password(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    new = {"login": "new@here.test", "password": "tooshort", "roles": ["household"], "household_id": small_city.alder}
    answer = await client.post("/v1/people", json=new, headers=small_city.bearer("operator"))
    assert (answer.status_code, answer.json()["faults"][0]["where"]) == (422, "body/password")
    assert "tooshort" not in answer.text
    answer = await client.post("/v1/token", data={"grant_type": "password", "password": "longsecret" * 20})
    assert answer.status_code == 422 and "longsecret" not in answer.text


@pytest.mark.parametrize("length", [secrets.PASSWORD_LENGTH_MIN, secrets.PASSWORD_LENGTH_MAX])
async def test_a_password_may_be_as_short_and_as_long_as_the_limits(
    client: httpx.AsyncClient, small_city: SmallCity, length: int
) -> None:
    new = {"login": "new@here.test", "password": "é" * length, "roles": ["auditor"], "city_id": small_city.city_id}
    answer = await client.post("/v1/people", json=new, headers=small_city.bearer("admin"))
    assert answer.status_code == 201, answer.text
    form = {"grant_type": "password", "username": "new@here.test", "password": "é" * length}
    assert (await client.post("/v1/token", data=form)).status_code == 200


async def test_only_a_hash_of_a_secret_is_kept(
    owner: psycopg.Connection, alma: dict[str, str], machine: tuple[str, str]
) -> None:
    hashes = owner.execute("SELECT password_hash FROM person WHERE login = 'alma@here.test'").fetchall()
    hashes += owner.execute("SELECT secret_hash FROM client WHERE client_id = %s", [machine[0]]).fetchall()
    assert len(hashes) == 2
    for (kept,) in hashes:
        assert kept.startswith("$argon2id$")


@pytest.mark.parametrize("length", [0, 9, 129])
def test_a_password_outside_the_limits_is_refused(length: int) -> None:
    with pytest.raises(service.InvalidInput, match=r"identity\.password"):
        secrets.check_password("x" * length)


async def appoint(client: httpx.AsyncClient, city: SmallCity, by: str, **new: Any) -> tuple[int, str]:
    """Let somebody in, and what came of it: the status, and the code of the refusal."""
    body = {"login": "new@here.test", "password": PASSWORD} | new
    answer = await client.post("/v1/people", json=body, headers=city.bearer(by))
    return (201, "") if answer.status_code == 201 else told(answer)


async def test_an_operator_lets_in_households_of_the_own_city_only(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    household, far = {"roles": ["household"]}, small_city.far_household
    other = small_city.other_city_id
    refused = (403, "identity.may_not_appoint")
    unknown = (404, "identity.unknown_place")
    assert await appoint(client, small_city, "operator", roles=["operator"]) == refused
    assert await appoint(client, small_city, "operator", roles=["admin"]) == refused
    assert await appoint(client, small_city, "operator", **household, household_id=far, city_id=other) == refused
    assert await appoint(client, small_city, "operator", **household, household_id=far) == unknown
    assert await appoint(client, small_city, "operator", **household, household_id=2**62) == unknown
    assert await appoint(client, small_city, "operator", **household, household_id=small_city.alder) == (201, "")
    row = owner.execute("SELECT city_id, household_id, roles FROM person WHERE login = 'new@here.test'").fetchone()
    assert row == (small_city.city_id, small_city.alder, ["household"])
    trail = owner.execute("SELECT by, facts FROM trail WHERE act = 'person.added'").fetchall()
    assert trail == [(small_city.actors["operator"].subject, {"roles": ["household"]})]


async def test_a_login_is_taken_in_any_case_of_its_letters(
    client: httpx.AsyncClient, small_city: SmallCity, alma: dict[str, str]
) -> None:
    again = {"roles": ["household"], "household_id": small_city.birch, "login": "ALMA@HERE.TEST"}
    assert await appoint(client, small_city, "operator", **again) == (409, "identity.login_taken")


async def test_an_admin_appoints_staff_of_any_city(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    unknown = {"roles": ["auditor"], "city_id": 2**62}
    assert await appoint(client, small_city, "admin", **unknown) == (404, "identity.unknown_place")
    assert await appoint(client, small_city, "admin", roles=["auditor"]) == (422, "identity.roles")
    for role in STAFF:
        new = {"roles": [role, role], "city_id": small_city.other_city_id, "login": f"new-{role}"}
        assert await appoint(client, small_city, "admin", **new) == (201, "")


async def test_only_roles_that_go_together_are_joined(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    city, household = {"city_id": small_city.city_id}, {"household_id": small_city.alder}
    for number, (roles, place, fits) in enumerate(
        [
            (["admin"], {}, True),
            (["admin", "admin"], {}, True),
            (["operator", "auditor", "approver"], city, True),
            (["household"], city | household, True),
            (["admin"], city, False),
            (["admin", "operator"], {}, False),
            (["household"], city, False),
            (["household", "operator"], city | household, False),
            (["operator"], city | household, False),
            (["utility"], city, False),
            (["partner"], city, False),
            (["operator", "utility"], city, False),
        ]
    ):
        came = await appoint(client, small_city, "admin", login=f"new-{number}", roles=roles, **place)
        assert came == ((201, "") if fits else (422, "identity.roles")), (roles, place)


async def test_a_person_that_does_not_fit_is_refused(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    for bad in [
        {"login": "ab"},
        {"login": "x" * 255},
        {"roles": []},
        {"household_id": 0},
        {"household_id": 2**63},
        {"more": 1},
    ]:
        new = {"roles": ["household"], "household_id": small_city.alder} | bad
        assert await appoint(client, small_city, "operator", **new) == (422, "http.invalid"), bad


async def test_a_login_of_spaces_is_refused(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    new = {"roles": ["household"], "household_id": small_city.alder, "login": "  a  "}
    assert await appoint(client, small_city, "operator", **new) == (422, "identity.login")


async def test_clients_are_let_in_by_their_own_city(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    elec, far = small_city.places["elec"].utility_id, small_city.places["far"].utility_id
    here, there = small_city.city_id, small_city.other_city_id
    partner = {"role": "partner"}
    for by, new, expected in (
        ("operator", partner, 201),
        ("operator", partner | {"city_id": here}, 201),
        ("operator", partner | {"city_id": there}, "identity.may_not_appoint"),
        ("operator", {"role": "utility", "utility_id": elec}, 201),
        ("operator", {"role": "utility", "utility_id": far}, "identity.unknown_place"),
        ("operator", {"role": "utility"}, "identity.client_role"),
        ("operator", partner | {"utility_id": elec}, "identity.client_role"),
        ("operator", {"role": "operator"}, "identity.client_role"),
        ("admin", partner, "identity.city_missing"),
        ("admin", partner | {"city_id": there}, 201),
        ("admin", partner | {"city_id": 2**62}, "identity.unknown_place"),
    ):
        answer = await client.post("/v1/clients", json=new, headers=small_city.bearer(by))
        assert (201 if answer.status_code == 201 else told(answer)[1]) == expected, (by, new, answer.text)
