"""A witness that is killed at a chosen moment: `python -m tests.witness.killed MOMENT STATE`.

signed: it has signed and not stored yet. stored: it has stored and not answered yet. never: it is not.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from carbon_bank.witness import state
from carbon_bank.witness.cosigning import Witness
from carbon_bank.witness.server import app_of
from tests.audit.made_up import KEY, WITNESS

moment = sys.argv[1]
app = app_of(Witness(state.State(Path(sys.argv[2]), WITNESS), [KEY.verifier]))
sign = state.cosign


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sign_and_die(*arguments: Any) -> Any:
    sign(*arguments)
    die()


async def answered(scope: Scope, receive: Receive, send: Send) -> None:
    async def send_or_die(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            die()
        await send(message)

    await app(scope, receive, send_or_die)


if moment == "signed":
    state.cosign = sign_and_die
config = uvicorn.Config(answered if moment == "stored" else app, "127.0.0.1", 0, log_level="warning", ws="none")
socket = config.bind_socket()
socket.listen()
print(socket.getsockname()[1], flush=True)
uvicorn.Server(config).run([socket])
