"""What must always hold between rewards and the ledger, as queries for the rows where it does not."""

from __future__ import annotations

from collections.abc import Mapping

CHECKS: Mapping[str, str] = {
    "redemptions stand as their holds do": """
        SELECT redemption.household_id, 'redemption ' || redemption.id || ' of ' || redemption.points || ' points is '
               || redemption.state || ', and its hold of ' || hold.points || ' '
               || CASE WHEN hold.ended_seq IS NULL THEN 'is open' ELSE 'ended with ' || hold.spent || ' spent' END
        FROM redemption JOIN hold ON hold.household_id = redemption.household_id AND hold.hold_id = redemption.hold_id
        WHERE hold.points <> redemption.points
           OR CASE WHEN redemption.state IN ('held', 'fulfilling') THEN hold.ended_seq IS NOT NULL
                   WHEN redemption.state = 'fulfilled' THEN hold.spent IS DISTINCT FROM redemption.points
                   ELSE hold.spent IS DISTINCT FROM 0 END
    """,
    "no hold is without its redemption": """
        SELECT hold.household_id, 'hold ' || hold.hold_id || ' of ' || hold.points || ' points is open for no redemption'
        FROM hold WHERE hold.ended_seq IS NULL AND NOT EXISTS (
            SELECT 1 FROM redemption WHERE redemption.household_id = hold.household_id AND redemption.hold_id = hold.hold_id)
    """,
    "stocks are what came in, less what was taken": """
        SELECT NULL::bigint, 'reward ' || reward.id || ' shows ' || coalesce(laid.stock, 0) || ' in stock of '
               || coalesce(laid.stocked, 0) || '; ' || reward.stocked || ' came in, and ' || coalesce(taken.number, 0)
               || ' are taken'
        FROM reward LEFT JOIN (
            SELECT reward_id, sum(stock) AS stock, sum(stocked) AS stocked FROM reward_stock GROUP BY reward_id
        ) AS laid ON laid.reward_id = reward.id LEFT JOIN (
            SELECT reward_id, count(*) AS number FROM redemption
            WHERE state IN ('held', 'fulfilling', 'fulfilled') AND returned_at IS NULL GROUP BY reward_id
        ) AS taken ON taken.reward_id = reward.id
        WHERE reward.stocked IS NOT NULL AND reward.state <> 'draft'
          AND (laid.stocked IS DISTINCT FROM reward.stocked OR laid.stock <> reward.stocked - coalesce(taken.number, 0))
    """,
    "vouchers are given to fulfilled redemptions, one each": """
        SELECT redemption.household_id, 'redemption ' || redemption.id || ' of a voucher is ' || redemption.state || ' and has '
               || count(voucher.code) || ' codes'
        FROM redemption JOIN reward ON reward.id = redemption.reward_id AND reward.channel = 'voucher_pool'
             LEFT JOIN voucher ON voucher.redemption_id = redemption.id
        GROUP BY redemption.id HAVING count(voucher.code) <> CASE WHEN redemption.state = 'fulfilled' THEN 1 ELSE 0 END
    """,
    "points that came back were posted": """
        SELECT redemption.household_id, 'redemption ' || redemption.id || ' came back, and its journal was not taken back'
        FROM redemption WHERE returned_at IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM journal WHERE journal.reverses = redemption.journal_id)
    """,
}
"""What must hold -> a query for the rows at fault: `household_id` (or null), and what is wrong."""
