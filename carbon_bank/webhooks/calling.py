"""The one place that calls out: a host is resolved once, its addresses are checked, and the call goes to one of them.

The address is what the connection is made to; the host's name is in the Host header, in SNI, and in the certificate that is
asked for (httpcore's `sni_hostname`). So a name that resolves to something else a moment later changes nothing. No proxy, no
redirect, no cookie, and nothing of an answer beyond its status, Retry-After and a first piece of its body.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.webhooks.targets import Target, check_addresses, parse_target

TIMEOUT_SECONDS = 15.0
EXCERPT_CHARACTERS = 500
_ADDRESSES_TRIED_MAX = 2
# Of its own: a name server that hangs shall not keep the threads in which the bank computes.
_RESOLVING = ThreadPoolExecutor(16, thread_name_prefix="resolving")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class Answer:
    """Args: excerpt: the first characters of the body. retry_after_seconds: what the receiver asked for, if it did."""

    status: int
    excerpt: str
    retry_after_seconds: int | None


class NoAnswerError(Exception):
    """Nothing came back, and why."""


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, best first; none where it has no name."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(
            _RESOLVING, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        )
    except (OSError, UnicodeError):
        return []
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True)
class Caller:
    """Args: resolve: asked once for each call. tls: what certificates are trusted. excerpt_characters: read of an answer."""

    allow_loopback: bool = False
    resolve: Resolve = resolve_host
    timeout_seconds: float = TIMEOUT_SECONDS
    tls: ssl.SSLContext = field(default_factory=lambda: httpx.create_ssl_context(trust_env=False))
    user_agent: str = "Carbon-Bank-Webhooks/1"
    content_type: str = "application/json"
    excerpt_characters: int = EXCERPT_CHARACTERS

    async def find(self, url: str) -> tuple[Target, Sequence[str]]:
        """Where a call to this address would go.

        Raises: InvalidInput `webhooks.url`, `webhooks.address` (422).
        """
        target = parse_target(url, allow_loopback=self.allow_loopback)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                addresses = await self.resolve(target.host, target.port)
        except TimeoutError:
            addresses = []
        check_addresses(target, addresses, allow_loopback=self.allow_loopback)
        return target, addresses

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a body to a checked address.

        Raises: NoAnswerError where nothing was sent or nothing came back in time.
        """
        try:
            async with asyncio.timeout(self.timeout_seconds):
                target, addresses = await self.find(url)
                return await self._post(target, addresses, headers, body)
        except TimeoutError:
            raise NoAnswerError(f"no answer within {self.timeout_seconds:g} seconds") from None
        except InvalidInput as refusal:
            raise NoAnswerError(refusal.message) from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise NoAnswerError(f"no connection or no whole answer: {error or type(error).__name__}") from None

    async def _post(self, target: Target, addresses: Sequence[str], headers: Mapping[str, str], body: bytes) -> Answer:
        *others, last = addresses[:_ADDRESSES_TRIED_MAX]
        for address in others:
            try:
                return await self._post_to(address, target, headers, body)
            except httpx.ConnectError:  # nothing was sent: as good as not tried
                continue
        return await self._post_to(last, target, headers, body)

    async def _post_to(self, address: str, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        host = f"[{address}]" if ":" in address else address
        url = httpx.URL(f"{target.scheme}://{host}:{target.port}{target.path}")
        fixed = {"Host": target.authority, "Content-Type": self.content_type, "Accept-Encoding": "identity"}
        client = httpx.AsyncClient(
            verify=self.tls, trust_env=False, follow_redirects=False, timeout=self.timeout_seconds
        )
        async with (
            client,
            client.stream(
                "POST",
                url,
                content=body,
                headers={**headers, **fixed, "User-Agent": self.user_agent},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            excerpt = await _excerpt(response, self.excerpt_characters)
            return Answer(response.status_code, excerpt, _retry_after(response))


async def _excerpt(response: httpx.Response, characters: int) -> str:
    """The first characters of a body as it came, never unpacked; the rest is not read."""
    bytes_max = 4 * characters
    read = bytearray()
    async for piece in response.aiter_raw(bytes_max):
        read += piece
        if len(read) >= bytes_max:
            break
    text = bytes(read[:bytes_max]).decode(errors="replace").replace("\0", "\ufffd")
    return text[:characters]


def _retry_after(response: httpx.Response) -> int | None:
    asked = response.headers.get("retry-after", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= 6 else None
