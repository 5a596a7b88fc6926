"""A witness that is killed between signing and answering has signed nothing that it does not know of."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.audit.made_up import ORIGIN, entry
from tests.witness.places import grown_log, growth, made_witness

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def running(moment: str, state: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.witness.killed", moment, str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            yield client, process
        process.kill()


def test_a_kill_at_any_moment_leaves_no_signature_that_the_witness_could_contradict(tmp_path: Path) -> None:
    witness = made_witness(tmp_path)
    log = grown_log(300)
    witness.add_checkpoint(bytes(growth(log, 0)), 1)
    log.add([entry(index) for index in range(300, 310)])
    request, sizes = growth(log, 300), []
    for moment in ("signed", "stored"):
        with running(moment, witness.state.file) as (client, process):
            with pytest.raises(httpx.TransportError):  # nobody gets a signature
                client.post("/add-checkpoint", content=bytes(request))
            assert process.wait() == -signal.SIGKILL
        latest = witness.state.latest(ORIGIN)
        assert latest is not None
        sizes.append(latest.checkpoint.size)
    assert sizes == [300, 310], "first as if it had not been asked, then as if it had answered"

    with running("never", witness.state.file) as (client, _):
        again = client.post("/add-checkpoint", content=bytes(request))
        assert (again.status_code, again.text) == (409, "310\n")
        fork = grown_log(300)
        fork.add([entry(index) for index in range(900, 910)])
        assert client.post("/add-checkpoint", content=bytes(growth(fork, 300))).status_code == 409
        assert client.post("/add-checkpoint", content=bytes(growth(fork, 310))).status_code == 422
        answer = client.post("/add-checkpoint", content=bytes(growth(log, 310)))
        assert answer.status_code == 200, "the log asks from the size it was told, and gets its signature"
