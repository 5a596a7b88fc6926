"""`carbon-bank audit ...`: follow, recompute and prove what the bank did."""

from __future__ import annotations

import typer

from carbon_bank.cli import audit_export, audit_log, audit_verify

app = typer.Typer(no_args_is_help=True)
app.command("export")(audit_export.export)
app.command("verify")(audit_verify.verify)
app.add_typer(audit_log.app, name="log", help="The transparency log: seal it, its keys, its checkpoint, its files.")
