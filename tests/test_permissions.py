"""Every route against every role, and one city against another.

`ROUTES` is the table that a reviewer reads: a route without a row here fails, and so does one that asks for another
permission than its row says. The first half walks the routes as the app has them; the second half sends requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import psycopg
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import iter_route_contexts

from carbon_bank import worker
from carbon_bank.audit.log.keys import LogKeys
from carbon_bank.foundation.database import Database
from carbon_bank.identity.access import OPEN, allowed, open_to_all
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import ROLE_PERMISSIONS, Permission, Role
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import Kind
from carbon_bank.programme.policy import load_shipped
from tests.ledger.books import grant
from tests.readings.sending import row
from tests.rewards.shop import ACCOUNT, Shop
from tests.settlement.town import adopt
from tests.small_city import NOW, SmallCity

P = Permission
FRAMEWORK = {
    "GET /docs",
    "GET /openapi.json",
    "GET /swagger/favicon-32x32.png",
    "GET /swagger/swagger-ui-bundle.js",
    "GET /swagger/swagger-ui.css",
}
"""The documentation pages, which the framework serves."""

ROUTES: dict[str, Permission | None] = {
    "DELETE /v1/me/payout-account": P.OWN_WRITE,
    "DELETE /v1/me/payout-choice": P.OWN_WRITE,
    "DELETE /v1/webhooks/endpoints/{endpoint_id}": P.WEBHOOKS_WRITE,
    "GET /": None,
    "GET /.well-known/jwks.json": None,
    "GET /health/live": None,
    "GET /health/ready": None,
    "GET /awards": P.AWARD_READ,
    "GET /awards/{award_id}": P.AWARD_READ,
    "GET /log/{city}/checkpoint": None,
    "GET /log/{city}/tile/{path:path}": None,
    "GET /postings/{seq}/opening": P.OWN_READ,
    "GET /postings/{seq}/receipt": P.OWN_READ,
    "GET /sign-in": None,
    "GET /static/{name}": None,
    "GET /v1/adjustments": P.LEDGER_READ,
    "GET /v1/adoptions": P.POLICY_READ,
    "GET /v1/adoptions/{adoption_id}": P.POLICY_READ,
    "GET /v1/adoptions/{adoption_id}/text": P.POLICY_READ,
    "GET /v1/audit/findings": P.AUDIT_READ,
    "GET /v1/audit/leaves/{leaf}": P.AUDIT_READ,
    "GET /v1/audit/leaves/{leaf}/opening": P.AUDIT_READ,
    "GET /v1/audit/leaves/{leaf}/receipt": P.AUDIT_READ,
    "GET /v1/audit/settlements/{settlement_id}/export": P.AUDIT_EXPORT,
    "GET /v1/audit/settlements/{settlement_id}/export/numbers": P.AUDIT_EXPORT_NUMBERS,
    "GET /v1/audit/settlements/{settlement_id}/replay": P.AUDIT_READ,
    "GET /v1/audit/settlements/{settlement_id}/sample": P.AUDIT_READ,
    "GET /v1/audit/trail": P.AUDIT_READ,
    "GET /v1/awards/{award_id}/explanation": P.AWARD_READ,
    "GET /v1/awards/{award_id}/leaves": P.AWARD_READ,
    "GET /v1/budgets": P.LEDGER_READ,
    "GET /v1/cities": P.CITY_READ,
    "GET /v1/coverage": P.READINGS_READ,
    "GET /v1/coverage/meters": P.READINGS_READ,
    "GET /v1/coverage/reminders": P.READINGS_READ,
    "GET /v1/districts": P.REGISTRY_READ,
    "GET /v1/households": P.REGISTRY_READ,
    "GET /v1/households/{household_id}": P.REGISTRY_READ,
    "GET /v1/households/{household_id}/balance": P.LEDGER_READ,
    "GET /v1/households/{household_id}/postings": P.LEDGER_READ,
    "GET /v1/households/{household_id}/statement": P.LEDGER_READ,
    "GET /v1/imports": P.READINGS_READ,
    "GET /v1/imports/{import_id}": P.READINGS_READ,
    "GET /v1/imports/{import_id}/rejections": P.READINGS_READ,
    "GET /v1/inbox/mail": P.INBOX_READ,
    "GET /v1/mappings": P.READINGS_READ,
    "GET /v1/mappings/{name}": P.READINGS_READ,
    "GET /v1/me": P.OWN_READ,
    "GET /v1/me/awards": P.OWN_READ,
    "GET /v1/me/inbox": P.OWN_READ,
    "GET /v1/me/objections": P.OWN_READ,
    "GET /v1/me/outlook": P.OWN_READ,
    "GET /v1/me/payout-account": P.OWN_READ,
    "GET /v1/me/payout-choice": P.OWN_READ,
    "GET /v1/me/points": P.OWN_READ,
    "GET /v1/me/preferences": P.OWN_READ,
    "GET /v1/me/postings/{seq}/opening": P.OWN_READ,
    "GET /v1/me/postings/{seq}/receipt": P.OWN_READ,
    "GET /v1/me/redemptions": P.OWN_READ,
    "GET /v1/me/redemptions/{redemption_id}": P.OWN_READ,
    "GET /v1/me/statement": P.OWN_READ,
    "GET /v1/me/usage": P.OWN_READ,
    "GET /v1/meters": P.REGISTRY_READ,
    "GET /v1/objections": P.LEDGER_READ,
    "GET /v1/partner/redemptions": P.REDEMPTION_FULFIL,
    "GET /v1/partner/redemptions/{redemption_id}": P.REDEMPTION_FULFIL,
    "GET /v1/payouts": P.REDEMPTION_READ,
    "GET /v1/payouts/{run_id}": P.REDEMPTION_READ,
    "GET /v1/payouts/{run_id}/payments": P.REDEMPTION_READ,
    "GET /v1/policies": None,
    "GET /v1/policies/comparisons": P.POLICY_READ,
    "GET /v1/policies/comparisons/{comparison_id}": P.POLICY_READ,
    "GET /v1/policies/comparisons/{comparison_id}/groups.csv": P.POLICY_READ,
    "GET /v1/policies/schema": None,
    "GET /v1/policies/{reference}": None,
    "GET /v1/policies/{reference}/page": None,
    "GET /v1/quarantine": P.READINGS_READ,
    "GET /v1/readings": P.READINGS_READ,
    "GET /v1/redemptions": P.REDEMPTION_READ,
    "GET /v1/redemptions/{redemption_id}": P.REDEMPTION_READ,
    "GET /v1/restatements": P.SETTLEMENT_READ,
    "GET /v1/restatements/due": P.SETTLEMENT_READ,
    "GET /v1/restatements/{restatement_id}": P.SETTLEMENT_READ,
    "GET /v1/restatements/{restatement_id}/awards": P.SETTLEMENT_READ,
    "GET /v1/reward-terms": P.REDEMPTION_READ,
    "GET /v1/reward-terms/in-force": P.REWARDS_READ,
    "GET /v1/rewards": P.REWARDS_READ,
    "GET /v1/rewards/{reward_id}": P.REWARDS_READ,
    "GET /v1/settlements": P.SETTLEMENT_READ,
    "GET /v1/settlements/{settlement_id}": P.SETTLEMENT_READ,
    "GET /v1/settlements/{settlement_id}/awards": P.SETTLEMENT_READ,
    "GET /v1/settlements/{settlement_id}/due": P.SETTLEMENT_READ,
    "GET /v1/settlements/{settlement_id}/reviews": P.SETTLEMENT_READ,
    "GET /v1/utilities": P.REGISTRY_READ,
    "GET /v1/webhooks/deliveries": P.WEBHOOKS_READ,
    "GET /v1/webhooks/endpoints": P.WEBHOOKS_READ,
    "POST /sign-in": None,
    "POST /sign-out": None,
    "POST /v1/adjustments/{adjustment_id}/approve": P.ADJUSTMENT_APPROVE,
    "POST /v1/adjustments/{adjustment_id}/reject": P.ADJUSTMENT_APPROVE,
    "POST /v1/adjustments/{adjustment_id}/withdraw": P.ADJUSTMENT_PREPARE,
    "POST /v1/adoptions": P.POLICY_PREPARE,
    "POST /v1/adoptions/{adoption_id}/approve": P.POLICY_APPROVE,
    "POST /v1/adoptions/{adoption_id}/propose": P.POLICY_PREPARE,
    "POST /v1/adoptions/{adoption_id}/reject": P.POLICY_APPROVE,
    "POST /v1/adoptions/{adoption_id}/withdraw": P.POLICY_PREPARE,
    "POST /v1/awards/{award_id}/reject": P.AWARD_REVIEW,
    "POST /v1/awards/{award_id}/release": P.AWARD_REVIEW,
    "POST /v1/budgets": P.BUDGET_PREPARE,
    "POST /v1/budgets/{budget_id}/approve": P.BUDGET_APPROVE,
    "POST /v1/cities": P.CITY_WRITE,
    "POST /v1/clients": P.PEOPLE_WRITE,
    "POST /v1/districts": P.REGISTRY_WRITE,
    "POST /v1/households": P.REGISTRY_WRITE,
    "POST /v1/households/{household_id}/adjustments": P.ADJUSTMENT_PREPARE,
    "POST /v1/households/{household_id}/forgetting": P.PRIVACY_ERASE,
    "POST /v1/households/{household_id}/closure": P.ACCOUNT_CLOSE,
    "POST /v1/imports": P.READINGS_WRITE,
    "POST /v1/imports/{import_id}/cancel": P.READINGS_WRITE,
    "POST /v1/journals/{journal_id}/reversal": P.ADJUSTMENT_PREPARE,
    "POST /v1/me/inbox/read-all": P.OWN_WRITE,
    "POST /v1/me/inbox/{notification_id}/read": P.OWN_WRITE,
    "POST /v1/me/objections": P.OWN_WRITE,
    "POST /v1/me/redemptions": P.OWN_WRITE,
    "POST /v1/me/redemptions/{redemption_id}/cancel": P.OWN_WRITE,
    "POST /v1/meters": P.REGISTRY_WRITE,
    "POST /v1/objections/{objection_id}/answer": P.OBJECTION_ANSWER,
    "POST /v1/partner/pickups": P.REDEMPTION_FULFIL,
    "POST /v1/partner/redemptions/{redemption_id}/accept": P.REDEMPTION_FULFIL,
    "POST /v1/partner/redemptions/{redemption_id}/confirm": P.REDEMPTION_FULFIL,
    "POST /v1/partner/redemptions/{redemption_id}/refuse": P.REDEMPTION_FULFIL,
    "POST /v1/payouts": P.PAYOUT_PREPARE,
    "POST /v1/payouts/{run_id}/approve": P.PAYOUT_APPROVE,
    "POST /v1/payouts/{run_id}/file": P.PAYOUT_PREPARE,
    "POST /v1/payouts/{run_id}/return": P.PAYOUT_PREPARE,
    "POST /v1/payouts/{run_id}/withdraw": P.PAYOUT_PREPARE,
    "POST /v1/people": P.PEOPLE_WRITE,
    "POST /v1/policies/compare": P.POLICY_PREPARE,
    "POST /v1/quarantine/{row_id}/drop": P.READINGS_REVIEW,
    "POST /v1/quarantine/{row_id}/release": P.READINGS_REVIEW,
    "POST /v1/readings": P.READINGS_WRITE,
    "POST /v1/redemptions/{redemption_id}/refuse": P.REDEMPTION_REVIEW,
    "POST /v1/restatements/{restatement_id}/approve": P.SETTLEMENT_APPROVE,
    "POST /v1/restatements/{restatement_id}/post": P.SETTLEMENT_POST,
    "POST /v1/restatements/{restatement_id}/withdraw": P.SETTLEMENT_PREPARE,
    "POST /v1/reward-terms": P.REWARDS_WRITE,
    "POST /v1/reward-terms/{terms_id}/approve": P.REWARDS_APPROVE,
    "POST /v1/rewards": P.REWARDS_WRITE,
    "POST /v1/rewards/{reward_id}/activate": P.REWARDS_WRITE,
    "POST /v1/rewards/{reward_id}/end": P.REWARDS_WRITE,
    "POST /v1/rewards/{reward_id}/stock": P.REWARDS_WRITE,
    "POST /v1/rewards/{reward_id}/vouchers": P.REWARDS_WRITE,
    "POST /v1/settlements": P.SETTLEMENT_PREPARE,
    "POST /v1/settlements/{settlement_id}/approve": P.SETTLEMENT_APPROVE,
    "POST /v1/settlements/{settlement_id}/post": P.SETTLEMENT_POST,
    "POST /v1/settlements/{settlement_id}/restatements": P.SETTLEMENT_PREPARE,
    "POST /v1/settlements/{settlement_id}/withdraw": P.SETTLEMENT_PREPARE,
    "POST /v1/tenures": P.REGISTRY_WRITE,
    "POST /v1/tenures/{tenure_id}/end": P.REGISTRY_WRITE,
    "POST /v1/token": None,
    "POST /v1/utilities": P.REGISTRY_WRITE,
    "POST /v1/webhooks/deliveries/{delivery_id}/replay": P.WEBHOOKS_REPLAY,
    "POST /v1/webhooks/endpoints": P.WEBHOOKS_WRITE,
    "POST /v1/webhooks/endpoints/{endpoint_id}/rotate": P.WEBHOOKS_WRITE,
    "POST /v1/webhooks/endpoints/{endpoint_id}/test": P.WEBHOOKS_WRITE,
    "PUT /v1/adoptions/{adoption_id}": P.POLICY_PREPARE,
    "PUT /v1/mappings/{name}": P.READINGS_WRITE,
    "PUT /v1/me/payout-account": P.OWN_WRITE,
    "PUT /v1/me/payout-choice": P.OWN_WRITE,
    "PUT /v1/me/preferences": P.OWN_WRITE,
    "PUT /v1/rewards/{reward_id}": P.REWARDS_WRITE,
}
GUARDED = {route: permission for route, permission in ROUTES.items() if permission is not None}
PAGES = {"GET /awards", "GET /awards/{award_id}", "GET /postings/{seq}/opening", "GET /postings/{seq}/receipt"}
"""What refuses by a page: for people with a browser."""
NO_OBJECT = 2**40
ROLE_NAMES = {
    Role.ADMIN: "admin",
    Role.APPROVER: "approver",
    Role.AUDITOR: "auditor",
    Role.HOUSEHOLD: "alder",
    Role.OPERATOR: "operator",
    Role.PARTNER: "partner",
    Role.PRIVACY_OFFICER: "privacy_officer",
    Role.UTILITY: "elec",
}
"""Who of the small city acts in each role."""


def routes_of(app: FastAPI) -> Iterator[tuple[str, Any]]:
    """`METHOD path` and the route, for all of them."""
    for route in iter_route_contexts(app.routes):
        for method in sorted(set(route.methods or {"ANY"}) - {"HEAD"}):
            yield f"{method} {route.path}", route


def permissions_of(dependant: Any) -> set[Permission]:
    """The permissions that a route's dependencies ask for, however deep they lie."""
    own = getattr(dependant.call, "permission", None)
    below = (permissions_of(each) for each in dependant.dependencies)
    return ({own} if own is not None else set()).union(*below)


