"""Bank accounts beside each other, without anybody seeing one.

They are sealed, each with a nonce of its own, so that equal ones look different in the database; nothing that would make them
comparable is stored. Whoever holds the key opens them one by one and keeps only a digest under a key that ends with the report.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable

from carbon_bank.foundation.sealed import Sealer
from carbon_bank.rewards.payout_account_service import opened
from carbon_bank.rewards.terms_service import account_words


def fingerprints(sealer: Sealer, sealed: Iterable[tuple[int, str]]) -> list[tuple[int, bytes]]:
    """Household and a digest of its account: the same for the same account, whoever is named as its holder.

    Raises: Unavailable `sealed.unopened` (503).
    """
    key = secrets.token_bytes(32)
    return [(household_id, _digest(key, sealer, household_id, text)) for household_id, text in sealed]


def _digest(key: bytes, sealer: Sealer, household_id: int, sealed: str) -> bytes:
    _, account = opened(sealer, household_id, sealed)
    words = {name: word for name, word in account_words(account).items() if name not in {"bic", "system"}}
    return hmac.new(key, json.dumps(words, sort_keys=True).encode(), hashlib.sha256).digest()
