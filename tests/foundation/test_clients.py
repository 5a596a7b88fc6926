"""Where a request comes from: the other end, unless it is a proxy that is trusted."""

from __future__ import annotations

import pytest

from carbon_bank.foundation.clients import client_address, read_networks

PROXIES = read_networks("10.0.0.0/8, 192.0.2.7,2001:db8::/32")


def came(peer: str | None, *forwarded: str) -> str | None:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return client_address({"client": (peer, 1) if peer else None, "headers": headers}, PROXIES)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.1", (), "198.51.100.1"),
        ("198.51.100.1", ("203.0.113.9",), "198.51.100.1"),  # a stranger's word is not believed
        ("10.1.2.3", ("203.0.113.9",), "203.0.113.9"),
        ("10.1.2.3", ("6.6.6.6, 203.0.113.9",), "203.0.113.9"),  # what the client made up stands before it
        ("10.1.2.3", ("203.0.113.9, 192.0.2.7",), "203.0.113.9"),
        ("10.1.2.3", ("6.6.6.6", "203.0.113.9", "192.0.2.7"), "203.0.113.9"),  # several headers are one list
        ("10.1.2.3", ("10.9.9.9",), "10.9.9.9"),
        ("10.1.2.3", (), "10.1.2.3"),
        ("10.1.2.3", ("unknown",), "10.1.2.3"),
        ("10.1.2.3", ("203.0.113.9, unknown",), "10.1.2.3"),
        ("::ffff:10.1.2.3", ("203.0.113.9",), "203.0.113.9"),
        ("2001:db8::1", ("2001:0DB9::0001",), "2001:db9::1"),
        ("testclient", ("203.0.113.9",), None),
        (None, ("203.0.113.9",), None),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has(
    peer: str | None, forwarded: tuple[str, ...], expected: str | None
) -> None:
    assert came(peer, *forwarded) == expected


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        read_networks("10.0.0.1/8")
    assert read_networks("") == ()
