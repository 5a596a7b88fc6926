"""Held awards: a person looks at each, and releases or rejects it, with a reason. Once, and for good.

Before the settlement is approved, its operators decide, and the approver approves the whole. After that a decision moves
points by itself: it takes an approver, and never the one who prepared the settlement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.settlement import queries, review_queries
from carbon_bank.settlement.award_id import AwardId, unknown_award
from carbon_bank.settlement.post_service import post_released
from carbon_bank.settlement.service import check_state, digest_of, get_settlement, reserve
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Award, AwardReview, Settlement
from carbon_bank.trail.service import Act, record


class Decision(StrEnum):
    RELEASED = "released"
    REJECTED = "rejected"


_DECIDED_TOGETHER = (SettlementState.COMPUTED,)
_DECIDED_ALONE = (SettlementState.APPROVED, SettlementState.POSTING, SettlementState.POSTED)


@dataclass(frozen=True)
class Reviewed:
    """An award that is or was held, what was decided about it (null: nothing yet), and the digest of its policy."""

    award: Award
    decided: AwardReview | None
    policy_digest: str


@dataclass(frozen=True)
class ReviewCount:
    """How many awards of a settlement are held, released or rejected, and their points."""

    review: str
    awards: int
    points: int


async def decide(
    session: WriteSession, actor: Actor, now: datetime, award_id: AwardId, decision: Decision, reason: str
) -> Reviewed:
    """Release a held award, so that it is posted, or reject it, so that it never is.

    Where the settlement is being posted or is posted, a released award is posted at once.

    Raises: NotFound `settlement.unknown_award` (404); Conflict `settlement.state`, `settlement.not_held`, `ledger.budget` (409);
            Forbidden `settlement.review_own` (403), `identity.forbidden` (403).
    """
    settlement = await queries.lock(session, award_id.settlement_id)
    award = await review_queries.award(session, award_id)
    if settlement is None or award is None or settlement.city_id != actor.of_city():
        raise unknown_award(award_id)
    check_state(settlement, SettlementState.COMPUTED, "decide on an award of", *_DECIDED_ALONE)
    if settlement.state in _DECIDED_ALONE:
        _require_other_eyes(actor, settlement)
    if award.review != "held":
        raise await _not_held(session, award_id, award)
    review = AwardReview(
        settlement_id=award_id.settlement_id,
        household_id=award_id.household_id,
        commodity=award_id.commodity,
        decision=decision.value,
        by=actor.subject,
        at=now,
        reason=reason,
    )
    await review_queries.decide(session, review)
    await session.refresh(award)
    facts: dict[str, Any] = {"points": award.points, "findings": [finding["code"] for finding in award.findings]}
    act = Act.AWARD_RELEASED if decision is Decision.RELEASED else Act.AWARD_REJECTED
    subject, city_id = f"award:{award_id}", settlement.city_id
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=city_id, reason=reason, facts=facts)
    if decision is Decision.RELEASED:
        if settlement.state in _DECIDED_ALONE:  # before that its points are reserved with all others
            await reserve(session, actor, now, city_id, subject, award.points)
        await post_released(session, actor, now, settlement, award_id, award.points)
    return Reviewed(award, review, await digest_of(session, settlement))


async def awards_in_review(
    session: ReadSession, actor: Actor, settlement_id: int, review: str | None, after: Sequence[Any] | None, limit: int
) -> list[Reviewed]:
    """A settlement's awards that are or were held. Args: review: `held`, `released`, `rejected`; null: all of them."""
    digest = await digest_of(session, await get_settlement(session, actor, settlement_id))
    rows = await review_queries.in_review(session, settlement_id, review, after, limit)
    return [Reviewed(award, decided, digest) for award, decided in rows]


async def review_counts(session: ReadSession, settlement_id: int) -> list[ReviewCount]:
    return [ReviewCount(*row) for row in await review_queries.counts(session, settlement_id)]


async def decision_of(session: ReadSession, award_id: AwardId) -> AwardReview | None:
    """What was decided about an award; null where nobody had to, or has."""
    return await review_queries.decision(session, award_id)


def _require_other_eyes(actor: Actor, settlement: Settlement) -> None:
    actor.require(Permission.SETTLEMENT_APPROVE)
    if settlement.prepared_by == actor.subject:
        raise Forbidden(
            "settlement.review_own",
            f"Settlement {settlement.id} is {settlement.state} and you prepared it: another approver has to decide now.",
        )


async def _not_held(session: ReadSession, award_id: AwardId, award: Award) -> Conflict:
    decided = await review_queries.decision(session, award_id)
    told = f"was {decided.decision} on {decided.at:%Y-%m-%d}: {decided.reason}" if decided else "is not held"
    return Conflict(
        "settlement.not_held",
        f"Award {award_id} {told}. Only a held award is released or rejected, and once.",
        {"review": award.review},
    )
