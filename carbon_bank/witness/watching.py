"""A witness that looks by itself: reads a log's checkpoint, proves from its tiles that it only grew, and signs.

Source: C2SP tlog-tiles (what is read), tlog-cosignature (what a signature says), RFC 6962 section 2.1.2 (the proof).
"""

from __future__ import annotations

from dataclasses import dataclass

from carbon_bank.audit.formats.checkpoint import Checkpoint, Opened
from carbon_bank.audit.formats.merkle import HashAt, tree_root
from carbon_bank.audit.formats.note import Note
from carbon_bank.audit.formats.tiles import hashes_from
from carbon_bank.audit.witnesses.protocol import (
    AddCheckpoint,
    check_growth,
    contradicts,
    growth_request,
    open_submitted,
)
from carbon_bank.foundation.errors import Conflict, InvalidInput
from carbon_bank.witness.cosigning import Witness
from carbon_bank.witness.evidence import keep_evidence
from carbon_bank.witness.fetching import Source
from carbon_bank.witness.state import Cosigned

TRIES_MAX = 5
"""While another process signs with the same key."""


@dataclass(frozen=True)
class Seen:
    """What a look found, and signed. Args: before: entries that it knew; null at the first look."""

    cosigned: Cosigned
    before: int | None


class LogInconsistent(Conflict):
    """The log is not what it was, or not what it says: shrunk, forked, or with tiles of another tree."""


def look(witness: Witness, source: Source, now: int) -> Seen:
    """Read the log once, and sign what it shows if it only grew.

    Raises: LogInconsistent witness.shrunk, witness.forked, witness.tiles: both checkpoints are kept, and nothing is signed.
            Unavailable witness.unreachable, witness.state; InvalidInput audit.note, audit.checkpoint, audit.unsigned,
            audit.signature; NotFound audit.unknown_log: nothing was learnt, and nothing is signed.
    """
    opened = open_submitted(source.checkpoint(), witness.logs)
    for _ in range(TRIES_MAX):
        latest = witness.state.latest(opened.checkpoint.origin)
        found = _proved(source, opened, None if latest is None else latest.checkpoint)
        if not isinstance(found, AddCheckpoint):
            raise _inconsistent(witness, opened, latest, *found)
        try:
            signed = witness.cosign(found, opened, now)
        except Conflict as refusal:
            if refusal.code != "audit.stale":
                raise
        else:
            return Seen(signed, None if latest is None else latest.checkpoint.size)
    raise Conflict("witness.busy", "Another process signs with this key all the time. Look again later.")


def _proved(source: Source, opened: Opened, known: Checkpoint | None) -> AddCheckpoint | tuple[str, str]:
    """The proof that the log only grew, made from its tiles and verified; or a code and what is wrong."""
    tree, note = opened.checkpoint, bytes(opened.note)
    size = 0 if known is None else known.size
    if known is not None and tree.size < size:
        return "shrunk", f"it had {size} entries and now shows {tree.size}"
    if known is not None and contradicts(tree, known):
        return "forked", f"it has signed two trees of {size} entries"
    hash_at = hashes_from(tree.size, source.tile)
    try:
        request = growth_request(size, tree.size, hash_at, note)
        check_growth(request, tree, known)
        whole = (
            size > 0 or tree_root(tree.size, hash_at) == tree.root
        )  # at the first look there is nothing else to compare
    except InvalidInput as refusal:
        if refusal.code != "audit.tile" and _have_root(tree, hash_at):
            return "forked", f"its tree of {tree.size} entries does not begin with the one of {size} that it had"
        whole = False
    return request if whole else ("tiles", f"its tiles are not those of its checkpoint of {tree.size} entries")


def _have_root(tree: Checkpoint, hash_at: HashAt) -> bool:
    try:
        return tree_root(tree.size, hash_at) == tree.root
    except InvalidInput:
        return False


def _inconsistent(witness: Witness, opened: Opened, latest: Cosigned | None, code: str, what: str) -> LogInconsistent:
    notes = [Note(opened.note.text, tuple(opened.signed_by.values()))]
    if latest is not None:
        notes.insert(0, latest.note)
    try:
        files = [str(file) for file in keep_evidence(witness.state.file, *notes)]
        kept = f"Kept as evidence: {' and '.join(files)}"
    except OSError as error:  # the alarm is worth more than the files
        files, kept = [], f"THE EVIDENCE COULD NOT BE KEPT ({error}): save what {opened.checkpoint.origin} shows now"
    return LogInconsistent(
        f"witness.{code}",
        f"THE LOG {opened.checkpoint.origin} IS NOT CONSISTENT: {what}. Nothing was signed. {kept}",
        {"log": opened.checkpoint.origin, "kept": files},
    )
