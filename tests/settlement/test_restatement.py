"""A posted settlement computed again after revisions; the difference is posted. Source: ledger.md "Restatement"."""

from __future__ import annotations

from typing import Any, cast

import httpx
import polars as pl
import psycopg

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.settlement.compute_service import Plan
from carbon_bank.settlement.restate_work_service import RestatePlan, chunks_of
from carbon_bank.settlement.states import SettlementState
from tests.ledger.books import everything, rows
from tests.settlement.test_posting import posting
from tests.settlement.town import look, reading, send
from tests.small_city import SmallCity

FIRST, LAST = Period.parse("2024-01").first_month, Period.parse("2024-06").first_month
DEBT_MAX = 1000
WHY = {"reason": "meters were misread"}


async def posted(database: Database, city: SmallCity) -> tuple[int, list[int]]:
    """A posted settlement of 2024-H1 and the town's households; `t000` got nothing, `t008` got points."""
    number = await posting(database, city, households=9)
    await worker.post(database, number, 100)
    return number, (await look(database, city)).households[-9:]


async def ask(client: httpx.AsyncClient, city: SmallCity, who: str, path: str, **body: Any) -> httpx.Response:
    return await client.post(path, json=body, headers=city.bearer(who))


async def revise(database: Database, city: SmallCity, household: str, kwh: int) -> None:
    """All months of the period of a household's electricity, restated to so much."""
    changed = [
        reading(household, "electricity", month, kwh) | {"reason": "corrected"} for month in range(FIRST, LAST + 1)
    ]
    await send(database, city, "elec", changed)


async def restated(
    client: httpx.AsyncClient, database: Database, city: SmallCity, settlement: int, **given: Any
) -> dict[str, Any]:
    """A computed restatement with its totals by standing."""
    made = await ask(client, city, "operator", f"/v1/settlements/{settlement}/restatements", **WHY | given)
    assert made.status_code == 202, made.text
    number = made.json()["id"]
    await worker.compute_restatement(database, number, 2)
    answer = await client.get(f"/v1/restatements/{number}", headers=city.bearer("auditor"))
    return answer.json() | {"by": {each["standing"]: each for each in answer.json()["totals"]}}


