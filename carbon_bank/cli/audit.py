"""`carbon-bank audit ...`: follow, recompute and prove what the bank did."""

from __future__ import annotations

import typer

from carbon_bank.cli import (
    audit_cosigners,
    audit_export,
    audit_findings,
    audit_log,
    audit_replay,
    audit_sample,
    audit_trail,
    audit_verify,
    audit_witness,
)

app = typer.Typer(no_args_is_help=True)
app.command("export")(audit_export.export)
app.command("findings")(audit_findings.findings)
app.command("replay")(audit_replay.replay)
app.command("sample")(audit_sample.sample)
app.command("trail")(audit_trail.trail)
app.command("verify")(audit_verify.verify)
app.add_typer(audit_cosigners.app, name="cosigners", help="The witnesses that a city asks to sign its checkpoints.")
app.add_typer(audit_log.app, name="log", help="The transparency log: seal it, its keys, its checkpoint, its files.")
app.add_typer(audit_witness.app, name="witness", help="Be a witness of a log, on a machine that the city does not own.")
