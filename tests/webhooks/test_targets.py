"""Where webhooks may go, and all the ways in which they may not."""

from __future__ import annotations

import ipaddress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.webhooks.targets import Target, check_addresses, is_public, parse_target


def code_of(url: str, addresses: list[str] | None = None, *, allow_loopback: bool = False) -> str | None:
    try:
        target = parse_target(url, allow_loopback=allow_loopback)
        if addresses is not None:
            check_addresses(target, addresses, allow_loopback=allow_loopback)
    except InvalidInput as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example.com", Target("https", "hooks.example.com", 443, "/")),
        ("HTTPS://Hooks.Example.COM:8443/a/b?c=%20d", Target("https", "hooks.example.com", 8443, "/a/b?c=%20d")),
        ("https://xn--bcher-kva.example?x=1", Target("https", "xn--bcher-kva.example", 443, "/?x=1")),
    ],
)
def test_an_https_address_of_a_name_is_taken_apart(url: str, target: Target) -> None:
    assert parse_target(url) == target
    whole = httpx.URL(f"https://{target.authority}{target.path}")
    assert (whole.raw_host.decode(), whole.port or 443) == (target.host, target.port), "nobody reads it in another way"
    assert target.authority == (target.host if target.port == 443 else f"{target.host}:{target.port}")


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com",
        "ftp://hooks.example.com",
        "file:///etc/passwd",
        "//hooks.example.com",
        "hooks.example.com",
        "",
        "https://",
        "https:///path",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:22/",
        "https://hooks.example.com:5432/",
        "https://hooks.example.com:0443443/",
        "https://hooks.example.com:/",
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com@10.0.0.1/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com#@10.0.0.1/",
        "https://hooks.example.com/#fragment",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/a\r\nX-Evil: 1",
        "https://hooks.example.com/\n",
        "https://hooks.example.com/é",
        "https://hööks.example.com/",
        "https://hooks。example。com/",
        "https://hooks.example.com./",
        "https://-hooks.example.com/",
        "https://hooks..example.com/",
        "https://localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://93.184.216.34/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        f"https://{'a' * 64}.example.com/",
        f"https://{'a.' * 130}com/",
        f"https://hooks.example.com/{'a' * 1000}",
    ],
)
def test_what_is_no_https_address_of_a_public_name_is_refused(url: str) -> None:
    assert code_of(url) == "webhooks.url"


@given(st.text(max_size=60))
def test_no_text_breaks_the_pattern(text: str) -> None:
    for url in (text, f"https://{text}", f"https://hooks.example.com{text}"):
        assert code_of(url) in {None, "webhooks.url"}


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
        "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1",
        "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1",
        "", "localhost", "1.2.3",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_or_stands_for_another_is_refused(address: str) -> None:
    assert not is_public(address)
    assert code_of("https://hooks.example.com", [address]) == "webhooks.address"
    assert code_of("https://hooks.example.com", ["8.8.8.8", address]) == "webhooks.address", "one of several suffices"


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.169.0.1", "2606:4700::1", "2a00:1450::1"])
def test_a_public_address_is_taken(address: str) -> None:
    assert is_public(address)
    assert code_of("https://hooks.example.com", [address]) is None


@given(st.ip_addresses())
def test_what_is_taken_is_global_by_the_registries_of_the_standard_library(address: ipaddress.IPv4Address) -> None:
    if is_public(str(address)):
        assert address.is_global
        assert not (address.is_private or address.is_loopback or address.is_link_local or address.is_multicast)
        assert not (address.is_reserved or address.is_unspecified)


def test_a_name_without_an_address_is_refused() -> None:
    assert code_of("https://hooks.example.com", []) == "webhooks.address"


def test_this_machine_is_a_target_only_where_the_setting_says_so() -> None:
    for url, address in {
        "http://127.0.0.1:9000/hook": "127.0.0.1",
        "http://localhost:9000/hook": "127.0.0.1",
        "https://hooks.example.com:9000/hook": "127.0.0.1",
        "http://[::1]:9000/": "::1",
    }.items():
        assert code_of(url, [address], allow_loopback=True) is None
        assert code_of(url, [address]) == "webhooks.url"


def test_the_setting_opens_nothing_but_this_machine() -> None:
    open_ = {"allow_loopback": True}
    assert code_of("http://hooks.example.com/", ["8.8.8.8"], **open_) == "webhooks.url"
    assert code_of("https://hooks.example.com:9000/", ["8.8.8.8"], **open_) == "webhooks.url"
    assert code_of("https://hooks.example.com/", ["10.0.0.1"], **open_) == "webhooks.address"
    assert code_of("https://hooks.example.com/", ["127.0.0.1", "10.0.0.1"], **open_) == "webhooks.address"
    assert code_of("http://10.0.0.1/", ["10.0.0.1"], **open_) == "webhooks.url"
    assert code_of("http://127.0.0.1:0/", ["127.0.0.1"], **open_) == "webhooks.url"
