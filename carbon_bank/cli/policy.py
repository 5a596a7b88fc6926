"""`carbon-bank policy list | show | validate | schema | compare`, and the life of a policy in a city."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from carbon_bank.cli import policy_lab, policy_life
from carbon_bank.programme.document import policy_schema
from carbon_bank.programme.page import policy_page
from carbon_bank.programme.page_words import PageLanguage
from carbon_bank.programme.policy import load_policy, load_shipped, shipped_policies

app = typer.Typer(no_args_is_help=True)
for _command in (
    policy_life.adopt,
    policy_life.adoptions,
    policy_life.approve,
    policy_life.reject,
    policy_life.withdraw,
):
    app.command()(_command)
app.command("compare")(policy_lab.compare_policies)

SHIPPED_OR_FILE = typer.Argument(help="A shipped policy, as korea-carbon-point@2024, or a file.")


@app.command("list")
def list_() -> None:
    """The policies that come with the bank."""
    table = Table("policy", "title", "from", "digest")
    table.columns[0].no_wrap = True
    for reference in shipped_policies():
        policy = load_shipped(reference)
        table.add_row(reference, (policy.title or {}).get("en", ""), str(policy.effective_from), policy.digest[:16])
    Console().print(table)


@app.command()
def show(
    policy: Annotated[str, SHIPPED_OR_FILE],
    language: Annotated[PageLanguage, typer.Option(help="Of the page.")] = PageLanguage.EN,
    text: Annotated[bool, typer.Option("--text", help="Print the exact text instead, as the digest is of it.")] = False,
) -> None:
    """Tell a policy's rules as citizens read them. Where it is piped, the page is Markdown."""
    chosen, console = load_policy(policy), Console()
    if text:
        print(chosen.text, end="")
    elif console.is_terminal:
        console.print(Markdown(policy_page(chosen, language)))
    else:
        print(policy_page(chosen, language), end="")


@app.command()
def validate(policy: Annotated[str, SHIPPED_OR_FILE]) -> None:
    """Check a policy. All that is wrong with it is told at once, and the exit is 2."""
    checked = load_policy(policy)
    print(f"{checked.reference} is a valid policy. digest {checked.digest}")
    for fault in checked.approval_faults():
        print(f"before approval: {fault.message}")


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
) -> None:
    """A JSON Schema of policies, by which an editor tells the keys and checks what is written."""
    told = json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"
    if out is None:
        print(told, end="")
    else:
        out.write_text(told, encoding="utf-8")
        print(f"Wrote the schema of policies to {out}.")