def complaints(app: FastAPI, table: dict[str, Permission | None]) -> list[str]:
    """What is wrong with the routes of an app, seen beside the table."""
    found = []
    seen = set()
    for name, route in routes_of(app):
        if name in FRAMEWORK:
            continue
        seen.add(name)
        dependant = getattr(route, "dependant", None)
        asked = permissions_of(dependant) if dependant is not None else set()
        if len(asked) + bool(getattr(route.endpoint, OPEN, False)) != 1:
            found.append(f"{name}: needs one permission, or to be marked as open to all")
        elif name not in table:
            found.append(f"{name}: no row in the table")
        elif next(iter(asked), None) != table[name]:
            found.append(f"{name}: another permission than its row says")
    return found + [f"{name}: a row and no route" for name in table if name not in seen]


def test_every_route_asks_for_the_permission_that_its_row_says(app: FastAPI) -> None:
    assert complaints(app, ROUTES) == []


def test_every_permission_guards_a_route_and_some_role_has_it() -> None:
    assert set(GUARDED.values()) == set(Permission)
    assert set().union(*ROLE_PERMISSIONS.values()) == set(Permission)
    assert set(ROLE_PERMISSIONS) == set(Role)


def test_enum_and_table_are_kept_in_order() -> None:
    assert list(Permission) == sorted(Permission)
    assert list(Role) == sorted(Role)
    assert list(ROLE_PERMISSIONS) == sorted(ROLE_PERMISSIONS)


