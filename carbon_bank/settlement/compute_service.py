"""Computing a settlement, one chunk of households at a time. `carbon_bank.worker` runs the steps, each its own transaction.

Reading, evaluating, awarding and writing are functions of their own: PostgreSQL reads the next chunk while this one is
evaluated, and where households are compared all are evaluated, once, before the first award is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.foundation.moments import fixed_moment
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import rules
from carbon_bank.programme import service as programme
from carbon_bank.programme.inputs_service import inputs_as_of
from carbon_bank.programme.policy import Policy
from carbon_bank.registry import service as registry
from carbon_bank.settlement import queries
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Settlement
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class Plan:
    """What stays the same from chunk to chunk."""

    settlement_id: int
    city_id: int
    policy: Policy
    period: Period
    as_of: datetime
    households: int
    computed_to: int
    state: SettlementState
    preceding_id: int | None


@dataclass(frozen=True)
class Chunk:
    """The inputs of some households: the ids (after, last] of the city."""

    after: int
    last: int
    households: int
    tenures: pl.DataFrame
    readings: pl.DataFrame
    dwellings: pl.DataFrame
    streaks: pl.DataFrame


@dataclass(frozen=True)
class Case:
    """Some households evaluated: what a chunk comes to before awards are made."""

    after: int
    last: int
    households: int
    evaluated: pl.DataFrame
    streaks: pl.DataFrame


async def begin_computing(session: WriteSession, settlement_id: int) -> Plan:
    """Fix the moment as of which the settlement reads, or take up where an interrupted run stopped."""
    settlement = await queries.lock(session, settlement_id)
    if settlement is None:
        raise NotFound("settlement.unknown", f"There is no settlement {settlement_id}.")
    if settlement.state == SettlementState.REQUESTED:
        settlement.as_of = await fixed_moment(session, settlement.city_id)
        settlement.households = await registry.count_households(session, settlement.city_id)
        settlement.state = SettlementState.COMPUTING.value
        await session.flush()
    return await plan_of(session, settlement)


async def plan_of(session: ReadSession, settlement: Settlement) -> Plan:
    """What a settlement that has begun computing goes by, now as then."""
    assert settlement.id is not None
    period = Period(settlement.first_month, settlement.months)
    as_of = settlement.as_of or settlement.requested_at
    return Plan(
        settlement_id=settlement.id,
        city_id=settlement.city_id,
        policy=await programme.policy_on_record(session, settlement.policy_id),
        period=period,
        as_of=as_of,
        households=settlement.households or 0,
        computed_to=settlement.computed_to,
        state=SettlementState(settlement.state),
        preceding_id=await _preceding(session, settlement, period, as_of),
    )


async def _preceding(session: ReadSession, settlement: Settlement, period: Period, as_of: datetime) -> int | None:
    """The settlement of the period before, if it was approved by the moment that this one reads as of."""
    before = await queries.live(session, settlement.city_id, str(period.shift(-1)))
    if before is None or before.approved_at is None or before.approved_at > as_of:
        return None
    return before.id


async def read_chunk(session: ReadSession, plan: Plan, after: int, households: int) -> Chunk | None:
    """The inputs of the next households behind `after`, as of the plan's moment; null when there are none left."""
    ids = await registry.household_ids(session, plan.city_id, after, households)
    if ids.is_empty():
        return None
    return await _inputs(session, plan, after, int(ids[0]), int(ids[-1]), len(ids))


async def read_household(session: ReadSession, plan: Plan, household_id: int) -> Chunk:
    """The inputs of one household alone, as of the plan's moment."""
    return await read_range(session, plan, household_id, household_id)


async def read_range(session: ReadSession, plan: Plan, first: int, last: int) -> Chunk:
    """The inputs of the households from one id to another, as of the plan's moment."""
    return await _inputs(session, plan, first - 1, first, last, last - first + 1)


async def _inputs(session: ReadSession, plan: Plan, after: int, first: int, last: int, households: int) -> Chunk:
    found = await inputs_as_of(session, plan.city_id, first, last, plan.policy, plan.period, plan.as_of)
    streaks = (
        await queries.streaks(session, plan.preceding_id, first, last)
        if plan.preceding_id is not None
        else rules.no_streaks()
    )
    return Chunk(after, last, households, found.tenures, found.readings, found.dwellings, streaks)


