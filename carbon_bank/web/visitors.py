"""Who looks at a page: a person with a token in a cookie, or a client that sends it in the header as to the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from carbon_bank.foundation.errors import Forbidden
from carbon_bank.identity import tokens
from carbon_bank.identity.access import allowed, bearer_token
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission


def _token(request: Request) -> str:
    return bearer_token(request) or request.cookies.get(_cookie(request), "")


Visitor = Annotated[Actor, Depends(allowed(Permission.AWARD_READ, _token))]
Member = Annotated[Actor, Depends(allowed(Permission.OWN_READ, _token))]


def keep_token(request: Request, response: Response, token: str) -> None:
    """Sign a browser in: for as long as the token lasts, out of reach of scripts and of forms on foreign sites."""
    keys: tokens.Keys = request.app.state.keys
    response.set_cookie(
        _cookie(request),
        token,
        max_age=int(keys.lifetime.total_seconds()),
        httponly=True,
        secure=_is_secure(request),
        samesite="lax",
    )


def drop_token(request: Request, response: Response) -> None:
    response.delete_cookie(_cookie(request), httponly=True, secure=_is_secure(request), samesite="lax")


async def from_here(request: Request) -> None:
    """A dependency of each POST: the form was on a page of the bank.

    Raises: Forbidden `web.foreign_site` (403).
    Source: Fetch Metadata (`Sec-Fetch-Site`); for browsers without it the Origin header.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is None:
        is_foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    else:
        is_foreign = site not in {"same-origin", "none"}
    if is_foreign:
        raise Forbidden("web.foreign_site", "This form was sent from another site. Open the page of the bank itself.")


def _is_secure(request: Request) -> bool:
    keys: tokens.Keys = request.app.state.keys
    return keys.issuer.startswith("https:")


def _cookie(request: Request) -> str:
    """`__Host-` (RFC 6265bis): no other host and no page without TLS can set it."""
    return "__Host-carbon-bank" if _is_secure(request) else "carbon-bank"
