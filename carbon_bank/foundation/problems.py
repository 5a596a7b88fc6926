"""Refusals as `application/problem+json` (RFC 9457). The only module that knows HTTP statuses.

`type` is `urn:carbon-bank:problem:<code>` and stable; `detail` is the sentence; `faults` lists every single fault with a
pointer to its place. A stack trace never leaves the process: the request id leads to it in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
import sqlalchemy.exc
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from carbon_bank.foundation import errors
from carbon_bank.foundation.errors import Fault, Refusal

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:carbon-bank:problem:"

_STATUSES: list[tuple[type[Refusal], int, str]] = [
    (errors.InvalidInput, 422, "The request cannot be right"),
    (errors.Unauthenticated, 401, "Who are you?"),
    (errors.Forbidden, 403, "Not yours to do"),
    (errors.NotFound, 404, "Not found"),
    (errors.Conflict, 409, "Not in the present state"),
    (errors.TooLarge, 413, "Too large"),
    (errors.TooBusy, 429, "Too busy now"),
    (errors.Unavailable, 503, "Not available now"),
]
_TITLES = {status: title for _, status, title in _STATUSES} | {400: "Not to be read", 405: "Not in this way"}
_HTTP_SENTENCES = {
    404: ("http.not_found", "There is nothing at this address. See /docs for the addresses that exist."),
    405: ("http.method", "This address does not take this method. See /docs."),
}

_UNSTORABLE = {None, "22003", "22021", "22P02", "22P05"}
"""SQL states of values that no column can hold (the driver itself refuses a NUL, without a state); other data errors
are the bank's own."""
_SECRET_FIELDS = {"password", "client_secret"}

log = structlog.get_logger()


class FaultBody(BaseModel):
    where: str
    code: str
    message: str
    value: str | None = None


class Problem(BaseModel):
    """What every refusal looks like."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    facts: dict[str, Any] = {}
    faults: list[FaultBody] = []


def status_of(refusal: Refusal) -> int:
    return next(status for kind, status, _ in _STATUSES if isinstance(refusal, kind))


def answer(
    status: int,
    code: str,
    detail: str,
    facts: Mapping[str, Any] | None = None,
    faults: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = Problem(
        type=TYPE_PREFIX + code,
        title=_TITLES.get(status, "Refused" if status < 500 else "Something went wrong"),
        status=status,
        detail=detail,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        facts=dict(facts or {}),
        faults=[FaultBody(**fault.as_dict()) for fault in faults or []],
    )
    shown = body.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return JSONResponse(shown, status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> JSONResponse:
        status = status_of(refusal)
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "5"} if status == 503 else {}
        if "retry_seconds" in refusal.facts:
            headers["Retry-After"] = str(refusal.facts["retry_seconds"])
        return answer(status, refusal.code, refusal.message, refusal.facts, list(refusal.faults), headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [_fault(each) for each in error.errors()]
        told = "; ".join(f"{fault.where}: {fault.message}" for fault in faults[:3])
        more = f" (and {len(faults) - 3} more)" if len(faults) > 3 else ""
        return answer(422, "http.invalid", f"The request does not fit: {told}{more}. See /docs.", faults=faults)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, Refusal):  # raised while the body was being read, and wrapped by the framework
            return await refused(request, error.__cause__)
        code, sentence = _HTTP_SENTENCES.get(error.status_code, ("http.error", str(error.detail)))
        return answer(error.status_code, code, sentence, {"path": request.url.path}, headers=error.headers)

    @app.exception_handler(sqlalchemy.exc.OperationalError)
    @app.exception_handler(sqlalchemy.exc.TimeoutError)
    @app.exception_handler(psycopg.OperationalError)
    async def unreachable(request: Request, error: Exception) -> JSONResponse:
        log.error("database unreachable", error=str(error).splitlines()[0])
        return await refused(request, unreachable_database())

    @app.exception_handler(sqlalchemy.exc.DataError)
    async def unstorable(request: Request, error: sqlalchemy.exc.DataError) -> JSONResponse:
        if getattr(error.orig, "sqlstate", None) not in _UNSTORABLE:
            raise error
        sentence = (
            "A value in the request cannot be kept: a text with a NUL character, or a number that is no number or too "
            "large. Nothing was changed; mend it and send the request again."
        )
        return answer(422, "http.unstorable", sentence)


def nowhere(path: str) -> JSONResponse:
    """What is told of an address that no route has."""
    return answer(404, *_HTTP_SENTENCES[404], {"path": path})


def unexpected() -> JSONResponse:
    """What is told of a mistake of the bank's own. The log has the rest, under the same request id."""
    sentence = "The bank made a mistake; nothing was changed. Tell the operator the request id."
    return answer(500, "bank.unexpected", sentence)


def unreachable_database(error: Exception | None = None) -> errors.Unavailable:
    """The refusal for a database that does not answer, with what to check.

    Args: error: what the driver said, for those who run the machine. It names hosts and users, so callers of the API never
          get it; the log has it.
    """
    reason = "" if error is None else f" ({str(getattr(error, 'orig', None) or error).strip().splitlines()[0]})"
    return errors.Unavailable(
        "database.unreachable",
        f"The database cannot be reached or used now{reason}. Nothing was changed; try again. Operators: check that "
        "PostgreSQL runs, that CARBON_BANK_DATABASE_URL is right, and `carbon-bank db status`.",
    )


def _fault(error: Mapping[str, Any]) -> Fault:
    where = "/".join(str(part) for part in error["loc"])
    value = error.get("input")
    hidden = value is None or isinstance(value, dict | list) or not _SECRET_FIELDS.isdisjoint(error["loc"])
    # Half of a surrogate pair can stand in JSON and in no answer.
    shown = None if hidden else str(value)[:80].encode(errors="replace").decode()
    return Fault(where, f"http.{error['type']}", str(error["msg"]), shown)
