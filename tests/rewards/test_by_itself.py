"""What comes round by itself: deadlines, and paying out what households chose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation import clock, web
from carbon_bank.foundation.sealed import Sealer
from tests.rewards.shop import ACCOUNT, Shop, all_rows, problem

Later = Callable[[timedelta], Callable[[], datetime]]


@pytest.fixture
def sealer(app: Any) -> Sealer:
    made: Sealer = app.state.sealer
    return made


@pytest.fixture
def later(app: Any) -> Later:
    """From now on it is later for requests; returns what to give to the worker."""

    def move(by: timedelta) -> Callable[[], datetime]:
        then = clock.now() + by
        app.dependency_overrides[web.now] = lambda: then
        return lambda: then

    return move


async def test_what_waits_too_long_expires_with_points_and_stock_back(shop: Shop, sealer: Sealer, later: Later) -> None:
    card = await shop.reward("partner", stock=3, deadline_days=3)
    bags = await shop.reward("pickup", deadline_days=9)
    first, second = await shop.redeem(card), await shop.redeem(bags)
    then = later(timedelta(days=3, minutes=1))
    assert await worker.look_after_rewards(shop.database, sealer, then) == 1
    assert await worker.look_after_rewards(shop.database, sealer, then) == 0
    own = await shop.own(first["id"])
    assert (own["state"], own["reason"]) == ("expired", "deadline")
    assert (await shop.own(second["id"]))["state"] == "held"
    assert await shop.balance() == (900, 100)
    assert (await shop.get("alder", f"/v1/rewards/{card}"))["stock"] == 3
    late = await shop.send("partner", "POST", f"/v1/partner/redemptions/{first['id']}/confirm", {})
    assert problem(late) == (409, "rewards.redemption_ended")


async def test_what_nobody_picks_up_is_donated_where_the_terms_say_so(shop: Shop, sealer: Sealer, later: Later) -> None:
    cause = await shop.reward("donation", points_least=10, points_most=500, points_step=10)
    await shop.terms(unclaimed_reward_id=cause)
    bags = await shop.reward("pickup", points=55)
    made = await shop.redeem(bags)
    then = later(timedelta(days=31))
    assert await worker.look_after_rewards(shop.database, sealer, then) == 1
    newest, oldest = (await shop.get("alder", "/v1/me/redemptions"))["items"]
    assert (oldest["id"], oldest["state"]) == (made["id"], "expired")
    assert (newest["points"], newest["state"], newest["occasion"]) == (50, "fulfilled", f"unclaimed:{made['id']}")
    assert await shop.balance() == (950, 0)


async def test_a_payment_that_is_with_the_bank_does_not_expire(shop: Shop, sealer: Sealer, later: Later) -> None:
    await shop.do("alder", "/v1/me/payout-account", ACCOUNT, method="PUT")
    cash = await shop.reward("bank_transfer", deadline_days=5)
    made = await shop.redeem(cash)
    run = await shop.do("operator", "/v1/payouts", {"execute_on": "2026-12-15"}, 201)
    await shop.do("approver", f"/v1/payouts/{run['id']}/approve", {"digest": run["csv_sha256"]})
    await shop.send("operator", "POST", f"/v1/payouts/{run['id']}/file")
    then = later(timedelta(days=20))
    assert await worker.look_after_rewards(shop.database, sealer, then) == 0
    content = f"end_to_end_id,status\nR{made['id']}-1,paid\n".encode()
    headers = {"Content-Type": "text/csv"}
    await shop.send("operator", "POST", f"/v1/payouts/{run['id']}/return", content=content, headers=headers)
    assert (await shop.own(made["id"]))["state"] == "fulfilled"


async def test_a_household_is_paid_out_by_what_it_chose_once_for_each_occasion(
    shop: Shop, sealer: Sealer, owner: psycopg.Connection, later: Later
) -> None:
    cause = await shop.reward("donation", points_least=100, points_most=700, points_step=100)
    path = "/v1/me/payout-choice"
    assert problem(await shop.send("alder", "GET", path)) == (404, "rewards.no_choice")
    assert problem(await shop.send("alder", "PUT", path, {"reward_id": 2**40})) == (404, "rewards.unknown_reward")
    assert problem(await shop.send("alder", "PUT", path, {"reward_id": cause, "points_least": 99})) == (
        422,
        "rewards.points",
    )
    chosen = await shop.do("alder", path, {"reward_id": cause, "points_least": 300}, method="PUT")
    assert chosen["points_least"] == 300
    assert await worker.pay_out_daily(shop.database, sealer) == 1
    assert await worker.pay_out_daily(shop.database, sealer) == 0
    assert await shop.balance() == (300, 0)
    then = later(timedelta(days=1))
    assert await worker.pay_out_daily(shop.database, sealer, then) == 1
    then = later(timedelta(days=2))
    await shop.grant(shop.city.alder, 200)
    assert await worker.pay_out_daily(shop.database, sealer, then) == 0  # 200 points, fewer than it said
    assert (await shop.send("alder", "DELETE", path)).status_code == 204


def posted_settlement(owner: psycopg.Connection, city_id: int) -> int:
    """A settlement that was posted now; how it came to that is told elsewhere."""
    owner.execute(
        "INSERT INTO policy (name, version, digest, text, stored_at, stored_by) VALUES ('p', 'v', repeat('0', 64), '', now(), 'a')"
    )
    row = owner.execute(
        """
        INSERT INTO settlement (city_id, policy_id, period, first_month, months, state, prepared_by, requested_at, as_of,
                                computed_to, approved_by, approved_at, posted_to, posted_at)
        SELECT %s, min(id), '2026-H1', 24312, 6, 'posted', 'a', now(), now(), 0, 'b', now(), 0, now() FROM policy RETURNING id
        """,
        [city_id],
    ).fetchone()
    assert row is not None
    return int(row[0])


async def test_those_who_chose_nothing_get_the_default_after_the_claim_days(
    shop: Shop, sealer: Sealer, owner: psycopg.Connection, later: Later
) -> None:
    cause = await shop.reward("donation", points_least=10, points_most=10_000, points_step=10)
    await shop.terms(default_reward_id=cause, default_points_least=50, claim_days=14)
    await shop.grant(shop.city.birch, 100)
    settlement = posted_settlement(owner, shop.city.city_id)
    await shop.do("birch", "/v1/me/payout-choice", {"reward_id": cause}, method="PUT")
    assert await worker.pay_out_settlement(shop.database, sealer, settlement) == 1
    assert await worker.pay_out_settlement(shop.database, sealer, settlement) == 0
    assert (await shop.balance("birch"), await shop.balance()) == ((0, 0), (1000, 0))
    assert await worker.pay_out_daily(shop.database, sealer) == 0
    then = later(timedelta(days=14, minutes=1))
    assert await worker.pay_out_daily(shop.database, sealer, then) == 1
    (made,) = (await shop.get("alder", "/v1/me/redemptions"))["items"]
    assert (made["points"], made["occasion"]) == (1000, f"unchosen:{settlement}")
    before = all_rows(owner)
    assert await worker.pay_out_daily(shop.database, sealer, then) == 0
    assert all_rows(owner) == before
