"""Who looked at data of households: which routes put it on the trail, and what stands there."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import FOR_THEMSELVES, ROLE_PERMISSIONS
from carbon_bank.trail.service import Act
from tests.audit.honest_town import found_honest_town
from tests.readings.sending import row
from tests.rewards.shop import Shop, problem
from tests.small_city import SmallCity
from tests.test_permissions import ROUTES, routes_of

PATH = "/v1/audit/trail"
NUMBERS, SETTINGS, PUBLIC = "numbers of many households", "nothing of households", "everybody may know it"
PLACES = "where something stands in the log, and nothing of what it is"
HANDED_ON = "a form, whose reason goes on to the page of the award"

STAFF_SEES: dict[str, Act | str] = {
    "GET /awards": HANDED_ON,
    "GET /awards/{award_id}": Act.EXPLANATION_READ,
    "GET /v1/adjustments": Act.ACCOUNT_READ,
    "GET /v1/adoptions": SETTINGS,
    "GET /v1/adoptions/{adoption_id}": SETTINGS,
    "GET /v1/adoptions/{adoption_id}/text": SETTINGS,
    "GET /v1/audit/findings": Act.FINDINGS_READ,
    "GET /v1/audit/leaves/{leaf}": PLACES,
    "GET /v1/audit/leaves/{leaf}/opening": Act.OPENING_READ,
    "GET /v1/audit/leaves/{leaf}/receipt": PLACES,
    "GET /v1/audit/settlements/{settlement_id}/export": Act.AUDIT_EXPORTED,
    "GET /v1/audit/settlements/{settlement_id}/export/numbers": Act.AUDIT_EXPORTED,
    "GET /v1/audit/settlements/{settlement_id}/replay": Act.AWARD_READ,
    "GET /v1/audit/settlements/{settlement_id}/sample": Act.AWARD_READ,
    "GET /v1/audit/trail": "what the staff did, and households by their number alone",
    "GET /v1/awards/{award_id}/explanation": Act.EXPLANATION_READ,
    "GET /v1/awards/{award_id}/leaves": PLACES,
    "GET /v1/budgets": NUMBERS,
    "GET /v1/cities": SETTINGS,
    "GET /v1/coverage": NUMBERS,
    "GET /v1/coverage/meters": Act.METER_READ,
    "GET /v1/coverage/reminders": Act.METER_READ,
    "GET /v1/districts": SETTINGS,
    "GET /v1/households": Act.HOUSEHOLD_READ,
    "GET /v1/households/{household_id}": Act.HOUSEHOLD_READ,
    "GET /v1/households/{household_id}/balance": Act.ACCOUNT_READ,
    "GET /v1/households/{household_id}/postings": Act.ACCOUNT_READ,
    "GET /v1/households/{household_id}/statement": Act.ACCOUNT_READ,
    "GET /v1/imports": NUMBERS,
    "GET /v1/imports/{import_id}": NUMBERS,
    "GET /v1/imports/{import_id}/rejections": Act.READINGS_READ,
    "GET /v1/inbox/mail": NUMBERS,
    "GET /v1/mappings": SETTINGS,
    "GET /v1/mappings/{name}": SETTINGS,
    "GET /v1/meters": Act.METER_READ,
    "GET /v1/objections": Act.OBJECTION_READ,
    "GET /v1/payouts": NUMBERS,
    "GET /v1/payouts/{run_id}": NUMBERS,
    "GET /v1/payouts/{run_id}/payments": Act.PAYOUT_READ,
    "GET /v1/policies/comparisons": NUMBERS,
    "GET /v1/policies/comparisons/{comparison_id}": NUMBERS,
    "GET /v1/policies/comparisons/{comparison_id}/groups.csv": NUMBERS,
    "GET /v1/quarantine": Act.READINGS_READ,
    "GET /v1/readings": Act.READINGS_READ,
    "GET /v1/redemptions": Act.REDEMPTION_READ,
    "GET /v1/redemptions/{redemption_id}": Act.REDEMPTION_READ,
    "GET /v1/restatements": NUMBERS,
    "GET /v1/restatements/due": NUMBERS,
    "GET /v1/restatements/{restatement_id}": NUMBERS,
    "GET /v1/restatements/{restatement_id}/awards": Act.AWARD_READ,
    "GET /v1/reward-terms": SETTINGS,
    "GET /v1/reward-terms/in-force": PUBLIC,
    "GET /v1/rewards": PUBLIC,
    "GET /v1/rewards/{reward_id}": PUBLIC,
    "GET /v1/settlements": NUMBERS,
    "GET /v1/settlements/{settlement_id}": NUMBERS,
    "GET /v1/settlements/{settlement_id}/awards": Act.AWARD_READ,
    "GET /v1/settlements/{settlement_id}/due": Act.AWARD_READ,
    "GET /v1/settlements/{settlement_id}/reviews": Act.AWARD_READ,
    "GET /v1/utilities": SETTINGS,
    "GET /v1/webhooks/deliveries": "that a message went, and not what it says",
    "GET /v1/webhooks/endpoints": SETTINGS,
}
"""What the city's staff can ask for: the act that it is, or why it is none."""


