"""The life of a redemption over HTTP, channel by channel."""

from __future__ import annotations

from datetime import timedelta

import psycopg
from fastapi import FastAPI

from carbon_bank.foundation import clock, web
from tests.rewards.shop import Shop, all_rows, problem


async def test_a_donation_is_made_at_once_and_told(shop: Shop) -> None:
    cause = await shop.reward("donation", points_least=50, points_most=500, points_step=10)
    assert (await shop.send(None, "POST", "/v1/me/redemptions", {"reward_id": cause})).status_code == 401
    made = await shop.redeem(cause, 60)
    assert (made["state"], made["points"], made["money"]["amount"]) == ("fulfilled", 60, "120")
    assert await shop.balance() == (940, 0)
    (told,) = (await shop.get("alder", "/v1/me/inbox"))["items"]
    assert told["kind"] == "redemption_done"
    for points in (None, 40, 55, 510):
        assert problem(await shop.ask(cause, points)) == (422, "rewards.points")
    path = f"/v1/me/redemptions/{made['id']}"
    assert problem(await shop.send("birch", "GET", path)) == (404, "rewards.unknown_redemption")
    assert problem(await shop.send("far_operator", "GET", f"/v1/redemptions/{made['id']}")) == (
        404,
        "rewards.unknown_redemption",
    )
    assert problem(await shop.send("alder", "POST", f"{path}/cancel")) == (409, "rewards.redemption_ended")
    listed = (await shop.get("auditor", "/v1/redemptions", params={"state": "fulfilled", "channel": "donation"}))[
        "items"
    ]
    assert [each["id"] for each in listed] == [made["id"]]


async def test_a_voucher_is_given_once_and_shown_to_its_household_only(shop: Shop) -> None:
    pool = await shop.reward("voucher_pool")
    file = b"code,expires_on\nAAA,2099-01-01\nBBB,2098-01-01\nOLD,2020-01-01\n"
    path = f"/v1/rewards/{pool}/vouchers"
    csv = {"headers": {"Content-Type": "text/csv"}}
    assert (await shop.send("operator", "POST", path, content=file, **csv)).json()["vouchers"] == 3
    wrong = b"code,expires_on\nCCC,2099-01-01\nAAA,\nCCC,\nDDD,tomorrow\n"
    answer = await shop.send("operator", "POST", path, content=wrong, **csv)
    assert problem(answer) == (422, "rewards.vouchers")
    assert {(each["where"], each["code"]) for each in answer.json()["faults"]} == {
        ("line 3", "rewards.voucher_known"), ("line 4", "rewards.voucher_repeated"), ("line 5", "rewards.voucher_day"),
    }  # fmt: skip
    assert (await shop.get("alder", f"/v1/rewards/{pool}"))["stock"] == 2
    first = await shop.redeem(pool)
    assert "voucher" not in first and first["state"] == "fulfilled"
    assert (await shop.own(first["id"]))["voucher"] == "BBB"
    assert "voucher" not in await shop.get("operator", f"/v1/redemptions/{first['id']}")
    second = await shop.redeem(pool)
    assert (await shop.own(second["id"]))["voucher"] == "AAA"
    assert problem(await shop.ask(pool)) == (409, "rewards.out_of_stock")
    assert await shop.balance() == (800, 0)


async def test_a_pickup_is_scanned_once_by_its_partner(shop: Shop) -> None:
    bags = await shop.reward("pickup", stock=1)
    made = await shop.redeem(bags)
    own = await shop.own(made["id"])
    assert own["state"] == "held" and own["pickup_svg"].startswith("<svg")
    assert await shop.balance() == (900, 100)
    assert problem(await shop.send("elec", "POST", "/v1/partner/pickups", {"code": own["pickup_code"]}))[0] == 403
    slip = own["pickup_code"][:-3] + ("A" if own["pickup_code"][-3] != "A" else "B") + own["pickup_code"][-2:]
    assert problem(await shop.send("partner", "POST", "/v1/partner/pickups", {"code": slip})) == (
        422,
        "rewards.pickup_check",
    )
    confirm = f"/v1/partner/redemptions/{made['id']}/confirm"
    assert problem(await shop.send("partner", "POST", confirm, {})) == (409, "rewards.needs_code")
    scanned = await shop.do("partner", "/v1/partner/pickups", {"code": own["pickup_code"].lower()})
    assert (scanned["id"], scanned["state"]) == (made["id"], "fulfilled")
    again = await shop.send("partner", "POST", "/v1/partner/pickups", {"code": own["pickup_code"]})
    assert problem(again) == (409, "rewards.redemption_ended")
    assert await shop.balance() == (900, 0)
    assert (await shop.own(made["id"]))["pickup_code"] is None


