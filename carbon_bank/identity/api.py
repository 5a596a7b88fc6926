"""Tokens, the published keys, people and clients."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity import service, tokens
from carbon_bank.identity.access import allowed, open_to_all
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission, Role
from carbon_bank.identity.secrets import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN

router = APIRouter(tags=["identity"])


Id = Annotated[int, Field(ge=1, lt=2**63)]


class TokenForm(BaseModel):
    """OAuth 2.0: a client sends `client_credentials`, a person's own app sends `password`."""

    model_config = ConfigDict(extra="forbid")

    grant_type: Literal["client_credentials", "password"]
    client_id: str | None = Field(None, max_length=100)
    client_secret: str | None = Field(None, max_length=200)
    username: str | None = Field(None, max_length=254)
    password: str | None = Field(None, max_length=PASSWORD_LENGTH_MAX)
    scope: str | None = Field(
        None, max_length=1000, description="Accepted and not used: a token has the scope of its roles."
    )


class Token(BaseModel):
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  (its kind, no secret)
    expires_in: int = Field(description="Seconds.")
    scope: str


class NewPerson(BaseModel):
    model_config = ConfigDict(extra="forbid")

    login: str = Field(min_length=3, max_length=254)
    password: str = Field(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)
    roles: list[Role] = Field(min_length=1, max_length=len(Role))
    city_id: Id | None = Field(None, description="Left out: your own city.")
    household_id: Id | None = None


class PersonRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    login: str
    roles: list[Role]
    city_id: int | None
    household_id: int | None


class NewClient(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: Role
    city_id: Id | None = Field(None, description="Left out: your own city.")
    utility_id: Id | None = None


class ClientSecret(BaseModel):
    """Shown once. Only a hash of the secret is kept."""

    client_id: str
    client_secret: str


@router.post("/v1/token", summary="Get an access token")
@open_to_all
async def get_token(request: Request, form: Annotated[TokenForm, Form()], session: Reading, now: Now) -> Token:
    """Client credentials may also come by HTTP Basic. Raises 401 with one answer for unknown and wrong."""
    if form.grant_type == "client_credentials":
        client_id, secret = _client_credentials(request, form)
        actor = await service.sign_in_client(session, client_id, secret)
    else:
        if not form.username or not form.password:
            raise InvalidInput("identity.credentials_missing", "The grant type password needs username and password.")
        actor = await service.sign_in(session, form.username, form.password)
    keys: tokens.Keys = request.app.state.keys
    return Token(
        access_token=tokens.issue(keys, actor, now),
        expires_in=int(keys.lifetime.total_seconds()),
        scope=" ".join(sorted(actor.permissions)),
    )


@router.get("/.well-known/jwks.json", summary="The keys that check the bank's tokens")
@open_to_all
async def get_jwks(request: Request) -> dict[str, list[dict[str, Any]]]:
    keys: tokens.Keys = request.app.state.keys
    return keys.jwks()


@router.post("/v1/people", status_code=201, summary="Let a person in")
async def add_person(
    new: NewPerson, session: Writing, now: Now, actor: Annotated[Actor, Depends(allowed(Permission.PEOPLE_WRITE))]
) -> PersonRead:
    city_id = new.city_id if new.city_id is not None or Role.ADMIN in new.roles else actor.city_id
    person = await service.add_person(
        session,
        actor,
        now,
        login=new.login,
        password=new.password,
        roles=new.roles,
        city_id=city_id,
        household_id=new.household_id,
    )
    return PersonRead.model_validate(person)


@router.post("/v1/clients", status_code=201, summary="Let a utility's or a partner's machine in")
async def add_client(
    new: NewClient, session: Writing, now: Now, actor: Annotated[Actor, Depends(allowed(Permission.PEOPLE_WRITE))]
) -> ClientSecret:
    city_id = new.city_id or actor.city_id
    if city_id is None:
        raise InvalidInput("identity.city_missing", "Name the city_id that the client works in.")
    client, secret = await service.add_client(
        session, actor, now, role=new.role, city_id=city_id, utility_id=new.utility_id
    )
    return ClientSecret(client_id=client.client_id, client_secret=secret)


def _client_credentials(request: Request, form: TokenForm) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            client_id = colon = secret = ""
        if colon:
            return client_id, secret
    if not form.client_id or not form.client_secret:
        raise InvalidInput(
            "identity.credentials_missing",
            "The grant type client_credentials needs client_id and client_secret, or HTTP Basic.",
        )
    return form.client_id, form.client_secret
