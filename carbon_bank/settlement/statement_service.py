"""The statement of a household, with the names that the registry knows: of its city, and its member number."""

from __future__ import annotations

from datetime import date, datetime

from carbon_bank.foundation.database import ReadSession
from carbon_bank.identity.actor import Actor
from carbon_bank.inbox.languages import Language
from carbon_bank.ledger import statement_service as ledger
from carbon_bank.ledger.statement_service import Statement, Whose
from carbon_bank.registry import service as registry


async def read_statement(
    session: ReadSession,
    actor: Actor,
    now: datetime,
    household_id: int,
    first_day: date | None,
    last_day: date | None,
    language: Language,
) -> Statement:
    """Args: first_day, last_day: as `ledger.statement_service` takes them. language: of the city's name.

    Raises: NotFound `registry.unknown_household` (404), and what the ledger raises.
    """
    household = await registry.get_household(session, actor, household_id)
    city = await registry.get_city(session, household.city_id)
    name = city.name.get(language) or next(iter(city.name.values()), city.code)
    whose = Whose(household_id, household.number, name, city.time_zone)
    return await ledger.read_statement(session, now, whose, first_day, last_day)
