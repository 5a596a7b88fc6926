"""`carbon-bank rewards list | vouchers | redemptions | refuse`, each in a person's name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Permission
from carbon_bank.rewards import catalogue_service, redemption_end_service, redemption_view_service, voucher_service
from carbon_bank.rewards.redemption_states import Reason, RedemptionState
from carbon_bank.rewards.redemption_view_service import Shown, Wanted
from carbon_bank.rewards.voucher_file import read_vouchers
from carbon_bank.rewards.worth import amount_text
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]
SHOWN_MAX = 200


@app.command("list")
def list_(
    login: As,
    state: Annotated[str | None, typer.Option(help="draft, active or ended; left out: what can be had today.")] = None,
) -> None:
    """The catalogue, with what is left of each reward."""

    async def step(database: Database, settings: Settings) -> list[tuple[catalogue_service.Reward, int | None]]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.REWARDS_READ)
            rows = await catalogue_service.listed(session, actor, clock.now(), state, 0, 1000)
            left = await catalogue_service.stocks(session, actor, clock.now(), rows)
            return [(row, left[row.id or 0]) for row in rows]

    table = Table("number", "code", "channel", "points", "left", "state")
    for row, left in run(step):
        points = f"{row.points:,}" if row.points is not None else f"{row.points_least:,} to {row.points_most:,}"
        table.add_row(str(row.id), row.code, row.channel, points, "" if left is None else f"{left:,}", row.state)
    Console().print(table)


@app.command()
def vouchers(
    number: Annotated[int, typer.Argument(help="Number of the reward.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with the column code.")],
    login: As,
) -> None:
    """Fill a pool with the codes of a file: all of them, or none."""

    async def step(database: Database, settings: Settings) -> int:
        content = file.read_bytes()
        async with database.write() as session:
            actor = await acting(session, login, Permission.REWARDS_WRITE)
            reward = await voucher_service.open_pool(session, actor, number)
            read = read_vouchers(content, file.name)
            added = await voucher_service.add_vouchers(session, actor, clock.now(), reward, content, read)
            return added.vouchers

    print(f"{run(step):,} codes were added to reward {number}.")


@app.command()
def redemptions(
    login: As, state: Annotated[RedemptionState | None, typer.Option(help="Left out: all.")] = None
) -> None:
    """The city's redemptions, the newest first."""

    async def step(database: Database, settings: Settings) -> list[Shown]:
        async with database.read() as session:
            actor = await acting(session, login, Permission.REDEMPTION_READ)
            wanted = Wanted(actor.of_city(), state=state)
            return list(await redemption_view_service.listed(session, wanted, None, SHOWN_MAX))

    table = Table("number", "household", "reward", "points", "money", "state", "reason", "deadline")
    for each in run(step):
        row = each.row
        money = "" if row.money_minor is None else f"{amount_text(row.money_minor, row.currency or '')} {row.currency}"
        deadline = "" if row.deadline_at is None else f"{row.deadline_at:%Y-%m-%d %H:%M}"
        cells = (
            row.id,
            row.household_id,
            each.reward.code,
            f"{row.points:,}",
            money,
            row.state,
            row.reason or "",
            deadline,
        )
        table.add_row(*map(str, cells))
    Console().print(table)


@app.command()
def refuse(
    number: Annotated[int, typer.Argument(help="Number of the redemption.")],
    login: As,
    words: Annotated[str, typer.Option("--words", help="Why; the household reads it.")],
    reason: Annotated[Reason, typer.Option(help="Its kind.")] = Reason.OTHER,
) -> None:
    """End a redemption that waits: its points and its stock return."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.REDEMPTION_REVIEW)
            await redemption_end_service.refuse(session, actor, clock.now(), number, reason, words)

    run(step)
    print(f"Redemption {number} is refused, and its points are back.")
