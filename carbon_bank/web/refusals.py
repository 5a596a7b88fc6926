"""A refusal of a page is a page: the problem document that the API would send, for people to read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from carbon_bank.foundation.problems import TYPE_PREFIX
from carbon_bank.web.pages import page, words_for

SIGN_IN = {
    "identity.no_token": "sign_in_first",
    "identity.token": "session_ended",
    "identity.token_expired": "session_ended",
    "identity.credentials": "wrong_login",
}
"""Refusals that signing in helps with, and what is said of them."""

Handler = Callable[[Request, Any], Awaitable[Response]]


def install(app: FastAPI, paths: frozenset[str]) -> None:
    """Let the refusals of some routes be pages. Call it when all handlers of refusals stand.

    Args: paths: the templates of the pages' paths.
    """
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _as_page(handler, paths))


def _as_page(handler: Any, paths: frozenset[str]) -> Handler:
    async def refused(request: Request, error: Any) -> Response:
        answer: Response = await handler(request, error)
        if getattr(request.scope.get("route"), "path", None) not in paths:
            return answer
        problem = json.loads(bytes(answer.body))
        words, said = words_for(request), SIGN_IN.get(problem["type"].removeprefix(TYPE_PREFIX))
        kept = {name: value for name, value in answer.headers.items() if name in {"www-authenticate", "retry-after"}}
        if said is not None:
            here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            after = getattr(request.state, "after", here)
            shown = page(request, "sign_in.html", words, status=answer.status_code, said=words(said), after=after)
        else:
            shown = page(request, "refused.html", words, status=answer.status_code, problem=problem)
        shown.headers.update(kept)
        return shown

    return refused
