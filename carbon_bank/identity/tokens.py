"""Access tokens: JWT signed with ES256, checked against keys that the bank publishes. The only user of python-jose.

Source: RFC 9068 (JWT profile for access tokens), RFC 7638 (key thumbprint), security.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwt
from jose.exceptions import ExpiredSignatureError, JOSEError

from carbon_bank.foundation.errors import InvalidInput, Unauthenticated
from carbon_bank.foundation.key_file import make_once
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role

ALGORITHM = "ES256"
AUDIENCE = "carbon-bank"
TYPE = "at+jwt"


@dataclass(frozen=True)
class Keys:
    """The key that signs, and what others need to check it. `repr` never shows the key."""

    issuer: str
    lifetime: timedelta
    key_id: str
    public: dict[str, Any]
    pem: str = field(repr=False)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The published key set (RFC 7517)."""
        return {"keys": [self.public]}


def load_keys(file: Path, issuer: str, lifetime_minutes: int, *, may_make: bool) -> Keys:
    """Read the signing key, or make it where that is allowed.

    Raises: InvalidInput `identity.signing_key`, naming the file and what to do.
    """
    try:
        if not file.exists() and may_make:
            _make_key(file)
        private = serialization.load_pem_private_key(file.read_bytes(), None)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise ValueError("not a P-256 key")
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput(
            "identity.signing_key",
            f"The signing key {file} cannot be used ({error}). Make one with `openssl genpkey -algorithm EC -pkeyopt "
            f"ec_paramgen_curve:P-256 -out {file}` and name it in CARBON_BANK_SIGNING_KEY_FILE.",
        ) from None
    numbers = private.public_key().public_numbers()
    public = {"crv": "P-256", "kty": "EC", "x": _base64(numbers.x), "y": _base64(numbers.y)}
    thumbprint = hashlib.sha256(json.dumps(public, separators=(",", ":"), sort_keys=True).encode()).digest()
    key_id = base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")
    published = public | {"kid": key_id, "use": "sig", "alg": ALGORITHM}
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return Keys(issuer, timedelta(minutes=lifetime_minutes), key_id, published, pem)


def issue(keys: Keys, actor: Actor, now: datetime) -> str:
    """A token for an actor, valid from now for the keys' lifetime."""
    claims: dict[str, Any] = {
        "iss": keys.issuer,
        "aud": AUDIENCE,
        "sub": actor.subject,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + keys.lifetime).timestamp()),
        "jti": secrets.token_urlsafe(12),
        "scope": " ".join(sorted(actor.permissions)),
        "roles": sorted(actor.roles),
    }
    acting_for = {"city": actor.city_id, "household": actor.household_id, "utility": actor.utility_id}
    claims |= {name: number for name, number in acting_for.items() if number is not None}
    token = jwt.encode(claims, keys.pem, ALGORITHM, headers={"kid": keys.key_id, "typ": TYPE})
    return str(token)


def read(keys: Keys, token: str) -> Actor:
    """The actor of a token that holds.

    Raises: Unauthenticated `identity.token_expired` or `identity.token` (401). The second never says what was wrong with it.
    """
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != ALGORITHM or header.get("typ") != TYPE or header.get("kid") != keys.key_id:
            raise JOSEError("not one of ours")
        options = {f"require_{claim}": True for claim in ("aud", "exp", "iat", "iss", "jti", "nbf", "sub")}
        claims = jwt.decode(token, keys.public, [ALGORITHM], options=options, audience=AUDIENCE, issuer=keys.issuer)
        return Actor(
            subject=claims["sub"],
            roles=frozenset(Role(role) for role in claims["roles"]),
            city_id=claims.get("city"),
            household_id=claims.get("household"),
            utility_id=claims.get("utility"),
        )
    except ExpiredSignatureError:
        raise Unauthenticated(
            "identity.token_expired", "The token has expired. Get a new one from /v1/token."
        ) from None
    except (JOSEError, KeyError, ValueError, TypeError, AttributeError):
        raise Unauthenticated("identity.token", "The token does not hold. Get one from /v1/token.") from None


def _make_key(file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    make_once(file, pem)


def _base64(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")
