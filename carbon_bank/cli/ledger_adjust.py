"""`carbon-bank ledger adjust | reverse | adjustments | approve | reject`: by two people, each in their own name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database, ReadSession
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.ledger import act_service
from carbon_bank.ledger import adjustment_service as service
from carbon_bank.ledger.act_service import Extent, Moved
from carbon_bank.ledger.adjustment_service import Adjustment, Reason, Why
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]
Household = Annotated[str, typer.Option(help="Number of the household.")]
Number = Annotated[int, typer.Argument(help="Number of the adjustment.")]
Code = Annotated[Reason, typer.Option("--reason", help="Why, by its code.")]
Text = Annotated[str, typer.Option("--text", help="Why, in words; the household can read it.")]
SHOWN = 100


def adjust(
    household: Household,
    points: Annotated[int, typer.Option(help="Added or, below zero, taken: --points=-500.")],
    reason: Code,
    text: Text,
    login: As,
    expires_on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day of points that are added. Left out: none.")
    ] = None,
) -> None:
    """Prepare points to be added to a household's account, or taken from it. Another person approves them."""

    async def step(database: Database, settings: Settings) -> Adjustment:
        async with database.write() as session:
            actor = await acting(session, login, Permission.ADJUSTMENT_PREPARE)
            found = await registry.find_household(session, actor.of_city(), household)
            assert found.id is not None
            now, last = clock.now(), expires_on.date() if expires_on else None
            today = await registry.today_in(session, actor.of_city(), now)
            return await service.prepare(session, actor, now, found.id, points, Why(reason, text), today, last)

    number = run(step).id
    print(f"Adjustment {number}: {points:+,} points for household {household} are prepared.")
    print(f"Another person approves it: carbon-bank ledger approve {number} --as LOGIN")


def reverse(
    journal: Annotated[
        UUID, typer.Argument(help="The journal to take back, as `ledger statement --format csv` names it.")
    ],
    reason: Code,
    text: Text,
    login: As,
) -> None:
    """Prepare the taking back of everything that a journal posted. Another person approves it."""

    async def step(database: Database, settings: Settings) -> tuple[Adjustment, Extent]:
        async with database.write() as session:
            actor = await acting(session, login, Permission.ADJUSTMENT_PREPARE)
            made = await service.prepare_reversal(session, actor, clock.now(), journal, Why(reason, text))
            return made, await act_service.extent_of(session, journal)

    made, extent = run(step)
    number = made.id
    print(f"Adjustment {number}: the taking back of journal {journal} is prepared.")
    print(f"Households: {extent.households:,}; postings: {extent.postings:,}; points: {extent.points:+,}.")
    print(f"Another person approves it: carbon-bank ledger approve {number} --as LOGIN")


def adjustments(
    login: As,
    state: Annotated[
        Literal["prepared", "approved", "rejected", "withdrawn"] | None, typer.Option(help="Left out: all.")
    ] = None,
) -> None:
    """Adjustments and reversals, the newest first."""

    async def step(database: Database, settings: Settings) -> tuple[Sequence[Adjustment], dict[int, str]]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.LEDGER_READ)
            rows = await service.list_adjustments(session, actor, state, None, SHOWN)
            return rows, await _numbers(session, actor, {row.household_id for row in rows if row.household_id})

    rows, numbers = run(step)
    table = Table("number", "state", "household", box=SIMPLE_HEAD)
    table.add_column("points", justify="right")
    for name in ("takes back journal", "reason", "prepared by", "decided by"):
        table.add_column(name)
    for row in rows:
        household = numbers[row.household_id] if row.household_id else ""
        points = "" if row.points is None else f"{row.points:+,}"
        rest = (row.reverses or "", f"{row.reason}: {row.reason_text}", row.prepared_by, row.decided_by or "")
        table.add_row(str(row.id), row.state, household, points, *map(str, rest))
    Console(markup=False).print(table)


def approve(number: Number, login: As) -> None:
    """Approve and post what somebody else prepared."""

    async def step(database: Database, settings: Settings) -> tuple[list[tuple[int, Moved]], dict[int, str]]:
        async with database.write() as session:
            actor, now = await acting(session, login, Permission.ADJUSTMENT_APPROVE), clock.now()
            today = await registry.today_in(session, actor.of_city(), now)
            _, moved = await service.approve(session, actor, now, number, today, settings.debt_points_max)
            return moved, await _numbers(session, actor, {household_id for household_id, _ in moved[:SHOWN]})

    moved, numbers = run(step)
    forgiven = sum(each.forgiven for _, each in moved)
    print(f"Adjustment {number} is approved and posted. Accounts: {len(moved)}; points not asked back: {forgiven:,}.")
    table = Table("household", box=SIMPLE_HEAD)
    for name in ("available", "held", "debt", "not asked back"):
        table.add_column(name, justify="right")
    for household_id, each in moved[:SHOWN]:
        holds = (each.available, each.held, each.debt, each.forgiven)
        table.add_row(numbers[household_id], *(f"{value:,}" for value in holds))
    Console(markup=False).print(table)


def reject(
    number: Number, login: As, reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]
) -> None:
    """Reject what somebody prepared."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.ADJUSTMENT_APPROVE)
            await service.reject(session, actor, clock.now(), number, reason)

    run(step)
    print(f"Adjustment {number} is rejected.")


async def _numbers(session: ReadSession, actor: Actor, households: set[int]) -> dict[int, str]:
    """The member number of each."""
    return {each: (await registry.get_household(session, actor, each)).number for each in households}
