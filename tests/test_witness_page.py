"""docs/witness.md, as an auditor follows it: its commands are run, in their order, against a log on this machine."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from types import SimpleNamespace

import httpx
import pytest

from carbon_bank.audit.formats.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import tree_root
from carbon_bank.audit.formats.note import VerifierKey
from carbon_bank.cli import audit_witness
from carbon_bank.cli.audit_witness import EXIT_INCONSISTENT
from tests.audit.made_up import MadeUpLog, entry
from tests.cli.typed import Run, typed
from tests.small_city import SmallCity
from tests.test_transparency_log_page import KEY, ORIGIN
from tests.witness.places import Served, growth, log_at

PAGE = (Path(__file__).parent.parent / "docs" / "witness.md").read_text("utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)\n((?:[^$`\n].*\n)*)", "".join(BLOCKS), re.MULTILINE)
BESIDE = Path(sys.executable).with_name("carbon-bank")


@pytest.fixture
def log() -> MadeUpLog:
    log = MadeUpLog(KEY)
    log.add([entry(index) for index in range(3)])
    return log


@pytest.fixture
def served(log: MadeUpLog) -> Iterator[Served]:
    with log_at(log.files) as made:
        yield made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    def interrupt(seconds: float) -> None:
        assert seconds == 300
        raise KeyboardInterrupt

    monkeypatch.setattr(audit_witness, "time", SimpleNamespace(sleep=interrupt))
    monkeypatch.setenv("CARBON_BANK_WEBHOOKS_ALLOW_LOOPBACK", "true")
    monkeypatch.setenv("COLUMNS", "200")
    return typed(monkeypatch, capsys, database_url, tmp_path)


def test_an_auditor_comes_from_nothing_to_a_running_witness(
    run: Run, log: MadeUpLog, served: Served, small_city: SmallCity, tmp_path: Path
) -> None:
    words: dict[str, str] = {}
    done = []
    for line, told in COMMANDS:
        here = line.replace("https://bank.example/log/springfield", served.url).replace(
            "--city springfield", "--city here"
        )
        here = here.replace("https://witness.example/w1", "http://127.0.0.1:9/w1").replace("--port 8080", "--port 0")
        name, given, value = here.partition("=")
        if given and name.isupper():
            [words[name]] = shlex.split(value)
            continue
        program, *arguments = shlex.split(Template(here).substitute(words))
        assert program == "carbon-bank"
        done.append(" ".join(arguments[1:3]))
        if arguments[:3] == ["audit", "witness", "serve"]:
            _serve(arguments, log, tmp_path, words["WITNESS"])
            continue
        result = run(*arguments)
        assert (result.returncode, result.stderr) == (0, told), result
        if arguments[2] == "key":
            words["WITNESS"] = result.stdout.strip()
    assert done == [
        "witness key", "witness watch", "witness watch", "witness serve", "cosigners add", "cosigners list", "witness show",
    ]  # fmt: skip
    assert words["LOG"] == str(KEY.verifier)
    cosigned = (tmp_path / "cosigned.checkpoint").read_bytes()
    vkey = VerifierKey.parse(words["WITNESS"])
    assert open_checkpoint(cosigned, [KEY.verifier], [vkey], 1).checkpoint.size == 3


def _serve(arguments: list[str], log: MadeUpLog, folder: Path, vkey: str) -> None:
    """The command as a process, asked as a log asks it."""
    with subprocess.Popen([BESIDE, *arguments], cwd=folder, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == vkey
            [url] = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            log.add([entry(3)])
            answer = httpx.post(f"{url}/add-checkpoint", content=bytes(growth(log, 3)), timeout=30)
        finally:  # or leaving the block would wait for it
            process.terminate()
        rest = process.stdout.read()
    assert (answer.status_code, rest) == (200, "")
    checkpoint = log.files["checkpoint"] + answer.content
    assert open_checkpoint(checkpoint, [KEY.verifier], [VerifierKey.parse(vkey)], 1).checkpoint.size == 4


def test_the_folder_and_the_exit_code_that_the_page_names_are_those_of_an_alarm(
    run: Run, log: MadeUpLog, served: Served, tmp_path: Path
) -> None:
    run("audit", "witness", "key", "--name", "w1", "--out", "witness.key")
    watch = [
        "audit",
        "witness",
        "watch",
        "--key",
        "witness.key",
        "--log",
        str(KEY.verifier),
        "--url",
        served.url,
        "--once",
    ]
    assert run(*watch).returncode == 0
    other = Checkpoint(ORIGIN, 3, tree_root(3, lambda level, index: bytes(32)))
    served.files["checkpoint"] = bytes(sign_checkpoint(other, KEY))
    assert run(*watch).returncode == EXIT_INCONSISTENT
    assert f"| {EXIT_INCONSISTENT} | **the log is not consistent**" in PAGE
    assert "In `witness.state-evidence` lie both checkpoints" in PAGE
    files = [*(tmp_path / "witness.state-evidence").iterdir()]
    roots = {open_checkpoint(file.read_bytes(), [KEY.verifier]).checkpoint.root for file in files}
    assert len(roots) == 2
