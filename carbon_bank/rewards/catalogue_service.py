"""The catalogue: an operator drafts a reward, offers it, adds to its stock, ends it; households see what they can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation import clock
from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.identity import service as identity
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.registry import service as registry
from carbon_bank.rewards import catalogue_queries as queries
from carbon_bank.rewards import stock_queries
from carbon_bank.rewards.catalogue_tables import Reward as Reward
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.offer import Offer, check_offer
from carbon_bank.trail.service import Act, changes, record

STATES = ("draft", "active", "ended")


async def draft(session: WriteSession, actor: Actor, now: datetime, code: str, offer: Offer) -> Reward:
    """Describe a reward. Nobody can have it before it is activated.

    Raises: InvalidInput `rewards.offer` (422); Conflict `rewards.code_taken` (409); NotFound `identity.unknown_partner` (404).
    """
    row = Reward(
        city_id=actor.of_city(),
        code=code,
        prepared_by=actor.subject,
        prepared_at=now,
        **await _columns(session, actor, offer),
    )
    try:
        async with session.begin_nested():
            await queries.add(session, row)
    except IntegrityError as error:
        if not violated(error).endswith("code_key"):
            raise
        raise Conflict("rewards.code_taken", f"There is a reward '{code}' already. Choose another code.") from None
    _record(session, Act.REWARD_DRAFTED, actor, now, row, {"channel": row.channel})
    return row


async def change(session: WriteSession, actor: Actor, now: datetime, reward_id: int, offer: Offer) -> Reward:
    """Describe a draft anew.

    Raises: NotFound `rewards.unknown_reward` (404); Conflict `rewards.reward_state` (409); InvalidInput `rewards.offer` (422).
    """
    row = await _locked(session, actor, reward_id)
    _check_state(row, "draft", "changed", "End it, and draft another")
    columns = await _columns(session, actor, offer)
    facts = changes({name: getattr(row, name) for name in columns}, columns)
    for name, value in columns.items():
        setattr(row, name, value)
    row.prepared_by, row.prepared_at = actor.subject, now
    _record(session, Act.REWARD_CHANGED, actor, now, row, facts)
    await session.flush()
    return row


async def activate(session: WriteSession, actor: Actor, now: datetime, reward_id: int) -> Reward:
    """Offer a reward. From now on only its stock changes.

    Raises: NotFound `rewards.unknown_reward` (404); Conflict `rewards.reward_state` (409).
    """
    row = await _locked(session, actor, reward_id)
    _check_state(row, "draft", "activated", "Draft another")
    await _leave_draft(session, row, "active")
    _record(session, Act.REWARD_ACTIVATED, actor, now, row)
    await session.flush()
    return row


async def end(session: WriteSession, actor: Actor, now: datetime, reward_id: int) -> Reward:
    """Offer a reward no more. Redemptions under way go on.

    Raises: NotFound `rewards.unknown_reward` (404); Conflict `rewards.reward_state` (409).
    """
    row = await _locked(session, actor, reward_id)
    if row.state == "ended":
        _check_state(row, "active", "ended", "There is nothing left to do")
    if row.state == "draft":
        await _leave_draft(session, row, "ended")
    row.state = "ended"
    _record(session, Act.REWARD_ENDED, actor, now, row)
    await session.flush()
    return row


async def add_stock(session: WriteSession, actor: Actor, now: datetime, reward_id: int, change: int) -> Reward:
    """Add to the stock of a reward, or take from it where `change` is negative.

    Raises: NotFound `rewards.unknown_reward` (404); Conflict `rewards.no_stock`, `rewards.stock_short` (409).
    """
    row = await _locked(session, actor, reward_id)
    if row.stocked is None:
        kept = "its codes: import some" if row.channel == Channel.VOUCHER_POOL else "without end"
        raise Conflict("rewards.no_stock", f"The stock of reward {reward_id} is {kept}.")
    left = row.stocked if row.state == "draft" else await stock_queries.lock(session, reward_id)
    if left + change < 0:
        raise Conflict(
            "rewards.stock_short",
            f"Reward {reward_id} has {left} in stock, so that at most {left} can be taken out.",
            {"stock": left},
        )
    row.stocked += change
    if row.state != "draft":
        await stock_queries.spread(session, reward_id, left + change)
    _record(session, Act.REWARD_STOCKED, actor, now, row, {"change": change, "stock": left + change})
    await session.flush()
    return row


async def get(session: ReadSession, actor: Actor, reward_id: int) -> Reward:
    """Those who write the catalogue, and who read redemptions, see every reward; others what is or was offered.

    Raises: NotFound `rewards.unknown_reward` (404).
    """
    row = await queries.find(session, actor.of_city(), reward_id)
    if row is None or (row.state == "draft" and not _sees_all(actor)):
        raise unknown(reward_id)
    return row


async def listed(
    session: ReadSession, actor: Actor, now: datetime, state: str | None, after: int, limit: int
) -> Sequence[Reward]:
    """What can be had today. Args: state: for those who see all, `draft`, `active` or `ended`; null: what can be had."""
    city = await registry.get_city(session, actor.of_city())
    if state is not None and _sees_all(actor):
        return await queries.listed(session, actor.of_city(), None, [state], after, limit)
    today = clock.local_day(now, city.time_zone)
    return await queries.listed(session, actor.of_city(), today, ["active"], after, limit)


async def stocks(session: ReadSession, actor: Actor, now: datetime, rewards: Sequence[Reward]) -> dict[int, int | None]:
    """How many of each are left; null: there is no end of them."""
    city = await registry.get_city(session, actor.of_city())
    pools = [row.id or 0 for row in rewards if row.channel == Channel.VOUCHER_POOL]
    codes = await queries.vouchers_left(session, pools, clock.local_day(now, city.time_zone)) if pools else {}
    stocked = [row.id or 0 for row in rewards if row.stocked is not None and row.state != "draft"]
    in_stock = await stock_queries.left(session, stocked) if stocked else {}

    def left(row: Reward) -> int | None:
        if row.channel == Channel.VOUCHER_POOL:
            return codes.get(row.id or 0, 0)
        return in_stock.get(row.id or 0, row.stocked)

    return {row.id or 0: left(row) for row in rewards}


def offer_of(row: Reward) -> Offer:
    """The law's view of a reward. Its partner is told by the number of the client."""
    names = Offer.__dataclass_fields__.keys() - {"channel", "partner", "stock"}
    given = {name: getattr(row, name) for name in names}
    partner = None if row.partner_id is None else str(row.partner_id)
    return Offer(channel=Channel(row.channel), partner=partner, stock=row.stocked, **given)


