"""Pickup codes of redemptions: made with one, shown to its household, found when a partner scans one."""

from __future__ import annotations

from carbon_bank.foundation.errors import Fault, InvalidInput
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.rewards.pickup_code import SECRET_BYTES as SECRET_BYTES
from carbon_bank.rewards.pickup_code import PickupCode, make_code, read_code, stored_hash
from carbon_bank.rewards.redemption_tables import Redemption


def add_code(row: Redemption, sealer: Sealer, secret: bytes) -> None:
    """Give a redemption a code. Args: secret: SECRET_BYTES random bytes."""
    code = make_code(secret)
    row.pickup_sealed = sealer.seal(code.symbols, _context(row))
    row.pickup_hash = stored_hash(code, next(iter(sealer.keys.values())))


def code_of(row: Redemption, sealer: Sealer) -> PickupCode | None:
    """The code of a redemption, to show to its household; null: it has none."""
    return None if row.pickup_sealed is None else PickupCode(sealer.open(row.pickup_sealed, _context(row)))


def hashes_of(text: str, sealer: Sealer) -> list[bytes]:
    """What a code that was typed or scanned may be kept as, under each key.

    Raises: InvalidInput `rewards.pickup_form`, `rewards.pickup_check` (422).
    """
    code = read_code(text, "code")
    if isinstance(code, Fault):
        raise InvalidInput(code.code, code.message, faults=[code])
    return [stored_hash(code, key) for key in sealer.keys.values()]


def _context(row: Redemption) -> str:
    return f"pickup code of redemption:{row.id}"
