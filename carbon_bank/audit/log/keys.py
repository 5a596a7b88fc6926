"""The keys that sign a city's log: a file for each city, one key to a line. The first is the log's; all of them sign.

So a key is changed with an overlap: the new one goes on top, both sign while anybody knows only the old one, then that one goes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from carbon_bank.audit.formats.note import KEY_BYTES, SigningKey, VerifierKey, parse_skey, skey_text
from carbon_bank.foundation.errors import InvalidInput, Refusal
from carbon_bank.foundation.key_file import make_once


@dataclass(frozen=True)
class LogKeys:
    """Where keys are, and under which address logs are served. Args: base: URL of the bank; may_make: whether missing keys are made."""

    folder: Path
    base: str
    may_make: bool

    def origin(self, city_code: str) -> str:
        """The name of a city's log: its address without scheme. Source: tlog-tiles, Parameters; tlog-checkpoint, Note text."""
        parts = urlsplit(self.base)
        return f"{parts.netloc}{parts.path.rstrip('/')}/log/{city_code}"

    def file(self, city_code: str) -> Path:
        return self.folder / f"{city_code}.keys"

    def signing(self, city_code: str) -> list[SigningKey]:
        """The keys of a city's log, the newest first; made where there is none and that is allowed.

        Raises: InvalidInput `audit.log_key`, naming the file and what to do.
        """
        file, origin = self.file(city_code), self.origin(city_code)
        try:
            if not file.exists() and self.may_make:
                make_once(file, f"{skey_text(new_key(origin))}\n".encode())
            keys = [parse_skey(line) for line in file.read_text("utf-8").split("\n") if line.strip()]
            if not keys or any(key.name != origin for key in keys):
                raise ValueError(f"each line is a key named {origin}")
        except (OSError, ValueError, Refusal) as error:
            raise InvalidInput(
                "audit.log_key",
                f"The key file {file} of the log {origin} cannot be used ({error}). Make one with `carbon-bank audit log key --city "
                f"{city_code} --make`, and name its folder in CARBON_BANK_LOG_KEYS_DIR.",
            ) from None
        return keys

    def verifying(self, city_code: str) -> list[VerifierKey]:
        """The keys by which any checkpoint of a city's log can be verified: those that sign, and those that once did."""
        return [*(key.verifier for key in self.signing(city_code)), *self.former(city_code)]

    def former(self, city_code: str) -> list[VerifierKey]:
        """The keys that were retired: no longer there to sign, still needed to verify old checkpoints."""
        file = self._former_file(city_code)
        return [VerifierKey.parse(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def _former_file(self, city_code: str) -> Path:
        return self.folder / f"{city_code}.former"

    def make(self, city_code: str) -> SigningKey:
        """Make a city's first key. Raises: InvalidInput `audit.log_key_there`."""
        key = new_key(self.origin(city_code))
        file = self.file(city_code)
        make_once(file, f"{skey_text(key)}\n".encode())
        if self.signing(city_code)[0] != key:
            raise InvalidInput(
                "audit.log_key_there", f"{file} has a key already. To change it, add one on top with --rotate."
            )
        return key

    def rotate(self, city_code: str) -> SigningKey:
        """Put a new key on top. The former ones go on signing until their lines are taken out."""
        former = self.signing(city_code)
        key = new_key(self.origin(city_code))
        self._write(city_code, [key, *former])
        return key

    def retire(self, city_code: str, key_id: str) -> None:
        """Take a key out that is not the newest. Raises: InvalidInput `audit.log_key_unknown`."""
        keys = self.signing(city_code)
        left = [key for place, key in enumerate(keys) if place == 0 or key.verifier.id.hex() != key_id]
        if len(left) == len(keys):
            former = ", ".join(key.verifier.id.hex() for key in keys[1:]) or "none"
            raise InvalidInput(
                "audit.log_key_unknown",
                f"No former key of {self.origin(city_code)} has the id '{key_id}'. The former ones are: {former}.",
            )
        gone = [key.verifier for key in keys if key not in left]
        _replace(self._former_file(city_code), [str(key) for key in [*self.former(city_code), *gone]])
        self._write(city_code, left)

    def _write(self, city_code: str, keys: list[SigningKey]) -> None:
        _replace(self.file(city_code), [skey_text(key) for key in keys])


def _replace(file: Path, lines: list[str]) -> None:
    partial = file.with_suffix(f".{secrets.token_hex(4)}")
    make_once(partial, "".join(f"{line}\n" for line in lines).encode())
    partial.replace(file)


def new_key(origin: str) -> SigningKey:
    return SigningKey(origin, secrets.token_bytes(KEY_BYTES))
