"""docs/transparency-log.md promises nothing that the law does not do: its example is made anew, byte by byte."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from carbon_bank.audit.formats.checkpoint import Checkpoint, cosign, open_checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import leaf_hash, node_hash, root_of
from carbon_bank.audit.formats.note import COSIGNATURE, SigningKey
from carbon_bank.audit.formats.receipt import parse_receipt, receipt_of, verify_receipt
from carbon_bank.audit.formats.tiles import ENTRIES, Tile, grow, grow_bundles, hashes_from
from carbon_bank.audit.log.canonical import canonical, commit, parse_canonical
from carbon_bank.audit.log.entries import ACT, CLOSE, POSTING, TYPES, VERSION, act_entry, close_entry, posting_entries
from tests.test_log_of_a_city import KEYS_OF

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "transparency-log.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^```\w+ example ([\w ]+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))

ORIGIN = "bank.example/log/springfield"
KEY = SigningKey(ORIGIN, hashlib.sha256(b"an example, never a key").digest())
WITNESS = SigningKey("witness.example/w1", hashlib.sha256(b"another example").digest(), COSIGNATURE)
COMMITMENT_KEY = hashlib.sha256(b"a commitment's key is random").digest()
DOMAIN = "carbon-bank/example/v1"
RECORD = {"household": "SF-00017", "commodity": "electricity", "points": 5000}
ENTRIES_MADE = [
    {"v": 1, "type": "example.policy", "seq": 0, "digest": hashlib.sha256(b"policy").hexdigest()},
    {"v": 1, "type": "example.award", "seq": 1, "household": commit(COMMITMENT_KEY, DOMAIN, RECORD).hex()},
    {"v": 1, "type": "example.close", "seq": 2, "rows": 1, "points": 5000},
]


def example() -> dict[str, str]:
    entries = [canonical(each) for each in ENTRIES_MADE]
    leaves = [leaf_hash(each) for each in entries]
    first_two = node_hash(*leaves[:2])
    root = node_hash(first_two, leaves[2])
    assert root == root_of(leaves)
    files = {tile.path: data for tile, data in (grow(0, {}, leaves) | grow_bundles(0, {}, entries)).items()}
    assert list(files) == ["tile/0/000.p/3", "tile/entries/000.p/3"]
    checkpoint = Checkpoint(ORIGIN, 3, root)
    signed = sign_checkpoint(checkpoint, KEY).with_signatures(cosign(checkpoint, WITNESS, 1_785_000_000))
    receipt = receipt_of(1, 3, hashes_from(3, lambda tile: files[tile.path]), signed, entries[1])
    hashes = {**{f"leaf {place}": each for place, each in enumerate(leaves)}, "node 0 1": first_two, "root": root}
    opening = {"domain": DOMAIN, "key": COMMITMENT_KEY.hex(), "record": RECORD}
    return {
        "entries": "".join(f"{each.decode()}\n" for each in entries),
        "hashes": "".join(f"{name:<9} {each.hex()}\n" for name, each in hashes.items()),
        "keys": f"{KEY.verifier}\n{WITNESS.verifier}\n",
        "checkpoint": bytes(signed).decode(),
        "bundle": files[Tile(ENTRIES, 0, 3).path][:12].hex(" ") + "\n",
        "receipt": bytes(receipt).decode(),
        "opening": json.dumps(opening, indent=1, ensure_ascii=False) + "\n",
    }


def test_the_example_on_the_page_is_what_the_law_makes() -> None:
    assert example() == {name: block for name, block in BLOCKS.items() if name != "proved"}


def made_again(entry: dict[str, Any]) -> bytes:
    """The entry that the law makes of what another one tells."""
    told = entry | {"at": datetime.fromisoformat(entry["at"])}
    kind, seq, at = told.pop("type"), told.pop("seq"), told.pop("at")
    assert told.pop("v") == VERSION
    if kind == CLOSE:
        return close_entry(seq, at, told)
    committed = bytes.fromhex(told.pop("commitment"))
    if kind == ACT:
        return act_entry(seq, at, told.pop("act"), told.pop("public", {}), committed)
    assert kind == POSTING
    return next(iter(posting_entries(seq, at, told["kind"], told.get("settlement"), [committed])))


def test_each_type_of_entry_has_an_example_of_a_demo_citys_log() -> None:
    (block,) = re.findall(r"^```json entries\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    lines = block.encode().splitlines()
    found = [parse_canonical(line) for line in lines]
    assert sorted(entry["type"] for entry in found) == sorted(TYPES)
    assert [made_again(entry) for entry in found] == lines
    for entry in found:
        always, sometimes = KEYS_OF[entry["type"]]
        assert set(entry) == always | sometimes, "what some have, the example has as well"


def test_the_example_on_the_page_is_verified_as_a_reader_would() -> None:
    receipt = parse_receipt(BLOCKS["receipt"].encode())
    entry = BLOCKS["entries"].splitlines()[1].encode()
    assert receipt.extra == entry
    assert verify_receipt(receipt, entry, [KEY.verifier], [WITNESS.verifier], 1).checkpoint.size == 3
    assert open_checkpoint(BLOCKS["checkpoint"].encode(), [KEY.verifier]).checkpoint.origin == ORIGIN
    assert parse_canonical(entry) == ENTRIES_MADE[1]


def test_the_script_says_of_the_example_what_the_page_shows(tmp_path: Path) -> None:
    command, _, told = BLOCKS["proved"].partition("    --opening opening.json\n")
    assert command.startswith("$ python scripts/verify_receipt.py award.tlog-proof")
    (tmp_path / "award.tlog-proof").write_bytes(BLOCKS["receipt"].encode())
    (tmp_path / "opening.json").write_bytes(BLOCKS["opening"].encode())
    script = str(ROOT / "scripts" / "verify_receipt.py")
    options = ["--vkey", str(KEY.verifier), "--witness", str(WITNESS.verifier), "--opening", "opening.json"]
    done = subprocess.run(
        [sys.executable, script, "award.tlog-proof", *options],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert (done.returncode, done.stdout) == (0, told)