async def test_a_partner_takes_up_confirms_and_refuses(shop: Shop) -> None:
    card = await shop.reward("partner", stock=5)
    kept, given, refused, back = [(await shop.redeem(card))["id"] for _ in range(4)]
    listed = await shop.get("partner", "/v1/partner/redemptions", params={"state": "held"})
    assert [each["id"] for each in listed["items"]] == [back, refused, given, kept]
    await shop.do("partner", f"/v1/partner/redemptions/{kept}/accept")
    assert problem(await shop.send("alder", "POST", f"/v1/me/redemptions/{kept}/cancel")) == (
        409,
        "rewards.being_fulfilled",
    )
    await shop.do("partner", f"/v1/partner/redemptions/{given}/confirm", {"reference": "T-1"})
    refusal = {"words": "no such card any more"}
    await shop.do("partner", f"/v1/partner/redemptions/{refused}/refuse", refusal)
    await shop.do("alder", f"/v1/me/redemptions/{back}/cancel")
    late = await shop.send("partner", "POST", f"/v1/partner/redemptions/{back}/confirm", {})
    assert problem(late) == (409, "rewards.redemption_ended")
    assert late.json()["facts"]["state"] == "cancelled"
    own = await shop.own(refused)
    assert (own["state"], own["reason"], own["reason_text"]) == ("refused", "partner_refused", "no such card any more")
    assert (await shop.own(given))["reference"] == "T-1"
    assert await shop.balance() == (800, 100)
    assert (await shop.get("alder", f"/v1/rewards/{card}"))["stock"] == 3
    words = {"words": "the partner has closed", "reason": "reward_withdrawn"}
    assert problem(await shop.send("auditor", "POST", f"/v1/redemptions/{kept}/refuse", words))[0] == 403
    await shop.do("operator", f"/v1/redemptions/{kept}/refuse", words)
    assert await shop.balance() == (900, 0)
    kinds = [each["kind"] for each in (await shop.get("alder", "/v1/me/inbox"))["items"]]
    assert sorted(kinds) == ["redemption_done", "redemption_refused", "redemption_refused"]


async def test_what_comes_after_the_deadline_is_late(shop: Shop, app: FastAPI) -> None:
    card = await shop.reward("partner", deadline_days=3)
    made = await shop.redeem(card)
    later = clock.now() + timedelta(days=3, minutes=1)
    app.dependency_overrides[web.now] = lambda: later
    answer = await shop.send("partner", "POST", f"/v1/partner/redemptions/{made['id']}/confirm", {})
    assert problem(answer) == (409, "rewards.late")
    assert answer.json()["facts"]["state"] == "held"
    assert await shop.balance() == (900, 100)


async def test_limits_hold_and_a_refusal_leaves_everything_as_it_was(shop: Shop, owner: psycopg.Connection) -> None:
    once = await shop.reward("partner", per_month_max=1, stock=5)
    dear = await shop.reward("pickup", points=5000)
    gone = await shop.reward("donation", stock=0)
    empty = await shop.reward("voucher_pool")
    bank = await shop.reward("bank_transfer")
    soon = await shop.reward("donation", starts_on="2099-01-01")
    await shop.redeem(once)
    before = all_rows(owner)
    expected = {
        once: (409, "rewards.month_limit"), dear: (409, "ledger.insufficient"), gone: (409, "rewards.out_of_stock"),
        empty: (409, "rewards.out_of_stock"), bank: (409, "rewards.no_account"), soon: (409, "rewards.not_available"),
        2**40: (404, "rewards.unknown_reward"),
    }  # fmt: skip
    for reward_id, refusal in expected.items():
        assert problem(await shop.ask(reward_id)) == refusal
        assert all_rows(owner) == before


async def test_the_same_key_is_the_same_redemption(shop: Shop, owner: psycopg.Connection) -> None:
    cause = await shop.reward("donation", points_least=1, points_most=500, points_step=1)
    missing = await shop.send("alder", "POST", "/v1/me/redemptions", {"reward_id": cause, "points": 5})
    assert problem(missing) == (422, "ledger.key_missing")
    first = await shop.ask(cause, 5, key="abc")
    again = await shop.ask(cause, 5, key="abc")
    assert (again.status_code, again.content, again.headers["idempotent-replayed"]) == (201, first.content, "true")
    assert "idempotent-replayed" not in first.headers
    before = all_rows(owner)
    assert problem(await shop.ask(cause, 6, key="abc")) == (422, "ledger.key_reused")
    assert all_rows(owner) == before
    too_many = await shop.ask(cause, 500, key="refused")
    assert too_many.status_code == 201
    assert problem(await shop.ask(cause, 500, key="again")) == (409, "ledger.insufficient")
    await shop.grant(shop.city.alder, 500)
    assert (await shop.ask(cause, 500, key="again")).status_code == 201
    assert (await shop.ask(cause, 5, key="abc", name="birch")).status_code == 409  # the key is another household's own
