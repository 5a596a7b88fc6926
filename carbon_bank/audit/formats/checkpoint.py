"""Checkpoints: the size and root of a log, signed by the log and by those who watch it.

Source: C2SP tlog-checkpoint, tlog-cosignature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carbon_bank.audit.formats.merkle import HASH_BYTES, SIZE_MAX
from carbon_bank.audit.formats.note import (
    COSIGNATURE,
    ED25519,
    Note,
    Signature,
    SigningKey,
    VerifierKey,
    decode,
    encode,
    malformed,
    parse_note,
    sign_note,
    verify_note,
)

SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """A tree of a log: whose, how many leaves, and the root over them. Source: tlog-checkpoint, Note text."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Lines that no monitor can check. The bank writes none."""

    @property
    def text(self) -> str:
        return "".join(f"{line}\n" for line in (self.origin, self.size, encode(self.root), *self.extensions))


@dataclass(frozen=True)
class Opened:
    """A checkpoint that was verified, and by whose keys."""

    checkpoint: Checkpoint
    note: Note
    signed_by: dict[VerifierKey, Signature]
    witnessed_by: dict[VerifierKey, Signature]


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text is. Raises: InvalidInput audit.checkpoint. Source: tlog-checkpoint, Note text."""
    origin, *lines = text.removesuffix("\n").split("\n")
    if len(lines) < 2 or not all([origin, *lines]) or not text.endswith("\n"):
        raise malformed("checkpoint", "a checkpoint is three lines or more, none empty: origin, size, root")
    size = int(lines[0]) if SIZE.fullmatch(lines[0]) else -1
    if not 0 <= size <= SIZE_MAX:
        raise malformed(
            "checkpoint", f"'{lines[0][:80]}' is no size of a tree: digits, no leading zero, at most {SIZE_MAX}"
        )
    root = decode(lines[1], "checkpoint")
    if len(root) != HASH_BYTES:
        raise malformed("checkpoint", f"'{lines[1][:80]}' is no root: {HASH_BYTES} bytes in base64")
    return Checkpoint(origin, size, root, tuple(lines[2:]))


def sign_checkpoint(checkpoint: Checkpoint, *keys: SigningKey) -> Note:
    """A checkpoint as the log publishes it. While keys change, both keys sign, so that nobody has to hurry.

    Source: tlog-checkpoint, Signatures: a key's name is the origin.
    """
    assert parse_checkpoint(checkpoint.text) == checkpoint, "a checkpoint that nobody could read"
    assert keys, "a checkpoint needs a key"
    assert {key.name for key in keys} == {checkpoint.origin}, "a log signs under its own name"
    return sign_note(checkpoint.text, *keys)


def cosign(checkpoint: Checkpoint, key: SigningKey, timestamp: int) -> Signature:
    """A witness's statement: at this time, this was the largest tree of the log it had seen, and it had only grown.

    Args:   timestamp: POSIX seconds. Raises: InvalidInput audit.timestamp.
    Source: tlog-cosignature, Ed25519 signed message.
    """
    return key.cosign(checkpoint.text, timestamp)


def open_checkpoint(
    data: bytes, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey] = (), witnesses_min: int = 0
) -> Opened:
    """A checkpoint that one of the log's keys signed, and as many witnesses as asked for.

    Args:   keys: while a log's keys change, the old and the new one. Their name is the origin that is accepted.
    Raises: InvalidInput audit.note, audit.signature, audit.checkpoint, audit.unsigned, audit.unwitnessed.
    Source: tlog-checkpoint, Signatures; tlog-proof, Verifying a tlog proof, steps 2 and 3.
    """
    note = parse_note(data)
    verified = verify_note(note, [*keys, *witnesses])
    by_log = {key: each for key, each in verified.items() if key in keys and key.kind == ED25519}
    if not by_log:
        raise malformed(
            "unsigned", "no known key of the log signed this checkpoint; have its key from someone you trust"
        )
    checkpoint = parse_checkpoint(note.text)
    signed_by = {key: each for key, each in by_log.items() if key.name == checkpoint.origin}
    if not signed_by:
        message = f"'{checkpoint.origin[:80]}' is the checkpoint's origin, and no key of that name signed it"
        raise malformed("unsigned", message, origin=checkpoint.origin)
    witnessed_by = {key: each for key, each in verified.items() if key in witnesses and key.kind == COSIGNATURE}
    count = len({key.public for key in witnessed_by})
    if count < witnesses_min:
        message = (
            f"{count} known witnesses signed this checkpoint, and {witnesses_min} are asked for; wait for a later one"
        )
        raise malformed("unwitnessed", message, witnesses=count, witnesses_min=witnesses_min)
    return Opened(checkpoint, note, signed_by, witnessed_by)
