"""`carbon-bank people add | client`: who may sign in."""

from __future__ import annotations

from typing import Annotated

import typer

from carbon_bank.cli.runtime import COMMAND_LINE, City, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity import service as identity
from carbon_bank.identity.permissions import Role
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.command()
def add(
    login: Annotated[str, typer.Option(help="What they sign in with: an e-mail address or a phone number.")],
    role: Annotated[list[Role], typer.Option(help="Once for each role.")],
    city: Annotated[str | None, typer.Option(help="Code of their city; an admin has none.")] = None,
    household: Annotated[str | None, typer.Option(help="Number of their household, for the role household.")] = None,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="CARBON_BANK_NEW_PASSWORD")
    ] = "",
) -> None:
    """Let a person in. Asks for the password (or takes it from CARBON_BANK_NEW_PASSWORD)."""

    async def step(database: Database, settings: Settings) -> int | None:
        async with database.write() as session:
            city_id = None if city is None else (await registry.find_city(session, city)).id
            household_id = None
            if household is not None and city_id is not None:
                household_id = (await registry.find_household(session, city_id, household)).id
            person = await identity.add_person(
                session,
                COMMAND_LINE,
                clock.now(),
                login=login,
                password=password,
                roles=role,
                city_id=city_id,
                household_id=household_id,
            )
            return person.id

    print(f"person {run(step)}: {login} may sign in as {', '.join(role)}.")


@app.command()
def client(
    city: City,
    utility: Annotated[str | None, typer.Option(help="Code of the utility; left out for a partner.")] = None,
) -> None:
    """Let a utility's (or a partner's) machine in. Prints its secret, this once."""

    async def step(database: Database, settings: Settings) -> tuple[str, str]:
        async with database.write() as session:
            if utility is None:
                found = await registry.find_city(session, city)
                city_id, utility_id, role = found.id, None, Role.PARTNER
            else:
                place = await registry.find_utility(session, city, utility)
                city_id, utility_id, role = place.city_id, place.utility_id, Role.UTILITY
            assert city_id is not None
            made, secret = await identity.add_client(
                session, COMMAND_LINE, clock.now(), role=role, city_id=city_id, utility_id=utility_id
            )
            return made.client_id, secret

    client_id, secret = run(step)
    print(f"client_id:     {client_id}\nclient_secret: {secret}\nKeep the secret now: only its hash is stored.")
