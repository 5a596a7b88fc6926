"""What a partner is told by webhook, and what it calls back with."""

from __future__ import annotations

import json
import secrets

import psycopg
from standardwebhooks.webhooks import Webhook

from carbon_bank.foundation import clock
from tests.rewards.shop import Shop, problem

HOOK = {
    "url": "http://127.0.0.1:9/hook",
    "events": ["redemption.requested", "redemption.cancelled", "redemption.expired"],
}


async def test_a_partner_is_told_of_what_to_fulfil_and_of_what_ended_without_it(
    shop: Shop, owner: psycopg.Connection
) -> None:
    await shop.do("partner", "/v1/webhooks/endpoints", HOOK, 201)
    card = await shop.reward("partner")
    first, second = await shop.redeem(card), await shop.redeem(card)
    await shop.do("alder", f"/v1/me/redemptions/{first['id']}/cancel")
    await shop.do("partner", f"/v1/partner/redemptions/{second['id']}/refuse", {"words": "sold out"})
    rows = owner.execute("SELECT event, body::jsonb -> 'data' FROM webhook_message ORDER BY id").fetchall()
    assert [(event, data["redemption_id"], data["state"]) for event, data in rows] == [
        ("redemption.requested", first["id"], "held"),
        ("redemption.requested", second["id"], "held"),
        ("redemption.cancelled", first["id"], "cancelled"),
    ]


async def test_a_callback_that_is_signed_must_hold_and_counts_once(shop: Shop) -> None:
    secret = (await shop.do("partner", "/v1/webhooks/endpoints", HOOK, 201))["secret"]
    card = await shop.reward("partner")
    made = await shop.redeem(card)
    path = f"/v1/partner/redemptions/{made['id']}/confirm"
    body = json.dumps({"reference": "T-1"})

    def signed(by: str, webhook_id: str) -> dict[str, str]:
        now = clock.now()
        names = {"webhook-id": webhook_id, "webhook-timestamp": str(int(now.timestamp()))}
        return names | {
            "webhook-signature": Webhook(by).sign(webhook_id, now, body),
            "Content-Type": "application/json",
        }

    async def call(headers: dict[str, str]) -> tuple[int, str]:
        answer = await shop.send("partner", "POST", path, content=body, headers=headers)
        return (200, answer.json()["state"]) if answer.status_code == 200 else problem(answer)

    forged = "whsec_" + secrets.token_hex(16)
    assert await call(signed(forged, "msg_1")) == (401, "webhooks.signature")
    assert (await shop.own(made["id"]))["state"] == "held"
    once = signed(secret, "msg_1")
    assert await call(once) == (200, "fulfilled")
    assert await call(once) == (200, "fulfilled")  # the same callback, lost and sent again: nothing is done twice
    assert await call(signed(secret, "msg_2")) == (409, "rewards.redemption_ended")
