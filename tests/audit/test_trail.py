"""The trail: who, in which role, from where, what it changed; and reading it."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy.dialects import postgresql

from carbon_bank import main
from carbon_bank.foundation import logs
from carbon_bank.foundation.clients import CAME_FROM
from carbon_bank.foundation.database import Database
from carbon_bank.settings import Settings
from carbon_bank.trail.queries import newest
from carbon_bank.trail.service import Act, Wanted, changes
from tests.audit.honest_town import found_honest_town
from tests.rewards.shop import ACCOUNT, Shop, problem
from tests.small_city import NOW, SmallCity

PATH = "/v1/audit/trail"


@pytest.fixture
def shop(client: httpx.AsyncClient, database: Database, small_city: SmallCity) -> Shop:
    return Shop(client, database, small_city)


async def acts(shop: Shop, name: str = "auditor", **asked: Any) -> list[dict[str, Any]]:
    return list((await shop.get(name, PATH, params=asked))["items"])


def test_acts_are_kept_in_order() -> None:
    assert list(Act.__members__) == sorted(Act.__members__)


async def test_an_act_has_role_and_address_and_a_household_no_address(shop: Shop) -> None:
    await shop.terms()
    reward = await shop.reward("bank_transfer")
    await shop.do("alder", "/v1/me/payout-account", ACCOUNT, method="PUT")
    operator, auditor = shop.city.actors["operator"].subject, shop.city.actors["auditor"].subject
    [drafted] = await acts(shop, act="reward.drafted")
    assert (drafted["by"], drafted["role"], drafted["client"], drafted["subject"]) == (
        *(operator, "operator", "127.0.0.1"),
        f"reward:{reward}",
    )
    [named] = await acts(shop, act="payout.account_set")
    assert (named["role"], named["client"]) == ("household", None)
    by_system = await acts(shop, act="utility.added")
    assert {(each["role"], each["client"]) for each in by_system} == {(None, None)}
    assert not any(each["by"] == auditor for each in await acts(shop, limit=500)), "reading the trail is no act"


async def test_the_trail_is_paged_filtered_and_of_the_own_city(shop: Shop) -> None:
    await shop.terms()
    everything = await acts(shop, limit=500)
    assert [each["id"] for each in everything] == sorted((each["id"] for each in everything), reverse=True)
    page: dict[str, Any] = {"next": None}
    seen: list[int] = []
    while True:
        cursor = {} if page["next"] is None else {"cursor": page["next"]}
        page = await shop.get("auditor", PATH, params={"limit": 7, **cursor})
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
    assert seen == [each["id"] for each in everything]
    [prepared] = await acts(shop, act="reward.terms_prepared")
    assert [each["act"] for each in await acts(shop, subject=prepared["subject"])] == [
        "reward.terms_approved",
        "reward.terms_prepared",
    ]
    assert {each["by"] for each in await acts(shop, by="system:test")} == {"system:test"}
    day = prepared["at"][:10]  # a day of the city begins nine hours before that of UTC
    assert await acts(shop, **{"from": "2026-11-23", "to": "2026-11-23"})
    assert await acts(shop, to="2026-11-22") == []
    assert await acts(shop, act="reward.terms_prepared", **{"from": day})
    far = await acts(shop, "far_auditor", limit=500)
    assert {each["id"] for each in far} & set(seen) == set() and far
    backwards = await shop.send("auditor", "GET", PATH, params={"from": "2026-02-01", "to": "2026-01-01"})
    assert problem(backwards) == (422, "audit.days")
    assert (await shop.send("auditor", "GET", PATH, params={"act": "city.sold"})).status_code == 422
    assert (await shop.send("operator", "GET", PATH)).status_code == 403


async def test_rare_acts_are_found_without_reading_the_others(small_city: SmallCity, owner: psycopg.Connection) -> None:
    with owner.transaction():
        owner.execute(
            """INSERT INTO trail (at, city_id, by, act, subject, facts)
               SELECT %s - n * interval '1 minute', %s, 'person:' || n %% 5, 'account.read', 'household:' || n %% 1000, '{}'
               FROM generate_series(20000, 10, -1) AS n""",
            [NOW, small_city.city_id],
        )
    owner.execute("ANALYZE trail")
    for wanted, index in (
        (Wanted(act="city.added"), "trail_act_idx"),
        (Wanted(by="person:9"), "trail_by_idx"),
        (Wanted(act="account.read", by="person:9"), "trail_by_idx"),
        (Wanted(subject="household:9"), "trail_subject_idx"),
        (Wanted(first=NOW - timedelta(minutes=9), end=NOW - timedelta(minutes=6)), "trail_at_idx"),
    ):
        query = newest(small_city.city_id, wanted, None, 101)
        text = str(query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))
        plan = "\n".join(line for (line,) in owner.execute(f"EXPLAIN {text}".encode()))
        assert index in plan and "Seq Scan" not in plan, plan


async def test_what_an_act_changed_stands_beside_it(shop: Shop) -> None:
    body = {"code": "trees", "channel": "donation", "name": {"en": "Trees"}, "points": 100}
    reward = (await shop.do("operator", "/v1/rewards", body, 201))["id"]
    changed = {"channel": "donation", "name": {"en": "Oaks"}, "points": 150}
    await shop.do("operator", f"/v1/rewards/{reward}", changed, method="PUT")
    [facts] = [each["facts"] for each in await acts(shop, act="reward.changed")]
    assert (facts["before"]["points"], facts["after"]["points"]) == (100, 150)
    assert facts["before"]["name"].startswith("sha256:") and facts["before"]["name"] != facts["after"]["name"]
    assert set(facts["before"]) == {"points", "name"}, "what stays as it was is not told"
    await shop.do("operator", f"/v1/rewards/{reward}/activate")
    for least in (200, 300):
        await shop.do("alder", "/v1/me/payout-choice", {"reward_id": reward, "points_least": least}, method="PUT")
    assert (await shop.send("alder", "DELETE", "/v1/me/payout-choice")).status_code == 204
    chosen = [each["facts"] for each in await acts(shop, act="payout.chosen")]
    assert [(each["before"], each["after"]) for each in reversed(chosen)] == [
        ({}, {"reward_id": reward, "points_least": 200}),
        ({"points_least": 200}, {"points_least": 300}),
        ({"reward_id": reward, "points_least": 300}, {}),
    ]
    hook = {"url": "http://127.0.0.1:9/hook?key=secret", "events": ["import.finished"]}
    endpoint = await shop.do("elec", "/v1/webhooks/endpoints", hook, 201)
    await shop.send("elec", "DELETE", f"/v1/webhooks/endpoints/{endpoint['id']}")
    [added], [removed] = [await acts(shop, act=f"webhook.endpoint_{end}") for end in ("added", "removed")]
    assert added["facts"]["after"] == removed["facts"]["before"]
    assert "secret" not in json.dumps([added, removed])


def test_changes_are_short_and_exact() -> None:
    long = "x" * 101
    told = changes({"a": 1, "b": "same", "c": None}, {"a": 2, "b": "same", "c": "new", "d": long, "e": ["z"]})
    assert told["before"] == {"a": 1, "c": None}
    assert told["after"]["a"] == 2 and told["after"]["c"] == "new"
    assert told["after"]["d"] == "sha256:" + hashlib.sha256(f'"{long}"'.encode()).hexdigest()
    assert changes({"l": ["z"]}, {})["before"]["l"] == told["after"]["e"]


async def test_who_of_the_staff_looked_into_an_account_stands_on_the_trail_with_the_reason(
    shop: Shop, owner: psycopg.Connection
) -> None:
    town = await found_honest_town(shop.database, shop.city, owner)
    household = town.households[town.paid[0]]
    account, award = f"/v1/households/{household}", f"{town.settlement_id}-{household}-electricity"
    why = {"reason": "objection 7"}
    await shop.send("auditor", "GET", f"{account}/statement", params={"format": "pdf", **why})
    await shop.get("operator", f"{account}/statement")
    await shop.get("auditor", f"{account}/postings", params=why)
    await shop.get("auditor", f"{account}/balance", params={"day": "2026-01-01"})
    await shop.get("approver", f"/v1/awards/{award}/explanation", params=why)
    told = reversed([each for each in await acts(shop, limit=500) if each["act"].endswith(".read")])
    names = {shop.city.actors[name].subject: name for name in ("auditor", "operator", "approver")}
    assert [
        (names[row["by"]], row["act"], row["subject"], row["facts"].get("what"), row["reason"]) for row in told
    ] == [
        ("auditor", "account.read", f"household:{household}", "statement.pdf", "objection 7"),
        ("operator", "account.read", f"household:{household}", "statement.json", None),
        ("auditor", "account.read", f"household:{household}", "postings", "objection 7"),
        ("auditor", "account.read", f"household:{household}", "balance", None),
        ("approver", "explanation.read", f"award:{award}", None, "objection 7"),
    ]
    # a household looks at its own, and what is refused was not read
    await shop.get("alder", "/v1/me/statement")
    own = f"/v1/awards/{town.settlement_id}-{shop.city.alder}-electricity/explanation"
    await shop.get("alder", own)
    refused = await shop.send("far_auditor", "GET", f"{account}/postings")
    assert refused.status_code == 404
    assert len([each for each in await acts(shop, limit=500) if each["act"].endswith(".read")]) == 5
    assert not [each for each in await acts(shop, "far_auditor", limit=500) if each["act"].endswith(".read")]


async def test_behind_a_trusted_proxy_the_address_is_the_one_that_it_names(
    settings: Settings, database_url: str, database: Database, small_city: SmallCity, app: FastAPI
) -> None:
    told = []
    for trusted in (None, "127.0.0.0/8"):
        made = main.create_app(settings.model_copy(update={"trusted_proxies": trusted}), database_url)
        made.state.database = database
        async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://bank.test") as client:
            shop = Shop(client, database, small_city)
            headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
            body = {"code": f"d{len(told)}", "name": {"en": "D"}}
            made_one = await shop.send("operator", "POST", "/v1/districts", body, headers=headers)
            assert made_one.status_code == 201, made_one.text
            told.append((await acts(shop, act="district.added"))[0]["client"])
    assert told == ["127.0.0.1", "203.0.113.9"]


@pytest.mark.parametrize("is_configured", [True, False])
async def test_no_log_line_has_an_address_and_nothing_is_bound_after_a_request(
    client: httpx.AsyncClient, small_city: SmallCity, capsys: pytest.CaptureFixture[str], is_configured: bool
) -> None:
    if is_configured:
        logs.configure("json", "info")
    await client.get(f"/v1/households/{small_city.alder}", headers=small_city.bearer("auditor"))
    structlog.reset_defaults()
    told = capsys.readouterr()
    assert "127.0.0.1" not in told.out + told.err and "/v1/households/{household_id}" in told.out + told.err
    if is_configured:
        [line] = [json.loads(each) for each in io.StringIO(told.err) if '"event": "request"' in each]
        keys = {"event", "level", "timestamp", "request_id", "by", "role", "method", "path", "status", "ms"}
        assert (set(line), line["by"], line["role"]) == (keys, small_city.actors["auditor"].subject, "auditor")
    assert structlog.contextvars.get_contextvars() == {} and CAME_FROM.get() is None
