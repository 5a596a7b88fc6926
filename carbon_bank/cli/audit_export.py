"""`carbon-bank audit export`: all of a settlement in one file, to recompute and verify it without the bank."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from carbon_bank import worker
from carbon_bank.audit.export import service
from carbon_bank.audit.export.service import Exported
from carbon_bank.cli.runtime import acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.permissions import Permission
from carbon_bank.settings import Settings


def export(
    settlement: Annotated[int, typer.Option(help="Number of a posted settlement.")],
    out: Annotated[Path, typer.Option(help="File to write, as settlement-12.zip.", dir_okay=False)],
    login: Annotated[str, typer.Option("--as", help="Login of the person who takes it; the trail names them.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on the trail.", show_default=False)],
    with_numbers: Annotated[
        bool, typer.Option("--with-numbers", help="Tell who is behind the pseudonyms. For a privacy officer.")
    ] = False,
) -> None:
    """Write readings, awards, postings and what proves them in the log, with the programs that recompute and verify them."""
    if not 3 <= len(reason) <= 500:
        raise InvalidInput("audit.reason", "Say why in 3 to 500 characters: --reason 'audit of 2026'.")
    if not out.parent.is_dir():
        raise InvalidInput("audit.file", f"There is no folder {out.parent}. Make it, or name another file with --out.")
    permission = Permission.AUDIT_EXPORT_NUMBERS if with_numbers else Permission.AUDIT_EXPORT

    async def step(database: Database, settings: Settings) -> Exported:
        keys = worker.log_keys_of(settings)
        async with database.read() as session:
            actor = await acting(session, login, permission)
        with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            path = Path(folder) / "package.zip"
            async with database.read() as session:
                exported = await service.write_package(
                    session, actor, settlement, keys.signing, path, with_numbers=with_numbers
                )
            async with database.write() as session:
                await service.record_export(session, actor, clock.now(), settlement, reason, exported)
            path.replace(out)
        return exported

    done = run(step)
    rows = done.rows
    print(
        f"{out} has {rows['readings']:,} readings, {rows['awards']:,} awards and {rows['postings']:,} postings, and the log's "
        f"{rows['log/leaves']:,} leaves of them. SHA-256 of its SHA256SUMS: {done.sums_sha256}"
    )
