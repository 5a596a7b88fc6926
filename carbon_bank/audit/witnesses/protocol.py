"""What a log asks of a witness, what the witness has to find before it signs, and what it answers: both sides of it.

Source: C2SP tlog-witness, add-checkpoint; tlog-cosignature.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from carbon_bank.audit.formats.checkpoint import Checkpoint, Opened, open_checkpoint, parse_checkpoint
from carbon_bank.audit.formats.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    SIZE_MAX,
    HashAt,
    consistency_proof,
    verify_consistency,
)
from carbon_bank.audit.formats.note import (
    NOTE_BYTES_MAX,
    Note,
    Signature,
    VerifierKey,
    decode,
    encode,
    malformed,
    parse_note,
    verify_note,
)
from carbon_bank.audit.formats.tiles import Tile, hashes_from
from carbon_bank.foundation.errors import Conflict, InvalidInput, NotFound, Refusal


class Status(IntEnum):
    """The protocol's answers, by the numbers that it gives them. Source: tlog-witness, add-checkpoint."""

    COSIGNED = 200
    UNREADABLE = 400
    UNSIGNED = 403
    UNKNOWN_LOG = 404
    STALE = 409
    INCONSISTENT = 422


SIZE_TYPE = "text/x.tlog.size"
"""Content type of the answer to a request that names another old size than the witness has."""
PROOF_LINES_MAX = 63
REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4096
"""The longest checkpoint, and before it the longest proof."""
AHEAD_SECONDS_MAX = 300
"""How far a witness's clock may be ahead. Source: tlog-cosignature, Format (verifiers may reject times in the future)."""

OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
SIZE_ANSWER = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
STATUS_OF = {
    "audit.unknown_log": Status.UNKNOWN_LOG,
    "audit.unsigned": Status.UNSIGNED,
    "audit.signature": Status.UNSIGNED,
    "audit.stale": Status.STALE,
    "audit.consistency": Status.INCONSISTENT,
}


def status_of(refusal: Refusal) -> Status:
    """What a witness answers that refuses."""
    return STATUS_OF.get(refusal.code, Status.UNREADABLE)


