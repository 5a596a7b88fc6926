"""The budget of a city, in points: reserved once for each settlement, restatement, award or adjustment that grants, with a hard stop.

A city without an approved budget grants without limit. One with a budget grants nothing on a day that none covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import budget_queries
from carbon_bank.ledger.act_service import Context
from carbon_bank.ledger.budget_tables import Budget as Budget
from carbon_bank.ledger.budget_tables import BudgetUse
from carbon_bank.trail.service import Act, record


async def prepare(
    session: WriteSession, actor: Actor, now: datetime, *, starts_on: date, ends_on: date, points: int
) -> Budget:
    """Prepare a budget from a day up to, not including, another. It is in force once somebody else approves it.

    Raises: InvalidInput `ledger.budget_days` (422); Conflict `ledger.budget_overlap` (409).
    """
    if ends_on <= starts_on:
        raise InvalidInput(
            "ledger.budget_days", f"The budget would end on {ends_on}, before it has begun on {starts_on}."
        )
    await _refuse_overlap(session, actor.of_city(), starts_on, ends_on)
    budget = Budget(
        city_id=actor.of_city(),
        starts_on=starts_on,
        ends_on=ends_on,
        points=points,
        prepared_by=actor.subject,
        prepared_at=now,
    )
    await budget_queries.add(session, budget)
    _record(session, Act.BUDGET_PREPARED, actor, now, budget)
    return budget


async def approve(session: WriteSession, actor: Actor, now: datetime, budget_id: int) -> Budget:
    """Raises: NotFound `ledger.unknown_budget` (404); Forbidden `ledger.budget_own` (403); Conflict `ledger.budget_approved`,
    `ledger.budget_overlap` (409)."""
    await budget_queries.lock_city(session, actor.of_city())
    budget = await budget_queries.get(session, budget_id)
    if budget is None or budget.city_id != actor.of_city():
        raise NotFound("ledger.unknown_budget", f"There is no budget {budget_id} in this city.")
    if budget.approved_at is not None:
        raise Conflict("ledger.budget_approved", f"Budget {budget_id} is approved already.")
    if budget.prepared_by == actor.subject:
        raise Forbidden("ledger.budget_own", f"You prepared budget {budget_id}, so another approver has to approve it.")
    await _refuse_overlap(session, budget.city_id, budget.starts_on, budget.ends_on)
    budget.approved_by, budget.approved_at = actor.subject, now
    _record(session, Act.BUDGET_APPROVED, actor, now, budget)
    return budget


async def use(session: WriteSession, context: Context, points: int) -> None:
    """Reserve points for what the context is about, out of the budget in force today. Once: asked again, nothing happens.

    Raises: Conflict `ledger.budget`, `ledger.no_budget` (409).
    """
    assert context.subject is not None
    budget = await budget_queries.lock_in_force(session, context.city_id, context.today)
    if points == 0 or await budget_queries.use_of(session, context.subject) is not None:
        return
    if budget is None:
        if await budget_queries.any_approved(session, context.city_id):
            raise Conflict(
                "ledger.no_budget",
                f"No approved budget of the city covers {context.today}, and {points} points are to be granted. Have one approved.",
                {"points": points},
            )
        return
    left = budget.points - budget.used
    if points > left:
        raise Conflict(
            "ledger.budget",
            f"{points} points are to be granted, and {left} of the {budget.points} of budget {budget.id} are left until "
            f"{budget.ends_on}. Nothing was granted; have a larger budget approved for the time after it, or grant less.",
            {"points": points, "left": left, "budget_id": budget.id},
        )
    budget.used += points
    assert budget.id is not None
    await budget_queries.add(
        session, BudgetUse(budget_id=budget.id, subject=context.subject, points=points, at=context.now)
    )


async def list_budgets(session: ReadSession, actor: Actor) -> Sequence[Budget]:
    """The city's budgets, the latest first, with what is used of each."""
    return await budget_queries.listed(session, actor.of_city())


async def _refuse_overlap(session: ReadSession, city_id: int, starts_on: date, ends_on: date) -> None:
    other = await budget_queries.approved_overlapping(session, city_id, starts_on, ends_on)
    if other is not None:
        raise Conflict(
            "ledger.budget_overlap",
            f"Budget {other.id} is approved from {other.starts_on} to {other.ends_on}. Begin this one on {other.ends_on}.",
            {"budget_id": other.id},
        )


def _record(session: WriteSession, act: Act, actor: Actor, now: datetime, budget: Budget) -> None:
    facts = {"points": budget.points, "starts_on": str(budget.starts_on), "ends_on": str(budget.ends_on)}
    subject = f"budget:{budget.id}"
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=budget.city_id, facts=facts)
