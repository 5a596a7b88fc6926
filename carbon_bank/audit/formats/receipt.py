"""Receipts: a file that proves, without any connection, that an entry is in the log.

Source: C2SP tlog-proof.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carbon_bank.audit.formats.checkpoint import Opened, open_checkpoint
from carbon_bank.audit.formats.merkle import HASH_BYTES, SIZE_MAX, HashAt, inclusion_proof, leaf_hash, verify_inclusion
from carbon_bank.audit.formats.note import NOTE_BYTES_MAX, Note, VerifierKey, decode, encode, malformed

FIRST_LINE = "c2sp.org/tlog-proof@v1"
PROOF_HASHES_MAX = 63
"""The height of the largest tree."""
EXTRA_BYTES_MAX = 65_535
RECEIPT_BYTES_MAX = NOTE_BYTES_MAX + 100_000
"""The longest checkpoint, and before it the longest extra data and proof."""
INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Receipt:
    """An entry's index, the proof from its leaf up, and the checkpoint as it was published.

    `extra` is for whoever reads it: nothing but its own use shows that it is right. The bank puts the entry there, which
    the proof then covers.
    """

    index: int
    proof: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __bytes__(self) -> bytes:
        """Source: tlog-proof, Format."""
        extra = [] if self.extra is None else [f"extra {encode(self.extra)}"]
        lines = [FIRST_LINE, *extra, f"index {self.index}", *map(encode, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint


def receipt_of(index: int, size: int, hash_at: HashAt, checkpoint: Note, extra: bytes | None = None) -> Receipt:
    """The receipt of an entry under a checkpoint. Args: size: of the checkpoint's tree, which `hash_at` knows."""
    return Receipt(index, tuple(inclusion_proof(index, size, hash_at)), bytes(checkpoint), extra)


def parse_receipt(data: bytes) -> Receipt:
    """A receipt as it came, nothing verified yet. Raises: InvalidInput audit.receipt. Source: tlog-proof, Format."""
    head, parted, checkpoint = data.partition(b"\n\n")
    if not parted or not head.isascii() or len(data) > RECEIPT_BYTES_MAX:
        raise malformed(
            "receipt", f"a receipt is lines of ASCII, an empty line, and a checkpoint; begin with {FIRST_LINE}"
        )
    first, *lines = head.decode("ascii").split("\n")
    if first != FIRST_LINE:
        raise malformed("receipt", f"'{first[:80]}' begins no receipt; the first line is {FIRST_LINE}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = decode(lines.pop(0).removeprefix("extra "), "receipt")
        if not 0 < len(extra) <= EXTRA_BYTES_MAX:
            raise malformed(
                "receipt", f"extra data has from 1 to {EXTRA_BYTES_MAX} bytes; leave the line out without any"
            )
    index = INDEX.fullmatch(lines[0]) if lines else None
    if index is None or int(index[1]) > SIZE_MAX:
        raise malformed("receipt", "the line 'index <number>' is missing or not in its place; digits, no leading zero")
    proof = tuple(decode(line, "receipt") for line in lines[1:])
    if len(proof) > PROOF_HASHES_MAX or any(len(each) != HASH_BYTES for each in proof):
        raise malformed(
            "receipt", f"a proof is at most {PROOF_HASHES_MAX} lines, each a hash of {HASH_BYTES} bytes in base64"
        )
    return Receipt(int(index[1]), proof, checkpoint, extra)


def verify_receipt(
    receipt: Receipt,
    entry: bytes,
    keys: Sequence[VerifierKey],
    witnesses: Sequence[VerifierKey] = (),
    witnesses_min: int = 0,
) -> Opened:
    """Refuse unless the entry is in the log whose key signed; then the checkpoint that says so.

    Raises: InvalidInput, as `open_checkpoint` and `verify_inclusion` do.
    Source: tlog-proof, Verifying a tlog proof, steps 1 to 4.
    """
    opened = open_checkpoint(receipt.checkpoint, keys, witnesses, witnesses_min)
    tree = opened.checkpoint
    verify_inclusion(receipt.index, tree.size, leaf_hash(entry), receipt.proof, tree.root)
    return opened
