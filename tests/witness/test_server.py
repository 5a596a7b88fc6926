"""A witness over HTTP: it signs a log that grows, and answers everything else as the protocol says."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from carbon_bank.audit.formats.checkpoint import Checkpoint, Opened, open_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import EMPTY_ROOT
from carbon_bank.audit.formats.note import NOTE_BYTES_MAX, Note, SigningKey
from carbon_bank.audit.witnesses.protocol import AddCheckpoint, cosignature_in
from carbon_bank.foundation import clock
from carbon_bank.witness import evidence
from carbon_bank.witness.cosigning import Witness
from carbon_bank.witness.evidence import folder_of
from tests.audit.made_up import KEY, NEXT_KEY, ORIGIN, WITNESS, MadeUpLog, entry
from tests.witness.places import grown_log, growth, made_witness, witness_at

OTHER_KEY = SigningKey("bank.example/log/shelbyville", bytes(range(9, 41)))


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return made_witness(tmp_path)


@pytest.fixture
def asking(witness: Witness) -> Iterator[httpx.Client]:
    with witness_at(witness) as url, httpx.Client(base_url=url) as client:
        yield client


def ask(client: httpx.Client, request: Any) -> httpx.Response:
    return client.post("/add-checkpoint", content=bytes(request))


def opened(answer: httpx.Response, request: AddCheckpoint) -> Opened:
    """The checkpoint under the witness's signature, as everybody verifies it."""
    assert answer.status_code == 200, answer.text
    return open_checkpoint(request.checkpoint + answer.content, [KEY.verifier], [WITNESS.verifier], 1)


def test_a_log_that_grows_is_signed_each_time(asking: httpx.Client) -> None:
    log, old = MadeUpLog(), 0
    for more in (1, 4, 251, 1, 0, 343):
        log.add([entry(index) for index in range(log.size, log.size + more)])
        request = growth(log, old)
        signed = opened(ask(asking, request), request)
        [signature] = signed.witnessed_by.values()
        assert abs(signature.timestamp - clock.now().timestamp()) < 60
        assert signed.checkpoint.size == log.size
        old = log.size
    kept = asking.get(f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
    assert (kept.status_code, kept.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert open_checkpoint(kept.content, [KEY.verifier], [WITNESS.verifier], 1).checkpoint == signed.checkpoint


def test_a_receipt_with_the_signature_is_proved_by_the_script_that_stands_alone(
    asking: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = grown_log(300)
    note = log.publish()
    answer = ask(asking, growth(log, 0, note))
    signature = cosignature_in(answer.content, bytes(note), WITNESS.verifier, int(clock.now().timestamp()))
    receipt = log.receipt(260, note.with_signatures(signature), entry(260))
    (tmp_path / "receipt").write_bytes(bytes(receipt))
    script = Path(__file__).parent.parent.parent / "scripts" / "verify_receipt.py"
    keys = ["--vkey", str(KEY.verifier), "--witness", str(WITNESS.verifier), "--witnesses-min", "1"]
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "receipt"), *keys])
    assert runpy.run_path(str(script))["main"]() == 0
    assert f"witnessed   by {WITNESS.name} at 2" in capsys.readouterr().out


def test_another_old_size_is_answered_by_the_one_it_has(asking: httpx.Client) -> None:
    log = grown_log(5)
    first = ask(asking, growth(log, 3))
    assert (first.status_code, first.headers["content-type"], first.text) == (409, "text/x.tlog.size", "0\n")
    assert ask(asking, growth(log, 0)).status_code == 200
    log.add([entry(5)])
    for old in (0, 1, 4, 6):
        answer = ask(asking, growth(log, old))
        assert (answer.status_code, answer.headers["content-type"], answer.text) == (409, "text/x.tlog.size", "5\n")
    assert ask(asking, growth(log, 5)).status_code == 200