async def _leave_draft(session: WriteSession, row: Reward, state: str) -> None:
    """From now on its stock is counted, place by place."""
    row.state = state
    if row.stocked is not None:
        await stock_queries.lay_out(session, row.id or 0, row.stocked)


def unknown(reward_id: int) -> NotFound:
    return NotFound(
        "rewards.unknown_reward", f"There is no reward {reward_id}. See GET /v1/rewards for those that can be had."
    )


def _sees_all(actor: Actor) -> bool:
    return bool({Permission.REWARDS_WRITE, Permission.REDEMPTION_READ} & actor.permissions)


async def _columns(session: ReadSession, actor: Actor, offer: Offer) -> dict[str, Any]:
    check_offer(offer)
    given = asdict(offer)
    partner = given.pop("partner")
    given["partner_id"] = None if partner is None else await identity.partner_client(session, actor.of_city(), partner)
    return given | {"channel": offer.channel.value, "stocked": given.pop("stock")}


async def _locked(session: WriteSession, actor: Actor, reward_id: int) -> Reward:
    row = await queries.lock(session, actor.of_city(), reward_id)
    if row is None:
        raise unknown(reward_id)
    return row


def _check_state(row: Reward, wanted: str, act: str, instead: str) -> None:
    if row.state != wanted:
        raise Conflict(
            "rewards.reward_state",
            f"Reward {row.id} is {row.state}, and only one that is {wanted} can be {act}. {instead}.",
            {"id": row.id, "state": row.state},
        )


def _record(
    session: WriteSession, act: Act, actor: Actor, now: datetime, row: Reward, facts: dict[str, Any] | None = None
) -> None:
    subject = f"reward:{row.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=row.city_id, facts=facts)
