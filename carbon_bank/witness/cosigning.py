"""A witness that is asked: a request in, a signature or a refusal out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import structlog

from carbon_bank.audit.formats.checkpoint import Opened
from carbon_bank.audit.formats.note import Note, VerifierKey
from carbon_bank.audit.witnesses.protocol import AddCheckpoint, check_growth, contradicts, open_submitted, parse_request
from carbon_bank.foundation.errors import Refusal
from carbon_bank.witness.evidence import keep_evidence
from carbon_bank.witness.state import Cosigned, State

log = structlog.get_logger()


@dataclass(frozen=True)
class Witness:
    """Args: logs: verifier keys of the logs it watches; two of one name while a log changes its key."""

    state: State
    logs: Sequence[VerifierKey]

    def add_checkpoint(self, data: bytes, now: int) -> Cosigned:
        """Sign the checkpoint of a request.

        Raises: what `parse_request`, `open_submitted` and `check_growth` raise (`witness_protocol.status_of` has the answer);
                Unavailable witness.state.
        Source: tlog-witness, add-checkpoint.
        """
        request = parse_request(data)
        opened = open_submitted(request.checkpoint, self.logs)
        try:
            return self.cosign(request, opened, now)
        except Refusal as refusal:
            self._keep(opened, refusal)
            raise

    def cosign(self, request: AddCheckpoint, opened: Opened, now: int) -> Cosigned:
        """Raises: what `check_growth` raises; Unavailable witness.state."""
        return self.state.cosign(opened, now, lambda latest: check_growth(request, opened.checkpoint, latest))

    def checkpoint_of(self, origin_hash: str) -> Cosigned | None:
        """The largest tree it has signed of the log whose origin has this SHA-256.

        Source: tlog-witness, Monitor Retrieval Mechanism.
        """
        origin = next((key.name for key in self.logs if origin_hash_of(key.name) == origin_hash), None)
        return None if origin is None else self.state.latest(origin)

    def _keep(self, opened: Opened, refusal: Refusal) -> None:
        """What the log signed is kept where it contradicts what it signed before, or may do so."""
        latest = self.state.latest(opened.checkpoint.origin)
        if latest is None:
            return
        proved = contradicts(opened.checkpoint, latest.checkpoint)
        if not proved and refusal.code != "audit.consistency":
            return
        signed = Note(opened.note.text, tuple(opened.signed_by.values()))
        try:
            kept = [str(file) for file in keep_evidence(self.state.file, latest.note, signed, proved=proved)]
        except OSError as error:
            kept = [f"not kept: {error}"]
        log.error(
            "a log contradicts itself" if proved else "a log did not prove that it only grew",
            log=opened.checkpoint.origin,
            sizes=[latest.checkpoint.size, opened.checkpoint.size],
            kept=kept,
        )


def origin_hash_of(origin: str) -> str:
    """Source: tlog-witness, Monitor Retrieval Mechanism: SHA-256 in small hexadecimal digits."""
    return sha256(origin.encode()).hexdigest()
