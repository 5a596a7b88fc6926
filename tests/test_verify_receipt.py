"""`scripts/verify_receipt.py`, the verifier of whoever holds a receipt: it stands alone, and takes nothing that was changed."""

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from carbon_bank.audit.formats.checkpoint import cosign, parse_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.receipt import Receipt
from carbon_bank.audit.log.canonical import canonical, commit
from tests.audit.made_up import KEY, NEXT_KEY, OTHER_WITNESS, WITNESS, MadeUpLog, entry

SCRIPT = Path(__file__).parent.parent / "scripts" / "verify_receipt.py"
DOMAIN = "carbon-bank/award/v1"
COMMITMENT_KEY = bytes(range(7, 39))
RECORD: dict[str, Any] = {"household": "가구-17", "points": 5000, "period": "2026-H1"}
OPENING = {"domain": DOMAIN, "key": COMMITMENT_KEY.hex(), "record": RECORD}
ENTRY = canonical({"v": 1, "type": "award", "seq": 260, "commitments": [commit(COMMITMENT_KEY, DOMAIN, RECORD).hex()]})
VKEY = ["--vkey", str(KEY.verifier)]

LOG = MadeUpLog()
PLAIN = LOG.add([*map(entry, range(260)), ENTRY, *map(entry, range(261, 300))])
SIGNED = PLAIN.with_signatures(cosign(parse_checkpoint(PLAIN.text), WITNESS, 1_785_000_000))
CARRYING = LOG.receipt(260, SIGNED, ENTRY)
BARE = LOG.receipt(260, SIGNED)

Verify = Callable[..., tuple[int, str]]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    """The script on a receipt, in this process: a hundred tampered receipts need no hundred interpreters."""
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(receipt: bytes, *options: str, **files: bytes) -> tuple[int, str]:
        for name, data in {"receipt": receipt, **files}.items():
            (tmp_path / name).write_bytes(data)
        given = [part for name in files for part in (f"--{name}", str(tmp_path / name))]
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / "receipt"), *options, *given])
        code = main()
        told = capsys.readouterr()
        return code, told.out + told.err

    return run


