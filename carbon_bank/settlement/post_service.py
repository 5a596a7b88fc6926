"""Posting an approved settlement, one bucket of households at a time. `carbon_bank.worker` runs the steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import Kind
from carbon_bank.ledger import service as ledger
from carbon_bank.ledger.service import Posted
from carbon_bank.registry import service as registry
from carbon_bank.settlement import queries, review_queries
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.service import check_state, policy_of
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Settlement
from carbon_bank.trail.service import Act, record
from carbon_bank.webhooks.events import Event
from carbon_bank.webhooks.service import emit


@dataclass(frozen=True)
class Bucket:
    """What a step posted, and the last household that is done."""

    last: int
    households: int
    posted: Posted


async def post_bucket(
    session: WriteSession, actor: Actor, now: datetime, settlement_id: int, households: int
) -> Bucket | None:
    """Post the next households of a settlement; null when none are left.

    Raises: Conflict `settlement.state` (409) where it is not approved.
    """
    settlement = await queries.lock(session, settlement_id)
    if settlement is None:
        raise NotFound("settlement.unknown", f"There is no settlement {settlement_id}.")
    if settlement.state == SettlementState.POSTED:
        return None
    check_state(settlement, SettlementState.POSTING, "post")
    last = await queries.bucket_end(session, settlement_id, settlement.posted_to, households)
    if last is None:
        return None
    granted = await queries.fill_grants(session, settlement_id, settlement.posted_to, last)
    posted = await ledger.post_awards(
        session,
        city_id=settlement.city_id,
        settlement_id=settlement_id,
        by=settlement.approved_by or actor.subject,
        effective_on=last_day(settlement),
        expires_on=await _expiry(session, settlement, now),
        now=now,
    )
    settlement.posted_to = last
    return Bucket(last, granted, posted)


async def post_released(
    session: WriteSession, actor: Actor, now: datetime, settlement: Settlement, award_id: AwardId, points: int
) -> None:
    """Post one award that was released after its household's turn had come. Before that its bucket will take it.

    Args: settlement: its locked row, so that no bucket is posted meanwhile.
    """
    passed = settlement.state == SettlementState.POSTED or award_id.household_id <= settlement.posted_to
    if not passed or points == 0:
        return
    await review_queries.fill_grant(session, award_id, points)
    await ledger.post_awards(
        session,
        city_id=settlement.city_id,
        settlement_id=award_id.settlement_id,
        by=actor.subject,
        effective_on=last_day(settlement),
        expires_on=await _expiry(session, settlement, now),
        now=now,
    )


async def finish_posting(session: WriteSession, actor: Actor, now: datetime, settlement_id: int) -> Posted:
    """Compare the ledger with what was to be posted, close the settlement, and tell each household its results.

    Raises: Conflict `settlement.books_differ` (409): nothing is closed, and the numbers say by how much.
    """
    settlement = await queries.lock(session, settlement_id)
    assert settlement is not None
    wanted = Posted(*await queries.to_post(session, settlement_id))
    stands = await ledger.posted_of_settlement(session, settlement_id)
    if wanted != stands:
        raise Conflict(
            "settlement.books_differ",
            f"Settlement {settlement_id} has {wanted.postings} awards of {wanted.points} points to post, and the ledger holds "
            f"{stands.postings} postings of {stands.points}. Nothing was closed; look into it before you go on.",
            {"awards": wanted.postings, "points": wanted.points, "postings": stands.postings, "posted": stands.points},
        )
    if settlement.state == SettlementState.POSTING:
        settlement.state, settlement.posted_at = SettlementState.POSTED.value, now
        facts = {"postings": stands.postings, "points": stands.points}
        subject = f"settlement:{settlement_id}"
        record(
            session,
            Act.SETTLEMENT_POSTED,
            by=actor.subject,
            at=now,
            subject=subject,
            city_id=settlement.city_id,
            facts=facts,
        )
        await queries.fill_results(session, settlement_id, settlement.period)
        await inbox.notify_many(session, now, city_id=settlement.city_id, kind=Kind.RESULTS_OUT, subject=subject)
        told = {"settlement_id": settlement_id, "period": settlement.period} | facts
        for role in (Role.PARTNER, Role.UTILITY):
            await emit(
                session, now, city_id=settlement.city_id, event=Event.SETTLEMENT_POSTED, audience=role, facts=told
            )
    return stands


def last_day(settlement: Settlement) -> date:
    """The day to which the points of a settlement belong."""
    period = Period(settlement.first_month, settlement.months)
    return date.fromordinal(period.end_day.toordinal() - 1)


async def _expiry(session: WriteSession, settlement: Settlement, now: datetime) -> date | None:
    policy = await policy_of(session, settlement)
    return ledger.lot_expiry(await registry.today_in(session, settlement.city_id, now), policy.points.valid_months)
