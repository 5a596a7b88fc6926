"""Rows that wait for their meter, and rollovers that wait for the operator."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import Commodity
from carbon_bank.identity.actor import WORKER
from carbon_bank.readings import quarantine_service
from carbon_bank.registry import enrol_service
from tests.readings.sending import APRIL, Send, codes, row
from tests.small_city import NOW, SmallCity

WHY = {"reason": "looked at the meter"}


async def enter(database: Database, city: SmallCity, customer: str, digits: int | None = None) -> None:
    utility, commodity = {"e": ("elec", Commodity.ELECTRICITY), "g": ("gas", Commodity.GAS)}[customer[-1]]
    async with database.write() as session:
        await enrol_service.add_meter(
            session,
            city.actors["operator"],
            NOW,
            utility=utility,
            commodity=commodity,
            customer_number=customer,
            meter_number="",
            digits=digits,
            calorific_value=None,
        )


async def take_up(database: Database) -> int:
    """As the worker does: each utility until nothing is left. Returns the rows taken up."""
    taken = 0
    async with database.read() as session:
        utilities = await quarantine_service.utilities_to_take_up(session)
    for utility_id in utilities:
        while True:
            async with database.write() as session:
                step = await quarantine_service.take_up(session, WORKER, NOW, utility_id)
            if not step:
                break
            taken += step
    return taken


def waiting(owner: psycopg.Connection) -> list[tuple[Any, ...]]:
    return owner.execute("SELECT customer_number, code, state, outcome FROM reading_quarantine ORDER BY id").fetchall()


async def test_a_row_waits_for_its_meter_and_is_recorded_when_it_appears(
    send: Send, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    result = await send(row("N-e"), row("N-e", APRIL, "90"), row("A-e"))
    assert (result.statuses, result.quarantined) == (["quarantined", "quarantined", "accepted"], 2)
    assert await take_up(database) == 0, "its meter is not there yet"
    await enter(database, small_city, "N-e")
    assert await take_up(database) == 2
    stands = owner.execute(
        "SELECT period_start, quantity FROM reading JOIN meter ON meter.id = meter_id WHERE customer_number = 'N-e' ORDER BY 1"
    )
    assert stands.fetchall() == [(date(2026, 3, 1), 100_000), (date(2026, 4, 1), 90_000)]
    assert waiting(owner) == [("N-e", "readings.unknown_meter", "recorded", "accepted")] * 2
    assert await take_up(database) == 0
    assert codes(await send(row("N-e"))) == ["duplicate"], "sent again later, it does no harm"


async def test_the_same_row_sent_twice_waits_once(send: Send, owner: psycopg.Connection) -> None:
    for _ in range(2):
        result = await send(row("N-e"), row("N-e"))
        assert result.statuses == ["quarantined"] * 2
    assert len(waiting(owner)) == 1


async def test_two_values_for_one_period_are_judged_in_the_order_in_which_they_came(
    send: Send, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await send(row("N-e"), row("N-e", quantity="90"), row("N-e", quantity="80", reason="corrected"))
    await enter(database, small_city, "N-e")
    await take_up(database)
    assert [(state, outcome) for _, _, state, outcome in waiting(owner)] == [
        ("recorded", "accepted"),
        ("refused", "readings.revision_needs_reason"),
        ("recorded", "revised"),
    ]


async def test_only_a_row_that_is_in_order_otherwise_waits(send: Send, owner: psycopg.Connection) -> None:
    result = await send(row("N-e", quantity="x"), row("N-e", unit="m3"), row("N-g"))
    assert codes(result) == ["readings.not_a_number", "readings.unit", "readings.not_this_utility"]
    assert result.statuses == ["refused"] * 3
    assert waiting(owner) == []


async def test_gas_in_energy_waits_too_and_is_refused_if_its_meter_has_no_calorific_value(
    send: Send, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    result = await send(row("N-g", unit="kWh"), of="gas")
    assert result.statuses == ["quarantined"]
    await enter(database, small_city, "N-g")
    await take_up(database)
    assert waiting(owner) == [("N-g", "readings.unknown_meter", "refused", "readings.unit")]


async def test_of_an_atomic_batch_no_row_waits(send: Send, owner: psycopg.Connection) -> None:
    result = await send(row("N-e"), row(), mode="atomic")
    assert codes(result) == ["readings.unknown_meter", "readings.batch_atomic"]
    assert waiting(owner) == []


async def test_another_utilitys_meter_of_that_number_takes_nothing_up(
    send: Send, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await send(row("N-e"))
    await enter(database, small_city, "N-g")
    assert await take_up(database) == 0


async def test_after_thirteen_months_the_wait_ends(send: Send, database: Database, owner: psycopg.Connection) -> None:
    await send(row("N-e"))
    assert owner.execute("SELECT kept_until FROM reading_quarantine").fetchone() == (date(2027, 12, 23),)
    for later, expired in ((date(2027, 12, 23), 0), (date(2027, 12, 25), 1), (date(2028, 1, 1), 0)):
        async with database.write() as session:
            now = NOW + timedelta(days=(later - NOW.date()).days)
            assert await quarantine_service.expire(session, WORKER, now) == expired, later
    assert waiting(owner) == [("N-e", "readings.unknown_meter", "expired", None)]
    assert codes(await send(row("N-e"))) == ["readings.unknown_meter"], "sent again, it waits again"
    assert len(waiting(owner)) == 2


@pytest.fixture
async def held(send: Send, database: Database, small_city: SmallCity) -> None:
    """A rollover that is not plausible waits, and a row without a meter."""
    await enter(database, small_city, "R-e", digits=4)
    rolled = {**row("R-e"), "quantity": None, "register_start": "1290", "register_end": "1180"}
    assert codes(await send(rolled, row("N-e"))) == ["readings.rollover_held", "readings.unknown_meter"]


async def listed(client: httpx.AsyncClient, **asked: str) -> list[dict[str, Any]]:
    answer = await client.get("/v1/quarantine", params=asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def refused(client: httpx.AsyncClient, path: str) -> tuple[int, str]:
    answer = await client.post(f"/v1/quarantine/{path}", json=WHY)
    return answer.status_code, answer.json()["type"].removeprefix("urn:carbon-bank:problem:")


@pytest.mark.usefixtures("held")
async def test_a_utility_sees_what_waits_of_its_own_and_the_city_sees_all(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    for name, seen in (("elec", 2), ("gas", 0), ("operator", 2), ("auditor", 2), ("far_operator", 0)):
        assert len(await listed(small_city.as_(client, name))) == seen, name
    small_city.as_(client, "operator")
    assert [each["sent"]["customer_number"] for each in await listed(client, code="readings.rollover_held")] == ["R-e"]
    assert await listed(client, utility="gas") == []
    assert await listed(client, state="recorded") == []


@pytest.mark.usefixtures("held")
async def test_an_operator_releases_a_rollover_and_it_is_recorded(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    small_city.as_(client, "operator")
    [row_id] = [each["id"] for each in await listed(client, code="readings.rollover_held")]
    answer = await client.post(f"/v1/quarantine/{row_id}/release", json=WHY)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["state"], body["outcome"], body["reason"]) == ("recorded", "accepted", WHY["reason"])
    assert owner.execute("SELECT quantity FROM reading").fetchall() == [((1180 + 10_000 - 1290) * 1000,)]
    assert await refused(client, f"{row_id}/release") == (409, "readings.not_waiting")
    assert await refused(client, f"{row_id}/drop") == (409, "readings.not_waiting")
    acts = owner.execute("SELECT act, reason FROM trail WHERE act LIKE 'quarantine.%'").fetchall()
    assert acts == [("quarantine.released", WHY["reason"])]


@pytest.mark.usefixtures("held")
async def test_a_row_is_dropped_with_a_reason_and_stays_on_record(
    client: httpx.AsyncClient, small_city: SmallCity, database: Database, owner: psycopg.Connection
) -> None:
    small_city.as_(client, "operator")
    [row_id] = [each["id"] for each in await listed(client, code="readings.unknown_meter")]
    assert await refused(client, f"{row_id}/release") == (409, "readings.not_held")
    assert (await client.post(f"/v1/quarantine/{row_id}/drop", json={"reason": "x"})).status_code == 422
    assert (await client.post(f"/v1/quarantine/{row_id}/drop", json=WHY)).json()["state"] == "dropped"
    await enter(database, small_city, "N-e")
    assert await take_up(database) == 0
    assert owner.execute("SELECT count(*) FROM reading").fetchone() == (0,)


@pytest.mark.usefixtures("held")
async def test_only_an_operator_of_the_city_decides(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    small_city.as_(client, "operator")
    row_id = (await listed(client))[0]["id"]
    for name in ("elec", "auditor", "approver", "alder"):
        assert (await refused(small_city.as_(client, name), f"{row_id}/drop"))[0] == 403, name
    small_city.as_(client, "far_operator")
    assert await refused(client, f"{row_id}/drop") == (404, "readings.unknown_quarantined")
