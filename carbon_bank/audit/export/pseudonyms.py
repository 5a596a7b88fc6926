"""Pseudonyms of households and meters: one for each within a package, and none that two packages share.

Source: RFC 2104 (HMAC); docs/decisions/0022-export.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable

import polars as pl

LABEL = b"carbon-bank/export/v1\n"
DIGITS = 20
"""Of hex: among twenty million households no two are likely to be the same."""


class Pseudonyms:
    """Of one settlement's package. Args: secret: of the city's log, which nothing outside the bank can be told from."""

    def __init__(self, secret: bytes, settlement_id: int) -> None:
        self._key = hmac.digest(secret, LABEL + b"%d" % settlement_id, "sha256")

    def household(self, household_id: int) -> str:
        return self._of(b"h", household_id)

    def meter(self, meter_id: int) -> str:
        return self._of(b"m", meter_id)

    def households(self, ids: Iterable[int]) -> pl.DataFrame:
        """`id, pseudonym`, each household once."""
        return _table(ids, self.household)

    def meters(self, ids: Iterable[int]) -> pl.DataFrame:
        """`id, pseudonym`, each meter once."""
        return _table(ids, self.meter)

    def _of(self, kind: bytes, number: int) -> str:
        return kind.decode("ascii") + hmac.digest(self._key, b"%b\n%d" % (kind, number), "sha256").hex()[:DIGITS]


def _table(ids: Iterable[int], pseudonym: Callable[[int], str]) -> pl.DataFrame:
    known = sorted(set(ids))
    return pl.DataFrame(
        {"id": known, "pseudonym": [pseudonym(each) for each in known]},
        schema={"id": pl.Int64, "pseudonym": pl.String},
    )