async def test_the_difference_is_posted_and_what_was_posted_stands(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    settlement, homes = await posted(database, small_city)
    before = everything(owner)
    points = dict(owner.execute("SELECT household_id, points FROM award WHERE commodity = 'electricity'").fetchall())
    await revise(database, small_city, "t000", 240)  # 20 % less than before: now the highest tier
    await revise(database, small_city, "t008", 400)  # more than before: what it got was wrong
    found = await restated(client, database, small_city, settlement)
    assert (found["state"], set(found["by"])) == ("computed", {"post", "same"})
    more, less = 15_000 - points[homes[0]], points[homes[8]]
    assert less > 0
    assert found["by"]["post"] == {"standing": "post", "awards": 2, "points_more": more, "points_less": less}
    path = f"/v1/restatements/{found['id']}"
    own = await ask(client, small_city, "both", f"{path}/post")
    assert (own.status_code, own.json()["type"]) == (409, "urn:carbon-bank:problem:restatement.state")
    assert (await ask(client, small_city, "approver", f"{path}/approve")).status_code == 200
    assert (await ask(client, small_city, "operator", f"{path}/post")).status_code == 202
    await worker.post_restatement(database, found["id"], 1, DEBT_MAX)
    await worker.post_restatement(database, found["id"], 1, DEBT_MAX)  # run again, it adds nothing
    after = everything(owner)
    added = rows(owner, "SELECT household_id, amount, contra, debt_after FROM posting WHERE kind = 'restatement'")
    assert {each["household_id"]: (each["amount"], each["contra"]) for each in added} == {
        homes[0]: (more, "issuance"),
        homes[8]: (-less, "clawback"),
    }
    assert [row for row in after["posting"] if row in before["posting"]] == before["posting"]
    assert len(after["posting"]) == len(before["posting"]) + 2
    told = rows(owner, "SELECT household_id, facts FROM notification WHERE kind = 'correction' ORDER BY household_id")
    facts = {"period": "2024-H1", "reason": "readings_revised"}
    assert told == [
        {"household_id": homes[0], "facts": facts | {"points": more}},
        {"household_id": homes[8], "facts": facts | {"points": -less}},
    ]
    due = await client.get("/v1/restatements/due", headers=small_city.bearer("operator"))
    assert due.json() == [], "what the restatement has seen is due no more"


async def test_points_that_were_spent_become_debt_up_to_its_limit_and_small_differences_stay(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    settlement, homes = await posted(database, small_city)
    await revise(database, small_city, "t008", 400)
    held = owner.execute("SELECT available FROM account WHERE household_id = %s", [homes[8]]).fetchone()
    assert held is not None
    taken = await ask(
        client,
        small_city,
        "operator",
        f"/v1/households/{homes[8]}/adjustments",
        points=-held[0],
        reason="error",
        reason_text="spent otherwise",
    )
    approved = await ask(client, small_city, "approver", f"/v1/adjustments/{taken.json()['id']}/approve")
    assert approved.json()["accounts"][0] == {
        "household_id": homes[8],
        "available": 0,
        "held": 0,
        "debt": 0,
        "forgiven": 0,
    }
    small = await restated(client, database, small_city, settlement, points_min=10**6)
    assert small["by"]["small"]["awards"] == 1 and "post" not in small["by"]
    withdrawn = await ask(client, small_city, "operator", f"/v1/restatements/{small['id']}/withdraw", **WHY)
    assert withdrawn.json()["state"] == "withdrawn"
    found = await restated(client, database, small_city, settlement)
    path = f"/v1/restatements/{found['id']}"
    await ask(client, small_city, "approver", f"{path}/approve")
    await ask(client, small_city, "operator", f"{path}/post")
    await worker.post_restatement(database, found["id"], 10, DEBT_MAX)
    (line,) = rows(owner, "SELECT amount, forgiven, debt_after FROM posting WHERE kind = 'restatement'")
    owed = found["by"]["post"]["points_less"]
    assert owed > DEBT_MAX
    assert line == {"amount": -DEBT_MAX, "forgiven": owed - DEBT_MAX, "debt_after": DEBT_MAX}
    again = await ask(client, small_city, "operator", f"/v1/settlements/{settlement}/restatements", **WHY)
    assert again.status_code == 202
    twice = await ask(client, small_city, "operator", f"/v1/settlements/{settlement}/restatements", **WHY)
    assert twice.json()["type"] == "urn:carbon-bank:problem:restatement.exists"


async def test_who_prepared_a_restatement_does_not_approve_it_and_the_budget_stops_it(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    settlement, _ = await posted(database, small_city)
    await revise(database, small_city, "t000", 240)
    made = await ask(client, small_city, "both", f"/v1/settlements/{settlement}/restatements", **WHY)
    path = f"/v1/restatements/{made.json()['id']}"
    await worker.compute_restatement(database, made.json()["id"], 100)
    own = await ask(client, small_city, "both", f"{path}/approve")
    assert (own.status_code, own.json()["type"]) == (403, "urn:carbon-bank:problem:restatement.own")
    days = {"starts_on": "2024-01-01", "ends_on": "2030-01-01", "points": 1}
    budget = await ask(client, small_city, "operator", "/v1/budgets", **days)
    await ask(client, small_city, "approver", f"/v1/budgets/{budget.json()['id']}/approve")
    stopped = await ask(client, small_city, "approver", f"{path}/approve")
    assert (stopped.status_code, stopped.json()["type"]) == (409, "urn:carbon-bank:problem:ledger.budget")
    assert stopped.json()["facts"]["left"] == 1
    state = await client.get(path, headers=small_city.bearer("operator"))
    assert state.json()["state"] == "computed"


async def test_a_restatement_that_was_taken_back_leaves_its_award_to_the_next_one(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    settlement, _ = await posted(database, small_city)
    await revise(database, small_city, "t000", 240)
    first = await restated(client, database, small_city, settlement)
    for who, step in (("approver", "approve"), ("operator", "post")):
        await ask(client, small_city, who, f"/v1/restatements/{first['id']}/{step}")
    await worker.post_restatement(database, first["id"], 10, DEBT_MAX)
    journal = owner.execute("SELECT id FROM journal WHERE kind = 'restatement'").fetchone()
    assert journal is not None
    why = {"reason": "error", "reason_text": "the wrong meter"}
    asked = await ask(client, small_city, "operator", f"/v1/journals/{journal[0]}/reversal", **why)
    assert (
        await ask(client, small_city, "approver", f"/v1/adjustments/{asked.json()['id']}/approve")
    ).status_code == 200
    await revise(database, small_city, "t000", 241)
    second = await restated(client, database, small_city, settlement)
    assert second["by"]["post"] == first["by"]["post"], "the award stands, and what was taken back is due again"
    assert "reversed" not in second["by"]


def test_due_households_far_from_each_other_are_not_read_with_all_that_lie_between() -> None:
    due = pl.Series("household_id", [1, 2, 10, 11, 500, 505], dtype=pl.Int64)
    restating = RestatePlan(1, cast("Plan", None), due, 1, 1, SettlementState.COMPUTING)
    assert [part.to_list() for part in chunks_of(restating, 9)] == [[2, 10], [11], [500, 505]]
