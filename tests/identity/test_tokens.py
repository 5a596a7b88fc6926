"""Only the bank's own tokens hold, and anybody can check them with the published keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from jose import jwt

from carbon_bank.foundation import clock
from carbon_bank.foundation.errors import InvalidInput, Unauthenticated
from carbon_bank.identity import tokens
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from tests.small_city import SmallCity

ISSUER = "http://bank.test"
ALDER = Actor("person:7", frozenset({Role.HOUSEHOLD}), city_id=1, household_id=3)


@pytest.fixture
def keys(tmp_path: Path) -> tokens.Keys:
    return tokens.load_keys(tmp_path / "key.pem", ISSUER, 15, may_make=True)


def packed(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unpacked(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    header, claims, signature = token.split(".")
    return unpacked(header), unpacked(claims), signature


def signed(keys: tokens.Keys, header: dict[str, Any], claims: object) -> str:
    """A token by hand, with a signature that holds."""
    key = serialization.load_pem_private_key(keys.pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    content = f"{packed(header)}.{packed(claims)}"
    r, s = decode_dss_signature(key.sign(content.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{content}.{packed(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def sound(keys: tokens.Keys) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = parts_of(tokens.issue(keys, ALDER, clock.now()))
    return header, claims


def test_a_token_gives_back_the_actor_it_was_issued_to(keys: tokens.Keys) -> None:
    utility = Actor("client:2", frozenset({Role.UTILITY}), city_id=1, utility_id=4)
    admin = Actor("person:1", frozenset({Role.ADMIN}))
    for actor in (ALDER, utility, admin):
        assert tokens.read(keys, tokens.issue(keys, actor, clock.now())) == actor


def test_a_token_made_by_hand_in_the_same_way_holds(keys: tokens.Keys) -> None:
    assert tokens.read(keys, signed(keys, *sound(keys))) == ALDER


def test_a_token_says_who_for_how_long_and_with_which_scope(keys: tokens.Keys) -> None:
    now = clock.now()
    header, claims, _ = parts_of(tokens.issue(keys, ALDER, now))
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": keys.key_id}
    assert claims.pop("jti") != parts_of(tokens.issue(keys, ALDER, now))[1]["jti"]
    at = int(now.timestamp())
    assert claims == {
        "iss": ISSUER,
        "aud": "carbon-bank",
        "sub": "person:7",
        "iat": at,
        "nbf": at,
        "exp": at + 15 * 60,
        "scope": "award.read own.read own.write rewards.read",
        "roles": ["household"],
        "city": 1,
        "household": 3,
    }


HEADERS: dict[str, dict[str, Any]] = {
    "another algorithm": {"alg": "ES384"},
    "no algorithm": {"alg": "none"},
    "another type": {"typ": "JWT"},
    "another key id": {"kid": "other"},
}
CLAIMS: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "another-bank"},
    "another issuer": {"iss": "http://elsewhere.test"},
    "not valid yet": {"nbf": 2**40},
    "an unknown role": {"roles": ["mayor"]},
    "roles that are no list": {"roles": 7},
    "a subject that is no text": {"sub": 7},
    "an end that is no number": {"exp": "tomorrow"},
}


def bad_tokens(keys: tokens.Keys, other: tokens.Keys) -> dict[str, str]:
    """What fails -> a token that is sound but for it."""
    header, claims = sound(keys)
    bad = {name: signed(keys, header | change, claims) for name, change in HEADERS.items()}
    bad |= {name: signed(keys, header, claims | change) for name, change in CLAIMS.items()}
    for name in ("aud", "exp", "iat", "iss", "jti", "nbf", "roles", "sub"):
        bad[f"no {name}"] = signed(keys, header, {key: value for key, value in claims.items() if key != name})
    bad["claims that are no object"] = signed(keys, header, [claims])
    bad["another key"] = signed(other, header, claims)
    start, _, signature = signed(keys, header, claims).rpartition(".")
    bad["an altered payload"] = f"{start.split('.')[0]}.{packed(claims | {'household': 4})}.{signature}"
    bad["an altered signature"] = f"{start}.{packed(bytes(64))}"
    bad["no signature"] = f"{start}."
    bad["unsigned"] = f"{packed({'alg': 'none', 'typ': 'at+jwt', 'kid': keys.key_id})}.{packed(claims)}."
    public = serialization.load_pem_private_key(keys.pem.encode(), None).public_key()
    secret = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    content = f"{packed(header | {'alg': 'HS256'})}.{packed(claims)}"
    mac = hmac.digest(secret, content.encode(), hashlib.sha256)
    bad["the public key as a shared secret"] = f"{content}.{packed(mac)}"
    return bad | {"nothing": "", "no token": "abc", "three dots": "...", "no text": "é.é.é", "half": start}


def test_a_token_with_anything_wrong_is_refused_with_one_answer(keys: tokens.Keys, tmp_path: Path) -> None:
    other = tokens.load_keys(tmp_path / "other.pem", ISSUER, 15, may_make=True)
    messages = set()
    for name, token in bad_tokens(keys, other).items():
        with pytest.raises(Unauthenticated) as refused:
            tokens.read(keys, token)
        messages.add((name if refused.value.code != "identity.token" else "", refused.value.message))
    assert messages == {("", "The token does not hold. Get one from /v1/token.")}


def test_an_expired_token_says_so_and_only_if_it_was_ours(keys: tokens.Keys, tmp_path: Path) -> None:
    other = tokens.load_keys(tmp_path / "other.pem", ISSUER, 15, may_make=True)
    past = clock.now() - timedelta(minutes=16)
    with pytest.raises(Unauthenticated) as refused:
        tokens.read(keys, tokens.issue(keys, ALDER, past))
    assert refused.value.code == "identity.token_expired"
    header, claims, _ = parts_of(tokens.issue(keys, ALDER, past))
    with pytest.raises(Unauthenticated) as refused:
        tokens.read(keys, signed(other, header, claims))
    assert refused.value.code == "identity.token"


async def test_over_http_bad_tokens_differ_in_nothing_but_the_request_id(
    client: httpx.AsyncClient, small_city: SmallCity, keys: tokens.Keys
) -> None:
    bodies = set()
    bad = bad_tokens(small_city.keys, keys)
    for name in (
        "another algorithm",
        "no algorithm",
        "an altered payload",
        "another issuer",
        "another key",
        "unsigned",
    ):
        answer = await client.get("/v1/me", headers={"Authorization": f"Bearer {bad[name]}"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        bodies.add(answer.text.replace(answer.headers["x-request-id"], ""))
    assert len(bodies) == 1


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token abc"])
async def test_without_a_bearer_token_nobody_is_known(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/v1/me", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:carbon-bank:problem:identity.no_token"


async def test_the_published_key_checks_a_token_with_another_library(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    token = small_city.bearer("alder")["Authorization"].removeprefix("Bearer ")
    (key,) = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in key
    assert jwt.decode(token, key, ["ES256"], audience="carbon-bank")["household"] == small_city.alder
    x, y = (int.from_bytes(base64.urlsafe_b64decode(key[name] + "=")) for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    content, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public.verify(der, content.encode(), ec.ECDSA(hashes.SHA256()))  # raises where it does not fit


def test_the_key_id_is_the_thumbprint_of_the_key(keys: tokens.Keys) -> None:
    """RFC 7638: SHA-256 over the required members, in alphabetical order, without white space."""
    text = f'{{"crv":"P-256","kty":"EC","x":"{keys.public["x"]}","y":"{keys.public["y"]}"}}'
    assert keys.key_id == keys.public["kid"] == packed(hashlib.sha256(text.encode()).digest())


def test_a_key_is_made_once_for_its_owners_eyes_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "new" / "key.pem"
    made = tokens.load_keys(file, ISSUER, 15, may_make=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["key.pem"]
    assert tokens.load_keys(file, ISSUER, 15, may_make=True) == made
    assert tokens.load_keys(file, ISSUER, 15, may_make=False).key_id == made.key_id


def test_the_key_is_in_no_representation(keys: tokens.Keys) -> None:
    assert "PRIVATE" in keys.pem
    assert "PRIVATE" not in repr(keys) and keys.pem.splitlines()[1] not in repr(keys)


def pem(key: Any, secret: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no key",
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        pem(ec.generate_private_key(ec.SECP256R1()), b"secret"),
    ],
    ids=["empty", "text", "another curve", "another kind", "encrypted"],
)
def test_a_key_file_that_cannot_be_used_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        tokens.load_keys(file, ISSUER, 15, may_make=True)
    assert refused.value.code == "identity.signing_key"
    assert str(file) in refused.value.message and "openssl genpkey" in refused.value.message
    assert file.read_bytes() == content


@pytest.mark.parametrize(("name", "may_make"), [("absent.pem", False), ("file/key.pem", True), ("", True)])
def test_a_key_file_that_cannot_be_read_or_made_is_refused(tmp_path: Path, name: str, may_make: bool) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"identity\.signing_key"):
        tokens.load_keys(tmp_path / name, ISSUER, 15, may_make=may_make)
