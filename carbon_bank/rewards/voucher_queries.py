"""All SQL of voucher pools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.rewards.redemption_tables import Voucher
from carbon_bank.rewards.voucher_file import Voucher as Read


async def known(session: ReadSession, reward_id: int, codes: Sequence[str]) -> set[str]:
    """Which of some codes are in the pool already, given or not."""
    rows = await session.sql(
        "SELECT code FROM voucher WHERE reward_id = :reward_id AND code = ANY(:codes)",
        {"reward_id": reward_id, "codes": list(codes)},
    )
    return {row[0] for row in rows}


async def add(session: WriteSession, reward_id: int, vouchers: Sequence[Read], now: datetime) -> None:
    rows = [{"code": each.code, "expires_on": each.expires_on and each.expires_on.isoformat()} for each in vouchers]
    await session.sql(
        """
        INSERT INTO voucher (reward_id, code, expires_on, added_at)
        SELECT :reward_id, code, expires_on, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS (code text, expires_on date)
        """,
        {"reward_id": reward_id, "now": now, "rows": json.dumps(rows)},
    )


async def give(session: WriteSession, reward_id: int, redemption_id: int, today: date, now: datetime) -> bool:
    """Give the code that ends soonest, one that nobody else is being given. False: none is left."""
    done = await session.sql(
        """
        UPDATE voucher SET redemption_id = :redemption_id, given_at = :now WHERE (reward_id, code) = (
            SELECT reward_id, code FROM voucher
            WHERE reward_id = :reward_id AND redemption_id IS NULL AND (expires_on IS NULL OR expires_on >= :today)
            ORDER BY expires_on, code LIMIT 1 FOR UPDATE SKIP LOCKED)
        """,
        {"reward_id": reward_id, "redemption_id": redemption_id, "today": today, "now": now},
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def of_redemption(session: ReadSession, redemption_id: int) -> Voucher | None:
    return (await session.exec(select(Voucher).where(col(Voucher.redemption_id) == redemption_id))).one_or_none()
