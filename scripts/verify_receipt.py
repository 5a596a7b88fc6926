#!/usr/bin/env python
"""Is this entry in the city's log? Answered from a receipt alone, without the bank and without a connection.

    python scripts/verify_receipt.py RECEIPT.tlog-proof --vkey NAME+ID+KEY [--entry FILE]
        [--witness NAME+ID+KEY ...] [--witnesses-min N] [--opening FILE]

Needs Python 3.11 and the package `cryptography`, nothing of the bank. Have the log's verifier key (`--vkey`, several while keys
change) from someone you trust, not from where the receipt came from. Without --entry the entry is the receipt's extra data.
--opening is a JSON file {"domain": ..., "key": 64 hex digits, "record": ...}: the record that a commitment in the entry
stands for. Prints what was proved. Exit code: 0 proved, 1 not proved, 2 something that cannot be read.

    tlog-proof        read_receipt, main            signed-note, tlog-checkpoint    read_note, open_checkpoint
    tlog-cosignature  Key.verifies                  RFC 9162 section 2.1.3.2        root_from
    RFC 8785, 2104    canonical, open_commitment
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 1, 4
SIZE_MAX = 2**63 - 1
FILE_BYTES_MAX = 2_000_000
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
SIGNATURE = re.compile("\u2014 ([^ ]+) ([^ ]+)")


class UnreadableError(Exception):
    """A file or an argument that has not the form it must have: what, and what to do."""


class UnprovedError(Exception):
    """All of it could be read, and it does not prove what it should."""


def unbase64(text: str, what: str) -> bytes:
    """The bytes that the base64 stands for, if it is written in the one proper way."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not text or base64.b64encode(data).decode() != text:
        raise UnreadableError(f"{what}: {text[:60]!r} is no base64 with padding; copy it again")
    return data


class Key(NamedTuple):
    name: str
    id: bytes
    kind: int
    public: bytes

    @classmethod
    def read(cls, text: str) -> Key:
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        material = unbase64(encoded, "verifier key")
        digest = hashlib.sha256(name.encode(errors="replace") + b"\n" + material).digest()[:4]
        if not name or digest.hex() != key_id:
            raise UnreadableError(f"verifier key {text[:60]!r}: its id is not that of its name and key; copy it again")
        if material[0] not in {ED25519, COSIGNATURE} or len(material) != 33:
            raise UnreadableError(f"verifier key {text[:60]!r}: only Ed25519 keys of type 1 and 4 are known here")
        return cls(name, digest, material[0], material[1:])

    def verifies(self, text: bytes, signature: bytes) -> bool:
        if self.kind == COSIGNATURE:
            seconds, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            if seconds > SIZE_MAX:
                return False
            text = b"cosignature/v1\ntime %d\n" % seconds + text
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Receipt(NamedTuple):
    extra: bytes | None
    index: int
    proof: list[bytes]
    checkpoint: bytes


def read_receipt(data: bytes) -> Receipt:
    head, parted, checkpoint = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not parted or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise UnreadableError(
            "this is no receipt: it begins with the line c2sp.org/tlog-proof@v1 and has an empty line"
        )
    extra = unbase64(lines.pop(0)[6:], "extra data") if lines and lines[0].startswith("extra ") else None
    number = lines.pop(0) if lines else ""
    if not number.startswith("index ") or not NUMBER.fullmatch(number[6:]):
        raise UnreadableError(f"{number[:60]!r} stands where the line 'index <number>' belongs")
    proof = [unbase64(line, "proof") for line in lines]
    if len(proof) > 63 or any(len(each) != 32 for each in proof):
        raise UnreadableError("a proof has at most 63 hashes of 32 bytes")
    return Receipt(extra, int(number[6:]), proof, checkpoint)


