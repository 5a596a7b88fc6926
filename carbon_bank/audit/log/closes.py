"""A month that a settlement closed: what everybody is told of it, and the root over the readings that it was made of.

Each reading stands in the root by a commitment; the commitments are sorted, so that their order tells nothing, and each 256 of
them are a leaf. With the key, whoever has all readings can show that these and no others were used; one reading is shown by
the 256 that it stands among.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from carbon_bank.audit.formats.merkle import HASH_BYTES, leaf_hash, root_of
from carbon_bank.audit.log.entries import CLOSE_DOMAIN, padded_keys
from carbon_bank.foundation.units import BASE_UNIT, Commodity

COMMITMENTS_TOGETHER = 256
"""In one leaf: hashing each by itself and then the tree over them took as long as finding the readings."""
METERS_MIN = 10
"""Of fewer meters together no sum is told: it would tell of a household. As in comparisons (programme/comparison_report.py)."""


@dataclass
class MonthClosed:
    """Readings of a utility that end in a month, as a settlement used them. `commitments`: of 32 bytes each, in any order."""

    rows: int = 0
    meters: int = 0
    quantity: int = 0
    commitments: bytearray = field(default_factory=bytearray)

    def add(self, rows: int, meters: int, quantity: int, commitments: bytes) -> None:
        self.rows += rows
        self.meters += meters
        self.quantity += quantity
        self.commitments += commitments

    def told(self, settlement_id: int, utility: str, commodity: str, month: date) -> dict[str, Any]:
        """What an entry tells of it."""
        told = {
            "settlement": settlement_id,
            "utility": utility,
            "commodity": commodity,
            "month": f"{month:%Y-%m}",
            "rows": self.rows,
            "root": readings_root(self.commitments).hex(),
        }
        if self.meters >= METERS_MIN:
            told |= {"quantity": str(self.quantity), "unit": BASE_UNIT[Commodity(commodity)]}
        return told


def keys_of_readings(key: bytes) -> tuple[bytes, bytes]:
    """What comes before a reading's line and before the hash of that: PostgreSQL has SHA-256 alone, and no HMAC.

    Args: key: of 32 bytes.
    """
    inner, outer = padded_keys(key)
    return inner + CLOSE_DOMAIN.encode("ascii") + b"\n", outer


def readings_root(commitments: bytes | bytearray) -> bytes:
    """The root over the commitments to a month's readings. Args: commitments: of 32 bytes each, in any order."""
    in_order = np.frombuffer(commitments, f"S{HASH_BYTES}").copy()
    in_order.sort()
    data, step = in_order.tobytes(), COMMITMENTS_TOGETHER * HASH_BYTES
    return root_of(leaf_hash(data[place : place + step]) for place in range(0, len(data), step))
