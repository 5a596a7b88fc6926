"""Signed notes: a text, and the signatures of a log and its witnesses under it.

Keys and time are arguments; Ed25519 needs no chance, so that signing the same twice gives the same bytes.
Source: C2SP signed-note, tlog-cosignature; RFC 8032 (Ed25519).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from carbon_bank.foundation.errors import InvalidInput

ED25519, COSIGNATURE = 0x01, 0x04
"""Signature types that the bank knows. Source: signed-note, Signature types."""
KEY_BYTES, KEY_ID_BYTES, SIGNATURE_BYTES, TIMESTAMP_BYTES = 32, 4, 64, 8
TIMESTAMP_MAX = 2**63 - 1
NOTE_BYTES_MAX = 1_000_000
SIGNATURES_MAX = 100
"""16 is the least that a verifier has to take; another one in wide use takes 100 in a megabyte."""

SKEY_PREFIX = "PRIVATE+KEY+"

SIGNATURE_LINE = re.compile(r"\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)")


def is_name(name: str) -> bool:
    """Whether a key can have this name: no space of any kind, no plus, no control character. Source: signed-note, Format."""
    return name != "" and not any(each.isspace() or each < " " or each == "+" for each in name) and _is_text(name)


@dataclass(frozen=True)
class VerifierKey:
    """A public key under a name, for one type of signature."""

    name: str
    public: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if not is_name(self.name) or len(self.public) != KEY_BYTES or self.kind not in {ED25519, COSIGNATURE}:
            raise malformed("key", "a key has a name without spaces or plus, 32 bytes, and type 1 or 4")

    @property
    def id(self) -> bytes:
        """Source: signed-note, Signatures: key ID."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        """Source: signed-note, Verifier keys."""
        return f"{self.name}+{self.id.hex()}+{encode(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that `name+id+base64` tells. Raises: InvalidInput audit.key."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = decode(encoded, "key")
        key = cls(name, material[1:], material[0]) if material else None
        if key is None or key.id.hex() != key_id:
            raise malformed("key", "the id of a verifier key is not that of its name and bytes; copy the key again")
        return key

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether this key signed the text. Source: signed-note, Ed25519 signatures; tlog-cosignature, Ed25519 signed message."""
        message = text.encode()
        if self.kind == COSIGNATURE:
            stamp, signature = signature[:TIMESTAMP_BYTES], signature[TIMESTAMP_BYTES:]
            timestamp = int.from_bytes(stamp, "big")
            if timestamp > TIMESTAMP_MAX:
                return False
            message = _stamped(text, timestamp)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """A private key under a name: the seed of Ed25519, 32 bytes that nobody else knows."""

    name: str
    seed: bytes
    kind: int = ED25519

    def __post_init__(self) -> None:
        if len(self.seed) != KEY_BYTES:
            raise malformed("key", f"a signing key has a seed of {KEY_BYTES} bytes, not {len(self.seed)}")
        self.verifier  # noqa: B018  # refuses a name or a type that no key has

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self._private.public_key().public_bytes_raw(), self.kind)

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r}, kind={self.kind})"

    def sign(self, text: str) -> Signature:
        """This key's signature under a note. Source: signed-note, Ed25519 signatures."""
        assert self.kind == ED25519, "a cosignature needs a time"
        return Signature(self.name, self.verifier.id, self._private.sign(text.encode()))

    def cosign(self, text: str, timestamp: int) -> Signature:
        """A witness's signature under a checkpoint, with the time in it.

        Args:   timestamp: POSIX seconds. Raises: InvalidInput audit.timestamp.
        Source: tlog-cosignature, Format.
        """
        assert self.kind == COSIGNATURE, "a note is signed by a key of type 1"
        if not 0 <= timestamp <= TIMESTAMP_MAX:
            raise malformed("timestamp", f"a cosignature's time is from 0 to {TIMESTAMP_MAX} seconds, not {timestamp}")
        signed = self._private.sign(_stamped(text, timestamp))
        return Signature(self.name, self.verifier.id, timestamp.to_bytes(TIMESTAMP_BYTES, "big") + signed)


def skey_text(key: SigningKey) -> str:
    """A signing key as a line of text, which is to be kept secret.

    Source: golang.org/x/mod/sumdb/note, GenerateKey: name, id of the public key, and base64 of the type and the seed.
    """
    return f"{SKEY_PREFIX}{key.name}+{key.verifier.id.hex()}+{encode(bytes([key.kind]) + key.seed)}"


def parse_skey(text: str) -> SigningKey:
    """The key that `PRIVATE+KEY+name+id+base64` tells. No refusal repeats any of the text.

    Raises: InvalidInput audit.key.
    Source: golang.org/x/mod/sumdb/note, NewSigner.
    """
    name, _, rest = text.removeprefix(SKEY_PREFIX).partition("+")
    encoded = rest.partition("+")[2]
    try:
        material = base64.b64decode(encoded, validate=True)
        key = SigningKey(name, material[1:], material[0])
    except (ValueError, IndexError, InvalidInput):
        key = None
    if key is None or skey_text(key) != text:
        message = (
            f"this is no signing key: {SKEY_PREFIX}<name>+<id>+<base64>, in one line, with the id of its public key"
        )
        raise malformed("key", f"{message}; copy it again, or make another one")
    return key