def test_an_admin_touches_no_points_and_an_auditor_writes_nothing() -> None:
    assert {P.SETTLEMENT_POST, P.SETTLEMENT_APPROVE, P.SETTLEMENT_PREPARE} & ROLE_PERMISSIONS[Role.ADMIN] == set()
    assert all(permission.value.endswith(".read") for permission in ROLE_PERMISSIONS[Role.AUDITOR] - {P.AUDIT_EXPORT})


async def _endpoint() -> None: ...


async def _guarded(actor: Annotated[Actor, Depends(allowed(P.OWN_READ))]) -> None: ...


async def _in_between(actor: Annotated[Actor, Depends(allowed(P.OWN_READ))]) -> Actor:
    return actor


async def _guarded_deep(actor: Annotated[Actor, Depends(_in_between)]) -> None: ...


@open_to_all
async def _both(actor: Annotated[Actor, Depends(allowed(P.OWN_READ))]) -> None: ...


@pytest.mark.parametrize(
    ("endpoint", "table", "complaint"),
    [
        (_endpoint, {"GET /x": None}, ["GET /x: needs one permission, or to be marked as open to all"]),
        (_both, {"GET /x": P.OWN_READ}, ["GET /x: needs one permission, or to be marked as open to all"]),
        (_guarded, {}, ["GET /x: no row in the table"]),
        (_guarded, {"GET /x": None}, ["GET /x: another permission than its row says"]),
        (_guarded, {"GET /x": P.CITY_READ}, ["GET /x: another permission than its row says"]),
        (_guarded, {"GET /x": P.OWN_READ, "GET /y": None}, ["GET /y: a row and no route"]),
        (_guarded, {"GET /x": P.OWN_READ}, []),
        (_guarded_deep, {"GET /x": P.OWN_READ}, []),
    ],
)
def test_a_bad_route_is_seen(
    endpoint: Callable[..., Any], table: dict[str, Permission | None], complaint: list[str]
) -> None:
    inner, outer, app = APIRouter(), APIRouter(), FastAPI(docs_url=None, redoc_url=None)
    inner.add_api_route("/x", endpoint)
    outer.include_router(inner)
    app.include_router(outer)
    assert complaints(app, table) == complaint


