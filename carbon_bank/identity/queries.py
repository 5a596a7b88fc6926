"""All SQL of identity."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession
from carbon_bank.identity.tables import Client, Person


async def person_by_login(session: ReadSession, login: str) -> Person | None:
    return (await session.exec(select(Person).where(col(Person.login) == login))).one_or_none()


async def client_by_client_id(session: ReadSession, client_id: str) -> Client | None:
    return (await session.exec(select(Client).where(col(Client.client_id) == client_id))).one_or_none()


async def logins_of_households(session: ReadSession, household_ids: Collection[int]) -> Sequence[tuple[int, int, str]]:
    """`household_id, person_id, login` of those who may sign in."""
    statement = """
        SELECT household_id, id, login FROM person
        WHERE household_id = ANY(:household_ids) AND disabled_at IS NULL ORDER BY household_id, id
    """
    rows = (await session.sql(statement, {"household_ids": list(household_ids)})).all()
    return [(row.household_id, row.id, row.login) for row in rows]
