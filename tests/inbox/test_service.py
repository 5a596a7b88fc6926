"""Telling households: once for each subject, with the act or not at all, one by one and by the hundred thousand."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.inbox import queries
from carbon_bank.inbox import service as inbox
from carbon_bank.inbox.kinds import FACTS, Form, Kind
from carbon_bank.inbox.notices import MAKE_NOTICES, NOTICES
from tests.ledger.books import as_application, grant
from tests.settlement.test_posting import posting
from tests.small_city import NOW, SmallCity

DONE: dict[str, Any] = {"redemption": 7, "points": 100}


async def tell_done(database: Database, city: SmallCity, household_id: int, subject: str = "redemption:7") -> bool:
    async with database.write() as session:
        return await inbox.notify(
            session,
            NOW,
            city_id=city.city_id,
            household_id=household_id,
            kind=Kind.REDEMPTION_DONE,
            facts=DONE,
            subject=subject,
        )


def told(owner: psycopg.Connection) -> list[tuple[Any, ...]]:
    return owner.execute("SELECT household_id, kind, subject, facts FROM notification ORDER BY 1, 2, 3").fetchall()


async def test_a_household_is_told_of_one_subject_once_also_by_two_at_a_time(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    news = await asyncio.gather(*(tell_done(database, small_city, small_city.alder) for _ in range(4)))
    assert sorted(news) == [False, False, False, True]
    assert await tell_done(database, small_city, small_city.birch)
    assert await tell_done(database, small_city, small_city.alder, "redemption:8")
    assert [row[2] for row in told(owner)] == ["redemption:7", "redemption:8", "redemption:7"]


async def test_nobody_is_told_of_an_act_that_did_not_come_about(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    class Killed(Exception):
        pass

    with pytest.raises(Killed):
        async with database.write() as session:
            place = {"city_id": small_city.city_id, "household_id": small_city.alder}
            await inbox.notify(session, NOW, **place, kind=Kind.REDEMPTION_DONE, facts=DONE, subject="x")
            raise Killed
    assert told(owner) == []


async def test_what_a_household_was_told_is_neither_changed_nor_removed(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await tell_done(database, small_city, small_city.alder)
    for change in ("UPDATE notification SET facts = '{}'", "DELETE FROM notification", "TRUNCATE notification CASCADE"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(change)
        with as_application(owner), pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(change)


async def notice(database: Database, city_id: int, kind: Kind, rows: list[tuple[int, dict[str, Any]]]) -> int:
    async with database.write() as session:
        await session.sql(MAKE_NOTICES)
        for household_id, facts in rows:
            await session.sql(
                f"INSERT INTO {NOTICES} VALUES ({household_id}, CAST(:f AS jsonb))", {"f": json.dumps(facts)}
            )
        return await inbox.notify_many(session, NOW, city_id=city_id, kind=kind, subject="x:1")


async def test_a_set_of_households_is_told_at_once_and_those_told_before_are_left_out(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    rows = [(small_city.alder, {"period": "2026-H1", "points": 0, "held": 0})]
    assert await notice(database, small_city.city_id, Kind.RESULTS_OUT, rows) == 1
    rows.append((small_city.birch, {"period": "2026-H1", "points": 5, "held": 0, "gas": 5}))
    assert await notice(database, small_city.city_id, Kind.RESULTS_OUT, rows) == 1
    assert [row[3]["points"] for row in told(owner)] == [0, 5]


GOOD = {
    Form.CHANGE: -3,
    Form.COUNT: 0,
    Form.DAY: "2026-12-31",
    Form.NUMBER: 1,
    Form.PERIOD: "2026-03/6",
    Form.POINTS: 10,
}
BAD = {
    Form.CHANGE: 1.5,
    Form.CODE: "full_moon",
    Form.COUNT: -1,
    Form.DAY: "2026-12-32",
    Form.NUMBER: "1",
    Form.PERIOD: "2026-H3",
    Form.POINTS: None,
}


@pytest.mark.parametrize("kind", Kind)
async def test_facts_of_a_set_are_held_to_the_same_rules_as_those_of_one(
    database: Database, small_city: SmallCity, kind: Kind
) -> None:
    good = {name: fact.codes[-1] if fact.codes else GOOD[fact.form] for name, fact in FACTS[kind].items()}
    bad = [good | {name: BAD[fact.form]} for name, fact in FACTS[kind].items()]
    bad += [
        {key: value for key, value in good.items() if key != name} for name in good if not FACTS[kind][name].optional
    ]
    bad += [good | {"name": "x"}]
    async with database.write() as session:
        for facts in [good, *bad]:
            await session.sql(MAKE_NOTICES)
            await session.sql(f"INSERT INTO {NOTICES} VALUES (1, CAST(:f AS jsonb))", {"f": json.dumps(facts)})
            assert (await queries.wrong_notice(session, kind) is None) == (facts is good), facts
            await queries.drop_notices(session)


async def test_one_bad_row_of_a_set_stops_the_whole_of_it(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    rows: list[tuple[int, dict[str, Any]]] = [(small_city.alder, {"period": "2026-H1", "points": 0, "held": 0})]
    with pytest.raises(ValueError, match=r'results_out does not hold: \{"points": 1\}'):
        await notice(database, small_city.city_id, Kind.RESULTS_OUT, [*rows, (small_city.birch, {"points": 1})])
    assert told(owner) == []


async def test_results_are_told_with_the_posting_to_everybody_who_has_an_award(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posting(database, small_city)
    assert told(owner) == []
    await worker.post(database, number, 5)
    awards = owner.execute(
        "SELECT household_id, commodity, points, review FROM award WHERE settlement_id = %s", [number]
    ).fetchall()
    found = {household_id: facts for household_id, _, _, facts in told(owner)}
    assert {(kind, subject) for _, kind, subject, _ in told(owner)} == {("results_out", f"settlement:{number}")}
    assert set(found) == {household_id for household_id, *_ in awards}
    assert any(facts["points"] == 0 for facts in found.values())
    assert any(facts["held"] > 0 for facts in found.values())
    for household_id, facts in found.items():
        paid = {each[1]: each[2] for each in awards if each[0] == household_id and each[3] == "clear" and each[2] > 0}
        held = sum(each[0] == household_id and each[3] == "held" for each in awards)
        assert facts == {"period": "2024-H1", "held": held, "points": sum(paid.values())} | paid
    before = told(owner)
    await worker.post(database, number, 5)
    assert told(owner) == before


async def test_points_that_expire_next_month_are_told_once_by_the_calendar_of_the_city(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    def last(month: int) -> date:
        return date(2027, month, 28 if month == 2 else 31)

    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 100), (small_city.alder, "water", 20)], 1, expires_on=last(1))
        await grant(session, [(small_city.alder, "gas", 4000)], 2, expires_on=date(2026, 12, 31))
        await grant(session, [(small_city.birch, "gas", 300)], 3, expires_on=last(1))
        await grant(session, [(small_city.birch, "gas", 7)], 4, expires_on=None)
        place = {"city_id": small_city.other_city_id}
        await grant(session, [(small_city.far_household, "gas", 9)], 5, expires_on=last(1), **place)
    owner.execute("UPDATE lot SET remaining = 0 WHERE household_id = %s", [small_city.birch])
    # In Seoul it is December already, in Berlin it is still November.
    moment = datetime(2026, 11, 30, 20, 0, tzinfo=UTC)
    for _ in range(2):
        await worker.notify_expiring(database, lambda: moment)
    expected = (small_city.alder, "points_expire", "expiry:2027-01", {"points": 120, "day": "2027-01-31"})
    assert told(owner) == [expected]
    await worker.notify_expiring(database, lambda: datetime(2026, 12, 5, tzinfo=UTC))
    assert [row[:3] for row in told(owner)] == [expected[:3], (small_city.far_household, *expected[1:3])]
