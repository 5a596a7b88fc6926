"""Which meters have which months. Source: issue "coverage" of readings.md; rules.md section 2."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.calendar import Period, first_day
from carbon_bank.foundation.columns import array_text
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import COMMODITY_DTYPE
from carbon_bank.readings import coverage_service
from carbon_bank.readings.coverage_queries import STANDING
from carbon_bank.readings.months_read import months_read
from carbon_bank.readings.rules import READING_SCHEMA, monthly_usage
from tests.readings.sending import APRIL, MARCH, Send, row
from tests.small_city import SmallCity

MONTHS = list(Period.parse("2026-Q1").months)
FIRST = date(2025, 12, 1)
DAYS = st.integers(0, 150).map(lambda days: FIRST + timedelta(days=days))
SPANS = st.tuples(DAYS, st.integers(1, 70)).map(lambda pair: (pair[0], pair[0] + timedelta(days=pair[1])))


def readings_of(periods: list[tuple[date, date]], estimated: bool, recorded_on: date) -> pl.DataFrame:
    rows = [(1, start, end, 10, estimated) for start, end in periods]
    return pl.DataFrame(rows, schema=READING_SCHEMA, orient="row").with_columns(
        recorded_on=pl.lit(recorded_on, pl.Date)
    )


def holdings_of(spans: list[tuple[date, date]]) -> pl.DataFrame:
    schema = {"meter_id": pl.Int64, "commodity": COMMODITY_DTYPE, "starts_on": pl.Date, "ends_on": pl.Date}
    return pl.DataFrame([(1, "water", *span) for span in spans], schema=schema, orient="row")


def days_of(spans: list[tuple[date, date]]) -> set[date]:
    return {start + timedelta(days=step) for start, end in spans for step in range((end - start).days)}


def apart(spans: list[tuple[date, date]]) -> list[tuple[date, date]]:
    """Those that do not overlap one before."""
    kept: list[tuple[date, date]] = []
    for span in sorted(spans):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


@settings(max_examples=200, deadline=None)
@given(st.lists(SPANS, max_size=5), st.lists(SPANS, min_size=1, max_size=3))
def test_days_are_counted_as_one_would_count_them_in_a_calendar(
    spans: list[tuple[date, date]], held: list[tuple[date, date]]
) -> None:
    read = apart(spans)
    table = months_read(readings_of(read, False, date(2026, 1, 1)), holdings_of(held), MONTHS, date(2027, 1, 1), 0)
    wanted = []
    for month in MONTHS:
        days = days_of([(first_day(month), first_day(month + 1))])
        if expected := days & days_of(held):
            wanted.append((month, len(expected), len(expected & days_of(read))))
    assert table.select("month", "days_held", "days_covered").rows() == wanted


@settings(max_examples=100, deadline=None)
@given(st.lists(SPANS, max_size=5), SPANS, st.booleans())
def test_a_settlement_sees_the_same_days(
    spans: list[tuple[date, date]], held: tuple[date, date], estimated: bool
) -> None:
    readings, holdings = readings_of(apart(spans), estimated, date(2026, 1, 1)), holdings_of([held])
    table = months_read(readings, holdings, MONTHS, date(2027, 1, 1), 0)
    tenures = holdings.with_columns(household_id="meter_id")
    settled = monthly_usage(readings.drop("recorded_on"), tenures, MONTHS).table()
    seen = dict(settled.select("month", pl.struct("days_covered", "days_estimated")).iter_rows())
    for each in table.iter_rows(named=True):
        assert {name: each[name] for name in ("days_covered", "days_estimated")} == seen[each["month"]]


@pytest.mark.parametrize(
    ("read", "estimated", "today", "state", "is_late"),
    [
        ([], False, date(2026, 3, 18), "awaited", False),
        ([], False, date(2026, 3, 19), "missing", False),
        ([(1, 20)], False, date(2026, 3, 18), "awaited", False),
        ([(1, 20)], False, date(2026, 3, 19), "partial", False),
        ([(1, 20), (20, 32)], False, date(2026, 3, 19), "actual", False),
        ([(1, 32)], True, date(2026, 3, 19), "estimated", False),
        ([(1, 32)], False, date(2026, 3, 20), "actual", True),
    ],
)
def test_the_state_of_a_month_follows_from_its_days_and_the_day(
    read: list[tuple[int, int]], estimated: bool, today: date, state: str, is_late: bool
) -> None:
    """January is due on 18 March: 45 days after its end, 1 February."""
    new_year = date(2025, 12, 31)
    periods = [(new_year + timedelta(days=start), new_year + timedelta(days=end)) for start, end in read]
    recorded_on = today if is_late else date(2026, 3, 18)
    table = months_read(
        readings_of(periods, estimated, recorded_on), holdings_of([(FIRST, date(2026, 2, 1))]), MONTHS, today, 45
    )
    assert table.select("state", "is_late").rows() == [(state, is_late)]


async def coverage(
    client: httpx.AsyncClient, small_city: SmallCity, path: str = "", who: str = "operator", **asked: Any
) -> Any:
    query = {"months": "2026-03..2026-04"} | asked
    answer = await client.get(f"/v1/coverage{path}", params=query, headers=small_city.bearer(who))
    assert answer.status_code == 200, answer.text
    return answer.json() if asked.get("format") != "csv" else list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture
async def some_sent(send: Send) -> None:
    await send(row(), row(period=APRIL, quality="estimated"), row("B-e", period=("2026-03-01", "2026-03-21")))
    await send(row("A-g"), of="gas")
    await send(row("A-g", cancel="yes", reason="corrected"), of="gas")


@pytest.mark.usefixtures("some_sent")
async def test_totals_by_month_utility_district_and_commodity(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    found = await coverage(client, small_city)
    assert (found["months"], found["due_days"], len(found["rows"])) == ("2026-03..2026-04", 45, 6)
    march = next(each for each in found["rows"] if (each["month"], each["utility"]) == ("2026-03", "elec"))
    counts = {"meters": 2, "actual": 1, "estimated": 0, "partial": 1, "missing": 0, "awaited": 0, "late": 2}
    days = {"days_held": 62, "days_covered": 51}
    assert (
        march
        == {"month": "2026-03", "utility": "elec", "district": "north", "commodity": "electricity"} | counts | days
    )
    april = next(each for each in found["rows"] if (each["month"], each["utility"]) == ("2026-04", "elec"))
    assert (april["estimated"], april["missing"]) == (1, 1)
    gas = next(each for each in found["rows"] if each["utility"] == "gas")
    assert (gas["actual"], gas["missing"], gas["days_covered"]) == (0, 2, 0), "a cancelled reading covers nothing"
    written = await coverage(client, small_city, format="csv")
    assert written[0] == {name: str(value) for name, value in found["rows"][0].items()}
    assert (await coverage(client, small_city, who="gas"))["rows"] == [
        each for each in found["rows"] if each["utility"] == "gas"
    ]
    assert (await coverage(client, small_city, who="far_operator"))["rows"][0]["missing"] == 1
    assert (await coverage(client, small_city, months="2022-12"))["rows"] == [], "nobody held a meter then"
    awaited = await coverage(client, small_city, due_days=400, commodity="water")
    assert [each["awaited"] for each in awaited["rows"]] == [2, 2]


@pytest.mark.usefixtures("some_sent")
async def test_meters_with_their_months(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    found = await coverage(client, small_city, "/meters", utility="elec")
    assert [each["customer_number"] for each in found["items"]] == ["A-e", "B-e"] and found["next"] is None
    assert [(each["month"], each["state"]) for each in found["items"][0]["months"]] == [
        ("2026-03", "actual"),
        ("2026-04", "estimated"),
    ]
    assert found["items"][1]["months"][0] == {
        "month": "2026-03",
        "state": "partial",
        "days_held": 31,
        "days_covered": 20,
        "days_estimated": 0,
        "is_late": True,
    }
    lacking = await coverage(client, small_city, "/meters", state=["partial"])
    assert [each["customer_number"] for each in lacking["items"]] == ["B-e"]
    lines = await coverage(client, small_city, "/meters", utility="elec", format="csv", reason="a late utility")
    assert [(each["customer_number"], each["month"], each["state"]) for each in lines] == [
        ("A-e", "2026-03", "actual"),
        ("A-e", "2026-04", "estimated"),
        ("B-e", "2026-03", "partial"),
        ("B-e", "2026-04", "missing"),
    ]


@pytest.mark.usefixtures("some_sent")
@pytest.mark.parametrize("chunk", [1, 2, 20_000])
async def test_pages_come_to_an_end_and_leave_nobody_out(
    client: httpx.AsyncClient, small_city: SmallCity, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage_service, "CHUNK_METERS", chunk)
    for path, asked in (("/meters", {}), ("/meters", {"state": "missing"}), ("/reminders", {})):
        whole = (await coverage(client, small_city, path, **asked))["items"] if chunk > 2 else None
        seen, cursor = [], None
        for _ in range(20):
            page = await coverage(client, small_city, path, limit=1, **asked, **({"cursor": cursor} if cursor else {}))
            seen += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert cursor is None and (whole is None or seen == whole)
        assert len(seen) == (6 if not asked and path == "/meters" else 5), path
    assert len((await coverage(client, small_city))["rows"]) == 6


@pytest.mark.usefixtures("some_sent")
async def test_the_reminder_list_says_what_was_due_and_has_not_come(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    found = (await coverage(client, small_city, "/reminders"))["items"]
    assert {each["customer_number"]: (each["months"], each["days_missing"]) for each in found} == {
        "B-e": (["2026-03", "2026-04"], 41),
        "A-g": (["2026-03", "2026-04"], 61),
        "B-g": (["2026-03", "2026-04"], 61),
        "A-w": (["2026-03", "2026-04"], 61),
        "B-w": (["2026-03", "2026-04"], 61),
    }
    assert (await coverage(client, small_city, "/reminders", who="elec"))["items"] == found[:1]
    lines = await coverage(client, small_city, "/reminders", format="csv", who="elec")
    assert lines == [
        {"utility": "elec", "district": "north", "commodity": "electricity", "customer_number": "B-e"}
        | {"meter_number": "", "months": "2026-03 2026-04", "days_missing": "41"}
    ]
    assert (await coverage(client, small_city, "/reminders", due_days=400))["items"] == []


async def test_a_district_stands_for_all_that_lie_within_it(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    owner.execute(
        "UPDATE district SET parent_id = (SELECT id FROM district AS d WHERE d.code = 'south' AND d.city_id = district.city_id) "
        "WHERE code = 'north'"
    )
    within = await coverage(client, small_city, district="south")
    assert {each["district"] for each in within["rows"]} == {"north"}
    owner.execute("UPDATE district SET parent_id = NULL")
    assert (await coverage(client, small_city, district="south"))["rows"] == []


async def test_a_question_that_can_not_be_answered_says_what_to_ask(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    for query, status, code in (
        ({}, 422, "http.invalid"),
        ({"months": "spring"}, 422, "calendar.period"),
        ({"months": "2023-H1..2025-H2"}, 422, "readings.coverage_span"),
        ({"months": "2026-03", "utility": "nobody"}, 404, "registry.unknown_utility"),
        ({"months": "2026-03", "district": "west"}, 404, "registry.unknown_district"),
        ({"months": "2026-03", "due_days": "-1"}, 422, "http.invalid"),
    ):
        answer = await client.get("/v1/coverage", params=query, headers=small_city.bearer("operator"))
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, code), answer.text


async def test_few_meters_of_many_are_looked_up_by_their_key(
    send: Send, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await send(row(period=MARCH))
    owner.execute("ANALYZE reading")
    parameters = {"meter_ids": array_text(pl.Series([small_city.meters["A-e"]])), "time_zone": "UTC"}
    days = {"reach": date(2026, 1, 1), "first_day": date(2026, 3, 1), "end_day": date(2026, 4, 1)}
    with owner.transaction():
        owner.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(line for (line,) in owner.execute("EXPLAIN " + STANDING, parameters | days))
    assert "reading_pkey" in plan and "Seq Scan" not in plan, plan
