"""`carbon-bank audit witness ...`, on a machine that has nothing of the bank; `carbon-bank audit cosigners ...` on the city's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from carbon_bank.audit.formats.checkpoint import open_checkpoint
from carbon_bank.audit.formats.note import COSIGNATURE, SigningKey, VerifierKey, parse_skey, skey_text
from carbon_bank.cli import audit_witness
from tests.audit.made_up import KEY, WITNESS, MadeUpLog, entry
from tests.cli.typed import Run, typed
from tests.small_city import SmallCity
from tests.witness.places import Served, grown_log, log_at

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
LOG = ("--log", str(KEY.verifier))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, NO_DATABASE, tmp_path)
    return lambda *arguments: carbon_bank("audit", "witness", *arguments)


@pytest.fixture
def log() -> MadeUpLog:
    return grown_log(300)


@pytest.fixture
def served(log: MadeUpLog) -> Iterator[Served]:
    with log_at(log.files) as made:
        yield made


def made_key(run: Run) -> VerifierKey:
    made = run("key", "--name", "witness.example/w1", "--out", "w1.key")
    assert (made.returncode, made.stderr) == (0, "")
    return VerifierKey.parse(made.stdout.strip())


def test_a_key_is_made_once_with_its_state_and_nobody_else_may_read_it(run: Run, tmp_path: Path) -> None:
    vkey = made_key(run)
    assert (vkey.name, vkey.kind) == ("witness.example/w1", COSIGNATURE)
    assert parse_skey((tmp_path / "w1.key").read_text().strip()).verifier == vkey
    assert sorted(file.name for file in tmp_path.iterdir()) == ["w1.key", "w1.state"]
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600, 0o600]
    for options, code in [
        (("--name", "w2", "--out", "w1.key"), "witness.key_exists"),
        (("--name", "w2", "--out", "w1.other"), "witness.state_exists"),
        (("--name", "w2", "--out", "w2.state"), "witness.key_exists"),
        (("--name", "w 2", "--out", "w2.key"), "audit.key"),
    ]:
        refused = run("key", *options)
        assert (refused.returncode, refused.stderr.strip().rpartition("code: ")[2]) == (2, code)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["w1.key", "w1.state"]
    other = run("key", "--name", "w2", "--out", "w2.key", "--state", "kept/w2.sqlite")
    assert VerifierKey.parse(other.stdout.strip()).name == "w2"
    assert run("show", "--key", "w2.key", "--state", "kept/w2.sqlite").stdout == other.stdout


def test_a_look_writes_the_cosigned_checkpoint_and_a_fork_ends_with_exit_1(
    run: Run, log: MadeUpLog, served: Served, tmp_path: Path
) -> None:
    vkey = made_key(run)
    watch = ("watch", "--key", "w1.key", *LOG, "--url", served.url, "--once")
    first = run(*watch, "--out", "cosigned")
    assert (first.returncode, first.stdout) == (0, "")
    assert "300 entries, seen for the first time" in first.stderr
    opened = open_checkpoint((tmp_path / "cosigned").read_bytes(), [KEY.verifier], [vkey], 1)
    assert opened.checkpoint.size == 300
    log.add([entry(300)])
    printed = run(*watch)
    assert "301 entries, 1 more than before" in printed.stderr
    assert open_checkpoint(printed.stdout.encode(), [KEY.verifier], [vkey], 1).checkpoint.size == 301
    served.files.update(grown_log(301, twist=1).files)
    found = run(*watch, "--out", "cosigned")
    assert (found.returncode, found.stdout) == (1, "")
    assert "IS NOT CONSISTENT: it has signed two trees of 301 entries. Nothing was signed." in found.stderr
    assert len([*(tmp_path / "w1.state-evidence").iterdir()]) == 2
    assert open_checkpoint((tmp_path / "cosigned").read_bytes(), [KEY.verifier]).checkpoint.size == 300
    shown = run("show", "--key", "w1.key")
    assert shown.returncode == 0
    assert "bank.example/log/springfield: 301 entries, root " in shown.stdout
    assert "EVIDENCE in w1.state-evidence" in shown.stdout


def test_it_looks_again_and_again_through_outages_until_the_log_is_inconsistent(
    run: Run, log: MadeUpLog, served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made_key(run)
    sizes, pauses = [], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        sizes.append(open_checkpoint((tmp_path / "cosigned").read_bytes(), [KEY.verifier]).checkpoint.size)
        if len(pauses) == 1:
            log.add([entry(index) for index in range(300, 310)])
        elif len(pauses) == 2:
            served.broken = ["checkpoint"]
        elif len(pauses) == 3:
            served.broken = []
            log.add([entry(310)])
        else:
            served.files.update(grown_log(5).files)

    monkeypatch.setattr(audit_witness, "time", SimpleNamespace(sleep=sleep))
    ended = run("watch", "--key", "w1.key", *LOG, "--url", served.url, "--every", "7", "--out", "cosigned")
    assert (ended.returncode, pauses, sizes) == (1, [7] * 4, [300, 310, 310, 311])
    assert ended.stderr.count("nothing was learnt: ") == 1
    assert "it had 311 entries and now shows 5" in ended.stderr


def test_what_cannot_be_read_ends_one_look_with_exit_2(run: Run, served: Served, tmp_path: Path) -> None:
    made_key(run)
    (tmp_path / "log.key").write_text(skey_text(SigningKey("w1", WITNESS.seed)))
    (tmp_path / "broken.key").write_text("PRIVATE+KEY+nothing")
    (tmp_path / "other.key").write_text(skey_text(WITNESS))
    watch = ("--url", served.url, "--once")
    for options, code in [
        (("--key", "w1.key", *LOG, "--url", "http://127.0.0.1:9/log", "--once"), "witness.unreachable"),
        (("--key", "w1.key", *LOG, "--url", "127.0.0.1/log", "--once"), "witness.url"),
        (("--key", "absent.key", *LOG, *watch), "witness.key"),
        (("--key", "log.key", *LOG, *watch), "witness.key"),
        (("--key", "broken.key", *LOG, *watch), "audit.key"),
        (("--key", "other.key", *LOG, *watch), "witness.state"),
        (("--key", "other.key", "--state", "w1.state", *LOG, *watch), "witness.state_key"),
        (("--key", "w1.key", "--log", str(WITNESS.verifier), *watch), "witness.log"),
        (("--key", "w1.key", "--log", "nonsense", *watch), "audit.key"),
        (("--key", "w1.key", *LOG, *watch, "--out", "absent/cosigned"), "witness.out"),
    ]:
        refused = run("watch", *options)
        assert (refused.returncode, refused.stderr.strip().rpartition("code: ")[2]) == (2, code), options
        assert "nothing" not in refused.stdout


@pytest.fixture
def city_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CARBON_BANK_WEBHOOKS_ALLOW_LOOPBACK", "true")
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("audit", "cosigners", *arguments)


def test_a_city_names_its_witnesses(
    city_run: Run, small_city: SmallCity, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ("--city", "here")
    added = city_run("add", *here, "--vkey", str(WITNESS.verifier), "--url", "http://127.0.0.1:9/w1/")
    assert (added.returncode, added.stdout) == (0, "witness.example/w1 is asked from the next checkpoint on.\n")
    shown = city_run("list", *here).stdout
    assert "witness.example/w1" in shown
    assert "http://127.0.0.1:9/w1 " in shown
    assert "witness.example/w1" not in city_run("list", "--city", "there").stdout
    assert owner.execute("SELECT by, act FROM trail WHERE act LIKE 'witness.%'").fetchall() == [
        ("system:command-line", "witness.added")
    ]
    assert city_run("remove", *here, "--name", "witness.example/w1").returncode == 0
    assert "witness.example/w1" not in city_run("list", *here).stdout
    assert city_run("remove", *here, "--name", "witness.example/w1").stderr.strip().endswith("audit.unknown_witness")
    monkeypatch.setenv("CARBON_BANK_WEBHOOKS_ALLOW_LOOPBACK", "false")
    for url in ("http://127.0.0.1:9", "http://witness.example", "https://10.0.0.1", "https://witness.example:8080"):
        refused = city_run("add", *here, "--vkey", str(WITNESS.verifier), "--url", url)
        assert (refused.returncode, refused.stderr.strip().endswith("code: webhooks.url")) == (2, True), url