@dataclass(frozen=True)
class Signature:
    """A line under a note: who signed, by which key, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def timestamp(self) -> int:
        """When a witness signed, in POSIX seconds: of a cosignature that was verified, nothing else has one."""
        return int.from_bytes(self.signature[:TIMESTAMP_BYTES], "big")

    def __str__(self) -> str:
        return f"\u2014 {self.name} {encode(self.key_id + self.signature)}\n"


@dataclass(frozen=True)
class Note:
    """A text, which ends with a newline, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]

    def __bytes__(self) -> bytes:
        return f"{self.text}\n{''.join(map(str, self.signatures))}".encode()

    def with_signatures(self, *more: Signature) -> Note:
        """The same note with further signatures: another key's while keys change, or a witness's."""
        return replace(self, signatures=self.signatures + more)


def sign_note(text: str, *keys: SigningKey) -> Note:
    """A note under one signature for each key. Raises: InvalidInput audit.note, when the text cannot be one."""
    if not _is_text(text) or not text.endswith("\n"):
        raise malformed("note", "the text of a note is what UTF-8 can write, and ends with a newline")
    note = Note(text, tuple(key.sign(text) for key in keys))
    parse_note(bytes(note))  # no control character, not too long
    return note


def parse_note(data: bytes) -> Note:
    """A note as it came, nothing verified yet. Raises: InvalidInput audit.note.

    Source: signed-note, Format: the last empty line parts text and signatures.
    """
    if len(data) > NOTE_BYTES_MAX:
        raise malformed("note", f"a note has at most {NOTE_BYTES_MAX} bytes, not {len(data)}")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise malformed("note", "a note is UTF-8; fetch it again, as bytes") from None
    if any(each < " " and each != "\n" for each in whole):
        raise malformed("note", "a note has no control character but the newline; fetch it again")
    text, parted, lines = whole.rpartition("\n\n")
    if not parted or not lines.endswith("\n"):
        raise malformed("note", "a note is a text, an empty line, and signature lines, each ended by a newline")
    signatures = tuple(map(_parse_signature, lines[:-1].split("\n")))
    if len(signatures) > SIGNATURES_MAX:
        raise malformed("note", f"a note has at most {SIGNATURES_MAX} signatures, not {len(signatures)}")
    return Note(text + "\n", signatures)


def _parse_signature(line: str) -> Signature:
    found = SIGNATURE_LINE.fullmatch(line)
    if found is None or not is_name(found[1]):
        raise malformed("note", f"'{line[:80]}' is no signature line: dash, name, base64, with one space between")
    signed = decode(found[2], "note")
    if len(signed) <= KEY_ID_BYTES:
        raise malformed("note", f"'{line[:80]}' has a key's id and no signature")
    return Signature(found[1], signed[:KEY_ID_BYTES], signed[KEY_ID_BYTES:])


def verify_note(note: Note, keys: Sequence[VerifierKey]) -> dict[VerifierKey, Signature]:
    """Which of the keys signed the note; none is fine. Signatures of other keys are passed over.

    Raises: InvalidInput audit.signature, when a known key's signature is wrong: then the whole note is worth nothing.
            InvalidInput audit.key, when two of the keys cannot be told apart.
    Source: signed-note, Signatures.
    """
    known = {(key.name, key.id): key for key in keys}
    if len(known) < len(set(keys)):
        raise malformed("key", "two verifier keys have the same name and id; leave one out")
    verified: dict[VerifierKey, Signature] = {}
    for each in note.signatures:
        key = known.get((each.name, each.key_id))
        if key is None:
            continue
        if not key.verifies(note.text, each.signature):
            message = (
                f"the signature of {each.name} with key {each.key_id.hex()} is not of this text; trust nothing in it"
            )
            raise InvalidInput("audit.signature", message, {"name": each.name, "key_id": each.key_id.hex()})
        verified.setdefault(key, each)
    return verified


def encode(data: bytes) -> str:
    """Base64 of RFC 4648 section 4, with padding."""
    return base64.b64encode(data).decode("ascii")


def decode(text: str, what: str) -> bytes:
    """The bytes that base64 stands for; of the many ways to write them only the one is taken. Raises: InvalidInput."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = None
    if data is None or encode(data) != text:
        raise malformed(what, f"'{text[:80]}' is no base64 with padding; copy it again")
    return data


def malformed(what: str, message: str, **facts: Any) -> InvalidInput:
    return InvalidInput(f"audit.{what}", message, facts)


def _stamped(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _is_text(text: str) -> bool:
    """Whether UTF-8 can write it: a lone surrogate it cannot."""
    return not any("\ud800" <= each <= "\udfff" for each in text)