async def send(client: httpx.AsyncClient, route: str, headers: dict[str, str], **ids: int | str) -> httpx.Response:
    """Ask for a route, with an empty JSON object where it takes a body."""
    method, _, path = route.partition(" ")
    given = NOTHING | ids
    body = {"params": QUERIES.get(route, {})} if method == "GET" else {"json": BODIES.get(route, {})}
    return await client.request(method, path.format(**given), headers=headers, **body)


NOTHING: dict[str, int | str] = {
    "adjustment_id": NO_OBJECT,
    "adoption_id": NO_OBJECT,
    "award_id": f"{NO_OBJECT}-1-water",
    "budget_id": NO_OBJECT,
    "comparison_id": NO_OBJECT,
    "delivery_id": NO_OBJECT,
    "endpoint_id": NO_OBJECT,
    "household_id": NO_OBJECT,
    "import_id": NO_OBJECT,
    "leaf": NO_OBJECT,
    "journal_id": "019cd542-0680-76dc-ae24-147be0f076cf",
    "name": "nothing",
    "restatement_id": NO_OBJECT,
    "notification_id": NO_OBJECT,
    "objection_id": NO_OBJECT,
    "redemption_id": NO_OBJECT,
    "reward_id": NO_OBJECT,
    "row_id": NO_OBJECT,
    "run_id": NO_OBJECT,
    "seq": NO_OBJECT,
    "settlement_id": NO_OBJECT,
    "tenure_id": NO_OBJECT,
    "terms_id": NO_OBJECT,
}
WHY = {"reason": "error", "reason_text": "entered twice"}
DRAFT = {"policy": "korea-carbon-point@2024", "active_from": "2027-01-01"}
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/adjustments/{adjustment_id}/reject": {"reason": "not shown"},
    "POST /v1/adjustments/{adjustment_id}/withdraw": {"reason": "entered twice"},
    "POST /v1/adoptions/{adoption_id}/approve": {"digest": load_shipped(DRAFT["policy"]).digest},
    "POST /v1/adoptions/{adoption_id}/reject": {"reason": "not yet discussed"},
    "POST /v1/adoptions/{adoption_id}/withdraw": {"reason": "proposed by mistake"},
    "POST /v1/awards/{award_id}/reject": {"reason": "the home stood empty"},
    "POST /v1/awards/{award_id}/release": {"reason": "the household was abroad"},
    "POST /v1/households/{household_id}/adjustments": WHY | {"points": 5},
    "POST /v1/households/{household_id}/forgetting": {"reason": "asked for it"},
    "POST /v1/households/{household_id}/closure": {"reason": "moved away"},
    "POST /v1/journals/{journal_id}/reversal": WHY,
    "POST /v1/me/objections": {"seq": 2**40, "text": "I never asked for it"},
    "POST /v1/objections/{objection_id}/answer": {"upheld": False, "answer": "it was right"},
    "PUT /v1/adoptions/{adoption_id}": DRAFT,
    "POST /v1/quarantine/{row_id}/drop": {"reason": "not a customer any more"},
    "POST /v1/quarantine/{row_id}/release": {"reason": "looked at the meter"},
    "POST /v1/partner/redemptions/{redemption_id}/refuse": {"words": "not in stock"},
    "POST /v1/payouts/{run_id}/approve": {"digest": "0" * 64},
    "POST /v1/payouts/{run_id}/withdraw": {"reason": "prepared by mistake"},
    "POST /v1/redemptions/{redemption_id}/refuse": {"words": "the partner has closed"},
    "POST /v1/rewards/{reward_id}/stock": {"change": 1},
    "PUT /v1/rewards/{reward_id}": {"channel": "donation", "name": {"en": "Trees"}, "points": 1},
    "POST /v1/restatements/{restatement_id}/withdraw": {"reason": "prepared by mistake"},
    "POST /v1/settlements/{settlement_id}/restatements": {"reason": "a meter was misread"},
    "POST /v1/settlements/{settlement_id}/withdraw": {"reason": "prepared by mistake"},
    "POST /v1/tenures/{tenure_id}/end": {"ends_on": "2026-01-01"},
}
QUERIES: dict[str, dict[str, str]] = {
    "GET /v1/audit/settlements/{settlement_id}/export": {"reason": "yearly audit"},
    "GET /v1/audit/settlements/{settlement_id}/export/numbers": {"reason": "yearly audit"},
    "GET /v1/audit/settlements/{settlement_id}/sample": {
        "method": "random",
        "size": "1",
        "nonce": "dice",
        "root": "0" * 64,
    },
    "GET /v1/audit/settlements/{settlement_id}/replay": {"household_id": "1"},
    "GET /v1/coverage": {"months": "2026-H1"},
    "GET /v1/coverage/meters": {"months": "2026-H1"},
    "GET /v1/coverage/reminders": {"months": "2026-H1"},
    "GET /v1/imports/{import_id}/rejections": {"reason": "the utility asks"},
    "GET /v1/mappings": {"utility": "elec"},
    "GET /v1/mappings/{name}": {"utility": "elec"},
    "GET /v1/households/{household_id}/balance": {"day": "2026-01-01"},
}


