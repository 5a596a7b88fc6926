"""A log of ours under a verifier that is not ours: `scripts/verify-go`, on Go's own golang.org/x/mod/sumdb.

Needs Debian's golang-go and golang-golang-x-mod-dev, which `.ci/run` installs.
"""

from __future__ import annotations

import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from carbon_bank.audit.formats.checkpoint import cosign, parse_checkpoint
from carbon_bank.audit.formats.merkle import leaf_hash, root_of
from carbon_bank.audit.formats.note import encode
from carbon_bank.audit.formats.receipt import receipt_of
from carbon_bank.audit.formats.tiles import ENTRIES, Tile, bundle, split_bundle
from carbon_bank.audit.log.canonical import canonical
from tests.audit.made_up import KEY, NEXT_KEY, OTHER_WITNESS, WITNESS, MadeUpLog, entry

BUILD = Path(__file__).parent.parent / "scripts" / "verify-go" / "build"
NO_GO = 3
LEAVES, BEFORE = 70_000, 65_801
VKEY = ("-vkey", str(KEY.verifier))

Go = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Go:
    program = tmp_path_factory.mktemp("go") / "verify-log"
    built = subprocess.run([str(BUILD), str(program)], capture_output=True, check=False, encoding="utf-8")
    if built.returncode == NO_GO:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr

    def run(*arguments: str | Path) -> tuple[int, str]:
        command = [str(program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[MadeUpLog, Path]:
    """A log of 70,000 leaves as files, signed while its keys change, with an older checkpoint and a receipt beside it."""
    folder, log = tmp_path_factory.mktemp("log"), MadeUpLog(NEXT_KEY, KEY)
    (folder / "old").write_bytes(bytes(log.add([entry(index) for index in range(BEFORE)])))
    signed = log.add([entry(index) for index in range(BEFORE, LEAVES)])
    signed = signed.with_signatures(cosign(parse_checkpoint(signed.text), WITNESS, 1_785_000_000))
    log.files["checkpoint"] = bytes(signed)
    (folder / "receipt").write_bytes(bytes(log.receipt(66_000, signed, entry(66_000))))
    log.write(folder)
    return log, folder


@pytest.fixture
def served(log: tuple[MadeUpLog, Path]) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(log[1]))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_go_verifies_every_leaf_and_tile_the_growth_and_a_receipt(go: Go, log: tuple[MadeUpLog, Path]) -> None:
    files, folder = log
    code, told = go("-log", folder, *VKEY, "-old", folder / "old", "-receipt", folder / "receipt")
    root = encode(root_of(leaf_hash(entry(index)) for index in range(LEAVES)))
    assert (code, told.splitlines()) == (
        0,
        [
            f"checkpoint  {LEAVES} entries, root {root}",
            f"consistent  {LEAVES} entries begin with the older {BEFORE}",
            f"entries     {LEAVES}, with 277 tiles",
            f"receipt     entry 66000 of {LEAVES}",
            "verified",
        ],
    )
    assert files.size == LEAVES


def test_go_verifies_the_log_as_it_is_served(go: Go, log: tuple[MadeUpLog, Path], served: str) -> None:
    code, told = go("-log", served, "-vkey", NEXT_KEY.verifier, "-old", log[1] / "old")
    assert (code, told.splitlines()[-1]) == (0, "verified")


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_go_verifies_logs_of_every_shape(size: int, go: Go, tmp_path: Path) -> None:
    log = MadeUpLog()
    log.add([entry(index) for index in range(size)])
    code, told = go("-log", log.write(tmp_path), *VKEY)
    assert (code, told.splitlines()[-1]) == (0, "verified")


@pytest.mark.parametrize(
    "path",
    ["checkpoint", "tile/0/000", "tile/0/200", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1",
     "tile/entries/000", "tile/entries/273.p/112"],
)  # fmt: skip
def test_go_finds_a_changed_byte_in_every_kind_of_file(
    path: str, go: Go, log: tuple[MadeUpLog, Path], tmp_path: Path
) -> None:
    shutil.copytree(log[1], tmp_path / "log")
    for place in (0, len(log[0].files[path]) // 2):
        wrong = bytearray(log[0].files[path])
        wrong[place] ^= 1
        (tmp_path / "log" / path).write_bytes(wrong)
        code, told = go("-log", tmp_path / "log", *VKEY)
        assert code == 1 and "not verified" in told, (place, told)


def test_go_finds_an_entry_that_was_changed_together_with_its_tile(
    go: Go, log: tuple[MadeUpLog, Path], tmp_path: Path
) -> None:
    shutil.copytree(log[1], tmp_path / "log")
    here, leaves = Tile(ENTRIES, 7), Tile(0, 7)
    entries = split_bundle(log[0].files[here.path], 256)
    entries[5] = canonical({"points": 9999})
    (tmp_path / "log" / here.path).write_bytes(bundle(entries))
    (tmp_path / "log" / leaves.path).write_bytes(b"".join(map(leaf_hash, entries)))
    code, told = go("-log", tmp_path / "log", *VKEY)
    assert code == 1 and "not verified" in told  # tlog.TileHashReader alone did not see it: CVE-2026-56865


def test_go_finds_a_rewritten_past_and_another_key(go: Go, log: tuple[MadeUpLog, Path], tmp_path: Path) -> None:
    rewritten = MadeUpLog()
    (tmp_path / "old").write_bytes(bytes(rewritten.add([b"another past", *map(entry, range(1, 300))])))
    code, told = go("-log", log[1], *VKEY, "-old", tmp_path / "old")
    assert code == 1 and "not verified" in told
    code, told = go("-log", log[1], "-vkey", WITNESS.verifier)
    assert code == 2  # a key of another type, which it does not know
    other = MadeUpLog(NEXT_KEY)
    other.add([b"x"])
    code, told = go("-log", other.write(tmp_path / "other"), *VKEY)
    assert code == 1 and "no verifiable signatures" in told


def test_go_verifies_a_witness_by_its_own_ed25519_and_asks_for_each(
    go: Go, log: tuple[MadeUpLog, Path], tmp_path: Path
) -> None:
    receipt, witness = ("-receipt", log[1] / "receipt"), ("-witness", str(WITNESS.verifier))
    told = f"witnessed   by {WITNESS.name} at 2026-07-25 17:20:00 UTC"
    code, text = go(*receipt, *VKEY, *witness)
    assert (code, text.splitlines()) == (0, [told, "receipt     entry 66000 of 70000", "verified"])
    assert go(*receipt, *VKEY, *witness, "-witness", str(OTHER_WITNESS.verifier))[0] == 1
    assert go(*receipt, *VKEY, "-witness", str(KEY.verifier))[0] == 2
    small = MadeUpLog()
    signed = small.add([entry(0)])
    cosigned = signed.with_signatures(cosign(parse_checkpoint(signed.text), WITNESS, 1_785_000_000))
    wrong = signed.with_signatures(cosign(parse_checkpoint(small.add([entry(1)]).text), WITNESS, 1_785_000_000))
    for note, code in ((cosigned, 0), (wrong, 1), (signed, 1)):
        (tmp_path / "receipt").write_bytes(bytes(receipt_of(0, 1, small.hash_at(1), note, entry(0))))
        assert go("-receipt", tmp_path / "receipt", *VKEY, *witness)[0] == code
    code, text = go("-log", log[1], *VKEY, *witness)
    assert (code, told in text.splitlines()) == (0, True)


def test_go_finds_a_changed_receipt(go: Go, tmp_path: Path) -> None:
    log = MadeUpLog()
    log.add([entry(index) for index in range(300)])
    data = bytes(log.receipt(260, extra=entry(260)))
    receipt = tmp_path / "receipt"
    receipt.write_bytes(data)
    assert go("-receipt", receipt, *VKEY)[0] == 0
    (tmp_path / "entry").write_bytes(entry(261))
    assert go("-receipt", receipt, "-entry", tmp_path / "entry", *VKEY)[0] == 1
    for place in range(0, len(data), 23):
        receipt.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert go("-receipt", receipt, *VKEY)[0] in {1, 2}, place
