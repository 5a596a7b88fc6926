"""The catalogue and its terms over HTTP."""

from __future__ import annotations

from tests.rewards.shop import Shop, problem

BUS = {
    "code": "bus",
    "channel": "partner",
    "partner": "partner-client",
    "points": 50,
    "name": {"en": "Bus", "ko": "버스"},
}


async def test_a_reward_is_drafted_offered_and_ended(shop: Shop) -> None:
    assert (await shop.send(None, "GET", "/v1/rewards")).status_code == 401
    assert problem(await shop.send("approver", "POST", "/v1/rewards", BUS)) == (403, "identity.forbidden")
    made = await shop.do("operator", "/v1/rewards", BUS, 201)
    path = f"/v1/rewards/{made['id']}"
    assert problem(await shop.send("operator", "POST", "/v1/rewards", BUS)) == (409, "rewards.code_taken")
    assert (await shop.get("alder", "/v1/rewards"))["items"] == []
    assert problem(await shop.send("alder", "GET", path)) == (404, "rewards.unknown_reward")
    changed = {name: value for name, value in BUS.items() if name != "code"} | {"points": 60, "stock": 2}
    await shop.do("operator", path, changed, method="PUT")
    await shop.do("operator", f"{path}/activate")
    (offered,) = (await shop.get("alder", "/v1/rewards"))["items"]
    assert (offered["points"], offered["stock"], offered["name"]["ko"]) == (60, 2, "버스")
    assert problem(await shop.send("operator", "PUT", path, changed)) == (409, "rewards.reward_state")
    assert (await shop.do("operator", f"{path}/stock", {"change": 3}))["stock"] == 5
    assert problem(await shop.send("operator", "POST", f"{path}/stock", {"change": -6})) == (409, "rewards.stock_short")
    assert problem(await shop.send("far_operator", "POST", f"{path}/end")) == (404, "rewards.unknown_reward")
    await shop.do("operator", f"{path}/end")
    assert (await shop.get("alder", "/v1/rewards"))["items"] == []
    assert problem(await shop.ask(made["id"])) == (409, "rewards.not_available")


async def test_what_cannot_be_offered_is_told_fault_by_fault(shop: Shop) -> None:
    wrong = {
        "code": "x",
        "channel": "pickup",
        "name": {"english": "Bag"},
        "starts_on": "2026-02-01",
        "ends_on": "2026-02-01",
    }
    answer = await shop.send("operator", "POST", "/v1/rewards", wrong)
    assert problem(answer) == (422, "rewards.offer")
    assert {each["where"] for each in answer.json()["faults"]} == {"points", "partner", "ends_on", "name/english"}
    stranger = BUS | {"partner": "elec-client"}
    assert problem(await shop.send("operator", "POST", "/v1/rewards", stranger)) == (404, "identity.unknown_partner")


async def test_terms_need_another_person_and_the_last_approved_are_in_force(shop: Shop) -> None:
    new = {"point_value": "7/5", "claim_days": 14}
    made = await shop.do("both", "/v1/reward-terms", new, 201)
    path = f"/v1/reward-terms/{made['id']}/approve"
    assert problem(await shop.send("both", "POST", path)) == (403, "rewards.terms_own")
    assert (await shop.get("alder", "/v1/reward-terms/in-force"))["point_value"] == "2"
    assert problem(await shop.send("far_approver", "POST", path)) == (404, "rewards.unknown_terms")
    await shop.do("approver", path)
    assert problem(await shop.send("approver", "POST", path)) == (409, "rewards.terms_approved")
    assert (await shop.get("alder", "/v1/reward-terms/in-force"))["point_value"] == "7/5"
    donation = await shop.reward("donation", points_least=1, points_most=500, points_step=1)
    given = await shop.redeem(donation, 3)
    assert given["money"] == {"amount": "4", "currency": "KRW", "point_value": "7/5", "rest": "1/5"}
    for text in ("0", "-1", "2e3", "a", "1/0"):
        answer = await shop.send("operator", "POST", "/v1/reward-terms", new | {"point_value": text})
        assert problem(answer) == (422, "rewards.point_value")
    bus = await shop.reward("partner")
    answer = await shop.send("operator", "POST", "/v1/reward-terms", new | {"unclaimed_reward_id": bus})
    assert problem(answer) == (422, "rewards.terms")
