"""What no program can write, not even as the owner of the tables."""

from __future__ import annotations

import psycopg
import pytest

from tests.rewards.shop import ACCOUNT, Shop

FORBIDDEN = [
    "UPDATE redemption SET state = 'held', ended_at = NULL, journal_id = NULL WHERE state = 'fulfilled'",
    "UPDATE redemption SET points = points + 1",
    "UPDATE redemption SET state = 'requested', hold_id = NULL, held_at = NULL WHERE state = 'held'",
    "DELETE FROM redemption",
    "UPDATE reward SET points = 1 WHERE state = 'active'",
    "UPDATE reward SET state = 'draft' WHERE state = 'active'",
    "DELETE FROM reward_stock",
    "UPDATE reward_terms SET value_num = 3",
    "UPDATE voucher SET redemption_id = NULL, given_at = NULL WHERE redemption_id IS NOT NULL",
    "UPDATE payout_run SET total_minor = 1",
    "UPDATE payout_run SET state = 'prepared'",
    "UPDATE payout_payment SET amount_minor = 1",
]
BROKEN = [
    ("UPDATE reward_stock SET stock = -1", "reward_stock_stock_check"),
    ("UPDATE reward_stock SET stock = stocked + 1", "reward_stock_stock_check"),
    ("UPDATE payout_run SET state = 'sent', sent_at = NULL", "payout_run_sent_check"),
    ("UPDATE redemption SET state = 'refused', ended_at = now() WHERE state = 'held'", "redemption_reason_check"),
    (
        "INSERT INTO reward_terms (city_id, currency, value_num, value_den, claim_days, unclaimed, prepared_by, prepared_at, "
        "approved_by, approved_at) SELECT city_id, 'KRW', 2, 1, 9, 'household', 'a', now(), 'a', now() FROM reward_terms",
        "reward_terms_four_eyes_check",
    ),
]


async def test_the_database_keeps_what_was_promised(shop: Shop, owner: psycopg.Connection) -> None:
    pool = await shop.reward("voucher_pool")
    await shop.send("operator", "POST", f"/v1/rewards/{pool}/vouchers", content=b"code\nA\n")
    await shop.redeem(pool)
    await shop.redeem(await shop.reward("partner", stock=9))
    await shop.do("alder", "/v1/me/payout-account", ACCOUNT, method="PUT")
    await shop.redeem(await shop.reward("bank_transfer"))
    run = await shop.do("operator", "/v1/payouts", {"execute_on": "2099-12-15"}, 201)
    with pytest.raises(psycopg.errors.CheckViolation, match="payout_run_four_eyes_check"):
        owner.execute(
            "UPDATE payout_run SET state = 'approved', approved_by = prepared_by, approved_at = now(), approved_form = 'csv'"
        )
    await shop.do("approver", f"/v1/payouts/{run['id']}/approve", {"digest": run["csv_sha256"]})
    for statement in FORBIDDEN:
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)  # type: ignore[call-overload]
    for statement, constraint in BROKEN:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            owner.execute(statement)  # type: ignore[call-overload]
        assert caught.value.diag.constraint_name == constraint
