"""Secrets that the bank must be able to read again, sealed before they are stored.

A sealed text is `<key id>.<nonce and ciphertext>`, AES-256 in GCM (NIST SP 800-38D) with a random nonce of 96 bits. The
context (whose secret it is) is authenticated with it, so that a sealed text put into another row does not open. The key
file has one key to a line: the first seals, all of them open, so that a new key is put on top and the old one stays.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from carbon_bank.foundation.errors import InvalidInput, Unavailable
from carbon_bank.foundation.key_file import make_once

KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True)
class Sealer:
    """The keys, by their ids; the first seals. `repr` never shows them."""

    keys: dict[str, bytes] = field(repr=False)

    def seal(self, secret: str, context: str) -> str:
        key_id, key = next(iter(self.keys.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + AESGCM(key).encrypt(nonce, secret.encode(), context.encode())
        return f"{key_id}.{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, context: str) -> str:
        """Raises: Unavailable `sealed.unopened` (503) where no key fits, or the text was changed or is another's."""
        key_id, _, text = sealed.partition(".")
        try:
            content = base64.b64decode(text, validate=True)
            key = AESGCM(self.keys[key_id])
            return key.decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], context.encode()).decode()
        except (KeyError, ValueError, InvalidTag):
            raise Unavailable(
                "sealed.unopened",
                "A stored secret cannot be opened with the keys in CARBON_BANK_SECRETS_KEY_FILE. Put the key that sealed it "
                "back into that file, on a line of its own.",
            ) from None


def load_sealer(file: Path, *, may_make: bool) -> Sealer:
    """Read the keys, or make a file with one where that is allowed.

    Raises: InvalidInput `sealed.key`, naming the file and what to do.
    """
    try:
        if not file.exists() and may_make:
            make_once(file, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
        keys = [base64.b64decode(line, validate=True) for line in file.read_bytes().split()]
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"each line holds {KEY_BYTES} bytes in base64")
    except (OSError, ValueError, binascii.Error) as error:
        raise InvalidInput(
            "sealed.key",
            f"The key file {file} cannot be used ({error}). Make one with `openssl rand -base64 {KEY_BYTES} > {file}` and name it "
            "in CARBON_BANK_SECRETS_KEY_FILE.",
        ) from None
    return Sealer({hashlib.sha256(key).hexdigest()[:8]: key for key in keys})