@dataclass(frozen=True)
class AddCheckpoint:
    """A request: the size of the tree that the witness has, the proof from there, and the log's checkpoint as it is."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __bytes__(self) -> bytes:
        """Source: tlog-witness, add-checkpoint."""
        lines = [f"old {self.old}", *map(encode, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint


def parse_request(data: bytes) -> AddCheckpoint:
    """A request as it came, nothing verified yet. Raises: InvalidInput audit.add_checkpoint.

    Source: tlog-witness, add-checkpoint: old size, at most 63 hashes, an empty line, a checkpoint.
    """
    head, parted, checkpoint = data.partition(b"\n\n")
    first, *lines = head.decode("ascii", "replace").split("\n")
    found = OLD.fullmatch(first)
    if not parted or found is None or int(found[1]) > SIZE_MAX or len(lines) > PROOF_LINES_MAX:
        message = f"a request is a line 'old <size>', at most {PROOF_LINES_MAX} lines of a proof, an empty line, and a checkpoint"
        raise malformed("add_checkpoint", message)
    proof = tuple(decode(line, "add_checkpoint") for line in lines)
    if any(len(each) != HASH_BYTES for each in proof):
        raise malformed("add_checkpoint", f"a line of a proof is a hash of {HASH_BYTES} bytes in base64")
    return AddCheckpoint(int(found[1]), proof, checkpoint)


def open_submitted(checkpoint: bytes, logs: Sequence[VerifierKey]) -> Opened:
    """A checkpoint of one of the logs that the witness knows, signed by a key that it knows for this log.

    Args:   logs: keys of all logs; a log has several while it changes them.
    Raises: InvalidInput audit.note, audit.checkpoint; NotFound audit.unknown_log; InvalidInput audit.unsigned, audit.signature.
    Source: tlog-witness, add-checkpoint: 404 for an unknown origin before 403 for a signature.
    """
    origin = parse_checkpoint(parse_note(checkpoint).text).origin
    keys = [key for key in logs if key.name == origin]
    if not keys:
        message = f"this witness does not watch '{origin[:80]}'; ask those who run it to add the log's verifier key"
        raise NotFound("audit.unknown_log", message, {"origin": origin[:80]})
    return open_checkpoint(checkpoint, keys)


def check_growth(request: AddCheckpoint, tree: Checkpoint, latest: Checkpoint | None) -> None:
    """Refuse unless the tree begins with the latest one that the witness signed.

    Args:   latest: null where it has never signed a tree of this log: as if it were the empty one.
    Raises: InvalidInput audit.add_checkpoint; Conflict audit.stale, whose `size` is to be answered; InvalidInput
            audit.consistency.
    Source: tlog-witness, add-checkpoint: these checks, in this order.
    """
    if request.old > tree.size:
        raise malformed("add_checkpoint", f"the old size {request.old} is beyond the checkpoint's, {tree.size}")
    size, root = (0, EMPTY_ROOT) if latest is None else (latest.size, latest.root)
    if request.old != size:
        message = f"the latest tree that this witness signed has {size} leaves, not {request.old}; prove growth from it"
        raise Conflict("audit.stale", message, {"size": size})
    if size > 0:
        verify_consistency(size, tree.size, root, tree.root, request.proof)
    elif request.proof or (tree.size == 0 and tree.root != EMPTY_ROOT):
        message = "the empty tree has the root of nothing, and growth from it needs no proof; keep the checkpoint"
        raise InvalidInput("audit.consistency", message, {"before": 0, "after": tree.size})


def contradicts(tree: Checkpoint, other: Checkpoint) -> bool:
    """Whether one of two checkpoints of a log is a lie, with no need of a proof: two trees of one size that differ."""
    return tree.origin == other.origin and tree.size == other.size and tree.root != other.root


def growth_request(old: int, size: int, hash_at: HashAt, checkpoint: bytes) -> AddCheckpoint:
    """What a log sends a witness that has its tree of `old` leaves.

    Args:   hash_at: of the tree of `size`, the checkpoint's. Raises: InvalidInput audit.size.
    """
    return AddCheckpoint(old, tuple(consistency_proof(old, size, hash_at)), checkpoint)


def tiles_for_growth(old: int, size: int) -> list[Tile]:
    """The tiles out of which the proof from `old` to `size` is made."""
    asked: dict[Tile, None] = {}

    def ask(tile: Tile) -> bytes:
        asked[tile] = None
        return bytes(tile.width * HASH_BYTES)

    consistency_proof(old, size, hashes_from(size, ask))
    return list(asked)


def parse_stale(answer: bytes) -> int:
    """The size that a witness has. Raises: InvalidInput audit.stale_size. Source: tlog-witness, add-checkpoint (409)."""
    found = SIZE_ANSWER.fullmatch(answer)
    if found is None or int(found[1]) > SIZE_MAX:
        raise malformed("stale_size", "the witness's answer is no size: digits and a newline, no leading zero")
    return int(found[1])


def cosignature_in(answer: bytes, checkpoint: bytes, witness: VerifierKey, now: int) -> Signature:
    """The witness's own signature in its answer, verified; those of keys that are not asked for are passed over.

    Args:   now: POSIX seconds.
    Raises: InvalidInput audit.note, audit.signature; InvalidInput audit.cosignature: none of this key, or at no possible time.
    Source: tlog-witness, add-checkpoint (200): a timestamp that is not zero; the answer parsed as the end of a note.
    """
    text = parse_note(checkpoint).text
    answered = parse_note(text.encode() + b"\n" + answer)
    # An empty line in the answer would make it, and the checkpoint before it, the text of another note.
    verified = verify_note(answered, [witness]).get(witness) if answered.text == text else None
    if verified is None:
        raise malformed("cosignature", f"the answer has no signature by {witness.name} with key {witness.id.hex()}")
    if not 0 < verified.timestamp <= now + AHEAD_SECONDS_MAX:
        message = f"{witness.name} signed as of second {verified.timestamp}, and it is second {now}; its clock is wrong"
        raise malformed("cosignature", message, timestamp=verified.timestamp)
    return verified


def with_cosignatures(note: bytes, lines: Iterable[str]) -> bytes:
    """A checkpoint with witnesses' lines after the log's own; a line that it has already stands once.

    Args:   lines: as `str(Signature)` writes them, newline and all; what they sign was verified before they were kept.
    Raises: InvalidInput audit.note.
    Source: tlog-checkpoint, Signatures; tlog-witness, add-checkpoint (a client moves valid signatures to its own view).
    """
    whole = parse_note(note + "".join(lines).encode())
    assert whole.text == parse_note(note).text, "a line that is no signature"
    return bytes(Note(whole.text, tuple(dict.fromkeys(whole.signatures))))
