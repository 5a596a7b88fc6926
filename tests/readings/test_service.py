"""Batches of readings in PostgreSQL: what is taken, what is kept, and what stood when. Source: readings.md."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import Commodity
from carbon_bank.readings import service
from carbon_bank.readings.service import rows_from
from carbon_bank.registry import enrol_service
from tests.readings.sending import APRIL, MID, Send, codes, row
from tests.small_city import NOW, SmallCity


def kept(owner: psycopg.Connection) -> list[tuple[object, ...]]:
    query = """SELECT customer_number, period_start::text, revision, quantity, reason::text, batch_id
        FROM reading JOIN meter ON meter.id = meter_id ORDER BY customer_number, period_start, revision"""
    return owner.execute(query).fetchall()


async def test_sound_rows_are_taken_and_the_others_refused(send: Send, owner: psycopg.Connection) -> None:
    result = await send(row(), row("B-e", quantity="x"), row(period=MID), row("B-e"))
    assert result.statuses == ["accepted", "refused", "refused", "accepted"]
    assert (result.accepted, result.duplicate, result.revised) == (2, 0, 0)
    assert [(each.line, each.column, each.value, each.code) for each in result.refused] == [
        (2, "quantity", "x", "readings.not_a_number"),
        (3, "period_start", "2026-03-16", "readings.overlap"),
    ]
    assert kept(owner) == [
        ("A-e", "2026-03-01", 1, 100_000, None, result.batch_id),
        ("B-e", "2026-03-01", 1, 100_000, None, result.batch_id),
    ]


async def test_of_an_atomic_batch_with_a_refused_row_nothing_is_taken(send: Send, owner: psycopg.Connection) -> None:
    result = await send(row(), row(quantity="100"), row("B-e", quantity="-1"), mode="atomic")
    assert codes(result) == ["readings.batch_atomic", "readings.batch_atomic", "readings.negative"]
    assert result.statuses == ["refused"] * 3
    assert (result.accepted, result.duplicate, result.revised) == (0, 0, 0)
    assert kept(owner) == []


async def test_an_atomic_batch_without_fault_is_taken_whole(send: Send, owner: psycopg.Connection) -> None:
    assert codes(await send(row(), row("B-e"), mode="atomic")) == ["accepted", "accepted"]
    assert len(kept(owner)) == 2


async def test_a_meter_must_be_this_utilitys_and_its_answer_does_not_tell_whose_it_is(
    send: Send, database: Database, small_city: SmallCity
) -> None:
    async with database.write() as session:
        actor = small_city.actors["operator"]
        await enrol_service.add_utility(
            session, actor, NOW, code="rival", name="Rival", commodities=[Commodity.ELECTRICITY]
        )
        await add_meter(session, small_city, utility="rival", customer_number="R-e")
    result = await send(row("R-e"), row("F-e"), row("nobody-e"), row(meter_number="M1"))
    assert codes(result) == ["readings.unknown_meter"] * 4
    assert len({each.message for each in result.refused}) == 1
    assert [each.column for each in result.refused] == ["customer_number"] * 4


async def test_a_commodity_that_the_utility_does_not_supply_is_refused(send: Send) -> None:
    result = await send(row("A-g"), row("A-w"), row())
    assert codes(result) == ["readings.not_this_utility", "readings.not_this_utility", "accepted"]
    assert [each.column for each in result.refused] == ["commodity", "commodity"]


async def test_of_a_customer_with_several_meters_one_must_be_named(
    send: Send, database: Database, small_city: SmallCity
) -> None:
    async with database.write() as session:
        for number in ("M1", "M2"):
            await add_meter(session, small_city, customer_number="C-e", meter_number=number)
    result = await send(row("C-e"), row("C-e", meter_number="M2"), row("C-e", meter_number="M3"))
    assert codes(result) == ["readings.meter_ambiguous", "accepted", "readings.unknown_meter"]
    assert [each.column for each in result.refused] == ["meter_number", "customer_number"]


async def test_a_customer_number_that_no_text_can_hold_refuses_its_row_alone(send: Send) -> None:
    assert codes(await send(row("A\0-e"), row())) == ["readings.text", "accepted"]


async def test_a_day_before_all_calendars_refuses_its_row_alone(send: Send) -> None:
    assert codes(await send(row(period=("0001-01-01", "0001-01-31")), row())) == ["readings.date", "accepted"]


async def test_gas_is_taken_in_kilowatt_hours_by_the_meters_calorific_value(
    send: Send, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    async with database.write() as session:
        await add_meter(
            session,
            small_city,
            utility="gas",
            commodity=Commodity.GAS,
            customer_number="C-g",
            calorific_value=Decimal("11.861"),
        )
    result = await send(row("C-g", quantity="118.61", unit="kWh"), row("A-g", unit="kWh"), of="gas")
    assert codes(result) == ["accepted", "readings.unit"]
    assert [quantity for _, _, _, quantity, _, _ in kept(owner)] == [10_000]


async def test_every_revision_is_kept(send: Send, owner: psycopg.Connection) -> None:
    first = await send(row())
    second = await send(row(quantity="90", reason="other", reason_text="read again"), row(quantity="90"))
    third = await send(row(cancel="yes", reason="meter_fault"))
    fourth = await send(row(), row(reason="corrected"))
    assert codes(second) == ["revised", "duplicate"]
    assert codes(fourth) == ["readings.revision_needs_reason", "revised"]
    assert kept(owner) == [
        ("A-e", "2026-03-01", 1, 100_000, None, first.batch_id),
        ("A-e", "2026-03-01", 2, 90_000, "other", second.batch_id),
        ("A-e", "2026-03-01", 3, None, "meter_fault", third.batch_id),
        ("A-e", "2026-03-01", 4, 100_000, "corrected", fourth.batch_id),
    ]
    assert owner.execute("SELECT reason_text FROM reading WHERE revision = 2").fetchall() == [("read again",)]


async def test_sending_a_batch_again_does_no_harm(send: Send, owner: psycopg.Connection) -> None:
    rows = [row(), row("B-e"), row(period=APRIL)]
    await send(*rows)
    before = kept(owner)
    for mode in ("partial", "atomic"):
        again = await send(*rows, mode=mode)
        assert (codes(again), again.duplicate) == (["duplicate"] * 3, 3)
    assert kept(owner) == before


async def test_a_batch_across_periods_that_stand_far_apart_sees_them_all(send: Send) -> None:
    await send(row(period=("2026-01-01", "2026-04-11")), row(period=("2026-07-01", "2026-08-01")))
    result = await send(row(period=("2026-04-10", "2026-04-12")), row(period=("2026-07-31", "2026-08-02")))
    assert codes(result) == ["readings.overlap", "readings.overlap"]


async def test_each_batch_leaves_its_counts_and_one_line_in_the_trail(send: Send, owner: psycopg.Connection) -> None:
    await send(row(), row("B-e"))
    second = await send(row(), row("B-e", quantity="90", reason="corrected"), row(period=APRIL), row("C-e"))
    batch = owner.execute(
        "SELECT source, rows, accepted, duplicate, revised, refused, quarantined FROM reading_batch WHERE id = %s",
        [second.batch_id],
    ).fetchall()
    assert batch == [("test", 4, 1, 1, 1, 0, 1)]
    acts = owner.execute("SELECT subject, by, facts FROM trail WHERE act = 'readings.recorded' ORDER BY id").fetchall()
    assert len(acts) == 2
    subject, by, facts = acts[1]
    assert subject == f"reading_batch:{second.batch_id}"
    assert by.startswith("client:")
    assert facts == {"source": "test", "rows": 4, "accepted": 1, "duplicate": 1, "revised": 1, "quarantined": 1}
    with pytest.raises(psycopg.errors.CheckViolation, match="reading_batch_counts_check"):
        owner.execute(
            "INSERT INTO reading_batch (city_id, utility_id, source, by, recorded_at, rows, accepted, duplicate, revised, "
            "refused, quarantined) SELECT city_id, utility_id, source, by, recorded_at, 6, 1, 1, 1, 1, 1 FROM reading_batch LIMIT 1"
        )


async def test_of_two_batches_at_once_the_same_row_is_accepted_in_one_and_a_duplicate_in_the_other(
    send: Send, owner: psycopg.Connection
) -> None:
    rows = [row(), row("B-e"), row(period=APRIL)]
    results = await asyncio.gather(*(send(*rows) for _ in range(4)))
    for line in zip(*(codes(result) for result in results), strict=True):
        assert sorted(line) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert len(kept(owner)) == 3


async def test_of_overlapping_rows_sent_at_once_only_one_is_taken(send: Send, owner: psycopg.Connection) -> None:
    periods = [("2026-03-01", "2026-04-01"), ("2026-03-02", "2026-04-01"), ("2026-03-03", "2026-04-01")]
    results = await asyncio.gather(*(send(row(period=period)) for period in periods))
    assert sorted(code for result in results for code in codes(result)) == [
        "accepted",
        "readings.overlap",
        "readings.overlap",
    ]
    assert len(kept(owner)) == 1


async def test_today_is_the_day_in_the_city(database: Database, small_city: SmallCity) -> None:
    """NOW is the 23rd at noon in Seoul; fourteen hours further west it is still the 22nd."""
    ends_today = rows_from([row(period=("2026-11-01", "2026-11-23"))])
    for zone, expected in (("America/New_York", "readings.future"), ("Asia/Seoul", "accepted")):
        place = replace(small_city.places["elec"], time_zone=zone)
        async with database.write() as session:
            result = await service.record_readings(
                session, small_city.actors["elec"], NOW, place, ends_today, source="test", mode="partial"
            )
        assert codes(result) == [expected]


async def test_real_water_readings_are_taken_once_and_are_duplicates_ever_after(
    send: Send, database: Database, small_city: SmallCity, shared_data: Path, owner: psycopg.Connection
) -> None:
    with gzip.open(shared_data / "santa-monica" / "water-readings.csv.gz") as file:
        real = pl.read_csv(file, n_rows=400, infer_schema=False)
    customers = real["meter_id"].unique().sort()[:10]
    rows = [
        {
            "commodity": "water",
            "customer_number": each["meter_id"],
            "period_start": each["period_start"],
            "period_end": each["period_end"],
            "quantity": each["quantity"],
            "unit": each["unit"],
        }
        for each in real.filter(pl.col("meter_id").is_in(customers.implode())).iter_rows(named=True)
    ]
    async with database.write() as session:
        for customer in customers:
            await add_meter(session, small_city, utility="water", commodity=Commodity.WATER, customer_number=customer)
    first = await send(*rows, of="water")
    assert first.accepted > 0
    assert {each.code for each in first.refused} <= {"readings.overlap", "readings.revision_needs_reason"}
    again = await send(*rows, of="water")
    assert (again.accepted, again.revised) == (0, 0)
    assert again.duplicate >= first.accepted
    assert len(kept(owner)) == first.accepted


async def add_meter(session, city: SmallCity, **given):  # type: ignore[no-untyped-def]
    usual = {"utility": "elec", "commodity": Commodity.ELECTRICITY, "meter_number": "", "digits": None}
    return await enrol_service.add_meter(
        session, city.actors["operator"], NOW, **{**usual, "calorific_value": None, **given}
    )


async def test_a_batch_that_is_cancelled_while_its_meters_are_looked_up_leaves_nothing_behind(
    send: Send, owner: psycopg.Connection
) -> None:
    """As when a client goes away: the connection is given back in order, and of the batch nothing stands."""
    before = asyncio.all_tasks()
    sending = asyncio.create_task(send(row(), row("B-e")))
    while not asyncio.all_tasks() - before - {sending}:  # until the looking up has begun
        assert not sending.done()
        await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert kept(owner) == []
    assert asyncio.all_tasks() == before
    assert codes(await send(row(), row("B-e"))) == ["accepted", "accepted"]
