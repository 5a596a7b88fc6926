"""`carbon-bank settlement compute | list | show | held | release | reject | approve | post | withdraw`, each in a person's name.

Restatements: `settlement_restate`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from carbon_bank import worker
from carbon_bank.cli import settlement_restate
from carbon_bank.cli.runtime import acting, progress_bar, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Permission
from carbon_bank.settings import Settings
from carbon_bank.settlement import review_service, service
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.review_service import Decision, Reviewed
from carbon_bank.settlement.service import Settlement, SettlementTotal
from carbon_bank.settlement.states import SettlementState

app = typer.Typer(no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]
Number = Annotated[int, typer.Argument(help="Number of the settlement.")]
AwardName = Annotated[str, typer.Argument(help="Name of the award, as 12-3456-electricity.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays on record, and the household can read it.")]
HELD_SHOWN = 200

app.command("restate")(settlement_restate.restate)
app.command("restatements")(settlement_restate.restatements)
app.add_typer(settlement_restate.app, name="restatement", help="Look at, approve, post and withdraw restatements.")


@app.command()
def compute(
    period: Annotated[str, typer.Option(help="As 2026-H1.")],
    login: As,
) -> None:
    """Prepare the settlement of a period under the policy in force, and compute it now. Interrupted: `resume`."""
    wanted = Period.parse(period)

    async def step(database: Database, settings: Settings) -> int:
        async with database.write() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_PREPARE)
            settlement = await service.request_settlement(
                session, actor, clock.now(), period=wanted, in_background=False
            )
        assert settlement.id is not None
        await _compute(database, settings, settlement.id)
        return settlement.id

    number = run(step)
    print(f"Settlement {number} of {wanted} is computed. Look at it: carbon-bank settlement show {number} --as {login}")


@app.command()
def resume(number: Number) -> None:
    """Go on with a settlement whose computation stopped."""

    async def step(database: Database, settings: Settings) -> SettlementState:
        return await _compute(database, settings, number)

    found = run(step)
    if found is SettlementState.COMPUTING:
        print(f"Settlement {number} is computed.")
    else:
        print(f"Settlement {number} is {found}: there is nothing to compute.")


@app.command("list")
def list_(login: As) -> None:
    """The city's settlements."""

    async def step(database: Database, settings: Settings) -> list[Settlement]:
        async with database.read() as session:
            return list(
                await service.list_settlements(
                    session, await acting(session, login, Permission.SETTLEMENT_READ), None, 1000
                )
            )

    table = Table("number", "period", "state", "households", "as of", "prepared by", "approved by")
    for each in run(step):
        as_of = f"{each.as_of:%Y-%m-%d %H:%M:%S}" if each.as_of else ""
        cells = (
            each.id,
            each.period,
            each.state,
            each.households or "",
            as_of,
            each.prepared_by,
            each.approved_by or "",
        )
        table.add_row(*map(str, cells))
    Console().print(table)


@app.command()
def show(number: Number, login: As) -> None:
    """One settlement: where it stands, and what it comes to."""

    async def step(database: Database, settings: Settings) -> tuple[Settlement, str, list[SettlementTotal], str]:
        async with database.read() as session:
            settlement = await service.get_settlement(
                session, await acting(session, login, Permission.SETTLEMENT_READ), number
            )
            policy = await service.policy_of(session, settlement)
            counts = await review_service.review_counts(session, number)
            reviews = ", ".join(f"{each.awards} {each.review} ({each.points:,} points)" for each in counts)
            totals = list(await service.totals_of(session, number))
            return settlement, f"{policy.reference} ({policy.digest})", totals, reviews or "nothing was held"

    settlement, policy, totals, reviews = run(step)
    print(f"settlement {number} of {settlement.period}: {settlement.state}")
    print(f"policy      {policy}\nas of       {settlement.as_of}\nhouseholds  {settlement.households}")
    print(f"prepared by {settlement.prepared_by}, approved by {settlement.approved_by or '(nobody yet)'}")
    print(f"in review   {reviews}")
    Console().print(totals_table(totals))


