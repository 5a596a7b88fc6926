"""What stands and what stood, out of PostgreSQL. Source: readings.md, "What must hold"."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.readings import queries, service
from carbon_bank.readings.intake import tidied
from carbon_bank.readings.service import rows_from
from tests.readings.sending import APRIL, MID, Send, codes, row
from tests.small_city import SmallCity


async def test_what_stood_at_a_moment_stays_what_stood_then(
    send: Send, database: Database, small_city: SmallCity
) -> None:
    async def stood(at: datetime) -> list[tuple[object, ...]]:
        meters = [small_city.meters["A-e"], small_city.meters["B-e"]]
        async with database.read() as session:
            found = await service.readings_as_of(session, meters, date(2026, 3, 1), date(2026, 5, 1), at)
        return found.sort("period_start").select("period_start", "quantity", "estimated").rows()

    march, april = date(2026, 3, 1), date(2026, 4, 1)
    nothing = await send(row(quantity="x"))
    first = await send(row(quality="estimated"))
    other = await send(row(period=APRIL))
    revised = await send(row(quantity="90", reason="estimate_replaced"))
    cancelled = await send(row(cancel="yes", reason="corrected"), row(period=MID))
    expected = {
        nothing.recorded_at: [],
        first.recorded_at: [(march, 100_000, True)],
        other.recorded_at: [(march, 100_000, True), (april, 100_000, False)],
        revised.recorded_at: [(march, 90_000, False), (april, 100_000, False)],
        cancelled.recorded_at: [(april, 100_000, False)],  # MID overlaps April, so it was refused
    }
    assert codes(cancelled) == ["revised", "readings.overlap"]
    assert {moment: await stood(moment) for moment in expected} == expected
    assert list(expected) == sorted(expected)


async def test_what_stood_is_asked_for_the_periods_that_touch_the_days(
    send: Send, database: Database, small_city: SmallCity
) -> None:
    sent = await send(row(period=("2026-01-01", "2026-04-11")), row(period=("2026-04-11", "2026-05-01")))
    meters = [small_city.meters["A-e"]]
    async with database.read() as session:

        async def starts(first: date, last: date) -> set[date]:
            found = await service.readings_as_of(session, meters, first, last, sent.recorded_at)
            return set(found["period_start"])

        assert await starts(date(2026, 4, 10), date(2026, 4, 11)) == {date(2026, 1, 1)}
        assert await starts(date(2026, 4, 10), date(2026, 4, 12)) == {date(2026, 1, 1), date(2026, 4, 11)}
        assert await starts(date(2026, 5, 1), date(2026, 6, 1)) == set()


async def test_the_latest_revision_of_each_period_stands(send: Send, database: Database, small_city: SmallCity) -> None:
    await send(row(), row(quantity="90", reason="corrected"), row(period=APRIL, quality="customer"), row("B-e"))
    await send(row("B-e", cancel="yes", reason="corrected"))
    meters = [small_city.meters["A-e"], small_city.meters["B-e"]]
    async with database.read() as session:
        found = await queries.standing(session, pl.Series(meters), date(2026, 3, 31), date(2026, 4, 2))
    assert found.select("meter_id", "period_start", "revision", "quantity", "quality").rows() == [
        (meters[0], date(2026, 3, 1), 2, 90_000, "actual"),
        (meters[0], date(2026, 4, 1), 1, 100_000, "customer"),
        (meters[1], date(2026, 3, 1), 2, None, "actual"),
    ]


async def test_each_row_finds_the_meters_that_its_numbers_may_mean(database: Database, small_city: SmallCity) -> None:
    rows = rows_from([row(), {**row(), "customer_number": " B-e "}, row("A-g"), row(meter_number="M1"), {}])
    async with database.read() as session:
        found = await queries.meters_of(session, small_city.places["elec"].utility_id, tidied(rows), 11_000)
    assert found.select("matches", "calorific_value").rows() == [
        (1, None),
        (1, None),
        (0, 11_000),
        (0, 11_000),
        (0, 11_000),
    ]
    assert found["meter_id"].to_list()[:2] == [small_city.meters["A-e"], small_city.meters["B-e"]]


async def test_the_database_itself_keeps_what_always_holds_of_a_reading(send: Send, owner: psycopg.Connection) -> None:
    await send(row())
    for values, rule in (
        ("'2026-05-01', '2026-05-01', 1, 5, NULL", "reading_period_check"),
        ("'2026-05-01', '2026-08-10', 1, 5, NULL", "reading_period_check"),
        ("'2026-05-01', '2026-06-01', 1, -1, NULL", "reading_quantity_check"),
        ("'2026-05-01', '2026-06-01', 1, NULL, NULL", "reading_cancelled_check"),
        ("'2026-05-01', '2026-06-01', 2, 5, NULL", "reading_revision_check"),
        ("'2026-05-01', '2026-06-01', 1, 5, 'corrected'", "reading_revision_check"),
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match=rule):
            owner.execute(
                "INSERT INTO reading (meter_id, batch_id, recorded_at, quality, period_start, period_end, revision, quantity, reason) "
                f"SELECT meter_id, batch_id, recorded_at, quality, {values} FROM reading"
            )
