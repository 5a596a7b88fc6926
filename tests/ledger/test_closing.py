"""Closing an account, and lots that do not hold what the account shows."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger import service as ledger
from carbon_bank.ledger.act_service import Context
from tests.ledger.books import MARCH, everything, found_accounts, grant, without_triggers

TODAY = date(2026, 3, 10)


async def test_what_expired_is_not_among_the_points_that_are_given_up(
    database: Database, owner: psycopg.Connection
) -> None:
    home, _ = found_accounts(owner)
    city = owner.execute("SELECT id FROM city").fetchone()
    assert city is not None
    async with database.write() as session:
        await grant(session, [(home, "gas", 100)], expires_on=date(2026, 3, 9))
        await grant(session, [(home, "water", 50)], settlement_id=2)
    async with database.write() as session:
        actor = Actor("person:1", city_id=city[0])
        assert await ledger.close_account(session, actor, MARCH, TODAY, home, "moved away") == 50
    kinds = owner.execute("SELECT kind, amount FROM posting WHERE household_id = %s ORDER BY seq", [home]).fetchall()
    assert kinds[2:] == [("expiry", -100), ("closing", -50)]
    assert owner.execute("SELECT facts FROM trail").fetchall() == [({"given_up": 50},)]


async def test_points_that_no_lot_holds_are_not_set_aside(database: Database, owner: psycopg.Connection) -> None:
    home, _ = found_accounts(owner)
    city = owner.execute("SELECT id FROM city").fetchone()
    assert city is not None
    async with database.write() as session:
        await grant(session, [(home, "gas", 100)])
    with without_triggers(owner):
        owner.execute("UPDATE lot SET remaining = 90")
    before = everything(owner)
    with pytest.raises(IntegrityError, match="lack 10 points that its account shows"):
        async with database.write() as session:
            await acts.hold_points(
                session, Context(city[0], "person:1", MARCH, TODAY), home, 100, MARCH + timedelta(days=1)
            )
    assert everything(owner) == before