def test_what_cannot_be_read_signed_or_known_is_refused(asking: httpx.Client) -> None:
    log = grown_log(5)
    good = bytes(growth(log, 0))
    tree = Checkpoint(ORIGIN, 5, bytes(32))
    elsewhere = Checkpoint(OTHER_KEY.name, 5, bytes(32))
    cases = [
        (b"", 400),
        (b"old 0\n", 400),
        (good.replace(b"old 0", b"old 00"), 400),
        (good.replace(b"\n5\n", b"\n05\n"), 400),
        (good[:-1], 400),
        (b"old 6\n\n" + bytes(log.publish()), 400),
        (b"old 0\n\n" + b"x" * NOTE_BYTES_MAX + b"\n\n", 400),
        (b"x" * (NOTE_BYTES_MAX + 5000), 400),
        (good.replace(b"\n5\n", b"\n4\n"), 403),
        (b"old 0\n\n" + bytes(sign_checkpoint(tree, NEXT_KEY)), 403),
        (b"old 0\n\n" + bytes(sign_checkpoint(elsewhere, OTHER_KEY)), 404),
        (b"old 0\n" + b"A" * 43 + b"=\n\n" + bytes(log.publish()), 422),
        (b"old 0\n\n" + bytes(sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), KEY)), 422),
    ]
    for body, status in cases:
        answer = ask(asking, body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8"), body[:80]
        assert "\u2014" not in answer.text
        assert len(answer.text) > 20, "a sentence"
    assert asking.get("/add-checkpoint").status_code == 405
    assert asking.get(f"/{'0' * 64}/checkpoint").status_code == 404
    assert asking.get(f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint").status_code == 404
    assert ask(asking, good).status_code == 200


def test_a_tree_that_is_not_the_one_before_grown_is_never_signed(asking: httpx.Client, witness: Witness) -> None:
    log = grown_log(300)
    assert ask(asking, growth(log, 0)).status_code == 200
    fork = grown_log(300, twist=1)
    same_size = ask(asking, growth(fork, 300))
    assert same_size.status_code == 422
    assert ask(asking, growth(fork, 0)).status_code == 409
    fork.add([entry(index) for index in range(300, 310)])
    grown = ask(asking, growth(fork, 300))
    assert grown.status_code == 422
    shrunk = grown_log(299)
    assert ask(asking, AddCheckpoint(300, (), bytes(shrunk.publish()))).status_code == 400
    assert ask(asking, AddCheckpoint(299, (), bytes(shrunk.publish()))).status_code == 409
    log.add([entry(300)])
    proof = growth(log, 300)
    assert ask(asking, AddCheckpoint(300, proof.proof[:-1], proof.checkpoint)).status_code == 422
    files = {file.name: file.read_bytes() for file in folder_of(witness.state.file).iterdir()}
    trees = sorted(open_checkpoint(data, [KEY.verifier]).checkpoint.size for data in files.values())
    assert trees == [300, 300, 301, 310], "each checkpoint that the log signed and that may contradict another"
    assert ask(asking, proof).status_code == 200, "the log goes on from where it was"


def test_wrong_proofs_cannot_fill_the_disk(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "KEPT_UNPROVED_MAX", 5)
    log = grown_log(1)
    witness.add_checkpoint(bytes(growth(log, 0)), 1)
    for index in range(1, 9):
        log.add([entry(index)])
        with pytest.raises(Exception, match="does not show"):
            witness.add_checkpoint(bytes(AddCheckpoint(1, (bytes(32),), bytes(log.publish()))), 1)
    folder = folder_of(witness.state.file)
    assert len([*folder.iterdir()]) == 5
    fork = grown_log(1, twist=1)
    with pytest.raises(Exception, match="does not show"):
        witness.add_checkpoint(bytes(growth(fork, 1)), 1)
    assert len([*folder.iterdir()]) == 6, "what is proved is kept all the same"


def test_an_empty_log_is_signed_and_grows_from_there(asking: httpx.Client) -> None:
    empty = AddCheckpoint(0, (), bytes(sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), KEY)))
    assert ask(asking, empty).status_code == 200
    assert ask(asking, empty).status_code == 200
    assert ask(asking, growth(grown_log(7), 0)).status_code == 200


def test_while_a_log_changes_its_key_both_count_and_what_was_verified_is_kept(tmp_path: Path) -> None:
    witness = made_witness(tmp_path, WITNESS, KEY, NEXT_KEY, OTHER_KEY)
    log = grown_log(5)
    stray = SigningKey("nobody", bytes(32)).sign("something else\n")
    both = log.publish().with_signatures(NEXT_KEY.sign(log.publish().text), stray)
    signed = witness.add_checkpoint(bytes(growth(log, 0, both)), 1)
    assert [each.key_id for each in signed.note.signatures] == [
        KEY.verifier.id,
        NEXT_KEY.verifier.id,
        WITNESS.verifier.id,
    ]
    log.keys = (NEXT_KEY,)
    log.add([entry(5)])
    assert witness.add_checkpoint(bytes(growth(log, 5)), 1).checkpoint.size == 6
    other = Checkpoint(OTHER_KEY.name, 1, bytes(32))
    request = AddCheckpoint(0, (), bytes(sign_checkpoint(other, OTHER_KEY)))
    assert witness.add_checkpoint(bytes(request), 1).checkpoint == other, "each log by itself"
    wrong = Note(log.publish().text, (KEY.sign("something else\n"), *log.publish().signatures))
    with pytest.raises(Exception, match="is not of this text"):
        witness.add_checkpoint(bytes(growth(log, 6, wrong)), 1)


def test_the_time_in_a_signature_never_goes_back(witness: Witness) -> None:
    log, now = grown_log(1), clock.now()
    times = []
    for shift in (0, 5, -3600, 7):
        request = growth(log, log.size if times else 0)
        moment = int((now + timedelta(seconds=shift)).timestamp())
        times.append(witness.add_checkpoint(bytes(request), moment).signature.timestamp - int(now.timestamp()))
    assert times == [0, 5, 5, 7]


def test_of_two_requests_at_once_the_second_is_judged_by_what_the_first_left(
    asking: httpx.Client, witness: Witness
) -> None:
    log = grown_log(10)
    assert ask(asking, growth(log, 0)).status_code == 200
    branches = [grown_log(10) for _ in range(8)]
    for number, branch in enumerate(branches):
        branch.add([entry(1000 * number + index) for index in range(number + 1)])
    requests = [growth(branch, 10) for branch in branches]  # each is sound by itself, and no two go together
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda request: ask(asking, request), requests)]
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
    [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
    latest = witness.state.latest(ORIGIN)
    assert latest is not None
    assert latest.checkpoint == opened(answers[winner], requests[winner]).checkpoint
    assert {answer.text for answer in answers if answer.status_code == 409} == {f"{latest.checkpoint.size}\n"}


def test_a_witness_that_cannot_store_does_not_sign(asking: httpx.Client, witness: Witness) -> None:
    log = grown_log(5)
    moved = witness.state.file.rename(witness.state.file.with_name("moved"))
    answer = ask(asking, growth(log, 0))
    assert answer.status_code == 503
    assert "nothing was signed" in answer.text
    moved.rename(witness.state.file)
    assert ask(asking, growth(log, 0)).status_code == 200
