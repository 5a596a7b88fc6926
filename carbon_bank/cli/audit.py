"""`carbon-bank audit ...`: follow, recompute and prove what the bank did."""

from __future__ import annotations

import typer

from carbon_bank.cli import audit_findings, audit_sample

app = typer.Typer(no_args_is_help=True)

app.command("findings")(audit_findings.findings)
app.command("sample")(audit_sample.sample)
