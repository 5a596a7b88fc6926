"""`carbon-bank ledger check` finds what does not hold between rewards and the ledger, whatever was changed behind the bank's back."""

from __future__ import annotations

import psycopg

from carbon_bank.rewards import check_queries
from tests.ledger.books import without_triggers
from tests.rewards.shop import Shop

FORGED = {
    "redemptions stand as their holds do": "UPDATE redemption SET points = points + 1 WHERE state = 'held'",
    "no hold is without its redemption": "DELETE FROM redemption WHERE state = 'held'",
    "stocks are what came in, less what was taken": "UPDATE reward_stock SET stock = stock + 1 WHERE stock < stocked",
    "vouchers are given to fulfilled redemptions, one each": "UPDATE voucher SET redemption_id = NULL, given_at = NULL",
    "points that came back were posted": (
        "UPDATE redemption SET returned_at = now(), reason = 'other' WHERE state = 'fulfilled' AND points = 100"
    ),
}


async def test_each_promise_that_is_broken_is_named(shop: Shop, owner: psycopg.Connection) -> None:
    card = await shop.reward("partner", points=20, stock=5)
    await shop.redeem(card)
    cancelled = await shop.redeem(card)
    await shop.send("alder", "POST", f"/v1/me/redemptions/{cancelled['id']}/cancel")
    pool = await shop.reward("voucher_pool", points=10)
    await shop.send("operator", "POST", f"/v1/rewards/{pool}/vouchers", content=b"code\nA-1\n")
    await shop.redeem(pool)
    await shop.redeem(await shop.reward("donation", points=100))
    await shop.send("operator", "POST", f"/v1/rewards/{card}/stock", {"change": 3})
    assert set(FORGED) == set(check_queries.CHECKS)
    for promise, forgery in FORGED.items():
        query = check_queries.CHECKS[promise]
        assert owner.execute(query).fetchall() == [], promise  # type: ignore[arg-type]
        with owner.transaction(force_rollback=True), without_triggers(owner):
            owner.execute(forgery)  # type: ignore[arg-type]
            found = owner.execute(query).fetchall()  # type: ignore[arg-type]
            assert len(found) == 1 and found[0][1], promise


STOCK_FORGED = [
    "UPDATE reward_stock SET stock = stock - 1 WHERE place = 2",
    "UPDATE reward_stock SET stock = stock + 1, stocked = stocked + 1 WHERE place = 8",
    "DELETE FROM reward_stock WHERE place = 1",
    "DELETE FROM reward_stock",
    "UPDATE reward SET stocked = stocked + 1",
]


async def test_a_stock_that_was_forged_in_any_of_its_places_is_found(shop: Shop, owner: psycopg.Connection) -> None:
    card = await shop.reward("partner", points=20, stock=12)
    await shop.redeem(card)
    query = check_queries.CHECKS["stocks are what came in, less what was taken"]
    for forgery in STOCK_FORGED:
        with owner.transaction(force_rollback=True), without_triggers(owner):
            owner.execute(forgery)  # type: ignore[arg-type]
            found = owner.execute(query).fetchall()  # type: ignore[arg-type]
            assert [text.startswith(f"reward {card} shows ") for _, text in found] == [True], forgery
