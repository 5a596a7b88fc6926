"""The steps of a restatement, each its own transaction. `carbon_bank.worker` runs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict
from carbon_bank.foundation.moments import fixed_moment
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import correction_service
from carbon_bank.ledger import restate_service as ledger
from carbon_bank.ledger import service as accounts
from carbon_bank.ledger.act_service import Context
from carbon_bank.ledger.service import Posted
from carbon_bank.registry import service as registry
from carbon_bank.settlement import compute_service, due_service, restate_queries
from carbon_bank.settlement import queries as settlement_queries
from carbon_bank.settlement.compute_service import Chunk, Plan
from carbon_bank.settlement.post_service import last_day
from carbon_bank.settlement.restate_service import locked, name_of, note, require_state, to_post
from carbon_bank.settlement.restate_tables import Restatement
from carbon_bank.settlement.service import policy_of
from carbon_bank.settlement.states import SettlementState as State
from carbon_bank.settlement.tables import Settlement
from carbon_bank.trail.service import Act

_KEY = ["household_id", "commodity"]


@dataclass(frozen=True)
class RestatePlan:
    """What stays the same from chunk to chunk. `plan`: the settlement's, reading as of now; `due`: household ids in order."""

    restatement_id: int
    plan: Plan
    due: pl.Series
    points_min: int
    computed_to: int
    state: State


async def begin(session: WriteSession, restatement_id: int) -> RestatePlan:
    """Fix the moment as of which the restatement reads, or take up where an interrupted run stopped."""
    found = await locked(session, None, restatement_id)
    if found.state == State.REQUESTED:
        found.as_of = await fixed_moment(session, found.city_id)
        found.state = State.COMPUTING.value
        await session.flush()
    settlement = await _settlement(session, found)
    plan = await compute_service.plan_of(session, settlement)
    as_of = found.as_of or plan.as_of
    due = await due_service.due_of(session, settlement)
    return RestatePlan(
        restatement_id,
        replace(plan, as_of=as_of),
        due["household_id"],
        found.points_min,
        found.computed_to,
        State(found.state),
    )


def chunks_of(restating: RestatePlan, households: int) -> Iterator[pl.Series]:
    """The due households still to do, in order, in parts that span at most so many ids: what lies between is read, too."""
    due = restating.due.filter(restating.due > restating.computed_to)
    while len(due):
        part = due.filter(due < int(due[0]) + households)
        yield part
        due = due[len(part) :]


async def read_chunk(session: ReadSession, restating: RestatePlan, ids: pl.Series) -> tuple[Chunk, pl.DataFrame]:
    """The inputs of some due households, and what stands for their awards: `household_id, commodity, reviewed, paid, is_reversed`."""
    plan, first, last = restating.plan, int(ids[0]), int(ids[-1])
    chunk = await compute_service.read_range(session, plan, first, last)
    reviews = await restate_queries.reviews(session, plan.settlement_id, first, last)
    paid = await accounts.paid_by_award(session, plan.settlement_id, first, last)
    return chunk, reviews.join(paid, on=_KEY, how="full", coalesce=True)


def compare(
    restating: RestatePlan, ids: pl.Series, chunk: Chunk, standing: pl.DataFrame, population: pl.DataFrame | None
) -> pl.DataFrame:
    """The restated awards of some households as rows of their table. Pure; takes a core for a while."""
    wanted = pl.col("household_id").is_in(ids.implode())
    case = compute_service.evaluate_chunk(restating.plan, chunk)
    case, standing = replace(case, evaluated=case.evaluated.filter(wanted)), standing.filter(wanted)
    awards = compute_service.award_case(restating.plan, case, population).drop("settlement_id")
    both = awards.with_columns(pl.col("commodity").cast(AWARD_COMMODITY_DTYPE)).join(
        standing, on=_KEY, how="full", coalesce=True
    )
    points, before = pl.col("points"), pl.col("points_before")
    both = both.with_columns(
        pl.col("points", "streak").fill_null(0),
        pl.col("findings").fill_null("[]"),
        points_before=pl.col("paid").fill_null(0),
        is_reversed=pl.col("is_reversed").fill_null(False),
    )
    decided = (
        pl.when("is_reversed")
        .then(pl.lit("reversed"))
        .when(pl.col("reviewed").cast(pl.String) == "rejected")
        .then(pl.lit("rejected"))
        .when((pl.col("review") == "held") & (pl.col("reviewed").cast(pl.String).fill_null("held") != "released"))
        .then(pl.lit("held"))
        .when(points == before)
        .then(pl.lit("same"))
        .when((points - before).abs() < restating.points_min)
        .then(pl.lit("small"))
        .otherwise(pl.lit("post"))
    )
    return both.with_columns(standing=decided, restatement_id=pl.lit(restating.restatement_id, pl.Int64)).drop(
        "paid", "is_reversed", "review", "reviewed"
    )


