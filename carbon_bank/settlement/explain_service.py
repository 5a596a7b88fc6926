"""The explanation of an award: its inputs as the settlement read them, through the same law, beside what is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Any

from carbon_bank.foundation.calendar import first_day
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import service as ledger
from carbon_bank.ledger.service import Lot, Posting
from carbon_bank.programme import rules
from carbon_bank.programme.explanation import explain
from carbon_bank.programme.explanation_steps import Explanation, MonthStep
from carbon_bank.programme.policy import Policy
from carbon_bank.readings import service as readings
from carbon_bank.readings.service import MeterReading
from carbon_bank.settlement import compute_service, queries, review_queries
from carbon_bank.settlement.award_id import AwardId, unknown_award
from carbon_bank.settlement.compute_service import Plan
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Award, AwardReview, Settlement
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class ReadingHistory:
    """All revisions of a reading, in order, and whether each stood when the settlement read it."""

    revisions: list[tuple[MeterReading, bool]]


@dataclass(frozen=True)
class ExplainedAward:
    """An award as stored, and as the law gives it again from the same inputs.

    Args: explanation: null where the law gives no such award. differs: what of the stored award is not as explained; empty
          where they agree. for_staff: whether the one who asked may know who decided.
    """

    award_id: AwardId
    settlement: Settlement
    policy: Policy
    award: Award
    explanation: Explanation | None
    differs: list[str]
    readings: list[ReadingHistory]
    decided: AwardReview | None
    postings: Sequence[tuple[Posting, Lot | None]]
    for_staff: bool


async def explain_award(session: ReadSession, actor: Actor, award_id: AwardId) -> ExplainedAward:
    """Every step of an award: for staff of its city; for the household itself once the settlement is posted.

    Raises: NotFound `settlement.unknown_award` (404); Conflict `settlement.totals_not_kept` (409).
    """
    settlement, award = await _visible(session, actor, award_id)
    plan = await compute_service.plan_of(session, settlement)
    told = await _explained(session, plan, award)
    return ExplainedAward(
        award_id=award_id,
        settlement=settlement,
        policy=plan.policy,
        award=award,
        explanation=told,
        differs=_differences(award, told),
        readings=await _reading_histories(session, plan, told) if told else [],
        decided=await review_queries.decision(session, award_id),
        postings=await ledger.postings_of_award(
            session, award_id.household_id, award_id.settlement_id, award_id.commodity
        ),
        for_staff=_is_staff(actor),
    )


async def postings_of(session: ReadSession, actor: Actor, award_id: AwardId) -> list[Posting]:
    """The postings of an award, for whoever may have it explained. Raises: NotFound `settlement.unknown_award` (404)."""
    await _visible(session, actor, award_id)
    found = await ledger.postings_of_award(session, award_id.household_id, award_id.settlement_id, award_id.commodity)
    return [posting for posting, _ in found]


def note_reading(
    session: WriteSession, actor: Actor, now: datetime, explained: ExplainedAward, reason: str | None
) -> None:
    """Record that the city's staff looked at a household's readings and award. A household's own look is its own."""
    if explained.for_staff:
        subject, city_id = f"award:{explained.award_id}", explained.settlement.city_id
        record(session, Act.EXPLANATION_READ, by=actor.subject, at=now, subject=subject, city_id=city_id, reason=reason)


async def _visible(session: ReadSession, actor: Actor, award_id: AwardId) -> tuple[Settlement, Award]:
    city_id = actor.of_city()
    settlement = await queries.get(session, award_id.settlement_id)
    award = await review_queries.award(session, award_id)
    if settlement is None or award is None or settlement.city_id != city_id:
        raise unknown_award(award_id)
    is_own = award.household_id == actor.household_id and settlement.state == SettlementState.POSTED
    if not (is_own or _is_staff(actor)):
        raise unknown_award(award_id)
    return settlement, award


def _is_staff(actor: Actor) -> bool:
    return Permission.SETTLEMENT_READ in actor.permissions


async def _explained(session: ReadSession, plan: Plan, award: Award) -> Explanation | None:
    inputs = await compute_service.read_household(session, plan, award.household_id)
    kept = await compute_service.kept_population(session, plan) if plan.policy.needs_population else None
    told = explain(
        plan.policy,
        plan.period,
        award.commodity,
        inputs.readings,
        inputs.tenures,
        inputs.dwellings,
        inputs.streaks,
        rules.POPULATION_SCHEMA.to_frame() if kept is None else kept,
    )
    # Totals without a single household are right where nobody's usage is complete, and this household's is.
    if (
        plan.policy.needs_population
        and kept is None
        and told
        and any(each.usage is not None for each in told.commodities)
    ):
        raise compute_service.totals_not_kept(plan)
    return told


def _differences(award: Award, told: Explanation | None) -> list[str]:
    """What the stored award and its explanation do not agree in."""
    num, den = award.baseline_num, award.baseline_den
    stored: dict[str, Any] = {
        "outcome": award.outcome,
        "usage": award.usage,
        "baseline": None if num is None or den is None else Fraction(int(num), int(den)),
        "tier": award.tier,
        "points": award.points,
        "avoided_g": award.avoided_g,
        "streak": award.streak,
        "findings": award.findings,
    }
    if told is None:
        return list(stored)
    explained: dict[str, Any] = {
        "outcome": told.outcome,
        "usage": told.usage,
        "baseline": told.baseline,
        "tier": told.tier,
        "points": told.points.points,
        "avoided_g": told.avoided.grams if told.avoided else None,
        "streak": told.streak.after,
        "findings": [{"code": each.code, "severity": each.severity, "numbers": each.numbers} for each in told.findings],
    }
    return [name for name, value in stored.items() if value != explained[name]]


async def _reading_histories(session: ReadSession, plan: Plan, told: Explanation) -> list[ReadingHistory]:
    """The readings that any month of the explanation is made of, as they were recorded and revised."""
    parts = [part for month in _months(told) for part in month.parts]
    counted = {(part.meter_id, part.period_start, part.period_end) for part in parts}
    first = min((month.month for month in _months(told)), default=plan.period.first_month)
    meters = sorted({part.meter_id for part in parts})
    rows = await readings.history_of(session, meters, first_day(first), plan.period.end_day, plan.as_of)
    by_reading = groupby(rows, key=lambda row: readings.reading_key(row[0]))
    return [ReadingHistory(list(revisions)) for key, revisions in by_reading if key in counted]


def _months(told: Explanation) -> Iterator[MonthStep]:
    for commodity in told.commodities:
        for each in commodity.baseline.months:
            yield from (past.step for past in each.years)
        yield from commodity.months