@pytest.fixture
def shop(client: httpx.AsyncClient, database: Database, small_city: SmallCity) -> Shop:
    return Shop(client, database, small_city)


async def looks(shop: Shop, name: str = "auditor") -> list[dict[str, Any]]:
    """The oldest first."""
    items = (await shop.get(name, PATH, params={"limit": 500}))["items"]
    return [each for each in reversed(items) if each["act"].endswith(".read")]


def test_whatever_the_staff_can_ask_for_is_an_act_or_there_is_a_reason_why_not(app: FastAPI) -> None:
    of_staff = {
        permission for role, held in ROLE_PERMISSIONS.items() if role not in FOR_THEMSELVES for permission in held
    }
    asked = {name for name, permission in ROUTES.items() if name.startswith("GET ") and permission in of_staff}
    assert asked == set(STAFF_SEES)
    assert list(STAFF_SEES) == sorted(STAFF_SEES)
    with_reason = {name for name, route in routes_of(app) if name in asked and "reason" in _parameters(route.dependant)}
    assert with_reason == {name for name, act in STAFF_SEES.items() if isinstance(act, Act) or act == HANDED_ON}


def _parameters(dependant: Any) -> set[str]:
    own = {each.alias for each in dependant.query_params}
    return own.union(*(_parameters(each) for each in dependant.dependencies))


