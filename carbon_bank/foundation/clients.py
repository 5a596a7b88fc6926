"""Where a request comes from: the machine at the other end, or, behind a proxy that is trusted, the one that the proxy names."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CAME_FROM: ContextVar[str | None] = ContextVar("came_from", default=None)
"""The address that the request at hand came from. For the trail alone: what structlog binds would stand in each log line."""

_FORWARDED = b"x-forwarded-for"


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks and addresses, separated by commas. Raises: ValueError, naming the one that is none."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def client_address(scope: Mapping[str, Any], trusted: Sequence[Network]) -> str | None:
    """The address of whoever sent a request; null where there is none, as on a Unix socket.

    Each proxy adds whom it heard from at the end of X-Forwarded-For. So the list is read from its end, as far as each address is
    a trusted proxy's: what stands before the first other one may be made up by it.
    """
    peer = scope.get("client")
    address = _address(str(peer[0])) if peer else None
    if address is None:
        return None
    told = b",".join(value for name, value in scope.get("headers", ()) if name == _FORWARDED).decode("latin-1")
    for part in reversed(told.split(",")):
        if not _is_in(address, trusted):
            break
        before = _address(part.strip())
        if before is None:
            break
        address = before
    return str(address)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
