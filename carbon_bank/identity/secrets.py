"""Passwords and client secrets: Argon2id, in a thread, since one hash takes tens of milliseconds of a core."""

from __future__ import annotations

import asyncio
import secrets

from pwdlib import PasswordHash

from carbon_bank.foundation.errors import InvalidInput

PASSWORD_LENGTH_MIN, PASSWORD_LENGTH_MAX = 10, 128

_hasher = PasswordHash.recommended()
# Checked where the login is unknown, so that the answer takes as long as for a wrong password.
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))


def check_password(password: str) -> None:
    """Refuse a password that is too short or too long.

    Raises: InvalidInput `identity.password` (422).
    """
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise InvalidInput(
            "identity.password",
            f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters; this one has {len(password)}.",
            {"length": len(password), "length_min": PASSWORD_LENGTH_MIN, "length_max": PASSWORD_LENGTH_MAX},
        )


def new_secret() -> str:
    return secrets.token_urlsafe(32)


async def hash_secret(secret: str) -> str:
    return await asyncio.to_thread(_hasher.hash, secret)


async def verify_secret(secret: str, stored: str | None) -> bool:
    """Whether a secret fits its hash. `stored` null (nobody has this login) or no hash costs the same and is false."""
    known = stored if stored is not None and _is_hash(stored) else None
    fits = await asyncio.to_thread(_hasher.verify, secret, known or _NOBODY)
    return fits and known is not None


def _is_hash(stored: str) -> bool:
    """Whether it is one at all: `!` stands where somebody has no password."""
    return stored.startswith("$argon2")
