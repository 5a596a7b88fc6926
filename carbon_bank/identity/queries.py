"""All SQL of identity."""

from __future__ import annotations

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession
from carbon_bank.identity.tables import Client, Person


async def person_by_login(session: ReadSession, login: str) -> Person | None:
    return (await session.exec(select(Person).where(col(Person.login) == login))).one_or_none()


async def client_by_client_id(session: ReadSession, client_id: str) -> Client | None:
    return (await session.exec(select(Client).where(col(Client.client_id) == client_id))).one_or_none()
