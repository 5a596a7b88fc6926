"""Comparing two policies over a city's own past readings, as a job: nothing is awarded, nothing is posted.

`carbon_bank.worker` runs the steps; a job that died is run again from its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import polars as pl

from carbon_bank.foundation import jobs
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import NotFound
from carbon_bank.foundation.moments import fixed_moment
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import compare_queries as queries
from carbon_bank.programme import rules
from carbon_bank.programme.comparison import COMPARED
from carbon_bank.programme.inputs_service import inputs_as_of
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rationals import rational_text
from carbon_bank.programme.service import keep_policy, policy_on_record
from carbon_bank.programme.span import periods_within
from carbon_bank.programme.sweep import Sweep, with_value
from carbon_bank.programme.tables import PolicyComparison as PolicyComparison
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act, record

COMPARE_TASK = "programme.compare"


@dataclass(frozen=True)
class Trial:
    """What a comparison goes by. `policies`: A, B, and B with each value of the sweep."""

    comparison_id: int
    city_id: int
    as_of: datetime
    policies: tuple[Policy, ...]
    sweep_values: tuple[str, ...]
    first_month: int
    end_month: int
    unit_price: Fraction


async def request_comparison(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    a: Policy,
    b: Policy,
    span: tuple[int, int],
    unit_price: Fraction,
    sweep: Sweep | None = None,
) -> PolicyComparison:
    """Ask for a comparison over a span of months, [first, end). A job works it.

    Raises: InvalidInput `programme.span`, `programme.sweep`, `programme.policy_invalid` (422).
    """
    variants = [with_value(b, sweep.key, value) for value in sweep.values] if sweep else []
    for policy in (a, b, *variants):
        periods_within(policy, *span)
    asked = PolicyComparison(
        city_id=actor.of_city(),
        policy_a_id=await keep_policy(session, actor, now, a),
        policy_b_id=await keep_policy(session, actor, now, b),
        first_month=span[0],
        end_month=span[1],
        unit_price=rational_text(unit_price),
        sweep_key=sweep.key if sweep else None,
        sweep_values=list(sweep.values) if sweep else [],
        requested_by=actor.subject,
        requested_at=now,
    )
    session.add(asked)
    await session.flush()
    subject, facts = f"comparison:{asked.id}", {"a": a.digest, "b": b.digest}
    record(session, Act.POLICY_COMPARED, by=actor.subject, at=now, subject=subject, city_id=asked.city_id, facts=facts)
    await jobs.enqueue(session, COMPARE_TASK, {"comparison_id": asked.id}, subject)
    return asked


async def begin(session: WriteSession, comparison_id: int) -> Trial | None:
    """Fix the moment as of which it reads; null where it is finished."""
    asked = await queries.lock(session, comparison_id)
    if asked is None or asked.state != "requested":
        return None
    asked.as_of = asked.as_of or await fixed_moment(session, asked.city_id)
    a, b = [await policy_on_record(session, each) for each in (asked.policy_a_id, asked.policy_b_id)]
    values = tuple(asked.sweep_values)
    return Trial(
        comparison_id=comparison_id,
        city_id=asked.city_id,
        as_of=asked.as_of,
        policies=(a, b, *(with_value(b, asked.sweep_key or "", value) for value in values)),
        sweep_values=values,
        first_month=asked.first_month,
        end_month=asked.end_month,
        unit_price=Fraction(asked.unit_price),
    )


async def evaluate_next(
    session: ReadSession, trial: Trial, policy: Policy, period: Period, after: int, households: int
) -> tuple[int, pl.DataFrame] | None:
    """The next households behind an id, evaluated, and the last of them; null when none are left."""
    ids = await registry.household_ids(session, trial.city_id, after, households)
    if ids.is_empty():
        return None
    first, last = int(ids[0]), int(ids[-1])
    found = await inputs_as_of(session, trial.city_id, first, last, policy, period, trial.as_of)
    return last, rules.evaluate(policy, period, found.readings, found.tenures, found.dwellings)


def awards_of_period(
    policy: Policy, period: Period, evaluated: Sequence[pl.DataFrame], streaks: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The awards of a city for a period, with COMPARED; and the runs of reductions that they leave, none of length 0.

    Args: evaluated: of one chunk of households at least.
    """
    totals = rules.add_populations(map(rules.population, evaluated)) if policy.needs_population else None
    awards = [rules.award(policy, period, each, streaks, totals) for each in evaluated]
    whole = pl.concat(awards).with_columns(period=pl.lit(str(period)))
    runs = whole.filter(pl.col("streak") > 0).select("household_id", "commodity", "streak")
    return whole.select(COMPARED), runs


async def homes_of(session: ReadSession, trial: Trial) -> pl.DataFrame:
    """`household_id, district, dwelling_type` of the city."""
    districts = await registry.districts_of_households(session, trial.city_id)
    if districts.is_empty():
        return districts.with_columns(dwelling_type=pl.lit(None, pl.String))
    first, last = districts["household_id"].min(), districts["household_id"].max()
    assert isinstance(first, int) and isinstance(last, int)
    dwellings = await registry.dwellings(session, trial.city_id, first, last)
    return districts.join(dwellings.select("household_id", "dwelling_type"), on="household_id", how="left")


async def finish(
    session: WriteSession, now: datetime, comparison_id: int, report: dict[str, Any] | None, failure: str | None = None
) -> None:
    """Record what came of it: the report, or why there is none."""
    asked = await queries.lock(session, comparison_id)
    assert asked is not None
    if asked.state == "requested":
        asked.state, asked.finished_at = "failed" if failure else "done", now
        asked.report, asked.failure = report, failure


async def get_comparison(session: ReadSession, actor: Actor, comparison_id: int) -> PolicyComparison:
    """Raises: NotFound `programme.unknown_comparison` (404), also for another city's."""
    found = await queries.get(session, comparison_id)
    if found is None or found.city_id != actor.of_city():
        raise NotFound(
            "programme.unknown_comparison", f"There is no comparison {comparison_id} in this city. List them."
        )
    return found


async def list_comparisons(
    session: ReadSession, actor: Actor, before: int | None, limit: int
) -> Sequence[PolicyComparison]:
    """The city's comparisons, the newest first."""
    return await queries.listed(session, actor.of_city(), before, limit)
