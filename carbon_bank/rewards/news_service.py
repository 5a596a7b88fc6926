"""Who is told of a redemption: the household in its inbox, and the partner by webhook, in the transaction of the act."""

from __future__ import annotations

from datetime import datetime

from carbon_bank.foundation.database import WriteSession
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import FactValue, Kind
from carbon_bank.rewards.catalogue_tables import Reward
from carbon_bank.rewards.redemption_states import RedemptionState
from carbon_bank.rewards.redemption_tables import Redemption
from carbon_bank.webhooks.events import Event
from carbon_bank.webhooks.service import emit

_EVENTS = {
    RedemptionState.CANCELLED: Event.REDEMPTION_CANCELLED,
    RedemptionState.EXPIRED: Event.REDEMPTION_EXPIRED,
    RedemptionState.HELD: Event.REDEMPTION_REQUESTED,
    RedemptionState.REFUSED: Event.REDEMPTION_CANCELLED,
}
_KINDS = {
    RedemptionState.EXPIRED: Kind.REDEMPTION_EXPIRED,
    RedemptionState.FULFILLED: Kind.REDEMPTION_DONE,
    RedemptionState.REFUSED: Kind.REDEMPTION_REFUSED,
}


async def tell_requested(session: WriteSession, now: datetime, row: Redemption, reward: Reward) -> None:
    """Tell the partner what there is to do, or the household that it is done already."""
    await _tell_partner(session, now, row, reward)
    await _tell_household(session, now, row)


async def tell_ended(session: WriteSession, now: datetime, row: Redemption, reward: Reward) -> None:
    """Tell the household, except of what it did itself; and the partner, of what it did not end."""
    await _tell_partner(session, now, row, reward)
    await _tell_household(session, now, row)


async def tell_returned(session: WriteSession, now: datetime, row: Redemption) -> None:
    """Tell the household that the bank sent the money back after it was paid."""
    await _notify(session, now, row, Kind.REDEMPTION_REFUSED)


async def _tell_partner(session: WriteSession, now: datetime, row: Redemption, reward: Reward) -> None:
    event = _EVENTS.get(RedemptionState(row.state))
    if reward.partner_id is None or event is None or row.ended_by == f"client:{reward.partner_id}":
        return
    facts = {
        "redemption_id": row.id,
        "reward": reward.code,
        "channel": reward.channel,
        "points": row.points,
        "state": row.state,
        "deadline_at": row.deadline_at and row.deadline_at.isoformat(),
    }
    await emit(session, now, city_id=row.city_id, event=event, audience=reward.partner_id, facts=facts)


async def _tell_household(session: WriteSession, now: datetime, row: Redemption) -> None:
    kind = _KINDS.get(RedemptionState(row.state))
    if kind is not None:
        await _notify(session, now, row, kind)


async def _notify(session: WriteSession, now: datetime, row: Redemption, kind: Kind) -> None:
    facts: dict[str, FactValue] = {"redemption": row.id or 0, "points": row.points}
    if kind is Kind.REDEMPTION_REFUSED:
        facts["reason"] = row.reason or "other"
    await inbox.notify(
        session,
        now,
        city_id=row.city_id,
        household_id=row.household_id,
        kind=kind,
        facts=facts,
        subject=f"redemption:{row.id}",
    )
