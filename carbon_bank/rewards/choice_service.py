"""Paying out by itself: what a household chose once, and what the terms give to those who chose nothing in time.

The worker runs the steps, one transaction for each household. What a run has made is not made again: its occasion says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import InvalidInput, NotFound
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import WORKER, Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import service as registry
from carbon_bank.rewards import catalogue_queries, redemption_queries
from carbon_bank.rewards import choice_queries as queries
from carbon_bank.rewards.catalogue_service import offer_of, unknown
from carbon_bank.rewards.offer import amount_within
from carbon_bank.rewards.payout_tables import PayoutChoice as PayoutChoice
from carbon_bank.rewards.redemption_service import Asked, Redemption, redeem
from carbon_bank.trail.service import Act, changes, record


@dataclass(frozen=True)
class Due:
    """A household that is to be paid out by a reward."""

    household_id: int
    reward_id: int


@dataclass(frozen=True)
class Default:
    """What the terms in force give to those who chose nothing. after: days of posting a settlement until then."""

    reward_id: int
    points_least: int
    after: timedelta


async def put(
    session: WriteSession, actor: Actor, now: datetime, reward_id: int, points_least: int | None
) -> PayoutChoice:
    """Choose to be paid out by a reward every time. Args: points_least: null: as soon as the reward can be had.

    Raises: NotFound `rewards.unknown_reward` (404); InvalidInput `rewards.points` (422).
    """
    reward = await catalogue_queries.find(session, actor.of_city(), reward_id)
    if reward is None or reward.state != "active":
        raise unknown(reward_id)
    offer = offer_of(reward)
    least = offer.points or offer.points_least or 1
    wanted = least if points_least is None else points_least
    if wanted < least:
        raise InvalidInput(
            "rewards.points",
            f"Reward {reward_id} takes {least} points at least. Choose as many, or more.",
            {"points_least": least},
        )
    before = await queries.find(session, actor.of_household())
    facts = changes(_chosen(before), {"reward_id": reward_id, "points_least": wanted})
    row = PayoutChoice(
        household_id=actor.of_household(),
        city_id=actor.of_city(),
        reward_id=reward_id,
        points_least=wanted,
        changed_at=now,
        changed_by=actor.subject,
    )
    await queries.put(session, row)
    _record(session, actor, now, {"reward_id": reward_id, "points_least": wanted} | facts)
    return row


async def get(session: ReadSession, actor: Actor) -> PayoutChoice:
    """Raises: NotFound `rewards.no_choice` (404)."""
    row = await queries.find(session, actor.of_household())
    if row is None:
        raise _none()
    return row


async def remove(session: WriteSession, actor: Actor, now: datetime) -> None:
    """Raises: NotFound `rewards.no_choice` (404)."""
    before = await queries.find(session, actor.of_household())
    if before is None or not await queries.remove(session, actor.of_household()):
        raise _none()
    _record(session, actor, now, {"reward_id": None} | changes(_chosen(before), {}))


async def next_chosen(session: ReadSession, city_id: int, after: int, limit: int) -> tuple[int | None, list[Due]]:
    """Of the next choices of a city, those with points enough. Returns the last household looked at; null: there are no more."""
    found = await queries.next_choices(session, city_id, after, limit)
    points = await ledger.available_of(session, [each.household_id for each in found])
    due = [
        Due(each.household_id, each.reward_id)
        for each in found
        if points.get(each.household_id, 0) >= each.points_least
    ]
    return (found[-1].household_id if found else None), due


async def default_of(session: ReadSession, city_id: int) -> Default | None:
    """Null: the terms in force give nothing to those who chose nothing."""
    terms = await catalogue_queries.terms_in_force(session, city_id)
    if terms is None or terms.default_reward_id is None or terms.default_points_least is None:
        return None
    return Default(terms.default_reward_id, terms.default_points_least, timedelta(days=terms.claim_days))


async def next_undecided(
    session: ReadSession, city_id: int, default: Default, since: datetime, after: int, limit: int
) -> tuple[int | None, list[Due]]:
    """Of the next households of a city, those with points enough that chose nothing and asked for nothing since a moment."""
    ids = (await registry.household_ids(session, city_id, after, limit)).to_list()
    points = await ledger.available_of(session, ids)
    rich = [each for each in ids if points.get(each, 0) >= default.points_least]
    left: Sequence[int] = rich
    if rich:
        decided = await queries.with_choice(session, rich) | await queries.who_redeemed(session, rich, since)
        left = [each for each in rich if each not in decided]
    return (ids[-1] if ids else None), [Due(each, default.reward_id) for each in left]


async def pay_out(
    session: WriteSession, now: datetime, sealer: Sealer, city_id: int, due: Due, occasion: str
) -> Redemption | None:
    """Redeem for a household as it would itself, with all points that the reward takes. Null: this occasion was used, or too few.

    Raises: as `redeem`.
    """
    if await redemption_queries.has_occasion(session, due.household_id, occasion):
        return None
    reward = await catalogue_queries.find(session, city_id, due.reward_id)
    available = (await ledger.available_of(session, [due.household_id])).get(due.household_id, 0)
    points = None if reward is None else amount_within(offer_of(reward), available)
    if points is None:
        return None
    return await redeem(
        session, now, sealer, Asked(city_id, due.household_id, due.reward_id, points, WORKER.subject, occasion)
    )


async def cities(session: ReadSession) -> Sequence[int]:
    """The cities that give rewards."""
    return await catalogue_queries.cities_with_terms(session)


def _chosen(row: PayoutChoice | None) -> dict[str, int]:
    return {} if row is None else {"reward_id": row.reward_id, "points_least": row.points_least}


def _none() -> NotFound:
    return NotFound("rewards.no_choice", "You have chosen nothing. Choose with PUT /v1/me/payout-choice.")


def _record(session: WriteSession, actor: Actor, now: datetime, facts: dict[str, object]) -> None:
    subject = f"household:{actor.of_household()}"
    record(session, Act.PAYOUT_CHOSEN, by=actor.subject, at=now, subject=subject, city_id=actor.city_id, facts=facts)
