"""`carbon-bank policy adopt | adoptions | approve | reject | withdraw`: a policy in a city, each step in a person's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Permission
from carbon_bank.programme import adoption_service as service
from carbon_bank.programme.adoption_service import PolicyAdoption, StoredPolicy
from carbon_bank.programme.policy import load_policy
from carbon_bank.settings import Settings

As = Annotated[str, typer.Option("--as", help="Login of the person who does this; the trail names them.")]
Number = Annotated[int, typer.Argument(help="Number of the adoption.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]


def adopt(
    policy: Annotated[str, typer.Argument(help="A shipped policy, as korea-carbon-point@2024, or a file.")],
    from_: Annotated[
        datetime,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day of the first period that it settles."),
    ],
    login: As,
) -> None:
    """Propose a policy for the city of the person. Another person approves it."""
    chosen = load_policy(policy)

    async def step(database: Database, settings: Settings) -> int:
        async with database.write() as session:
            actor = await acting(session, login, Permission.POLICY_PREPARE)
            drafted = await service.draft_policy(session, actor, clock.now(), chosen, from_.date())
            assert drafted.id is not None
            await service.propose(session, actor, clock.now(), drafted.id)
            return drafted.id

    number = run(step)
    print(
        f"Adoption {number}: {chosen.reference} is proposed from {from_:%Y-%m-%d} on. Its text has the digest\n{chosen.digest}"
    )
    print(
        f"Another person reads it and approves: carbon-bank policy approve {number} --digest {chosen.digest} --as LOGIN"
    )


def adoptions(login: As) -> None:
    """The policies of the city: proposed, approved, from when."""

    async def step(database: Database, settings: Settings) -> list[tuple[PolicyAdoption, StoredPolicy]]:
        async with database.read() as session:
            return list(
                await service.list_adoptions(session, await acting(session, login, Permission.POLICY_READ), None, 1000)
            )

    table = Table("number", "policy", "active from", "state", "proposed by", "approved by", "digest")
    for each, policy in run(step):
        cells = (each.proposed_by or "", each.approved_by or "", f"{policy.digest[:16]}...")
        table.add_row(str(each.id), f"{policy.name}@{policy.version}", str(each.active_from), each.state, *cells)
    Console().print(table)


def approve(
    number: Number,
    digest: Annotated[str, typer.Option(help="Digest of the text that you read and approve.")],
    login: As,
) -> None:
    """Approve a policy that somebody else proposed. It is final."""

    async def step(database: Database, settings: Settings) -> PolicyAdoption:
        async with database.write() as session:
            actor = await acting(session, login, Permission.POLICY_APPROVE)
            return await service.approve(session, actor, clock.now(), number, digest)

    print(f"Adoption {number} is approved: it settles the periods that begin on {run(step).active_from} or later.")


def reject(number: Number, login: As, reason: Why) -> None:
    """Say no to a proposed policy, or take back an approved one before it is active."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.POLICY_APPROVE)
            await service.reject(session, actor, clock.now(), number, reason)

    run(step)
    print(f"Adoption {number} is rejected.")


def withdraw(number: Number, login: As, reason: Why) -> None:
    """Give up a policy before it is approved."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            actor = await acting(session, login, Permission.POLICY_PREPARE)
            await service.withdraw(session, actor, clock.now(), number, reason)

    run(step)
    print(f"Adoption {number} is withdrawn.")
