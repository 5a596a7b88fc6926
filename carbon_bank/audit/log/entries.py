"""What stands in the log: an entry for each act, each household's side of a journal, and each month that a settlement closed.

An entry tells everybody what may be told, and commits to the row that it is about by a key of its own. The key is derived
from a secret (of the household, else of the log) and the entry's place, so that opening one entry opens no other.
Source: RFC 8785 (form), RFC 2104 and RFC 5869 section 2.3 (a key from a secret by HMAC under a label).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from carbon_bank.audit.log.canonical import canonical, parse_canonical

VERSION = 1
ACT, CLOSE, POSTING = "act", "close", "posting"
TYPES = (ACT, CLOSE, POSTING)
"""Of entries. docs/transparency-log.md has an example of each."""
ACT_DOMAIN, CLOSE_DOMAIN, POSTING_DOMAIN = "carbon-bank/act/v1", "carbon-bank/reading/v1", "carbon-bank/posting/v1"
"""What a commitment is to. A close has none of its own: those of its readings make its root."""
LEAF_LABEL = b"carbon-bank/leaf/v1\n"
_BLOCK_BYTES = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class Opening(NamedTuple):
    """What opens a commitment: for whoever may know the record."""

    domain: str
    key: bytes
    record: str
    """In canonical form."""

    def told(self) -> dict[str, Any]:
        """As others get it: what `scripts/verify_receipt.py --opening` reads."""
        return {"domain": self.domain, "key": self.key.hex(), "record": parse_canonical(self.record.encode())}


def leaf_key(secret: bytes, leaf: int) -> bytes:
    """The key of the leaf at a place. Args: secret: 32 bytes of the household or the log."""
    return hmac_sha256(secret, LEAF_LABEL + b"%d" % leaf)


def commitment(opening: Opening) -> bytes:
    """As `canonical.commit`, of a record that is in canonical form already."""
    return hmac_sha256(opening.key, opening.domain.encode("ascii") + b"\n" + opening.record.encode())


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """As the standard library's, which takes longer to be set up than to hash. Args: key: of up to 64 bytes. A test compares."""
    inner, outer = padded_keys(key)
    return sha256(outer + sha256(inner + message).digest()).digest()


def padded_keys(key: bytes) -> tuple[bytes, bytes]:
    """What SHA-256 is given before a message, and before the hash of that, so that the two make HMAC-SHA-256.

    Args:   key: of up to 64 bytes.
    Source: RFC 2104 section 2.
    """
    padded = key.ljust(_BLOCK_BYTES, b"\0")
    return padded.translate(_INNER), padded.translate(_OUTER)


def moment_text(moment: datetime) -> str:
    """As 2026-01-31T23:59:59.000001Z, in microseconds always."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def act_entry(leaf: int, at: datetime, act: str, public: dict[str, Any], committed: bytes) -> bytes:
    """The entry of an act. Args: public: what may be told of it, numbers and names; left out where there is nothing."""
    told: dict[str, Any] = {"public": public} if public else {}
    return _entry(ACT, leaf, at, act=act, commitment=committed.hex(), **told)


def close_entry(leaf: int, at: datetime, public: dict[str, Any]) -> bytes:
    """The entry of a month that a settlement closed: whose readings, how many, what they come to, and the root over them."""
    return _entry(CLOSE, leaf, at, **public)


def posting_entries(
    first: int, at: datetime, kind: str, settlement_id: int | None, commitments: Iterable[bytes]
) -> Iterable[bytes]:
    """The entries of a journal, one for each household in it, from the leaf `first` on.

    By the hundred thousand: what they share is written once, and `_entry` gives the same bytes (a test).
    """
    settlement = "" if settlement_id is None else f',"settlement":{settlement_id}'
    before = f'{{"at":"{moment_text(at)}","commitment":"'
    between, behind = f'","kind":"{kind}","seq":', f'{settlement},"type":"posting","v":{VERSION}}}'
    for leaf, committed in enumerate(commitments, first):
        yield f"{before}{committed.hex()}{between}{leaf}{behind}".encode("ascii")


def _entry(kind: str, leaf: int, at: datetime, **fields: Any) -> bytes:
    return canonical({"v": VERSION, "type": kind, "seq": leaf, "at": moment_text(at), **fields})