def test_it_runs_by_itself_and_says_what_it_proved(tmp_path: Path) -> None:
    files = {"entry.tlog-proof": bytes(CARRYING), "opening.json": json.dumps(OPENING).encode()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    options = [*VKEY, "--witness", str(WITNESS.verifier), "--witnesses-min", "1", "--opening", "opening.json"]
    command = [sys.executable, "-I", "-W", "error", str(SCRIPT), "entry.tlog-proof", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert [line.split()[0] for line in told] == [
        "log", "signed", "witnessed", "entry", "carried", "commitment", "proved"
    ]  # fmt: skip
    assert told[2].endswith("witness.example/w1 at 2026-07-25 17:20:00 UTC")
    assert told[3].startswith("entry       260 of 300")
    assert "at /commitments/0 is to" in told[5] and "가구-17" in told[5]
    (tmp_path / "entry.tlog-proof").write_bytes(bytes(CARRYING).replace(b"index 260", b"index 261"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, encoding="utf-8")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not entry 261 of the log" in done.stderr


def regions(data: bytes) -> dict[str, range]:
    """Where each part of a receipt stands in its bytes."""
    head = data.index(b"\n\n") + 2
    lines, place = [], 0
    for line in data.split(b"\n"):
        lines.append(range(place, place + len(line) + 1))
        place += len(line) + 1
    at = [line for line in lines if line.stop < head]
    after = [line for line in lines if line.start >= head]
    names = ["first line", "extra", "index", *(f"hash {number}" for number in range(len(at) - 3))]
    parts = dict(zip(names, at, strict=True)) | {"empty line": range(head - 1, head)}
    note = ["origin", "size", "root", "empty line of the note", "signature", "cosignature"]
    return parts | dict(zip(note, after, strict=False))


@pytest.mark.parametrize("region", regions(bytes(CARRYING)))
def test_a_byte_changed_in_any_region_is_found(region: str, verify: Verify) -> None:
    data = bytes(CARRYING)
    witness = ("--witness", str(WITNESS.verifier))
    places = regions(data)[region]
    for place in {*places[:3], *places[-4:], *places[:: max(1, len(places) // 12)]}:
        for flip in (0x01, 0x20):
            wrong = data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
            code, told = verify(wrong, *VKEY, *witness, "--witnesses-min", "1")
            assert code in {1, 2}, (region, place, told)
            assert "proved\n" not in told.replace("not proved", "")


def test_a_receipt_cut_off_anywhere_proves_nothing(verify: Verify) -> None:
    data = bytes(BARE)
    for end in range(0, len(data), 23):
        assert verify(data[:end], *VKEY, "--witness", str(WITNESS.verifier), "--witnesses-min", "1", entry=ENTRY)[0] > 0


def test_the_entry_is_what_is_given_and_else_what_the_receipt_carries(verify: Verify) -> None:
    assert verify(bytes(BARE), *VKEY, entry=ENTRY)[0] == 0
    assert verify(bytes(CARRYING), *VKEY)[0] == 0
    assert verify(bytes(BARE), *VKEY) == (
        2,
        "cannot be read: the receipt does not carry its entry; give it with --entry FILE\n",
    )
    for place in range(0, len(ENTRY), 7):
        wrong = ENTRY[:place] + bytes([ENTRY[place] ^ 1]) + ENTRY[place + 1 :]
        assert verify(bytes(CARRYING), *VKEY, entry=wrong)[0] == 1
        carrying = Receipt(CARRYING.index, CARRYING.proof, CARRYING.checkpoint, wrong)
        assert verify(bytes(carrying), *VKEY)[0] == 1


def test_while_keys_change_either_key_will_do(verify: Verify) -> None:
    both = sign_checkpoint(parse_checkpoint(PLAIN.text), KEY, NEXT_KEY)
    for key in (KEY, NEXT_KEY):
        code, told = verify(bytes(LOG.receipt(260, both, ENTRY)), "--vkey", str(key.verifier))
        assert (code, told.count("signed ")) == (0, 1)
    code, told = verify(bytes(CARRYING), "--vkey", str(NEXT_KEY.verifier))
    assert (code, "none of the keys" in told) == (1, True)


def test_witnesses_that_did_not_sign_do_not_count(verify: Verify) -> None:
    both = ("--witness", str(WITNESS.verifier), "--witness", str(OTHER_WITNESS.verifier), "--witnesses-min")
    assert verify(bytes(CARRYING), *VKEY, *both, "1")[0] == 0
    assert verify(bytes(CARRYING), *VKEY, *both, "2")[0] == 1
    assert verify(bytes(LOG.receipt(260, PLAIN, ENTRY)), *VKEY, *both, "1")[0] == 1


@pytest.mark.parametrize(
    ("opening", "code"),
    [
        (OPENING | {"record": RECORD | {"points": 5001}}, 1),
        (OPENING | {"domain": "carbon-bank/award/v2"}, 1),
        (OPENING | {"key": COMMITMENT_KEY[::-1].hex()}, 1),
        (OPENING | {"key": "00"}, 2),
        (OPENING | {"domain": "a\nb"}, 2),
        (OPENING | {"record": 0.5}, 2),
        (OPENING | {"record": "\ud800"}, 2),
        ({"record": RECORD}, 2),
        ([], 2),
    ],
)
def test_a_commitment_opens_to_one_record_only(opening: Any, code: int, verify: Verify) -> None:
    found, told = verify(bytes(CARRYING), *VKEY, opening=json.dumps(opening).encode())
    assert (found, "Traceback" in told) == (code, False)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"key":"","key":""}', b"[" * 100_000, b'"' * 2_000_001])
def test_an_opening_that_cannot_be_read_is_refused(data: bytes, verify: Verify) -> None:
    assert verify(bytes(CARRYING), *VKEY, opening=data)[0] == 2


@pytest.mark.parametrize("vkey", ["", "x", str(KEY.verifier)[:-4], str(KEY.verifier).replace("bank", "bonk")])
def test_a_key_that_cannot_be_read_is_refused(vkey: str, verify: Verify) -> None:
    assert verify(bytes(CARRYING), f"--vkey={vkey}")[0] == 2


def test_it_stands_alone() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
