"""Samples of a stored settlement over HTTP."""

from __future__ import annotations

from collections import Counter

import httpx
import psycopg

from carbon_bank.foundation.database import Database
from tests.audit.honest_town import found_honest_town
from tests.rewards.shop import problem
from tests.small_city import SmallCity

ASKED = {"method": "points", "size": 10, "nonce": "dice: 4 2 6", "root": "ab" * 32}


async def test_a_sample_is_for_the_citys_own_auditor_and_pays_heed_to_what_is_paid(
    database: Database, client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    town = await found_honest_town(database, small_city, owner)
    path = f"/v1/audit/settlements/{town.settlement_id}/sample"
    assert problem(await client.get(path, params=ASKED)) == (401, "identity.no_token")
    far = await client.get(path, params=ASKED, headers=small_city.bearer("far_auditor"))
    assert problem(far) == (404, "settlement.unknown")
    headers = small_city.bearer("auditor")
    told = (await client.get(path, params=ASKED, headers=headers)).json()
    awards = dict(owner.execute("SELECT household_id || commodity, points FROM award").fetchall())
    assert (told["items"], told["points"]) == (len(awards), sum(awards.values()))
    assert told["seed"]["text"].endswith(f"settlement {town.settlement_id}\nmethod points\n")
    assert sum(row["hits"] for row in told["rows"]) == 10
    assert all(row["points"] == awards[f"{row['household_id']}{row['commodity']}"] > 0 for row in told["rows"])
    assert (await client.get(told["rows"][0]["explanation"], headers=headers)).status_code == 200

    rejected = told["rows"][0]
    whose = [rejected["household_id"], rejected["commodity"]]
    town.plant("UPDATE award SET review = 'rejected' WHERE household_id = %s AND commodity = %s", *whose)
    after = (await client.get(path, params=ASKED, headers=headers)).json()
    assert after["points"] == told["points"] - rejected["points"]
    assert whose not in [[row["household_id"], row["commodity"]] for row in after["rows"]]

    by_district = ASKED | {"method": "stratified", "strata": "district", "size": 12}
    strata = (await client.get(path, params=by_district, headers=headers)).json()
    assert {each["name"]: each["items"] for each in strata["strata"]} == {"north": 6, "south": 72}
    assert Counter(row["stratum"] for row in strata["rows"]) == {"north": 1, "south": 11}
    for change, code in (
        ({"root": None}, "audit.root_missing"),
        ({"root": "00"}, "audit.root"),
        ({"nonce": " x"}, "audit.nonce"),
    ):
        wrong = {name: value for name, value in (ASKED | change).items() if value is not None}
        assert problem(await client.get(path, params=wrong, headers=headers)) == (422, code)
    larger = ASKED | {"method": "random", "size": len(awards) + 1}
    assert problem(await client.get(path, params=larger, headers=headers)) == (422, "audit.sample_size")