async def test_an_anonymous_caller_gets_through_no_guarded_route(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    for route in GUARDED:
        answer = await send(client, route, {}, household_id=small_city.alder)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), route
        if route in PAGES:
            assert 'action="/sign-in"' in answer.text, route
        else:
            assert answer.json()["type"] == "urn:carbon-bank:problem:identity.no_token", route


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_gets_through_the_routes_of_its_permissions_and_no_other(
    client: httpx.AsyncClient, small_city: SmallCity, role: Role
) -> None:
    headers = small_city.bearer(ROLE_NAMES[role])
    for route, permission in GUARDED.items():
        answer = await send(client, route, headers, household_id=small_city.alder)
        if permission in ROLE_PERMISSIONS[role]:
            assert answer.status_code in {200, 201, 202, 404, 409, 422}, (route, answer.text)
        else:
            assert answer.status_code == 403, (route, answer.text)
            if route in PAGES:
                assert permission in answer.text
                continue
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert problem["type"] == "urn:carbon-bank:problem:identity.forbidden"
            assert problem["facts"]["permission"] == permission
            assert role not in problem["facts"]["roles"]


@pytest.mark.parametrize("name", [*ROLE_NAMES.values(), None])
async def test_open_routes_answer_everybody(client: httpx.AsyncClient, small_city: SmallCity, name: str | None) -> None:
    headers = small_city.bearer(name) if name else {}
    for route in ("GET /", "GET /.well-known/jwks.json", "GET /health/live", "GET /health/ready", "GET /v1/policies"):
        assert (await send(client, route, headers)).status_code in {200, 307}, route


