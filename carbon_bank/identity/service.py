"""Signing in, and letting people and clients in."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.constraints import violated
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, Forbidden, InvalidInput, NotFound, Unauthenticated
from carbon_bank.identity import queries
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.addresses import is_mail_address
from carbon_bank.identity.permissions import STAFF, Role
from carbon_bank.identity.secrets import check_password, hash_secret, new_secret, verify_secret
from carbon_bank.identity.tables import Client, Person
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class Addressee:
    """A person of a household whose login is an e-mail address. No log shows it."""

    household_id: int
    person_id: int
    address: str = field(repr=False)


async def sign_in(session: ReadSession, login: str, password: str) -> Actor:
    """The actor behind a login and a password.

    Raises: Unauthenticated `identity.credentials` (401): the same for an unknown login, a wrong password, a disabled person.
    """
    person = await queries.person_by_login(session, login.strip().lower())
    fits = await verify_secret(password, person.password_hash if person else None)
    if person is None or not fits or person.disabled_at is not None:
        raise Unauthenticated(
            "identity.credentials", "This login and password do not fit together.", {"error": "invalid_grant"}
        )
    return actor_of(person)


async def sign_in_client(session: ReadSession, client_id: str, secret: str) -> Actor:
    """The actor behind a client's credentials.

    Raises: Unauthenticated `identity.client_credentials` (401).
    """
    client = await queries.client_by_client_id(session, client_id)
    fits = await verify_secret(secret, client.secret_hash if client else None)
    if client is None or not fits or client.disabled_at is not None:
        raise Unauthenticated(
            "identity.client_credentials", "This client id and secret do not fit together.", {"error": "invalid_client"}
        )
    return Actor(f"client:{client.id}", frozenset({Role(client.role)}), client.city_id, utility_id=client.utility_id)


async def person_acting(session: ReadSession, login: str) -> Actor:
    """The actor with a login, for a command that somebody with the run of the machine gives in that person's name.

    Raises: NotFound `identity.unknown_login`.
    """
    person = await queries.person_by_login(session, login.strip().lower())
    if person is None or person.disabled_at is not None:
        raise NotFound(
            "identity.unknown_login", f"Nobody signs in as '{login}'. Add them with `carbon-bank people add`."
        )
    return actor_of(person)


async def partner_client(session: ReadSession, city_id: int, client_id: str) -> int:
    """The number of a partner's client of a city.

    Raises: NotFound `identity.unknown_partner` (404).
    """
    client = await queries.client_by_client_id(session, client_id)
    if client is None or client.city_id != city_id or client.role != Role.PARTNER or client.disabled_at is not None:
        raise NotFound(
            "identity.unknown_partner",
            f"There is no partner's client '{client_id[:100]}' in this city. Add one with POST /v1/clients.",
        )
    assert client.id is not None
    return client.id


def actor_of(person: Person) -> Actor:
    roles = frozenset(Role(role) for role in person.roles)
    return Actor(f"person:{person.id}", roles, person.city_id, person.household_id)


async def mail_addresses(session: ReadSession, household_ids: Collection[int]) -> list[Addressee]:
    """The people of some households who can be written to: not disabled, and their login is an e-mail address."""
    found = await queries.logins_of_households(session, household_ids)
    return [Addressee(*row) for row in found if is_mail_address(row[2])]


async def add_person(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    *,
    login: str,
    password: str,
    roles: Collection[Role],
    city_id: int | None,
    household_id: int | None = None,
) -> Person:
    """Let a person in. Admin lets in staff; an operator lets in the people of the city's households.

    Raises: Forbidden `identity.may_not_appoint` (403); InvalidInput `identity.roles`, `identity.password` (422);
            Conflict `identity.login_taken` (409); NotFound `identity.unknown_place` (404).
    """
    _check_appointment(actor, frozenset(roles), city_id, household_id)
    check_password(password)
    person = Person(
        login=login.strip().lower(),
        password_hash=await hash_secret(password),
        roles=sorted(set(roles)),
        city_id=city_id,
        household_id=household_id,
        created_at=now,
    )
    await _add(
        session, person, "identity.login_taken", f"Somebody signs in as '{person.login}' already. Choose another login."
    )
    record(
        session,
        Act.PERSON_ADDED,
        by=actor.subject,
        at=now,
        subject=f"person:{person.id}",
        city_id=city_id,
        facts={"roles": person.roles},
    )
    return person


async def add_client(
    session: WriteSession, actor: Actor, now: datetime, *, role: Role, city_id: int, utility_id: int | None
) -> tuple[Client, str]:
    """Let a machine in. Returns the client and its secret, which nobody can read again.

    Raises: Forbidden `identity.may_not_appoint` (403); InvalidInput `identity.client_role` (422);
            NotFound `identity.unknown_place` (404).
    """
    if not _appoints_anywhere(actor) and city_id != actor.city_id:
        raise Forbidden(
            "identity.may_not_appoint",
            "An operator lets in the clients of the own city only. Leave city_id out, or ask an admin.",
        )
    if (role is Role.UTILITY) != (utility_id is not None) or role not in {Role.UTILITY, Role.PARTNER}:
        raise InvalidInput(
            "identity.client_role",
            "A client is of role utility, and then names its utility_id, or of role partner, without one.",
        )
    secret = new_secret()
    client = Client(
        client_id=f"{role.value}-{secrets.token_hex(6)}",
        secret_hash=await hash_secret(secret),
        role=role.value,
        city_id=city_id,
        utility_id=utility_id,
        created_at=now,
    )
    await _add(session, client, "identity.client_taken", "This client id exists already. Try again.")
    record(session, Act.CLIENT_ADDED, by=actor.subject, at=now, subject=f"client:{client.id}", city_id=city_id)
    return client, secret


def _check_appointment(actor: Actor, roles: frozenset[Role], city_id: int | None, household_id: int | None) -> None:
    machines = roles & {Role.UTILITY, Role.PARTNER}
    if not roles or machines or ((Role.ADMIN in roles or Role.HOUSEHOLD in roles) and len(roles) > 1):
        raise InvalidInput(
            "identity.roles",
            f"'{', '.join(sorted(roles))}' is no set of roles for a person: household or admin stand alone, "
            f"{', '.join(sorted(STAFF))} can be joined, and utility and partner are for clients (POST /v1/clients).",
        )
    if (Role.HOUSEHOLD in roles) != (household_id is not None) or (Role.ADMIN in roles) != (city_id is None):
        raise InvalidInput(
            "identity.roles",
            "A person of a household names its household_id, staff name their city_id, and an admin neither.",
        )
    if _appoints_anywhere(actor):
        return
    if roles != {Role.HOUSEHOLD} or city_id != actor.city_id:
        raise Forbidden(
            "identity.may_not_appoint",
            "An operator lets in the people of households of the own city only. Ask an admin to appoint staff.",
        )


def _appoints_anywhere(actor: Actor) -> bool:
    return actor.subject.startswith("system:") or Role.ADMIN in actor.roles


async def _add(session: WriteSession, row: Person | Client, taken_code: str, taken: str) -> None:
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        name = violated(error)
        if name.endswith("_key"):
            raise Conflict(taken_code, taken) from None
        if name == "person_login_check":
            raise InvalidInput("identity.login", "A login has 3 to 254 characters.") from None
        raise NotFound(
            "identity.unknown_place",
            "There is no such city, or no such household or utility in it. Look up its id first.",
        ) from None
