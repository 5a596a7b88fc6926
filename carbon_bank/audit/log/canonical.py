"""One record, one sequence of bytes; and commitments to records that must not be told.

Source: RFC 8785 (JSON Canonicalization Scheme), of numbers only integers; RFC 2104 (HMAC).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

from carbon_bank.audit.formats.note import malformed

INTEGER_MAX = 2**53 - 1
"""RFC 7493 section 2.2: what every reader of JSON takes exactly."""
DEPTH_MAX = 16
COMMITMENT_KEY_BYTES = 32
"""Of one length, and less than a block of SHA-256: then no two keys are the same to HMAC (RFC 2104 section 2)."""
DOMAIN = re.compile(r"[a-z0-9][a-z0-9./-]{0,99}", re.ASCII)
_LONE = re.compile("[\ud800-\udfff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False)
"""Made once: `json.dumps` would make one for each text, which took longer than writing it."""


def canonical(value: Any) -> bytes:
    """The bytes of a value of null, booleans, integers, text, lists and objects.

    Raises: InvalidInput audit.canonical: a float, an integer beyond 2**53 - 1, a lone surrogate, a key that is no text,
            nesting deeper than 16.
    Source: RFC 8785 section 3.2: no white space; 3.2.2.2 strings; 3.2.2.3 numbers; 3.2.3 keys sorted by UTF-16 code units.
    """
    pieces: list[str] = []
    _write(pieces, value, 0)
    return "".join(pieces).encode()


def parse_canonical(data: bytes) -> Any:
    """The value that canonical bytes tell. Bytes that tell it in any other way are refused. Raises: InvalidInput audit.canonical."""
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise malformed("canonical", "this is no JSON in UTF-8; take the entry's bytes as they were logged") from None
    if canonical(value) != data:  # two equal keys, white space, an escape too many
        raise malformed(
            "canonical", "this JSON is not in canonical form (RFC 8785); take the bytes as they were logged"
        )
    return value


def commit(key: bytes, domain: str, record: Any) -> bytes:
    """What stands in an entry for a record that must not be told: nothing without the key, and with it only this record.

    Args:    key: 32 random bytes, for this record alone. domain: what kind of record, and which version of it.
    Raises:  InvalidInput audit.commitment, audit.canonical.
    Source:  RFC 2104; a domain has no newline and ends with one, so that no two domains and records run together.
    """
    if len(key) != COMMITMENT_KEY_BYTES or not DOMAIN.fullmatch(domain):
        message = (
            f"a commitment has a key of {COMMITMENT_KEY_BYTES} bytes, and a domain of small letters, digits and . / -"
        )
        raise malformed("commitment", message)
    return hmac.new(key, domain.encode("ascii") + b"\n" + canonical(record), hashlib.sha256).digest()


def opens(commitment: bytes, key: bytes, domain: str, record: Any) -> bool:
    """Whether the key and the record are those of the commitment."""
    return hmac.compare_digest(commitment, commit(key, domain, record))


def _write(pieces: list[str], value: Any, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise malformed("canonical", f"a record is nested at most {DEPTH_MAX} deep; flatten it")
    if isinstance(value, str):
        pieces.append(_string(value))
    elif value is None or isinstance(value, bool):
        pieces.append({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, int):
        if abs(value) > INTEGER_MAX:
            raise malformed(
                "canonical", "an integer is beyond 2**53 - 1, which not every reader takes exactly; log it as text"
            )
        pieces.append(str(int(value)))
    elif isinstance(value, dict):
        before = "{"
        for name in sorted(value, key=_key):
            pieces += (before, _string(name), ":")
            _write(pieces, value[name], depth + 1)
            before = ","
        pieces.append("}" if value else "{}")
    elif isinstance(value, list | tuple):
        before = "["
        for each in value:
            pieces.append(before)
            _write(pieces, each, depth + 1)
            before = ","
        pieces.append("]" if value else "[]")
    else:
        raise malformed("canonical", f"a {type(value).__name__} has no place in a record; use whole numbers and text")


def _key(name: Any) -> bytes:
    """What a key is sorted by. Source: RFC 8785 section 3.2.3."""
    if not isinstance(name, str):
        raise malformed("canonical", f"the key {name!r} is no text; name every field by a text")
    return name.encode("utf-16-be", "surrogatepass")


def _string(text: str) -> str:
    """Source: RFC 8785 section 3.2.2.2, whose escapes are those of Python's encoder: the short ones, else \\u00xx."""
    if _LONE.search(text):
        raise malformed("canonical", f"{text[:40]!r} has half a character (a lone surrogate); mend the text")
    return _ENCODER.encode(text)