async def write_awards(
    session: WriteSession, restating: RestatePlan, after: int, last: int, rows: pl.DataFrame
) -> bool:
    """Record the awards of a chunk. False where somebody else has gone on, or it was withdrawn: then nothing is written."""
    found = await locked(session, None, restating.restatement_id)
    if found.state != State.COMPUTING or found.computed_to != after:
        return False
    await restate_queries.add_awards(session, rows)
    found.computed_to = last
    return True


async def finish_computing(session: WriteSession, actor: Actor, now: datetime, restatement_id: int) -> None:
    """Nothing happens where it is done already."""
    found = await locked(session, None, restatement_id)
    if found.state != State.COMPUTING:
        return
    found.state, found.computed_at = State.COMPUTED.value, now
    totals = {standing: awards for standing, awards, _, _ in await restate_queries.totals(session, restatement_id)}
    note(session, Act.RESTATEMENT_COMPUTED, actor, now, found, totals)


async def post_bucket(
    session: WriteSession, actor: Actor, now: datetime, restatement_id: int, households: int, debt_max: int
) -> int | None:
    """Post the differences of the next households. Returns how many they were; null when none are left."""
    found = await locked(session, None, restatement_id)
    if found.state == State.POSTED:
        return None
    require_state(found, "post", State.POSTING)
    last = await restate_queries.bucket_end(session, restatement_id, found.posted_to, households)
    if last is None:
        return None
    count = await restate_queries.fill_grants(session, restatement_id, found.posted_to, last)
    settlement = await _settlement(session, found)
    today = await registry.today_in(session, found.city_id, now)
    policy = await policy_of(session, settlement)
    await ledger.post_differences(
        session,
        Context(found.city_id, found.approved_by or actor.subject, now, today, name_of(found), found.reason),
        settlement_id=found.settlement_id,
        restatement_id=restatement_id,
        effective_on=last_day(settlement),
        expires_on=accounts.lot_expiry(today, policy.points.valid_months),
        debt_max=debt_max,
    )
    found.posted_to = last
    return count


async def finish_posting(session: WriteSession, actor: Actor, now: datetime, restatement_id: int) -> Posted:
    """Compare the ledger with what was to be posted, close the restatement, and tell the households whose points it changed.

    Raises: Conflict `restatement.books_differ` (409): nothing is closed, and the numbers say by how much.
    """
    found = await locked(session, None, restatement_id)
    awards, more, less = to_post(await restate_queries.totals(session, restatement_id))
    stands = await ledger.posted_of_restatement(session, name_of(found), found.settlement_id)
    if stands != Posted(awards, more - less):
        raise Conflict(
            "restatement.books_differ",
            f"Restatement {restatement_id} has {awards} differences of {more - less} points to post, and the ledger holds "
            f"{stands.postings} postings of {stands.points}. Nothing was closed; look into it before you go on.",
            {"awards": awards, "points": more - less, "postings": stands.postings, "posted": stands.points},
        )
    if found.state == State.POSTING:
        found.state, found.posted_at = State.POSTED.value, now
        facts = {"postings": awards, "more": more, "less": less}
        note(session, Act.RESTATEMENT_POSTED, actor, now, found, facts)
        settlement = await _settlement(session, found)
        await correction_service.tell_restated(
            session,
            now,
            city_id=found.city_id,
            settlement_id=found.settlement_id,
            period=settlement.period,
            subject=name_of(found),
        )
    return stands


async def _settlement(session: ReadSession, found: Restatement) -> Settlement:
    settlement = await settlement_queries.get(session, found.settlement_id)
    assert settlement is not None
    return settlement
