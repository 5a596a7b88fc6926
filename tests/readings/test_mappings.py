"""Mappings that a utility saves under a name, and reads its files by."""

from __future__ import annotations

import httpx
import pytest

from carbon_bank import worker
from carbon_bank.foundation.database import Database
from carbon_bank.settings import Settings
from tests.small_city import SmallCity

DOCUMENT = """
delimiter: semicolon
decimal: comma
dates: DD.MM.YYYY
period: {start: von, end: bis}
readings:
  - commodity: electricity
    customer_number: {column: Kunde}
    unit: kWh
    quantity: {column: Menge}
"""
FILE = b"Kunde;von;bis;Menge\nA-e;01.03.2026;01.04.2026;310,5\n"


@pytest.fixture
def utility(client: httpx.AsyncClient, small_city: SmallCity) -> httpx.AsyncClient:
    return small_city.as_(client, "elec")


async def save(client: httpx.AsyncClient, text: str = DOCUMENT, name: str = "monthly") -> httpx.Response:
    return await client.put(f"/v1/mappings/{name}", json={"text": text})


async def send(client: httpx.AsyncClient, mapping: str = "monthly") -> httpx.Response:
    return await client.post(
        "/v1/imports", params={"mapping": mapping}, content=FILE, headers={"Content-Type": "text/csv"}
    )


async def test_every_version_stays_and_the_same_text_is_no_new_one(utility: httpx.AsyncClient) -> None:
    assert [(await save(utility)).json()["version"] for _ in range(2)] == [1, 1]
    assert (await save(utility, DOCUMENT.replace("comma", "point"))).json()["version"] == 2
    assert (await save(utility)).json()["version"] == 3
    await save(utility, name="yearly")
    listed = (await utility.get("/v1/mappings")).json()
    assert [(each["name"], each["version"]) for each in listed] == [("monthly", 3), ("yearly", 1)]
    assert (await utility.get("/v1/mappings/monthly")).json()["text"] == DOCUMENT


async def test_one_that_cannot_be_right_is_refused_with_every_reason(utility: httpx.AsyncClient) -> None:
    answer = await save(utility, DOCUMENT.replace("semicolon", "colon").replace("DD.MM.YYYY", "dd.mm.yyyy"))
    assert answer.status_code == 422
    assert [fault["where"] for fault in answer.json()["faults"]] == ["delimiter", "dates"]
    assert (await utility.get("/v1/mappings")).json() == []


async def test_a_file_is_read_by_the_mapping_that_it_names(
    utility: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    await save(utility)
    answer = await send(utility)
    await save(utility, DOCUMENT.replace("Menge", "Verbrauch"))
    await worker.work(database, settings, until_empty=True)
    row = (await utility.get(answer.headers["Location"])).json()
    assert (row["state"], row["accepted"]) == ("done", 1), "a later version changes nothing"
    unknown = await send(utility, "yearly")
    assert (unknown.status_code, unknown.json()["type"].rpartition(":")[2]) == (404, "readings.unknown_mapping")


async def test_a_utility_has_its_own_and_the_city_sees_them(client: httpx.AsyncClient, small_city: SmallCity) -> None:
    await save(small_city.as_(client, "elec"))
    small_city.as_(client, "gas")
    assert (await client.get("/v1/mappings")).json() == []
    assert (await client.get("/v1/mappings/monthly")).status_code == 404
    small_city.as_(client, "operator")
    unnamed = await client.get("/v1/mappings")
    assert (unnamed.status_code, unnamed.json()["type"].rpartition(":")[2]) == (422, "registry.utility_missing")
    assert len((await client.get("/v1/mappings", params={"utility": "elec"})).json()) == 1
    assert (await client.get("/v1/mappings/monthly", params={"utility": "elec"})).status_code == 200
    assert (await save(client)).status_code == 403
    small_city.as_(client, "far_operator")
    assert (await client.get("/v1/mappings", params={"utility": "elec"})).json() == []
