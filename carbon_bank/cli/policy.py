"""`carbon-bank policy list | show | validate`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carbon_bank.cli import policy_life
from carbon_bank.programme.policy import load_policy, load_shipped, shipped_policies

app = typer.Typer(no_args_is_help=True)
for _command in (policy_life.adopt, policy_life.adoptions, policy_life.approve, policy_life.reject, policy_life.withdraw):
    app.command()(_command)


@app.command("list")
def list_() -> None:
    """The policies that come with the bank."""
    table = Table("policy", "title", "from", "digest")
    for reference in shipped_policies():
        policy = load_shipped(reference)
        table.add_row(reference, (policy.title or {}).get("en", ""), str(policy.effective_from), policy.digest[:16])
    Console().print(table)


@app.command()
def show(policy: Annotated[str, typer.Argument(help="A shipped policy or a file.")]) -> None:
    """Print a policy's exact text."""
    print(load_policy(policy).text, end="")


@app.command()
def validate(file: Annotated[str, typer.Argument(help="A policy file, or a shipped policy.")]) -> None:
    """Check a policy. All that is wrong with it is told at once, and the exit is 2."""
    policy = load_policy(file)
    print(f"{policy.reference} is a valid policy. digest {policy.digest}")
    for fault in policy.approval_faults():
        print(f"before approval: {fault.message}")
