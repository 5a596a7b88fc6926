"""A household's statement over HTTP: by the day in the city, in its language, in three forms; and what it can spend today."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pypdfium2
import pytest
from fastapi import FastAPI

from carbon_bank.foundation import web
from carbon_bank.foundation.database import Database
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger.act_service import Context
from tests.ledger.books import grant
from tests.small_city import SmallCity

STAFF = "/v1/households/{}/statement"
LAST_DAY = date(2026, 6, 30)


@pytest.fixture
def at(app: FastAPI) -> Callable[[datetime], None]:
    """Sets the clock of the routes."""

    def set_to(moment: datetime) -> None:
        app.dependency_overrides[web.now] = lambda: moment

    return set_to


async def live_through_half_a_year(database: Database, city: SmallCity) -> None:
    """At alder: 100 gas on 10 March, 40 water on the evening of 31 March in UTC, which is 1 April in the city; 30 spent in May."""
    lots = [(datetime(2026, 3, 10, 1, tzinfo=UTC), "gas", 100), (datetime(2026, 3, 31, 20, tzinfo=UTC), "water", 40)]
    for number, (now, commodity, points) in enumerate(lots, start=1):
        async with database.write() as session:
            await grant(session, [(city.alder, commodity, points)], number, now=now, expires_on=LAST_DAY)
    now = datetime(2026, 5, 2, 3, tzinfo=UTC)
    context = Context(city.city_id, "person:1", now, now.date(), "redemption:1")
    async with database.write() as session:
        held = await acts.hold_points(session, context, city.alder, 50, now + timedelta(days=1))
        await acts.spend_hold(session, context, city.alder, held.seq, 30)


def lines(statement: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(line["day"], line["kind"], line["amount"], line["balance"], line["held"]) for line in statement["lines"]]


async def test_a_statement_goes_by_the_day_in_the_city_and_adds_up(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, at: Callable[[datetime], None]
) -> None:
    await live_through_half_a_year(database, small_city)
    at(datetime(2026, 6, 1, 3, tzinfo=UTC))
    for path in ("/v1/me/statement", STAFF.format(small_city.alder)):
        assert (await client.get(path)).status_code == 401
    march = {"from": "2026-03-01", "to": "2026-03-31"}
    own = (await client.get("/v1/me/statement", params=march, headers=small_city.bearer("alder"))).json()
    assert (own["opening"], own["closing"]) == (0, 100)
    assert lines(own) == [("2026-03-10", "award", 100, 100, 0)]
    rest = {"from": "2026-04-01"}
    answer = await client.get(STAFF.format(small_city.alder), params=rest, headers=small_city.bearer("auditor"))
    assert answer.json() | {"lines": []} == {
        "city": "Here",
        "member_number": "alder",
        "language": "en",
        "first_day": "2026-04-01",
        "last_day": "2026-06-01",
        "created_at": "2026-06-01T12:00:00+09:00",
        "opening": 100,
        "opening_held": 0,
        "lines": [],
        "closing": 110,
        "closing_held": 0,
        "lots": [{"expires_on": "2026-06-30", "points": 110}],
    }
    assert lines(answer.json()) == [
        ("2026-04-01", "award", 40, 140, 0),
        ("2026-05-02", "hold", 0, 140, 50),
        ("2026-05-02", "redemption", -30, 110, 0),
    ]
    stranger = await client.get(STAFF.format(small_city.alder), headers=small_city.bearer("far_auditor"))
    assert stranger.status_code == 404
    birch = await client.get("/v1/me/statement", headers=small_city.bearer("birch"))
    assert birch.json()["lines"] == []


async def test_a_statement_comes_as_a_file_in_the_language_of_the_household(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, at: Callable[[datetime], None]
) -> None:
    await live_through_half_a_year(database, small_city)
    at(datetime(2026, 6, 1, 3, tzinfo=UTC))
    korean = small_city.bearer("alder") | {"Accept-Language": "ko"}
    sheet = await client.get("/v1/me/statement", params={"format": "csv"}, headers=korean)
    assert (sheet.headers["content-type"], sheet.headers["content-language"]) == ("text/csv; charset=utf-8", "ko")
    assert 'filename="statement-2026-01-01-2026-06-01.csv"' in sheet.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(sheet.text, newline="")))
    assert [row["entry"] for row in rows[:2]] == ["이월 잔액", "포인트 지급: 도시가스"]
    chosen = {"language": "en", "email": False, "muted": []}
    assert (await client.put("/v1/me/preferences", json=chosen, headers=korean)).status_code == 200
    for path, headers in (
        ("/v1/me/statement", korean),
        (STAFF.format(small_city.alder), small_city.bearer("operator") | {"Accept-Language": "ko"}),
    ):
        answer = await client.get(path, params={"format": "pdf", "reason": "objection 7"}, headers=headers)
        assert answer.headers["content-type"] == "application/pdf"
        with pypdfium2.PdfDocument(answer.content) as document:
            text = document[0].get_textpage().get_text_bounded()
        assert "Points earned: gas" in text and "Reward received" in text


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-06-02", "to": "2026-06-01"}, "ledger.statement_days"),
        ({"from": "0001-01-01"}, "http.invalid"),
        ({"to": "9999-12-31"}, "http.invalid"),
        ({"format": "xls"}, "http.invalid"),
    ],
)
async def test_days_that_make_no_statement_are_refused(
    client: httpx.AsyncClient, small_city: SmallCity, query: dict[str, str], code: str
) -> None:
    answer = await client.get("/v1/me/statement", params=query, headers=small_city.bearer("alder"))
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:carbon-bank:problem:{code}")


async def test_points_can_be_spent_through_their_last_day_and_are_gone_at_midnight_whatever_is_booked(
    client: httpx.AsyncClient,
    database: Database,
    small_city: SmallCity,
    owner: psycopg.Connection,
    at: Callable[[datetime], None],
) -> None:
    await live_through_half_a_year(database, small_city)
    for moment, spendable in (
        (datetime(2026, 6, 30, 14, 59, tzinfo=UTC), 110),
        (datetime(2026, 6, 30, 15, 0, tzinfo=UTC), 0),
    ):
        at(moment)
        points = (await client.get("/v1/me/points", headers=small_city.bearer("alder"))).json()
        assert (points["available"], sum(lot["remaining"] for lot in points["lots"])) == (spendable, spendable)
        statement = (await client.get("/v1/me/statement", headers=small_city.bearer("alder"))).json()
        assert sum(lot["points"] for lot in statement["lots"]) == spendable
    assert owner.execute("SELECT available FROM account WHERE household_id = %s", [small_city.alder]).fetchall() == [
        (110,)
    ], "no job has booked it yet"
