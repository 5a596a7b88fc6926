"""`carbon-bank audit log ...`: seal what waits, the keys that sign, the last checkpoint, the log as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carbon_bank import worker
from carbon_bank.audit.log import erasure_service, files_service
from carbon_bank.audit.log import service as log_service
from carbon_bank.audit.log.keys import LogKeys
from carbon_bank.cli.runtime import City, acting, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.permissions import Permission
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def seal(city: City) -> None:
    """Seal what waits, now. The worker does so every minute."""

    async def step(database: Database, settings: Settings) -> tuple[int, int]:
        async with database.read() as session:
            found = await registry.find_city(session, city)
        assert found.id is not None
        added = await worker.seal_city(database, worker.log_keys_of(settings), found.id, found.code)
        async with database.read() as session:
            return added, (await log_service.checkpoint(session, city)).size

    added, size = run(step)
    print(f"{added:,} leaves were added; the log of {city} has {size:,}.")


@app.command()
def key(
    city: City,
    make: Annotated[bool, typer.Option("--make", help="Make the first key.")] = False,
    rotate: Annotated[bool, typer.Option("--rotate", help="Put a new key on top: both sign from now on.")] = False,
    retire: Annotated[str | None, typer.Option(help="Take out a former key, by the 8 digits of its id.")] = None,
) -> None:
    """Print the verifier keys of a log, one a line: what auditors and witnesses need. The log's own comes first, those that
    signed once come last: checkpoints and receipts from then need them.
    """

    async def step(database: Database, settings: Settings) -> LogKeys:
        async with database.read() as session:
            await registry.find_city(session, city)  # or a wrong code would get a key file of its own
        return worker.log_keys_of(settings)

    keys = run(step)
    if make:
        keys.make(city)
    if rotate:
        keys.rotate(city)
    if retire is not None:
        keys.retire(city, retire)
    for each in keys.verifying(city):
        print(each)


@app.command()
def checkpoint(city: City) -> None:
    """Print the last checkpoint, as it is served."""

    async def step(database: Database, settings: Settings) -> bytes:
        async with database.read() as session:
            return await log_service.served_checkpoint(session, city)

    print(run(step).decode(), end="")


@app.command()
def forget(
    city: City,
    household: Annotated[str, typer.Option(help="The household's number.")],
    reason: Annotated[str, typer.Option(help="Why; it stays on the trail.")],
    login: Annotated[str, typer.Option("--as", help="Login of the privacy officer who does this.")],
) -> None:
    """Make what the log has of a household meaningless, for good. Its account has to be closed."""

    async def step(database: Database, settings: Settings) -> None:
        async with database.write() as session:
            found = await registry.find_city(session, city)
            assert found.id is not None
            actor = await acting(session, login, Permission.PRIVACY_ERASE)
            one = await registry.find_household(session, found.id, household)
            assert one.id is not None
            await erasure_service.forget(session, actor, clock.now(), one.id, reason)

    run(step)
    print(f"What the log has of household {household} cannot be opened any more.")


@app.command()
def files(
    city: City,
    out: Annotated[Path, typer.Option(help="Folder; files that are there already are left alone.", file_okay=False)],
) -> None:
    """Write the log as files, for a web server or an object store: tiles first, the checkpoint last."""

    async def step(database: Database, settings: Settings) -> tuple[int, int]:
        async with database.read() as session:
            return await files_service.write_files(session, city, out)

    written, size = run(step)
    print(f"{written:,} files were written below {out}; the log has {size:,} leaves.")