async def test_what_the_staff_looked_at_stands_on_the_trail_and_what_is_ones_own_does_not(
    shop: Shop, owner: psycopg.Connection
) -> None:
    town = await found_honest_town(shop.database, shop.city, owner)
    alder, settlement = shop.city.alder, f"settlement:{town.settlement_id}"
    await shop.terms()
    reward = await shop.reward("partner")
    await shop.grant(alder, 500)
    redemption = (await shop.redeem(reward))["id"]
    await shop.do("alder", "/v1/me/objections", {"seq": 1, "text": "not mine"}, 201)
    await shop.do("elec", "/v1/readings", {"readings": [row("nobody-e")]}, 207)
    city, of_alder = f"city:{shop.city.city_id}", f"household:{alder}"
    meter = shop.city.meters["A-e"]
    asked: list[tuple[str, dict[str, Any], str, str, dict[str, Any]]] = [
        (f"/v1/households/{alder}", {}, "household.read", of_alder, {}),
        ("/v1/households", {"limit": 2}, "household.read", city, {"what": "list", "rows": 2}),
        ("/v1/households", {"number": "alder"}, "household.read", of_alder, {"what": "list", "rows": 1}),
        ("/v1/households", {"number": "nobody"}, "household.read", city, {"what": "list", "rows": 0}),
        ("/v1/meters", {"customer_number": "A-e"}, "meter.read", f"meter:{meter}", {"what": "list", "rows": 1}),
        (f"/v1/redemptions/{redemption}", {}, "redemption.read", f"redemption:{redemption}", {}),
        ("/v1/redemptions", {"household_id": alder}, "redemption.read", of_alder, {"what": "list", "rows": 1}),
        (
            *("/v1/redemptions", {"state": "fulfilled", "reward_id": reward}, "redemption.read", city),
            {"what": "list", "rows": 0, "state": "fulfilled", "reward": reward},
        ),
        ("/v1/objections", {"state": "open"}, "objection.read", city, {"rows": 1, "state": "open"}),
        ("/v1/adjustments", {}, "account.read", city, {"what": "adjustments", "rows": 0}),
        (
            *("/v1/readings", {"commodity": "electricity", "customer_number": "A-e", "utility": "elec"}),
            *("readings.read", f"meter:{meter}", {"rows": 0}),
        ),
        ("/v1/quarantine", {}, "readings.read", city, {"what": "quarantine", "rows": 1, "state": "waiting"}),
        (
            *("/v1/coverage/meters", {"months": "2024-03", "limit": 3}, "meter.read", city),
            {"what": "coverage.json", "months": "2024-03..2024-03", "rows": 3},
        ),
        (
            *("/v1/coverage/reminders", {"months": "2024-03", "format": "csv"}, "meter.read", city),
            {"what": "reminders.csv", "months": "2024-03..2024-03"},
        ),
        (f"/v1/settlements/{town.settlement_id}/awards", {"limit": 5}, "award.read", settlement, {"rows": 5}),
        (f"/v1/settlements/{town.settlement_id}/reviews", {}, "award.read", settlement, {"what": "reviews"}),
        (f"/v1/settlements/{town.settlement_id}/due", {}, "award.read", settlement, {"what": "due"}),
        (
            *(f"/v1/audit/settlements/{town.settlement_id}/replay", {"household_id": alder}, "award.read", of_alder),
            {"what": "replay", "settlement": town.settlement_id},
        ),
        (
            *("/v1/audit/findings", {"settlement_id": town.settlement_id, "kind": "act.odd_hours"}),
            *("findings.read", settlement, {"kinds": ["act.odd_hours"]}),
        ),
    ]
    for path, params, *_ in asked:
        answer = await shop.send("auditor", "GET", path, params=params | {"reason": "objection 7"})
        assert answer.status_code == 200, (path, answer.text)
    found = await looks(shop)
    assert [(each["act"], each["subject"], each["reason"]) for each in found] == [
        (act, subject, "objection 7") for _, _, act, subject, _ in asked
    ]
    for (path, _, _, _, facts), each in zip(asked, found, strict=True):
        assert each["facts"].items() >= facts.items(), path
        assert not {"alder", "nobody", "A-e"} & set(map(str, each["facts"].values())), "the trail is never erased"
        assert (each["by"], each["client"]) == (shop.city.actors["auditor"].subject, "127.0.0.1")
    # What is one's own, what is refused, and what another city does.
    await shop.get("partner", "/v1/partner/redemptions")
    await shop.get("alder", f"/v1/me/redemptions/{redemption}")
    own = {"commodity": "electricity", "customer_number": "A-e"}
    await shop.get("elec", "/v1/readings", params=own)
    await shop.get("elec", "/v1/quarantine")
    sheet = await shop.send("elec", "GET", "/v1/coverage/meters", params={"months": "2024-03", "format": "csv"})
    assert sheet.status_code == 200, "a utility takes its own without saying why"
    assert (await shop.send("far_auditor", "GET", f"/v1/redemptions/{redemption}")).status_code == 404
    assert await looks(shop) == found
    assert await looks(shop, "far_auditor") == []


async def test_a_file_leaves_the_bank_only_with_a_reason(shop: Shop) -> None:
    months = {"months": "2026-03", "format": "csv"}
    for path, params in (
        ("/v1/coverage/meters", months),
        ("/v1/coverage/reminders", months),
        (f"/v1/households/{shop.city.alder}/statement", {"format": "pdf"}),
    ):
        for reason in ({}, {"reason": " x "}):
            refused = await shop.send("operator", "GET", path, params=params | reason)
            assert problem(refused) == (422, "identity.no_reason"), path
    assert await looks(shop) == []


async def test_who_looks_at_their_own_takes_no_connection_to_write(shop: Shop, owner: psycopg.Connection) -> None:
    town = await found_honest_town(shop.database, shop.city, owner)
    path = f"/v1/awards/{town.settlement_id}-{shop.city.alder}-electricity/explanation"
    taken: list[object] = []
    engine = shop.database._writing.sync_engine
    event.listen(engine, "checkout", lambda connection, *_: taken.append(connection))
    await shop.get("alder", path)
    assert taken == []
    await shop.get("auditor", path)
    assert len(taken) == 1
