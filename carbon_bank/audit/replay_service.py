"""The steps of a replay: a settlement computed once more from what it read, and compared with what stands.

`carbon_bank.worker` takes them over a whole city; one household is replayed here at once. Nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from carbon_bank.audit import replay, replay_queries
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession
from carbon_bank.identity.actor import Actor
from carbon_bank.registry import service as registry
from carbon_bank.settlement import compute_service, service
from carbon_bank.settlement.compute_service import Plan
from carbon_bank.settlement.post_service import last_day
from carbon_bank.settlement.service import Settlement
from carbon_bank.settlement.states import SettlementState as State

EVERYBODY = (-(2**63), 2**63 - 1)
"""The least and the largest id that a row can have."""


@dataclass(frozen=True)
class Replaying:
    """What stays the same from chunk to chunk.

    Args: plan: null where the settlement is not the one that was asked for, by the text of the policy that its digest names:
          then nothing is computed by it. told: facts of its acts on the trail. found: differences of the settlement itself.
    """

    settlement: Settlement
    plan: Plan | None
    told: dict[str, Any]
    found: pl.DataFrame


@dataclass(frozen=True)
class Standing:
    """What stands of some households, as `replay_queries` gives it, and the settlement's state at that moment."""

    state: str
    awards: pl.DataFrame
    decisions: pl.DataFrame
    postings: pl.DataFrame


@dataclass(frozen=True)
class Sums:
    """What recomputed awards add up to. Args: holders: households with an award. totals: as `audit.replay.totals`."""

    holders: int
    totals: pl.DataFrame


@dataclass(frozen=True)
class Part:
    """What a step came to: differences as DIFFERENCE_SCHEMA, households looked at, awards recomputed."""

    differences: pl.DataFrame
    households: int = 0
    awards: int = 0


async def begin(session: ReadSession, settlement_id: int) -> Replaying:
    """What a replay of a settlement of any city goes by, and what is wrong with the settlement itself.

    Raises: NotFound `settlement.unknown` (404); Conflict `settlement.state` (409) where it is not computed or was withdrawn.
    """
    return await _begun(session, await service.any_settlement(session, settlement_id))


async def _begun(session: ReadSession, settlement: Settlement) -> Replaying:
    service.check_state(settlement, State.COMPUTED, "replay", State.APPROVED, State.POSTING, State.POSTED)
    assert settlement.id is not None
    stored = await replay_queries.policy(session, settlement.policy_id)
    told = await replay_queries.told(session, settlement.id)
    if stored is None:
        return Replaying(settlement, None, told, replay.difference("policy", replay.ROW, replay.MISSING, replay.THERE))
    found = [
        replay.difference("policy", "digest", stored.digest, hashlib.sha256(stored.text.encode()).hexdigest()),
        replay.difference("settlement", "policy_id", stored.digest, told.get("policy_digest")),
        replay.difference("settlement", "period", settlement.period, told.get("period")),
    ]
    if not any(each.height for each in found):
        asked = Period.parse(settlement.period)
        found.append(replay.difference("settlement", "first_month", settlement.first_month, asked.first_month))
        found.append(replay.difference("settlement", "months", settlement.months, asked.length))
    if any(each.height for each in found):
        return Replaying(settlement, None, told, pl.concat(found))
    plan = await compute_service.plan_of(session, settlement)
    found.append(replay.difference("policy", "name", stored.name, plan.policy.policy))
    found.append(replay.difference("policy", "version", stored.version, plan.policy.version))
    return Replaying(settlement, plan, told, pl.concat(found))


async def read_standing(session: ReadSession, replaying: Replaying, first_id: int, last_id: int) -> Standing:
    """What stands of the households from one id to another. Args: session: one that has not read anything yet."""
    await replay_queries.as_of_one_moment(session)
    assert replaying.settlement.id is not None
    of = (session, replaying.settlement.id, first_id, last_id)
    return Standing(
        (await service.any_settlement(session, replaying.settlement.id)).state,
        await replay_queries.awards(*of),
        await replay_queries.decisions(*of),
        await replay_queries.postings(*of),
    )


def compare(replaying: Replaying, rows: pl.DataFrame | None, standing: Standing, households: int) -> tuple[Part, Sums]:
    """Awards that were computed again beside what stands of the same households. Pure; takes a core for a while.

    Args: rows: as `award_case` gives them; null: nobody who could have any.
    """
    first = replay.no_awards() if rows is None else replay.award_texts(rows)
    decided = replay.decisions_on_trail(standing.decisions, first)
    now = replay.with_decisions(first, decided)
    due = replay.postings_due(now, str(last_day(replaying.settlement)))
    if standing.state == State.POSTING:
        due = due.join(standing.postings, on=replay.KEY, how="semi")
    elif standing.state != State.POSTED:
        due = due.clear()
    found = [
        replay.differences(replay.AWARD, replay.with_findings_in_order(standing.awards), now),
        replay.differences(replay.REVIEW, replay.kept_decisions(standing.decisions), decided),
        replay.differences(replay.POSTING, standing.postings, due),
    ]
    sums = Sums(first["household_id"].n_unique(), replay.totals(first))
    return Part(replay.by_household(found), households, first.height), sums


async def compare_sums(
    session: ReadSession, replaying: Replaying, parts: Sequence[Sums], population: pl.DataFrame | None
) -> Part:
    """What all parts add up to beside what the settlement says it comes to, and the city's totals beside those it kept."""
    settlement = replaying.settlement
    assert settlement.id is not None
    totals = await replay_queries.totals(session, settlement.id)
    kept = await replay_queries.population(session, settlement.id)
    told = replaying.told.get("households")
    low, high = sum(part.holders for part in parts), await registry.count_households(session, settlement.city_id)
    is_possible = isinstance(told, int) and low <= told <= high
    found = [
        replay.differences(replay.TOTAL, totals, replay.add_totals([part.totals for part in parts])),
        replay.differences(replay.POPULATION, kept, replay.population_texts(population)),
        replay.difference(
            "settlement", "households", settlement.households, told if is_possible else f"{low} to {high}"
        ),
    ]
    return Part(pl.concat(found))


async def replay_household(session: ReadSession, actor: Actor, settlement_id: int, household_id: int) -> Part:
    """One household of a settlement of the actor's city, against the totals that were kept of the city, where it needs them.

    Args: session: one that has not read anything yet.

    Raises: NotFound `settlement.unknown`, `registry.unknown_household` (404); Conflict `settlement.state`,
            `settlement.totals_not_kept` (409).
    """
    await replay_queries.as_of_one_moment(session)
    replaying = await _begun(session, await service.get_settlement(session, actor, settlement_id))
    await registry.get_household(session, actor, household_id)
    if replaying.plan is None:
        return Part(replaying.found)
    chunk = await compute_service.read_household(session, replaying.plan, household_id)
    case = compute_service.evaluate_chunk(replaying.plan, chunk)
    population = await compute_service.kept_population_for(session, replaying.plan, case)
    rows = compute_service.award_case(replaying.plan, case, population)
    part, _ = compare(replaying, rows, await read_standing(session, replaying, household_id, household_id), 1)
    return replace(part, differences=pl.concat([replaying.found, part.differences]))
