"""From a utility's first bill to a household's first points, over HTTP alone, each caller with a token of its own."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period, first_day
from carbon_bank.foundation.database import Database
from carbon_bank.identity.secrets import hash_secret
from carbon_bank.settings import Settings
from tests.small_city import SmallCity

SECRET = "a secret for this journey"
H1_2025 = Period.parse("2025-H1")


class Caller:
    """Somebody at a machine of their own: signs in, and then sends the token with everything."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.headers: dict[str, str] = {}

    async def sign_in(self, **form: str) -> Caller:
        answer = await self.client.post("/v1/token", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.json()["token_type"] == "Bearer"
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self

    async def person(self, name: str) -> Caller:
        return await self.sign_in(grant_type="password", username=f"{name}@here.test", password=SECRET)

    async def machine(self, name: str) -> Caller:
        return await self.sign_in(grant_type="client_credentials", client_id=f"{name}-client", client_secret=SECRET)

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int, body: Any = None) -> Any:
        answer = await self.client.post(path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()


async def give_secrets(owner: psycopg.Connection) -> None:
    """Hashing is slow on purpose: everybody of the small city gets the same hash."""
    hashed = await hash_secret(SECRET)
    owner.execute("UPDATE person SET password_hash = %s", [hashed])
    owner.execute("UPDATE client SET secret_hash = %s", [hashed])


def bills(year: int, kilowatt_hours: str) -> list[dict[str, str]]:
    return [
        {
            "commodity": "electricity",
            "customer_number": "A-e",
            "period_start": str(first_day(year * 12 + month)),
            "period_end": str(first_day(year * 12 + month + 1)),
            "quantity": kilowatt_hours,
            "unit": "kWh",
        }
        for month in range(6)
    ]


async def test_a_household_that_saved_sees_its_first_points(
    client: httpx.AsyncClient,
    database: Database,
    settings: Settings,
    small_city: SmallCity,
    owner: psycopg.Connection,
) -> None:
    await give_secrets(owner)
    utility, operator, approver, alder, birch = (Caller(client) for _ in range(5))

    await utility.machine("elec")
    sent = [*bills(2023, "310.5"), *bills(2024, "289.5"), *bills(2025, "264")]
    batch = await utility.post("/v1/readings", 200, {"readings": sent})
    assert (batch["accepted"], batch["refused"]) == (18, 0)
    again = await utility.post("/v1/readings", 200, {"readings": sent})
    assert (again["accepted"], again["duplicate"]) == (0, 18)

    await operator.person("operator")
    await approver.person("approver")
    new = {"policy": "korea-carbon-point@2024", "active_from": "2025-01-01"}
    adoption = await operator.post("/v1/adoptions", 201, new)
    await operator.post(f"/v1/adoptions/{adoption['id']}/propose", 200)
    digest = {"digest": adoption["policy_digest"]}
    assert (await approver.post(f"/v1/adoptions/{adoption['id']}/approve", 200, digest))["state"] == "approved"

    asked = await operator.post("/v1/settlements", 202, {"period": "2025-H1"})
    settlement = f"/v1/settlements/{asked['id']}"
    await worker.work(database, settings, until_empty=True)

    await alder.person("alder")
    assert await alder.get("/v1/me/awards") == [], "nothing before it is approved and posted"

    computed = await approver.get(settlement)
    assert computed["state"] == "computed"
    assert sum(total["points"] for total in computed["totals"]) == 10_000
    assert (await approver.post(f"{settlement}/approve", 200))["state"] == "approved"
    await operator.post(f"{settlement}/post", 202)
    await worker.work(database, settings, until_empty=True)
    assert (await operator.get(settlement))["state"] == "posted"

    awards = {award["commodity"]: award for award in await alder.get("/v1/me/awards")}
    electricity = awards["electricity"]
    # 300 kWh a month on the mean of two years, 264 used: 12 % less.
    assert (electricity["baseline"], electricity["usage"]) == (1_800_000, 1_584_000)
    assert (electricity["outcome"], electricity["reduction_percent"]) == ("reduction", "12.00")
    assert (electricity["points"], electricity["avoided_g"]) == (10_000, 91_584)
    assert {awards[name]["outcome"] for name in ("gas", "water")} == {"incomplete"}
    points = await alder.get("/v1/me/points")
    assert points["available"] == 10_000
    assert [lot["remaining"] for lot in points["lots"]] == [10_000]
    assert [line["amount"] for line in points["statement"]] == [10_000]

    await birch.person("birch")
    assert (await birch.get("/v1/me/points"))["available"] == 0


async def test_a_wrong_secret_opens_nothing(
    client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await give_secrets(owner)
    for form in (
        {"grant_type": "password", "username": "alder@here.test", "password": SECRET + "!"},
        {"grant_type": "client_credentials", "client_id": "elec-client", "client_secret": SECRET.upper()},
    ):
        answer = await client.post("/v1/token", data=form)
        assert answer.status_code == 401
