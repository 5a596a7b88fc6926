"""`carbon-bank audit witness key | serve | watch | show`: be a witness of a log, on a machine that the city does not own."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from carbon_bank.audit.formats.note import (
    COSIGNATURE,
    ED25519,
    KEY_BYTES,
    SigningKey,
    VerifierKey,
    parse_skey,
    skey_text,
)
from carbon_bank.cli.runtime import settings_and_logs
from carbon_bank.foundation import clock
from carbon_bank.foundation.errors import Conflict, InvalidInput, Refusal, Unavailable
from carbon_bank.foundation.key_file import make_once
from carbon_bank.witness.cosigning import Witness, origin_hash_of
from carbon_bank.witness.evidence import folder_of, replace_file
from carbon_bank.witness.fetching import Source, check_url, open_client
from carbon_bank.witness.server import app_of
from carbon_bank.witness.state import State, make_state
from carbon_bank.witness.watching import LogInconsistent, Seen, look

app = typer.Typer(no_args_is_help=True)

EXIT_INCONSISTENT = 1
ASKED_AT_ONCE_MAX = 100

Key = Annotated[Path, typer.Option("--key", help="File with the witness's signing key.")]
StateFile = Annotated[
    Path | None,
    typer.Option("--state", help="What the witness has signed. Left out: the key's file, ending in .state."),
]
Logs = Annotated[
    list[str], typer.Option("--log", help="Verifier key of a log, from someone you trust; again for each further one.")
]


@app.command()
def key(
    name: Annotated[str, typer.Option(help="Name of the witness, as an address without scheme: witness.example/w1.")],
    out: Annotated[Path, typer.Option(help="File for the signing key. Nobody else may read it.")],
    state: StateFile = None,
) -> None:
    """Make the key of a new witness, and the state that belongs to it for good. Prints its verifier key."""
    file = _state_file(out, state)
    if out.exists() or file == out:
        raise Conflict(
            "witness.key_exists", f"{out} is there already, and a key is never written over. Name another file."
        )
    made = SigningKey(name, secrets.token_bytes(KEY_BYTES), COSIGNATURE)
    make_state(file, made.verifier)
    make_once(out, f"{skey_text(made)}\n".encode())
    State(file, _read_key(out))  # of two commands at once only one has made both files
    print(made.verifier)


@app.command()
def serve(
    key: Key,
    log: Logs,
    state: StateFile = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")] = 8080,
) -> None:
    """Answer logs that ask for a cosignature (C2SP tlog-witness)."""
    settings_and_logs()
    witness = _witness(key, state, log)
    config = uvicorn.Config(
        app_of(witness), host, port, log_level="warning", access_log=False, limit_concurrency=ASKED_AT_ONCE_MAX
    )
    socket = config.bind_socket()
    socket.listen(config.backlog)  # whoever reads the line below finds the door open
    print(f"{witness.state.key.verifier}", flush=True)
    print(f"Witness on http://{host}:{socket.getsockname()[1]}. Stop it with Ctrl-C.", flush=True)
    uvicorn.Server(config).run([socket])


@app.command()
def watch(
    key: Key,
    log: Logs,
    url: Annotated[str, typer.Option(help="Address of the log: what stands before /checkpoint.")],
    state: StateFile = None,
    out: Annotated[Path | None, typer.Option(help="File for the cosigned checkpoint. Left out: printed.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Seconds from one look to the next.")] = 300,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Look at a log by yourself, and cosign what it shows if it only grew.

    Ends with 1 as soon as the log is not consistent, and with 2 where one look was asked for and nothing could be read.
    """
    witness = _witness(key, state, log)
    with suppress(KeyboardInterrupt), open_client() as client:
        source = Source(check_url(url), client)
        while True:
            try:
                _tell(look(witness, source, int(clock.now().timestamp())), out)
            except LogInconsistent as found:
                typer.secho(found.message, err=True, fg="red", bold=True)
                raise typer.Exit(EXIT_INCONSISTENT) from None
            except Refusal as refusal:
                if once:
                    raise
                typer.echo(f"{clock.now():%Y-%m-%d %H:%M:%S} UTC: nothing was learnt: {refusal.message}", err=True)
            if once:
                return
            time.sleep(every)


@app.command()
def show(key: Key, state: StateFile = None) -> None:
    """What this witness has signed: the largest tree of each log, and where evidence lies."""
    kept = State(_state_file(key, state), _read_key(key))
    print(kept.key.verifier)
    for each in kept.all():
        tree = each.checkpoint
        print(f"{tree.origin}: {tree.size} entries, root {tree.root.hex()}, /{origin_hash_of(tree.origin)}/checkpoint")
    folder = folder_of(kept.file)
    if folder.is_dir():
        print(f"EVIDENCE in {folder}")


def _tell(seen: Seen, out: Path | None) -> None:
    tree = seen.cosigned.checkpoint
    before = "seen for the first time" if seen.before is None else f"{tree.size - seen.before} more than before"
    typer.echo(f"cosigned  {tree.origin}: {tree.size} entries, {before}", err=True)
    if out is None:
        typer.echo(bytes(seen.cosigned.note), nl=False)
        return
    try:
        replace_file(out, bytes(seen.cosigned.note))
    except OSError as error:
        raise Unavailable("witness.out", f"{out} cannot be written: {error}") from None


def _witness(key: Path, state: Path | None, logs: list[str]) -> Witness:
    known = list(map(VerifierKey.parse, logs))
    cosigning = next((each for each in known if each.kind != ED25519), None)
    if cosigning is not None:
        raise InvalidInput("witness.log", f"{cosigning} is the key of a witness; name the verifier key of a log")
    return Witness(State(_state_file(key, state), _read_key(key)), known)


def _state_file(key: Path, state: Path | None) -> Path:
    return state or key.with_suffix(".state")


def _read_key(file: Path) -> SigningKey:
    try:
        key = parse_skey(file.read_text("utf-8").strip())
    except (OSError, UnicodeDecodeError):
        message = f"{file} cannot be read. `carbon-bank audit witness key` makes a key."
        raise Unavailable("witness.key", message) from None
    if key.kind != COSIGNATURE:
        message = f"{file} has a key that signs notes, not one of a witness (type 4). `carbon-bank audit witness key` makes one."
        raise InvalidInput("witness.key", message)
    return key
