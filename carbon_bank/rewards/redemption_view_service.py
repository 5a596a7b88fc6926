"""A redemption with what its readers want to know beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.rewards import catalogue_queries, pickup_service, voucher_queries
from carbon_bank.rewards import redemption_queries as queries
from carbon_bank.rewards.catalogue_tables import Reward, RewardTerms
from carbon_bank.rewards.pickup_code import PickupCode
from carbon_bank.rewards.redemption_end_service import get_own
from carbon_bank.rewards.redemption_queries import Wanted as Wanted
from carbon_bank.rewards.redemption_states import OPEN
from carbon_bank.rewards.redemption_tables import Redemption


@dataclass(frozen=True)
class Shown:
    """A redemption, its reward, and the terms on which it was made."""

    row: Redemption
    reward: Reward
    terms: RewardTerms


@dataclass(frozen=True)
class Codes:
    """What only its household sees: the code of a voucher, or the one to show at the counter."""

    voucher: str | None
    voucher_expires_on: date | None
    pickup: PickupCode | None


async def show(session: ReadSession, row: Redemption) -> Shown:
    reward = await catalogue_queries.find(session, row.city_id, row.reward_id)
    terms = await catalogue_queries.terms(session, row.city_id, row.terms_id)
    assert reward is not None and terms is not None
    return Shown(row, reward, terms)


async def listed(session: ReadSession, wanted: Wanted, before: int | None, limit: int) -> Sequence[Shown]:
    """The newest first."""
    pairs = await queries.listed(session, wanted, before, limit)
    terms = {}
    for terms_id in {row.terms_id for row, _ in pairs}:
        terms[terms_id] = await catalogue_queries.terms(session, wanted.city_id, terms_id)
    return [Shown(row, reward, found) for row, reward in pairs if (found := terms[row.terms_id]) is not None]


async def own_codes(session: ReadSession, actor: Actor, sealer: Sealer, redemption_id: int) -> Codes:
    """The codes of a redemption, for its household. A pickup code is shown as long as it can be used.

    Raises: NotFound `rewards.unknown_redemption` (404).
    """
    row, _ = await get_own(session, actor, redemption_id)
    voucher = await voucher_queries.of_redemption(session, redemption_id)
    pickup = pickup_service.code_of(row, sealer) if row.state in OPEN else None
    return Codes(voucher.code if voucher else None, voucher.expires_on if voucher else None, pickup)
