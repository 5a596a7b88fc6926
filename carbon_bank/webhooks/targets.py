"""Where a webhook may go: https, a name of the public internet, a few ports. Everything else is refused.

An address is taken apart here and nowhere else, by a pattern that leaves nothing to read in two ways, and is judged by what
its name resolves to, at registration and at each delivery.
Source: Standard Webhooks, "Server side request forgery"; IANA special-purpose address registries (RFC 6890).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from carbon_bank.foundation.errors import InvalidInput

URL_LENGTH_MAX = 1000
HOST_LENGTH_MAX = 253
PORTS = (443, 8443)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter: 127.1, 0x7f.1 and 2130706433 are addresses to some, and no names.
_NAME = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)",
    re.IGNORECASE,
)
_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}
_SPECIAL_V4 = [
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )
]  # fmt: skip
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
"""All that is given out. Mapped IPv4, NAT64 (64:ff9b::), unique local, link-local and multicast lie outside of it."""
_SPECIAL_V6 = [
    ipaddress.IPv6Network(text)
    # Protocols and Teredo, documentation, 6to4, AS112, documentation
    for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]


@dataclass(frozen=True)
class Target:
    """An address taken apart. host: in small letters, without brackets. path: with its query, at least `/`."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


def parse_target(url: str, *, allow_loopback: bool = False) -> Target:
    """Take an address apart, if it can be one of a webhook. Where its name leads, `check_addresses` judges.

    Raises: InvalidInput `webhooks.url` (422), saying what is wrong with it and what is allowed.
    """
    if len(url) > URL_LENGTH_MAX:
        raise _refused(url, f"has {len(url)} characters, and at most {URL_LENGTH_MAX} are taken")
    found = _URL.fullmatch(url)
    if found is None:
        raise _refused(
            url, "is not of the form https://host[:port][/path][?query], without user, password and fragment"
        )
    scheme, host = found["scheme"].lower(), found["host"].lower().strip("[]")
    port = int(found["port"] or (443 if scheme == "https" else 80))
    path = found["path"]
    target = Target(scheme, host, port, path if path.startswith("/") else f"/{path}")
    if allow_loopback and host in _LOOPBACK_HOSTS and 1 <= port <= 65535:
        return target
    if len(host) > HOST_LENGTH_MAX or not _NAME.fullmatch(host):
        raise _refused(
            url, f"names the host '{host[:80]}', which is no full name as hooks.example.com (IDN: as xn--...)"
        )
    if not allow_loopback:
        _check_way(target, url)
    return target


def check_addresses(target: Target, addresses: Sequence[str], *, allow_loopback: bool = False) -> None:
    """Whether a webhook may go to all of the addresses that its host resolves to.

    Raises: InvalidInput `webhooks.url` (422); `webhooks.address` (422) where one is not public.
    """
    if allow_loopback and addresses and all(ipaddress.ip_address(each).is_loopback for each in addresses):
        return
    _check_way(target, f"{target.scheme}://{target.authority}{target.path}")
    if not addresses or not all(map(is_public, addresses)):
        # Which address it was is not told: names of the inside are nobody's business.
        raise InvalidInput(
            "webhooks.address",
            f"'{target.host}' resolves to nothing, or to an address inside some network, and the bank calls addresses of the "
            "public internet only. Name a host that others reach as well.",
            {"host": target.host},
        )


def is_public(address: str) -> bool:
    """Whether an IP address is one that everybody reaches, and stands for no other one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        special = any(found in network for network in _SPECIAL_V4)
    else:
        special = found not in _UNICAST_V6 or any(found in network for network in _SPECIAL_V6)
    return found.is_global and not found.is_multicast and not special


def _check_way(target: Target, url: str) -> None:
    if target.scheme != "https":
        raise _refused(url, "is not https")
    if target.port not in PORTS:
        raise _refused(url, f"names port {target.port}, and the bank calls {' or '.join(map(str, PORTS))}")


def _refused(url: str, what: str) -> InvalidInput:
    shown = f"{url[:80]}..." if len(url) > 80 else url
    return InvalidInput("webhooks.url", f"'{shown}' {what}. Name an https address of a public host.")
