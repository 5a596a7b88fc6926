"""A city small enough to hold in one's head, and somebody of every role in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import httpx

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import Commodity
from carbon_bank.identity import service as identity
from carbon_bank.identity import tokens
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.registry import enrol_service
from carbon_bank.registry import service as registry
from carbon_bank.registry.service import UtilityPlace

SYSTEM = Actor("system:test")
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)


@dataclass
class SmallCity:
    """Ids of what is there, and who is there.

    `alder` and `birch` are households with an electricity, a gas and a water meter each, customer numbers `A-e`, `A-g`,
    `A-w` and `B-e`, ..., held since 2023-01-01. `actors` by name: operator, approver, auditor, admin, privacy_officer,
    alder, birch, elec, gas, water (utilities' clients), partner; and `far_operator`, `far_household`, `far_utility` of the
    other city, which has one household and one utility.
    """

    city_id: int
    other_city_id: int
    alder: int
    birch: int
    far_household: int
    places: dict[str, UtilityPlace]
    meters: dict[str, int]
    actors: dict[str, Actor]
    keys: tokens.Keys = field(repr=False)

    def bearer(self, name: str) -> dict[str, str]:
        """Headers that act as somebody."""
        return {"Authorization": f"Bearer {tokens.issue(self.keys, self.actors[name], clock.now())}"}

    def as_(self, client: httpx.AsyncClient, name: str) -> httpx.AsyncClient:
        """The client, acting as somebody from now on."""
        client.headers.update(self.bearer(name))
        return client


async def found_small_city(database: Database, keys: tokens.Keys) -> SmallCity:
    """People are made without passwords being hashed: their tokens are issued straight away."""
    async with database.write() as session:
        city = await enrol_service.add_city(
            session, SYSTEM, NOW, code="here", name={"en": "Here"}, time_zone="Asia/Seoul", currency="KRW"
        )
        other = await enrol_service.add_city(
            session, SYSTEM, NOW, code="there", name={"en": "There"}, time_zone="Europe/Berlin", currency="EUR"
        )
        assert city.id is not None and other.id is not None
        here, there = Actor("system:test", city_id=city.id), Actor("system:test", city_id=other.id)
        for actor in (here, there):
            for code in ("north", "south"):
                await enrol_service.add_district(
                    session, actor, NOW, code=code, name={"en": code.title()}, parent=None, geometry=None
                )
        places, meters = {}, {}
        suppliers = {"elec": Commodity.ELECTRICITY, "gas": Commodity.GAS, "water": Commodity.WATER}
        households = {}
        for number, actor in (("alder", here), ("birch", here), ("far", there)):
            made = await enrol_service.add_household(
                session,
                actor,
                NOW,
                number=number,
                district="north",
                dwelling_type="apartment",
                residents=3,
                joined_on=date(2023, 1, 1),
            )
            assert made.id is not None
            households[number] = made.id
        for code, commodity in suppliers.items():
            utility = await enrol_service.add_utility(session, here, NOW, code=code, name=code, commodities=[commodity])
            assert utility.id is not None
            places[code] = await registry.place_of_utility(session, utility.id)
            for number in ("alder", "birch"):
                customer = f"{number[0].upper()}-{code[0]}"
                meters[customer] = await _add_held_meter(session, here, code, commodity, customer, households[number])
        far = await enrol_service.add_utility(
            session, there, NOW, code="elec", name="far", commodities=[Commodity.ELECTRICITY]
        )
        assert far.id is not None
        places["far"] = await registry.place_of_utility(session, far.id)
        meters["F-e"] = await _add_held_meter(session, there, "elec", Commodity.ELECTRICITY, "F-e", households["far"])
        actors = await _people(session, city.id, other.id, households, places)
    return SmallCity(
        city_id=city.id,
        other_city_id=other.id,
        alder=households["alder"],
        birch=households["birch"],
        far_household=households["far"],
        places=places,
        meters=meters,
        actors=actors,
        keys=keys,
    )


async def _add_held_meter(session, actor, utility, commodity, customer, household_id):  # type: ignore[no-untyped-def]
    meter = await enrol_service.add_meter(
        session,
        actor,
        NOW,
        utility=utility,
        commodity=commodity,
        customer_number=customer,
        meter_number="",
        digits=None,
        calorific_value=None,
    )
    await enrol_service.add_tenure(
        session, actor, NOW, household_id=household_id, meter_id=meter.id, starts_on=date(2023, 1, 1), ends_on=None
    )
    return meter.id


async def _people(session, city_id, other_id, households, places):  # type: ignore[no-untyped-def]
    from carbon_bank.identity.tables import Client, Person

    rows = {
        "operator": Person(roles=["operator"], city_id=city_id),
        "approver": Person(roles=["approver"], city_id=city_id),
        "both": Person(roles=["approver", "operator"], city_id=city_id),
        "auditor": Person(roles=["auditor"], city_id=city_id),
        "privacy_officer": Person(roles=["privacy_officer"], city_id=city_id),
        "admin": Person(roles=["admin"], city_id=None),
        "alder": Person(roles=["household"], city_id=city_id, household_id=households["alder"]),
        "birch": Person(roles=["household"], city_id=city_id, household_id=households["birch"]),
        "far_household": Person(roles=["household"], city_id=other_id, household_id=households["far"]),
        "far_operator": Person(roles=["operator"], city_id=other_id),
        "far_approver": Person(roles=["approver"], city_id=other_id),
        "far_auditor": Person(roles=["auditor"], city_id=other_id),
    }
    for name, person in rows.items():
        person.login, person.password_hash, person.created_at = f"{name}@here.test", "!", NOW
        session.add(person)
    clients = {
        "elec": Client(role="utility", city_id=city_id, utility_id=places["elec"].utility_id),
        "gas": Client(role="utility", city_id=city_id, utility_id=places["gas"].utility_id),
        "water": Client(role="utility", city_id=city_id, utility_id=places["water"].utility_id),
        "partner": Client(role="partner", city_id=city_id),
        "far_utility": Client(role="utility", city_id=other_id, utility_id=places["far"].utility_id),
    }
    for name, client in clients.items():
        client.client_id, client.secret_hash, client.created_at = f"{name}-client", "!", NOW
        session.add(client)
    await session.flush()
    actors = {name: identity.actor_of(person) for name, person in rows.items()}
    for name, client in clients.items():
        roles = frozenset({Role(client.role)})
        actors[name] = Actor(f"client:{client.id}", roles, client.city_id, utility_id=client.utility_id)
    return actors
