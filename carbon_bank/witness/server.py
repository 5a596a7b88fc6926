"""A witness over HTTP.

Source: C2SP tlog-witness, HTTP Interface: add-checkpoint below the submission prefix, and a checkpoint of each log below the
monitoring prefix. Both prefixes are the server's root.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from carbon_bank.audit.formats.note import malformed
from carbon_bank.audit.witnesses.protocol import REQUEST_BYTES_MAX, SIZE_TYPE, Status, status_of
from carbon_bank.foundation import clock
from carbon_bank.foundation.errors import Refusal, Unavailable
from carbon_bank.witness.cosigning import Witness

BODY_SECONDS_MAX = 30
UNAVAILABLE = 503
"""HTTP's "Service Unavailable": nothing was signed, and the same request may be answered later."""

log = structlog.get_logger()


def app_of(witness: Witness, now: Callable[[], datetime] = clock.now) -> Starlette:
    """The witness as an ASGI application."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = await _body_of(request)
            signed = await run_in_threadpool(witness.add_checkpoint, body, int(now().timestamp()))
        except Unavailable as refusal:
            log.error("nothing can be signed", reason=refusal.message)
            return PlainTextResponse(f"{refusal.message}\n", UNAVAILABLE)
        except Refusal as refusal:
            return _refused(refusal)
        return PlainTextResponse(str(signed.signature), Status.COSIGNED)

    async def checkpoint(request: Request) -> Response:
        signed = await run_in_threadpool(witness.checkpoint_of, request.path_params["origin_hash"])
        if signed is None:
            return PlainTextResponse("this witness has signed no checkpoint of such a log\n", Status.UNKNOWN_LOG)
        return PlainTextResponse(bytes(signed.note))

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", checkpoint, methods=["GET"]),
        ]
    )


def _refused(refusal: Refusal) -> Response:
    """The status is the answer; the sentence is for people. Only the one that tells a size has a body that is fixed."""
    status = status_of(refusal)
    if status == Status.STALE:
        # As a header of its own: to a media type that is text, the framework adds a charset.
        return Response(f"{refusal.facts['size']}\n", status, {"Content-Type": SIZE_TYPE})
    return PlainTextResponse(f"{refusal.message}\n", status)


async def _body_of(request: Request) -> bytes:
    """Raises: InvalidInput audit.add_checkpoint, when it is too long, or does not come to an end."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for piece in request.stream():
                body += piece
                if len(body) > REQUEST_BYTES_MAX:
                    raise malformed("add_checkpoint", f"a request has at most {REQUEST_BYTES_MAX} bytes")
    except (TimeoutError, ClientDisconnect):
        raise malformed("add_checkpoint", f"the request did not end within {BODY_SECONDS_MAX} seconds") from None
    return bytes(body)