@app.command()
def held(number: Number, login: As) -> None:
    """The awards that are held, and why. Decide on each: `release` or `reject`."""

    async def step(database: Database, settings: Settings) -> list[Reviewed]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_READ)
            return await review_service.awards_in_review(session, actor, number, "held", None, HELD_SHOWN + 1)

    found = run(step)
    table = Table("award", "outcome", "points", "findings that hold it")
    for each in found[:HELD_SHOWN]:
        award, findings = each.award, each.award.findings
        told = "; ".join(
            f"{finding['code']} {_numbers(finding)}" for finding in findings if finding["severity"] == "hold"
        )
        name = AwardId(award.settlement_id, award.household_id, award.commodity)
        table.add_row(str(name), award.outcome, f"{award.points:,}", told)
    Console().print(table)
    if len(found) > HELD_SHOWN:
        print(f"The first {HELD_SHOWN} are shown; decide on them, and look again.")


@app.command()
def release(award: AwardName, login: As, reason: Why) -> None:
    """Release a held award, so that it is posted; at once, where its settlement is posted already."""
    _decide(award, login, reason, Decision.RELEASED)


@app.command()
def reject(award: AwardName, login: As, reason: Why) -> None:
    """Reject a held award, so that it is never posted."""
    _decide(award, login, reason, Decision.REJECTED)


def _decide(award: str, login: str, reason: str, decision: Decision) -> None:
    async def step(database: Database, settings: Settings) -> Reviewed:
        async with database.write() as session:
            actor = await acting(session, login, Permission.AWARD_REVIEW)
            return await review_service.decide(session, actor, clock.now(), AwardId.parse(award), decision, reason)

    print(f"Award {award} of {run(step).award.points:,} points is {decision}.")


def _numbers(finding: dict[str, Any]) -> str:
    return " ".join(f"{name}={number}" for name, number in finding["numbers"].items())


@app.command()
def approve(number: Number, login: As) -> None:
    """Approve a settlement that somebody else prepared."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            await service.approve(
                session, await acting(session, login, Permission.SETTLEMENT_APPROVE), clock.now(), number
            )

    run(step)
    print(f"Settlement {number} is approved. Post it: carbon-bank settlement post {number} --as LOGIN")


@app.command()
def post(number: Number, login: As) -> None:
    """Post an approved settlement to the ledger now. Interrupted, run it again: it goes on where it stopped."""

    async def step(database: Database, settings: Settings) -> str:
        async with database.write() as session:
            actor = await acting(session, login, Permission.SETTLEMENT_POST)
            await service.start_posting(session, actor, clock.now(), number, in_background=False)
        with progress_bar() as progress:
            task = progress.add_task("Posting households", total=None)
            posted = await worker.post(
                database, number, settings.bucket_households, lambda n: progress.advance(task, n)
            )
        return f"{posted.postings} postings, {posted.points} points"

    print(f"Settlement {number} is posted: {run(step)}.")


@app.command()
def withdraw(number: Number, login: As, reason: Annotated[str, typer.Option(help="Why; it stays on record.")]) -> None:
    """Give up a settlement that is not approved."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            await service.withdraw(
                session, await acting(session, login, Permission.SETTLEMENT_PREPARE), clock.now(), number, reason
            )

    run(step)
    print(f"Settlement {number} is withdrawn.")


def totals_table(totals: list[SettlementTotal]) -> Table:
    table = Table("commodity", "outcome", "review")
    for name in ("awards", "points", "kg CO2e avoided"):
        table.add_column(name, justify="right")
    for total in totals:
        kilograms = int(total.avoided_g) // 1000
        table.add_row(
            total.commodity, total.outcome, total.review, f"{total.awards:,}", f"{total.points:,}", f"{kilograms:,}"
        )
    return table


async def _compute(database: Database, settings: Settings, number: int) -> SettlementState:
    """Returns the state in which the work began: `computing`, or one in which there is nothing left to compute."""
    with progress_bar() as progress:
        task = progress.add_task("Computing households", total=None)
        plan = await worker.compute(database, number, settings.chunk_households, lambda n: progress.advance(task, n))
    return plan.state
