"""Pickup codes: what a household shows at the counter, typed or scanned once by the partner.

A code is 80 secret bits as 16 symbols of Crockford's base 32, with a 17th that checks them: `7XQ3-0G8M-XETT-SDD9-Q`. Any one
symbol typed wrong, and any two neighbours exchanged, are seen. Source: Douglas Crockford, Base 32 Encoding.
"""

from __future__ import annotations

import hmac
import io
import unicodedata
from dataclasses import dataclass

import segno

from carbon_bank.foundation.errors import Fault

SECRET_BYTES = 10
SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_SYMBOLS = SYMBOLS + "*~$=U"
"""The check is the number modulo 37, so that it has five symbols of its own."""
TEXT_CHARACTERS_MAX = 100
_GROUP = 4
_LENGTH = SECRET_BYTES * 8 // 5
_MISREAD = str.maketrans("OIL", "011")
_DASHES = "-‐‑‒–—−_. "
_PURPOSE = b"carbon-bank pickup code 1\n"
"""So that the same key can hash other things, too."""


@dataclass(frozen=True)
class PickupCode:
    """A code without its hyphens, check symbol last."""

    symbols: str

    def __str__(self) -> str:
        return "-".join(self.symbols[start : start + _GROUP] for start in range(0, len(self.symbols), _GROUP))


def make_code(secret: bytes) -> PickupCode:
    """The code of SECRET_BYTES random bytes."""
    assert len(secret) == SECRET_BYTES, "80 bits"
    number = int.from_bytes(secret, "big")
    digits = [SYMBOLS[number >> 5 * place & 31] for place in reversed(range(_LENGTH))]
    return PickupCode("".join(digits) + CHECK_SYMBOLS[number % 37])


def read_code(text: str, where: str) -> PickupCode | Fault:
    """A code as somebody typed or scanned it: in either case, with hyphens or not, O for 0, I or L for 1.

    Faults: `rewards.pickup_form`, `rewards.pickup_check`. What was typed is not repeated: it may be nearly right.
    """
    typed = unicodedata.normalize("NFKC", text[: TEXT_CHARACTERS_MAX + 1]).upper()
    symbols = "".join(each for each in typed if each not in _DASHES and not each.isspace()).translate(_MISREAD)
    is_code = len(symbols) == _LENGTH + 1 and set(symbols[:-1]) <= set(SYMBOLS) and symbols[-1] in CHECK_SYMBOLS
    if len(text) > TEXT_CHARACTERS_MAX or not is_code:
        message = (
            f"A pickup code has {_LENGTH} letters and digits (no U) and a check symbol, as in 7XQ3-0G8M-XETT-SDD9-Q."
        )
        return Fault(where, "rewards.pickup_form", message)
    number = 0
    for symbol in symbols[:-1]:
        number = number << 5 | SYMBOLS.index(symbol)
    if CHECK_SYMBOLS[number % 37] != symbols[-1]:
        return Fault(where, "rewards.pickup_check", "There is a slip in the code. Compare it, or scan it again.")
    return PickupCode(symbols)


def stored_hash(code: PickupCode, key: bytes) -> bytes:
    """What is kept of a code: HMAC-SHA256 under a key that the database does not have."""
    return hmac.digest(key, _PURPOSE + code.symbols.encode("ascii"), "sha256")


def qr_svg(code: PickupCode, title: str) -> str:
    """The code as a QR, an SVG element for a page; `title` is what a screen reader says."""
    image = io.BytesIO()
    segno.make_qr(str(code), error="q").save(
        image, kind="svg", xmldecl=False, svgclass=None, lineclass=None, title=title, omitsize=True,
        light="#fff", border=4, nl=False, encoding="utf-8",
    )  # fmt: skip
    return image.getvalue().decode("utf-8")