def evaluate_chunk(plan: Plan, chunk: Chunk) -> Case:
    """What a chunk's households used and would have used. Pure; takes a core for a while."""
    evaluated = rules.evaluate(plan.policy, plan.period, chunk.readings, chunk.tenures, chunk.dwellings)
    return Case(chunk.after, chunk.last, chunk.households, evaluated, chunk.streaks)


def award_case(plan: Plan, case: Case, population: pl.DataFrame | None) -> pl.DataFrame:
    """The awards of evaluated households, as rows of the table. Pure.

    Args: population: the whole city's totals, where the policy compares households.
    """
    awards = rules.award(plan.policy, plan.period, case.evaluated, case.streaks, population)
    return rules.award_rows(awards).select(pl.lit(plan.settlement_id, pl.Int64).alias("settlement_id"), pl.all())


async def kept_population(session: ReadSession, plan: Plan) -> pl.DataFrame | None:
    """The city's totals as this settlement first added them up; null where it has none yet."""
    rows = await queries.population(session, plan.settlement_id)
    if not rows:
        return None
    table = [
        row.model_dump(include=set(rules.POPULATION_SCHEMA)) | {"usage_total": int(row.usage_total)} for row in rows
    ]
    return pl.DataFrame(table, schema=rules.POPULATION_SCHEMA)


async def kept_population_for(session: ReadSession, plan: Plan, case: Case) -> pl.DataFrame | None:
    """The city's totals as they were kept, for the awards of a few of its households; null where the policy needs none.

    Raises: Conflict `settlement.totals_not_kept` (409).
    """
    if not plan.policy.needs_population:
        return None
    kept = await kept_population(session, plan)
    # Totals without a single household are right where nobody's usage is complete.
    if kept is None and case.evaluated["usage"].is_not_null().any():
        raise totals_not_kept(plan)
    return rules.POPULATION_SCHEMA.to_frame() if kept is None else kept


def totals_not_kept(plan: Plan) -> Conflict:
    """The refusal to look at one household of a settlement that compares households, without the totals to compare it with."""
    return Conflict(
        "settlement.totals_not_kept",
        f"Settlement {plan.settlement_id} compares households, and was computed before the bank kept the city's totals for "
        "it: its awards cannot be explained one by one.",
        {"settlement_id": plan.settlement_id},
    )


async def keep_population(session: WriteSession, plan: Plan, totals: pl.DataFrame) -> None:
    """Keep the city's totals, once: for a run that resumes, and for the explanation of an award."""
    await queries.lock(session, plan.settlement_id)
    if await kept_population(session, plan) is None:
        await queries.add_population(session, plan.settlement_id, totals)


async def write_chunk(session: WriteSession, plan: Plan, chunk: Chunk | Case, awards: pl.DataFrame) -> bool:
    """Record the awards of a chunk. False where somebody else has gone on, or it was withdrawn: then nothing is written."""
    settlement = await queries.lock(session, plan.settlement_id)
    assert settlement is not None
    if settlement.state != SettlementState.COMPUTING or settlement.computed_to != chunk.after:
        return False
    await queries.add_awards(session, awards)
    settlement.computed_to = chunk.last
    return True


async def finish_computing(session: WriteSession, actor: Actor, now: datetime, settlement_id: int) -> None:
    """Add up what all chunks came to. Nothing happens where it is done already."""
    settlement = await queries.lock(session, settlement_id)
    assert settlement is not None
    if settlement.state != SettlementState.COMPUTING:
        return
    await queries.add_totals(session, settlement_id)
    settlement.state, settlement.computed_at = SettlementState.COMPUTED.value, now
    awards = sum(total.awards for total in await queries.totals(session, settlement_id))
    record(
        session,
        Act.SETTLEMENT_COMPUTED,
        by=actor.subject,
        at=now,
        subject=f"settlement:{settlement_id}",
        city_id=settlement.city_id,
        facts={"awards": awards, "households": settlement.households},
    )
