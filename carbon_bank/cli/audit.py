"""`carbon-bank audit ...`: follow, recompute and prove what the bank did."""

from __future__ import annotations

import typer

from carbon_bank.cli import audit_replay

app = typer.Typer(no_args_is_help=True)

app.command("replay")(audit_replay.replay)
