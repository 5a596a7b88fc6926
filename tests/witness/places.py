"""Witnesses and logs on this machine, over real HTTP."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from carbon_bank.audit.formats.note import Note, SigningKey
from carbon_bank.audit.formats.tiles import Tile
from carbon_bank.audit.witnesses.protocol import AddCheckpoint, growth_request
from carbon_bank.foundation import clock
from carbon_bank.witness.cosigning import Witness
from carbon_bank.witness.server import app_of
from carbon_bank.witness.state import State, make_state
from tests.audit.made_up import KEY, WITNESS, MadeUpLog, entry


def made_witness(folder: Path, key: SigningKey = WITNESS, *logs: SigningKey) -> Witness:
    """A witness with a state of its own, that knows the made-up log."""
    file = folder / f"{key.verifier.id.hex()}.state"
    if not file.exists():
        make_state(file, key.verifier)
    return Witness(State(file, key), [each.verifier for each in logs or (KEY,)])


def grown_log(size: int, twist: int = 0) -> MadeUpLog:
    """The made-up log at a size. Args: twist: another one for each, different from its first entry on."""
    log = MadeUpLog()
    log.add([entry(index + 10_000 * twist) for index in range(size)])
    return log


def growth(log: MadeUpLog, old: int, note: Note | None = None) -> AddCheckpoint:
    """What the log asks of a witness that has `old` entries."""
    return growth_request(old, log.size, log.hash_at(), bytes(note or log.publish()))


@contextmanager
def witness_at(witness: Witness, now: Callable[[], object] = clock.now) -> Iterator[str]:
    """The address of a witness that is running."""
    config = uvicorn.Config(app_of(witness, now), "127.0.0.1", 0, log_level="warning", ws="none")  # type: ignore[arg-type]
    server, socket = uvicorn.Server(config), config.bind_socket()
    socket.listen()
    thread = threading.Thread(target=lambda: server.run([socket]))
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


@dataclass
class Served:
    """A log that is served, with what was asked of it. `files` may be changed while it is."""

    url: str
    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    broken: Sequence[str] = ()
    """Paths that are answered by 500."""


@contextmanager
def log_at(files: dict[str, bytes]) -> Iterator[Served]:
    """The address of a log, served as the files are at each moment."""
    served = Served("", files)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.removeprefix("/log/")
            served.asked.append(path)
            data = served.files.get(path)
            self.send_response(500 if path in served.broken else 404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *arguments: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        served.url = f"http://127.0.0.1:{server.server_port}/log"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


@dataclass
class MadeUpStore:
    """A made-up log as the bank stores one."""

    log: MadeUpLog
    note: Note | None = None
    read: list[Tile] = field(default_factory=list)

    async def latest(self) -> tuple[int, bytes] | None:
        return self.log.size, bytes(self.note or self.log.publish())

    async def read_tile(self, tile: Tile) -> bytes:
        self.read.append(tile)
        return self.log.read(tile)
