"""Calls go to the address that was checked, under the name that was registered, and nowhere else."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carbon_bank.foundation import clock
from carbon_bank.webhooks.calling import Caller, NoAnswerError, resolve_host
from tests.webhooks.receiver import Receiver, receiving

HOST = "hooks.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of HOST, with its key, that nobody but these tests trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "hooks.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def asked_for() -> list[str | None]:
    """The names that were asked for by SNI."""
    return []


@pytest.fixture
def secure(certificate: Path, asked_for: list[str | None]) -> Iterator[Receiver]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda socket, name, context: asked_for.append(name)
    with receiving(tls) as made:
        yield made


class Names:
    """A name server that answers something else each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return self.answers.pop(0)


async def test_the_name_is_resolved_once_and_the_call_goes_to_what_was_checked(
    secure: Receiver, certificate: Path, asked_for: list[str | None]
) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    caller = Caller(allow_loopback=True, resolve=names, tls=ssl.create_default_context(cafile=str(certificate)))
    url = f"https://{HOST}:{secure.port}/hook?a=b"
    answer = await caller.post(url, {"webhook-id": "msg_1"}, b"{}")
    assert answer.status == 204
    assert names.answers == [["10.0.0.1"]], "asked once"
    assert asked_for == [HOST]
    [got] = secure.got
    assert (got.path, got.headers["host"], got.body) == ("/hook?a=b", f"{HOST}:{secure.port}", b"{}")
    with pytest.raises(NoAnswerError, match="the bank calls"):  # rebound: checked anew, and refused
        await caller.post(url, {"webhook-id": "msg_2"}, b"{}")
    assert len(secure.got) == 1


async def test_a_certificate_of_another_name_or_of_nobody_is_refused(secure: Receiver, certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    for host, tls in (("other.example.com", trusted), (HOST, ssl.create_default_context())):
        caller = Caller(allow_loopback=True, resolve=Names(["127.0.0.1"]), tls=tls)
        with pytest.raises(NoAnswerError, match="certificate verify failed"):
            await caller.post(f"https://{host}:{secure.port}/", {}, b"{}")
    assert secure.got == []


async def test_what_has_moved_inside_since_it_was_registered_is_not_called() -> None:
    for address in ("127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::a00:1"):
        caller = Caller(resolve=Names([address]))
        with pytest.raises(NoAnswerError, match="public internet only"):
            await caller.post(f"https://{HOST}/", {}, b"{}")


async def test_where_one_address_does_not_answer_the_next_is_tried(receiver: Receiver) -> None:
    caller = Caller(allow_loopback=True, resolve=Names(["127.0.0.2", "127.0.0.1"]))
    answer = await caller.post(receiver.url, {"webhook-id": "msg_1"}, b"{}")
    assert (answer.status, receiver.ids) == (204, ["msg_1"])


async def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert (await Caller(allow_loopback=True).post(receiver.url, {}, b"{}")).status == 204


async def test_this_machine_resolves_itself_and_nonsense_resolves_to_nothing() -> None:
    found = await resolve_host("localhost", 443)
    assert found
    assert all(ipaddress.ip_address(each).is_loopback for each in found)
    assert await resolve_host("a" * 70 + ".invalid", 443) == []
