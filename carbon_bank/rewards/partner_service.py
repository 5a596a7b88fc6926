"""What partners do: take a redemption up, confirm or refuse it, and scan a code at the counter."""

from __future__ import annotations

from datetime import datetime

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.rewards import pickup_service
from carbon_bank.rewards import redemption_queries as queries
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.redemption_end_service import Open, check_in_time, fulfil, give_back, opened, unknown
from carbon_bank.rewards.redemption_states import Reason, RedemptionState
from carbon_bank.rewards.redemption_tables import Redemption
from carbon_bank.trail.service import Act, record


async def take_up(session: WriteSession, actor: Actor, now: datetime, redemption_id: int) -> Redemption:
    """The partner has begun: from now on the household cannot take it back. Taken up again, nothing changes.

    Raises: NotFound `rewards.unknown_redemption` (404); Conflict `rewards.redemption_ended`, `rewards.late` (409).
    """
    one = await _own(session, actor, redemption_id)
    check_in_time(one.row, now, one.reward)
    if one.row.state == RedemptionState.HELD:
        one.row.state, one.row.fulfilling_at = RedemptionState.FULFILLING, now
        subject = f"redemption:{redemption_id}"
        record(session, Act.REDEMPTION_ACCEPTED, by=actor.subject, at=now, subject=subject, city_id=one.row.city_id)
        await session.flush()
    return one.row


async def confirm(
    session: WriteSession, actor: Actor, now: datetime, redemption_id: int, reference: str | None
) -> Redemption:
    """The household has it: the points leave.

    Raises: NotFound `rewards.unknown_redemption` (404); Conflict `rewards.redemption_ended`, `rewards.late`,
            `rewards.needs_code` (409).
    """
    one = await _own(session, actor, redemption_id)
    if one.reward.channel == Channel.PICKUP:
        raise Conflict(
            "rewards.needs_code",
            f"Redemption {redemption_id} is picked up: scan the household's code with POST /v1/partner/pickups.",
        )
    return await fulfil(session, actor.subject, now, one, reference)


async def refuse(
    session: WriteSession, actor: Actor, now: datetime, redemption_id: int, reason: Reason, words: str
) -> Redemption:
    """The partner cannot give it: the points return, and the household reads why.

    Raises: NotFound `rewards.unknown_redemption` (404); Conflict `rewards.redemption_ended` (409).
    """
    one = await _own(session, actor, redemption_id)
    return await give_back(session, actor.subject, now, one, RedemptionState.REFUSED, reason.value, words)


async def pick_up(session: WriteSession, actor: Actor, now: datetime, sealer: Sealer, code: str) -> Redemption:
    """Scan a code: once, and the points leave.

    Raises: InvalidInput `rewards.pickup_form`, `rewards.pickup_check` (422); NotFound `rewards.unknown_code` (404);
            Conflict `rewards.redemption_ended`, `rewards.late` (409).
    """
    redemption_id = await queries.by_pickup(session, actor.of_city(), pickup_service.hashes_of(code, sealer))
    try:
        if redemption_id is None:
            raise unknown(0)
        one = await _own(session, actor, redemption_id)
    except NotFound:
        raise NotFound(
            "rewards.unknown_code", "No redemption for you has this code. Hand out nothing; have the code shown again."
        ) from None
    return await fulfil(session, actor.subject, now, one)


async def get_own(session: ReadSession, actor: Actor, redemption_id: int) -> queries.Pair:
    """Raises: NotFound `rewards.unknown_redemption` (404)."""
    found = await queries.find(session, redemption_id)
    if found is None or found[1].partner_id != actor.of_client():
        raise unknown(redemption_id)
    return found


async def _own(session: WriteSession, actor: Actor, redemption_id: int) -> Open:
    await get_own(session, actor, redemption_id)
    return await opened(session, redemption_id)
