"""What every request passes on its way in: a request id, a limit of size, headers, one line in the log."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from carbon_bank.foundation import problems
from carbon_bank.foundation.clients import CAME_FROM, Network, client_address
from carbon_bank.foundation.errors import TooLarge

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"no-store"),
]

log = structlog.get_logger()


@dataclass(frozen=True)
class Limit:
    """The largest request body, and the setting that says so."""

    bytes_max: int
    setting: str

    def refusal(self) -> TooLarge:
        return TooLarge(
            "http.body_too_large",
            f"The request body is larger than {self.bytes_max} bytes ({self.setting}). Send less at a time.",
            {"bytes_max": self.bytes_max},
        )


class Doors:
    """ASGI middleware around the whole app.

    Args: body_bytes_max: a larger request body is refused with 413 before it is read whole. uploads: paths to which files are
          sent, and what they may hold. trusted_proxies: whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        app: ASGIApp,
        body_bytes_max: int,
        uploads: Mapping[str, Limit] | None = None,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        self.app = app
        self.trusted_proxies = trusted_proxies
        self.limit = Limit(body_bytes_max, "CARBON_BANK_BODY_BYTES_MAX")
        self.uploads = [(_pattern(path), limit) for path, limit in (uploads or {}).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        given = sent.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        came_from = CAME_FROM.set(client_address(scope, self.trusted_proxies))
        state: MutableMapping[str, Any] = {"status": 500, "answered": False, "started": time.perf_counter()}

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"], state["answered"] = message["status"], True
                present = {name for name, _ in message["headers"]}
                extra = [header for header in _HEADERS if header[0] not in present]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", request_id.encode()), *extra]}
            await send(message)

        try:
            length = sent.get(b"content-length", b"0")
            uploads = (limit for pattern, limit in self.uploads if pattern.fullmatch(scope["path"]))
            limit = next(uploads, self.limit)
            if scope["path"].endswith("\n"):  # which the framework's routes, ended by `$`, would take for nothing
                await problems.nowhere(scope["path"])(scope, receive, send_marked)
            elif length.isdigit() and int(length) > limit.bytes_max:
                refusal = limit.refusal()
                await problems.answer(problems.status_of(refusal), refusal.code, refusal.message, refusal.facts)(
                    scope, receive, send_marked
                )
            else:
                await self.app(scope, _counted(receive, limit), send_marked)
        except Exception:
            log.exception("unexpected")
            if state["answered"]:
                raise
            await problems.unexpected()(scope, receive, send_marked)
        finally:
            self._log(scope, state)
            structlog.contextvars.clear_contextvars()  # or who calls it in this process would go on in its name
            CAME_FROM.reset(came_from)

    def _log(self, scope: Scope, state: MutableMapping[str, Any]) -> None:
        route = scope.get("route")
        path = getattr(route, "path", None) or "(no route)"  # the template: a path may hold somebody's id
        elapsed_ms = int((time.perf_counter() - state["started"]) * 1000)
        log.info("request", method=scope["method"], path=path, status=state["status"], ms=elapsed_ms)


def _pattern(path: str) -> re.Pattern[str]:
    """Of a path with `{parameters}`."""
    return re.compile("[^/]+".join(map(re.escape, re.split(r"\{\w+\}", path))))


def _counted(receive: Receive, limit: Limit) -> Receive:
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit.bytes_max:
            raise limit.refusal()
        return message

    return counted
