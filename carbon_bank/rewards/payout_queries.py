"""All SQL of bank accounts and payout runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.rewards.payout_tables import PayoutAccount, PayoutPayment, PayoutRun


@dataclass(frozen=True)
class Waiting:
    """A redemption that waits to be paid. `attempt`: the how-manieth run this would be for it."""

    redemption_id: int
    household_id: int
    amount_minor: int
    sealed: str
    attempt: int


async def account(session: ReadSession, household_id: int) -> PayoutAccount | None:
    query = select(PayoutAccount).where(col(PayoutAccount.household_id) == household_id)
    return (await session.exec(query.execution_options(populate_existing=True))).one_or_none()


async def put_account(session: WriteSession, row: PayoutAccount) -> None:
    await session.merge(row)
    await session.flush()


async def remove_account(session: WriteSession, household_id: int) -> bool:
    done = await session.sql("DELETE FROM payout_account WHERE household_id = :id", {"id": household_id})
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def refuse_account(session: WriteSession, household_id: int, sealed: str, reason: str, now: datetime) -> None:
    """Pay to an account no more, if it is still the one to which the payment went."""
    await session.sql(
        "UPDATE payout_account SET refused_at = :now, refused_reason = :reason "
        "WHERE household_id = :household_id AND sealed = :sealed AND refused_at IS NULL",
        {"now": now, "reason": reason, "household_id": household_id, "sealed": sealed},
    )


async def waiting(session: WriteSession, city_id: int, currency: str, now: datetime, limit: int) -> list[Waiting]:
    """Lock the redemptions that wait to be paid. One that is being cancelled is left out."""
    rows = await session.sql(
        """
        SELECT redemption.id, redemption.household_id, redemption.money_minor, payout_account.sealed,
               (SELECT count(*) FROM payout_payment WHERE redemption_id = redemption.id) + 1
        FROM redemption JOIN reward ON reward.id = redemption.reward_id
        JOIN payout_account ON payout_account.household_id = redemption.household_id
        WHERE redemption.city_id = :city_id AND redemption.state IN ('held', 'fulfilling')
            AND reward.channel = 'bank_transfer' AND redemption.currency = :currency
            AND redemption.deadline_at > :now AND payout_account.refused_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM payout_payment WHERE redemption_id = redemption.id AND is_live)
        ORDER BY redemption.id LIMIT :limit FOR NO KEY UPDATE OF redemption SKIP LOCKED
        """,
        {"city_id": city_id, "currency": currency, "now": now, "limit": limit},
    )
    return [Waiting(*tuple(row)) for row in rows]


async def add_run(session: WriteSession, run: PayoutRun, payments: Sequence[PayoutPayment]) -> None:
    session.add(run)
    await session.flush()
    for payment in payments:
        payment.run_id = run.id or 0
    session.add_all(payments)
    await session.flush()


async def run(session: ReadSession, city_id: int, run_id: int, *, lock: bool = False) -> PayoutRun | None:
    query = select(PayoutRun).where(col(PayoutRun.city_id) == city_id, col(PayoutRun.id) == run_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.exec(query)).one_or_none()


async def runs(
    session: ReadSession, city_id: int, state: str | None, before: int | None, limit: int
) -> Sequence[PayoutRun]:
    """The newest first."""
    query = select(PayoutRun).where(col(PayoutRun.city_id) == city_id)
    if state is not None:
        query = query.where(col(PayoutRun.state) == state)
    if before is not None:
        query = query.where(col(PayoutRun.id) < before)
    return (await session.exec(query.order_by(col(PayoutRun.id).desc()).limit(limit))).all()


async def payments(session: ReadSession, run_id: int, after: int, limit: int | None) -> Sequence[PayoutPayment]:
    """In the order of their redemptions, which is that of the file."""
    query = select(PayoutPayment).where(col(PayoutPayment.run_id) == run_id, col(PayoutPayment.redemption_id) > after)
    return (await session.exec(query.order_by(col(PayoutPayment.redemption_id)).limit(limit))).all()


async def payments_called(session: ReadSession, run_id: int, ids: Sequence[str]) -> Mapping[str, PayoutPayment]:
    query = select(PayoutPayment).where(col(PayoutPayment.run_id) == run_id, col(PayoutPayment.end_to_end_id).in_(ids))
    found = (await session.exec(query.execution_options(populate_existing=True))).all()
    return {each.end_to_end_id: each for each in found}


async def open_ids(session: ReadSession, run_id: int) -> Sequence[str]:
    """The end-to-end ids of payments of which the bank has not said what became of them."""
    query = select(PayoutPayment.end_to_end_id).where(col(PayoutPayment.run_id) == run_id)
    return (await session.exec(query.where(col(PayoutPayment.outcome) == "open"))).all()


async def outcomes(session: ReadSession, run_id: int) -> dict[str, int]:
    """How many payments of a run came to what."""
    query = select(col(PayoutPayment.outcome), func.count()).where(col(PayoutPayment.run_id) == run_id)
    return dict((await session.exec(query.group_by(col(PayoutPayment.outcome)))).all())


async def begin_fulfilling(session: WriteSession, run_id: int, now: datetime) -> None:
    """The redemptions of a run are with the bank from now on."""
    await session.sql(
        """
        UPDATE redemption SET state = 'fulfilling', fulfilling_at = :now
        FROM payout_payment WHERE payout_payment.redemption_id = redemption.id AND run_id = :run_id AND state = 'held'
        """,
        {"run_id": run_id, "now": now},
    )


async def let_go(session: WriteSession, run_id: int) -> None:
    """The redemptions of a run that is withdrawn wait for the next one."""
    await session.sql("UPDATE payout_payment SET is_live = false WHERE run_id = :run_id", {"run_id": run_id})