OBJECTS = [route for route in GUARDED if "{" in route and "mappings" not in route]
"""Routes of one thing. A mapping's name is the caller's own choice: whose it is, the caller decides (test_mappings.py)."""


@pytest.fixture
async def objects(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> dict[str, int | str]:
    """One thing of each kind, all of the small city."""
    await adopt(database, small_city.city_id)
    asked = {"period": "2026-H1"}
    drafted = await client.post("/v1/adoptions", json=DRAFT, headers=small_city.bearer("operator"))
    assert drafted.status_code == 201, drafted.text
    made = await client.post("/v1/settlements", json=asked, headers=small_city.bearer("operator"))
    assert made.status_code == 202, made.text
    adjustment = await client.post(
        f"/v1/households/{small_city.alder}/adjustments",
        json=WHY | {"points": 5},
        headers=small_city.bearer("operator"),
    )
    days = {"starts_on": "2026-01-01", "ends_on": "2027-01-01", "points": 10**6}
    budget = await client.post("/v1/budgets", json=days, headers=small_city.bearer("operator"))
    assert (adjustment.status_code, budget.status_code) == (201, 201)
    tenure = _made(owner, "SELECT id FROM tenure WHERE household_id = %s", [small_city.alder])
    settlement = made.json()["id"]
    pair = {"a": DRAFT["policy"], "b": DRAFT["policy"], "periods": "2026-H1"}
    compared = await client.post("/v1/policies/compare", json=pair, headers=small_city.bearer("operator"))
    assert compared.status_code == 202, compared.text
    await worker.compute(database, settlement, 100)
    journal = _made(
        owner,
        "INSERT INTO journal (id, city_id, kind, settlement_id, by, recorded_at) "
        "SELECT gen_random_uuid(), %s, 'award', 1, 'test', now() RETURNING id::text",
        [small_city.city_id],
    )
    stranger = {"readings": [row("nobody-e")]}
    sent = await client.post("/v1/readings", json=stranger, headers=small_city.bearer("elec"))
    assert sent.json()["quarantined"] == 1, sent.text
    file = b"commodity,customer_number,period_start,period_end,quantity,unit\n"
    kept = await client.post(
        "/v1/imports", content=file, headers=small_city.bearer("elec") | {"Content-Type": "text/csv"}
    )
    assert kept.status_code == 202, kept.text
    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 10)])
    objected = await client.post(
        "/v1/me/objections", json={"seq": 1, "text": "too little"}, headers=small_city.bearer("alder")
    )
    assert objected.status_code == 201, objected.text
    redemption = {"redemption": 1, "points": 10}
    async with database.write() as session:
        place = {"city_id": small_city.city_id, "household_id": small_city.alder}
        await inbox.notify(session, NOW, **place, kind=Kind.REDEMPTION_DONE, facts=redemption, subject="redemption:1")
    told = await client.get("/v1/me/inbox", headers=small_city.bearer("alder"))
    hook = {"url": "http://127.0.0.1:9/hook", "events": ["import.finished"]}
    endpoint = await client.post("/v1/webhooks/endpoints", json=hook, headers=small_city.bearer("elec"))
    assert endpoint.status_code == 201, endpoint.text
    tested = f"/v1/webhooks/endpoints/{endpoint.json()['id']}/test"
    delivery = await client.post(tested, headers=small_city.bearer("elec"))
    assert delivery.status_code == 202, delivery.text
    waiting = await client.get("/v1/quarantine", headers=small_city.bearer("operator"))
    shop = Shop(client, database, small_city)
    terms = await shop.terms()
    await shop.grant(small_city.alder, 500)
    await shop.do("alder", "/v1/me/payout-account", ACCOUNT, method="PUT")
    await shop.redeem(await shop.reward("bank_transfer"))
    run = await shop.do("operator", "/v1/payouts", {"execute_on": "2099-12-15"}, 201)
    card = await shop.reward("partner")
    await worker.seal_city(
        database, LogKeys(tmp_path, "https://bank.example", may_make=True), small_city.city_id, "here"
    )
    return {
        "adjustment_id": adjustment.json()["id"],
        "adoption_id": drafted.json()["id"],
        "budget_id": budget.json()["id"],
        "comparison_id": compared.json()["id"],
        "delivery_id": delivery.json()["delivery_id"],
        "endpoint_id": endpoint.json()["id"],
        "award_id": f"{settlement}-{small_city.alder}-water",
        "household_id": small_city.alder,
        "import_id": kept.json()["id"],
        "leaf": 0,
        "journal_id": journal,
        "restatement_id": _made(
            owner,
            "INSERT INTO restatement (city_id, settlement_id, state, reason, points_min, prepared_by, requested_at, computed_to, "
            "posted_to) VALUES (%s, %s, 'requested', 'why', 1, 'person:1', now(), 0, 0) RETURNING id",
            [small_city.city_id, settlement],
        ),
        "notification_id": told.json()["items"][0]["id"],
        "objection_id": objected.json()["id"],
        "redemption_id": (await shop.redeem(card))["id"],
        "reward_id": card,
        "row_id": waiting.json()["items"][0]["id"],
        "run_id": run["id"],
        "seq": 1,
        "settlement_id": settlement,
        "tenure_id": tenure,
        "terms_id": terms,
    }


