"""The dependency on every route that is not open: a token that holds, and the permission that the route names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import Depends, Request
from fastapi.security.http import HTTPBearer

from carbon_bank.foundation.errors import Unauthenticated
from carbon_bank.identity import tokens
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission

_bearer = HTTPBearer(auto_error=False, description="An access token from POST /v1/token.")

OPEN = "carbon_bank_open"
"""Set on the endpoint function of each route that needs no permission."""


def bearer_token(request: Request) -> str:
    """The token of `Authorization: Bearer ...`; empty where there is none."""
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def allowed(
    permission: Permission, token_of: Callable[[Request], str] = bearer_token
) -> Callable[..., Awaitable[Actor]]:
    """A dependency that gives the actor, if they have the permission.

    Args:   token_of: where a request has its token.
    Raises: Unauthenticated `identity.no_token`, `identity.token`, `identity.token_expired` (401);
            Forbidden `identity.forbidden` (403), naming the permission and the roles that have it.
    """

    async def actor_with_permission(request: Request, _: Annotated[object, Depends(_bearer)]) -> Actor:
        token = token_of(request)
        if not token:
            raise Unauthenticated(
                "identity.no_token", "Send a token: `Authorization: Bearer ...`. Get one from /v1/token."
            )
        actor = tokens.read(request.app.state.keys, token)
        structlog.contextvars.bind_contextvars(by=actor.subject, role=actor.role_names)
        actor.require(permission)
        return actor

    actor_with_permission.permission = permission  # type: ignore[attr-defined]
    return actor_with_permission


EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


def open_to_all(endpoint: EndpointT) -> EndpointT:
    """Mark an endpoint that needs no permission, so that the walk over all routes knows it was meant."""
    setattr(endpoint, OPEN, True)
    return endpoint
