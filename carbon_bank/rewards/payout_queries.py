"""All SQL of bank accounts of households."""

from __future__ import annotations

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession
from carbon_bank.rewards.payout_tables import PayoutAccount


async def account(session: ReadSession, household_id: int) -> PayoutAccount | None:
    query = select(PayoutAccount).where(col(PayoutAccount.household_id) == household_id)
    return (await session.exec(query)).one_or_none()