def _made(owner: psycopg.Connection, statement: str, parameters: list[Any]) -> int | str:
    """The id that a statement gives."""
    row = owner.execute(statement, parameters).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["far_operator", "far_approver", "far_auditor", "far_household", "far_utility"])
async def test_what_belongs_to_another_city_is_as_if_it_were_not_there(
    client: httpx.AsyncClient, small_city: SmallCity, objects: dict[str, int | str], name: str
) -> None:
    headers = small_city.bearer(name)
    for route in OBJECTS:
        theirs, none = await send(client, route, headers, **objects), await send(client, route, headers)
        may = GUARDED[route] in small_city.actors[name].permissions
        assert theirs.status_code == (404 if may else 403), (route, theirs.text)
        if route in PAGES:
            assert theirs.text.count("There is no") == none.text.count("There is no"), route
        else:
            assert theirs.json()["type"] == none.json()["type"]


async def test_the_citys_own_staff_finds_the_same_things(
    client: httpx.AsyncClient, small_city: SmallCity, objects: dict[str, int | str]
) -> None:
    for route in OBJECTS:
        staff = (
            *(Role.OPERATOR, Role.APPROVER, Role.UTILITY, Role.HOUSEHOLD, Role.PARTNER, Role.AUDITOR),
            Role.PRIVACY_OFFICER,
        )
        role = next(each for each in staff if GUARDED[route] in ROLE_PERMISSIONS[each])
        answer = await send(client, route, small_city.bearer(ROLE_NAMES[role]), **objects)
        assert answer.status_code in {200, 201, 202, 409}, (route, answer.text)