def read_note(data: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The signed text, and (name, key id, signature) of each signature line."""
    try:
        text, parted, lines = data.decode().rpartition("\n\n")
    except UnicodeDecodeError:
        raise UnreadableError("the checkpoint is not UTF-8; fetch the receipt again, as bytes") from None
    if not parted or not lines.endswith("\n") or any(each < " " and each != "\n" for each in text + lines):
        raise UnreadableError("the checkpoint is no signed note: text, empty line, signature lines")
    found = []
    for line in lines[:-1].split("\n"):
        match = SIGNATURE.fullmatch(line)
        signed = unbase64(match[2], "signature") if match else b""
        if match is None or len(signed) < 5:
            raise UnreadableError(f"{line[:60]!r} is no signature line")
        found.append((match[1], signed[:4], signed[4:]))
    return text + "\n", found


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    signed_by: list[Key]
    witnessed_by: dict[Key, int]  # and when, in seconds


def open_checkpoint(data: bytes, keys: list[Key], witnesses: list[Key], witnesses_min: int) -> Checkpoint:
    text, signatures = read_note(data)
    verified: dict[Key, bytes] = {}
    for name, key_id, signature in signatures:
        for key in {*keys, *witnesses}:
            if (key.name, key.id) == (name, key_id):
                if not key.verifies(text.encode(), signature):
                    raise UnprovedError(f"the signature of {name} is not of this checkpoint: it was changed")
                verified[key] = signature
    lines = text[:-1].split("\n")
    if len(lines) < 3 or not all(lines) or not NUMBER.fullmatch(lines[1]) or int(lines[1]) > SIZE_MAX:
        raise UnreadableError("the checkpoint is not three lines or more: origin, size, root")
    root = unbase64(lines[2], "root")
    if len(root) != 32:
        raise UnreadableError("the checkpoint's root has not 32 bytes")
    signed_by = [key for key in keys if key in verified and key.kind == ED25519 and key.name == lines[0]]
    if not signed_by:
        raise UnprovedError(f"none of the keys that were given signed this checkpoint of '{lines[0]}'")
    witnessed_by = {
        key: int.from_bytes(verified[key][:8], "big")
        for key in witnesses
        if key in verified and key.kind == COSIGNATURE
    }
    if len({key.public for key in witnessed_by}) < witnesses_min:
        raise UnprovedError(
            f"{len(witnessed_by)} of the witnesses signed this checkpoint, {witnesses_min} are asked for"
        )
    return Checkpoint(lines[0], int(lines[1]), root, signed_by, witnessed_by)


def root_from(index: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes | None:
    """The root that the proof leads to from the leaf; None where it has not the length for this tree."""
    place, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return None
        if place % 2 == 1 or place == last:
            found = hashlib.sha256(b"\x01" + each + found).digest()
            while place and place % 2 == 0:
                place, last = place // 2, last // 2
        else:
            found = hashlib.sha256(b"\x01" + found + each).digest()
        place, last = place // 2, last // 2
    return found if last == 0 else None


def canonical(value: Any) -> str:
    """RFC 8785, for whole numbers and text."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) >= 2**53):
        raise UnreadableError("a record has whole numbers below 2**53 and text, and no other numbers")
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def read_json(data: bytes, what: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise UnreadableError(f"{what} has a key twice")
        return dict(pairs)

    try:
        return json.loads(data.decode(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise UnreadableError(f"{what} is no JSON in UTF-8") from None


def texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Each text in an entry, and its place."""
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(each, f"{where}/{name}")
    elif isinstance(value, str):
        yield where, value


def open_commitment(entry: bytes, opening: Any) -> str:
    """Where in the entry the commitment to the record stands."""
    if not isinstance(opening, dict) or set(opening) != {"domain", "key", "record"}:
        raise UnreadableError("the opening is no JSON object with domain, key and record")
    domain, key = opening["domain"], opening["key"]
    if not isinstance(domain, str) or not re.fullmatch(r"[a-z0-9][a-z0-9./-]{0,99}", domain):
        raise UnreadableError("the opening's domain is not made of small letters, digits, dots, slashes and hyphens")
    if not isinstance(key, str) or not re.fullmatch("[0-9a-f]{64}", key):
        raise UnreadableError("the opening's key is not 64 hex digits")
    try:
        message = domain.encode() + b"\n" + canonical(opening["record"]).encode()
    except UnicodeEncodeError:
        raise UnreadableError("the record has half a character (a lone surrogate)") from None
    commitment = hmac.new(bytes.fromhex(key), message, hashlib.sha256).hexdigest()
    for where, text in texts(read_json(entry, "the entry")):
        if text == commitment:
            return where
    raise UnprovedError("no commitment in the entry is to this record with this key")


def read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from None
    if len(data) > FILE_BYTES_MAX:
        raise UnreadableError(f"{path}: more than {FILE_BYTES_MAX} bytes, which no receipt, entry or opening has")
    return data


def instant(seconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def verify(arguments: argparse.Namespace) -> Iterator[str]:
    keys, witnesses = [*map(Key.read, arguments.vkey)], [*map(Key.read, arguments.witness)]
    receipt = read_receipt(read_file(arguments.receipt))
    entry = receipt.extra if arguments.entry is None else read_file(arguments.entry)
    opening = None if arguments.opening is None else read_json(read_file(arguments.opening), "the opening")
    if entry is None:
        raise UnreadableError("the receipt does not carry its entry; give it with --entry FILE")
    checkpoint = open_checkpoint(receipt.checkpoint, keys, witnesses, arguments.witnesses_min)
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    if receipt.index >= checkpoint.size:
        raise UnprovedError(
            f"the log of this checkpoint has {checkpoint.size} entries, and none with index {receipt.index}"
        )
    if root_from(receipt.index, checkpoint.size, leaf, receipt.proof) != checkpoint.root:
        raise UnprovedError(f"this entry is not entry {receipt.index} of the log, or the proof was changed")
    yield f"log         {checkpoint.origin}"
    yield from (f"signed      by {key.name} with key {key.id.hex()}" for key in checkpoint.signed_by)
    yield from (f"witnessed   by {key.name} at {instant(when)}" for key, when in checkpoint.witnessed_by.items())
    yield f"entry       {receipt.index} of {checkpoint.size}, SHA-256 of its leaf {leaf.hex()}"
    if arguments.entry is None:
        yield f"carried     {entry.decode('utf-8', 'backslashreplace')!r}"
    if opening is not None:
        yield f"commitment  at {open_commitment(entry, opening)} is to {canonical(opening['record'])!r}"
    yield "proved"


def main() -> int:
    told = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument("receipt", type=Path, help="the file .tlog-proof")
    parser.add_argument("--vkey", action="append", required=True, help="verifier key of the log, name+id+key")
    parser.add_argument("--entry", type=Path, help="the entry's bytes; left out: those that the receipt carries")
    parser.add_argument("--witness", action="append", default=[], help="verifier key of a witness that you trust")
    parser.add_argument("--witnesses-min", type=int, default=0, help="how many of them must have signed (0)")
    parser.add_argument("--opening", type=Path, help="JSON with domain, key and record of a commitment in the entry")
    try:
        lines = list(verify(parser.parse_args()))
    except UnprovedError as error:
        sys.stderr.write(f"not proved: {error}\n")
        return 1
    except UnreadableError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return 2
    except RecursionError:
        sys.stderr.write("cannot be read: the entry or the record is nested too deep\n")
        return 2
    sys.stdout.write("\n".join([*lines, ""]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
