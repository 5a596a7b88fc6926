"""The explanation of an award over HTTP: who may see it, that it ends in what is stored, and what stands beside it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.programme import rules
from carbon_bank.programme.policy import Policy
from carbon_bank.settlement import compute_service, service
from tests.ledger.books import as_application
from tests.settlement.town import (
    H1_2024,
    JULY_2024,
    KOREA,
    Town,
    found_town,
    policy_with,
    reading,
    request,
    send,
    steady_saving,
    stored,
)
from tests.small_city import SmallCity

PAGE = Path(__file__).parents[2] / "docs" / "explanation.md"
PROBLEM = "urn:carbon-bank:problem:"
SAVER, VACANT = 8, 6
"""Households of the town: one used 7 % less, one a third, which is held as unusual."""
COMPARING = policy_with(
    standard_use={"share": "0.995", "points": {"electricity": 700}},
    baseline={"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 2},
)


async def computed(database: Database, city: SmallCity, policy: Policy = KOREA, **more: Any) -> tuple[int, Town]:
    town = await found_town(database, city, 12, **more)
    number = await request(database, city.actors["operator"], policy)
    await worker.compute(database, number, 5)
    for name, household in (("saver", SAVER), ("vacant", VACANT)):
        of_town = town.households[-12:][household]
        city.actors[name] = Actor(f"person:{800 + household}", frozenset({Role.HOUSEHOLD}), city.city_id, of_town)
    return number, town


async def post(database: Database, city: SmallCity, number: int) -> None:
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], JULY_2024, number)
        await service.start_posting(session, city.actors["operator"], JULY_2024, number, in_background=False)
    await worker.post(database, number, 5)


async def ask(
    client: httpx.AsyncClient, city: SmallCity, name: str | None, award: str, language: str | None = None
) -> httpx.Response:
    headers = city.bearer(name) if name else {}
    query = {"language": language} if language else {}
    return await client.get(f"/v1/awards/{award}/explanation", headers=headers, params=query)


async def explained(
    client: httpx.AsyncClient, city: SmallCity, name: str, award: str, language: str | None = None
) -> dict[str, Any]:
    answer = await ask(client, city, name, award, language)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def of(city: SmallCity, number: int, name: str, commodity: str = "electricity") -> str:
    return f"{number}-{city.actors[name].household_id}-{commodity}"


async def test_an_award_is_seen_by_its_household_once_it_is_posted_and_by_the_citys_staff_always(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    award = of(small_city, number, "saver")
    assert (await ask(client, small_city, None, award)).status_code == 401
    before = {"saver": 404, "vacant": 404, "operator": 200, "approver": 200, "auditor": 200, "elec": 403, "admin": 403}
    far = {"far_operator": 404, "far_auditor": 404, "far_household": 404, "partner": 403, "privacy_officer": 403}
    for name, status in (before | far).items():
        assert (await ask(client, small_city, name, award)).status_code == status, name
    await post(database, small_city, number)
    for name, status in (before | far | {"saver": 200}).items():
        assert (await ask(client, small_city, name, award)).status_code == status, name
    other = await ask(client, small_city, "saver", of(small_city, number, "vacant"))
    assert other.json()["type"] == f"{PROBLEM}settlement.unknown_award"


@pytest.mark.parametrize("name", ["12", "1-2-heat", "0-1-water", "1-2-water-3", "1-2-combined", "9" * 30 + "-1-gas"])
async def test_a_name_that_is_no_awards_is_not_there(
    client: httpx.AsyncClient, small_city: SmallCity, name: str
) -> None:
    answer = await ask(client, small_city, "auditor", name)
    assert (answer.status_code, answer.json()["type"]) == (404, f"{PROBLEM}settlement.unknown_award")


async def test_a_household_follows_its_points_back_to_its_readings(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    await post(database, small_city, number)
    told = await explained(client, small_city, "saver", of(small_city, number, "saver"))
    assert (told["agrees"], told["differs"], told["settlement"]["state"]) == (True, [], "posted")
    assert (told["policy"]["reference"], told["policy"]["digest"]) == (KOREA.reference, KOREA.digest)
    text = await client.get(told["policy"]["text"])
    assert text.text == KOREA.text

    # 300 + the month's place a month before, 279 in each month of 2024.
    steps = told["explanation"]
    [commodity] = steps["commodities"]
    assert [month["usage"] for month in commodity["months"]] == [279_000] * 6
    january = commodity["baseline"]["months"][0]
    assert [year["step"]["month"] for year in january["years"]] == ["2023-01", "2022-01"]
    assert (january["baseline"], january["years_counted"]) == ("300000/1", 2)
    assert Fraction(commodity["baseline"]["baseline"]) == sum(300_000 + month * 1000 for month in range(6))
    assert (steps["reduction"]["rate_bp"], steps["tier"], steps["points"]["points"]) == (776, 1, 5000)
    assert [tier["holds"] for tier in steps["reduction"]["tiers"]] == [True, False, False]
    for month in commodity["months"]:
        [part] = month["parts"]
        assert (part["quantity"], part["days"]) == (month["usage"], month["days"])
    assert len(told["readings"]) == 18
    assert all(each["revisions"][0]["stood"] for each in told["readings"])

    [posting] = told["postings"]
    assert (posting["amount"], posting["effective_on"]) == (5000, "2024-06-30")
    assert (posting["lot"]["lot_id"], posting["lot"]["granted"]) == (posting["seq"], 5000)
    assert told["decided"] is None


async def test_a_reading_stands_with_its_revisions_and_which_of_them_counted(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, 12)
    march = Period.parse("2024-03").first_month

    async def revise(quantity: int, **more: str) -> None:
        row = reading("t008", "electricity", march, quantity, reason="corrected", **more)
        await send(database, small_city, "elec", [row])

    await revise(270)
    number = await request(database, small_city.actors["operator"])
    await worker.compute(database, number, 50)
    await revise(100, quality="corrected")

    award = f"{number}-{town.households[-12:][SAVER]}-electricity"
    told = await explained(client, small_city, "auditor", award)
    assert told["agrees"]
    assert told["explanation"]["commodities"][0]["months"][2]["usage"] == 270_000
    [found] = [each for each in told["readings"] if each["period_start"] == "2024-03-01"]
    shown = [(each["revision"], each["quantity"], each["reason"], each["stood"]) for each in found["revisions"]]
    assert shown == [(1, 279_000, None, False), (2, 270_000, "corrected", True), (3, 100_000, "corrected", False)]
    assert [each["quality"] for each in found["revisions"]] == ["actual", "actual", "corrected"]


async def test_who_decided_about_a_held_award_is_told_to_the_staff_and_why_to_the_household(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    award, why = of(small_city, number, "vacant"), "the household was abroad from March on"
    told = await explained(client, small_city, "auditor", award)
    assert (told["decided"], told["award"]["review"], told["explanation"]["held"]) == (None, "held", True)
    operator = small_city.actors["operator"]
    answer = await client.post(
        f"/v1/awards/{award}/reject", json={"reason": why}, headers=small_city.bearer("operator")
    )
    assert answer.status_code == 200, answer.text
    await post(database, small_city, number)
    for name, by in (("auditor", operator.subject), ("vacant", None)):
        told = await explained(client, small_city, name, award)
        assert (told["award"]["review"], told["agrees"], told["postings"]) == ("rejected", True, [])
        assert told["decided"] | {"at": ""} == {"decision": "rejected", "at": "", "reason": why, "by": by}
    assert operator.subject not in (await ask(client, small_city, "vacant", award)).text


async def test_every_award_of_a_city_is_explained_as_it_is_stored(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city, moved_in={2: "2024-01-01", 3: "2023-05-05"})
    for award in await stored(database, number):
        name = f"{number}-{award['household_id']}-{award['commodity']}"
        told = await explained(client, small_city, "auditor", name)
        assert told["differs"] == [], name
        assert told["explanation"]["points"]["points"] == award["points"]


async def test_an_award_that_depends_on_the_city_is_explained_from_the_totals_that_were_kept(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, town = await computed(database, small_city, COMPARING, moved_in={2: "2024-01-01"})
    evaluated = rules.evaluate(COMPARING, H1_2024, town.readings, town.tenures, town.dwellings)
    totals = rules.population(evaluated)
    kept = owner.execute(
        "SELECT commodity, dwelling_type, residents_band, households, usage_total::bigint FROM settlement_population "
        "ORDER BY place"
    ).fetchall()
    assert kept == totals.rows() and len(kept) > 2
    for award in await stored(database, number):
        name = f"{number}-{award['household_id']}-{award['commodity']}"
        assert (await explained(client, small_city, "auditor", name))["differs"] == [], name

    electricity = totals.filter(commodity="electricity")
    households, usage = electricity["households"].sum(), electricity["usage_total"].sum()
    standard = (await explained(client, small_city, "auditor", of(small_city, number, "vacant")))["explanation"]
    assert standard["standard_use"]["holds"] and standard["points"]["standard_use"] == 700
    assert Fraction(standard["standard_use"]["most"]) == Fraction(995, 1000) * Fraction(usage, households)
    newcomer = f"{number}-{town.households[-12:][2]}-electricity"
    told = (await explained(client, small_city, "auditor", newcomer))["explanation"]["commodities"][0]["baseline"]
    assert told["newcomer"] and told["peers"]["households"] >= 2
    assert Fraction(told["baseline"]) == Fraction(told["peers"]["usage_total"], told["peers"]["households"])


async def test_totals_are_kept_once_however_often_a_run_is_cut_off(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    town = await found_town(database, small_city, 12)
    number = await request(database, small_city.actors["operator"], COMPARING)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await worker.compute(database, number, 5, stop)
    rows = "SELECT * FROM settlement_population ORDER BY place"
    first = owner.execute(rows).fetchall()
    plan = await worker.compute(database, number, 5)
    assert first and owner.execute(rows).fetchall() == first
    assert await stored(database, number) == town.judged(COMPARING, H1_2024)
    async with database.write() as session:
        await compute_service.keep_population(session, plan, rules.POPULATION_SCHEMA.to_frame())
    for statement in ("UPDATE settlement_population SET households = 1", "DELETE FROM settlement_population"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(statement)
        with as_application(owner), pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(statement)
    assert owner.execute(rows).fetchall() == first


async def test_a_run_over_a_city_without_totals_goes_on_where_it_was_cut_off(
    database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, 12, use=lambda *_: None)
    number = await request(database, small_city.actors["operator"], COMPARING)

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await worker.compute(database, number, 5, stop)
    await worker.compute(database, number, 4)
    assert await stored(database, number) == town.judged(COMPARING, H1_2024)


async def test_without_the_totals_an_award_that_needs_them_is_not_explained(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, _ = await computed(database, small_city, COMPARING)
    owner.execute("SET session_replication_role = replica")
    owner.execute("DELETE FROM settlement_population")
    answer = await ask(client, small_city, "auditor", of(small_city, number, "saver"))
    assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}settlement.totals_not_kept")


async def test_a_use_of_nothing_is_a_use_and_needs_the_totals_as_well(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    def use(household: int, commodity: str, month: int) -> int:
        return 0 if household == SAVER and month >= H1_2024.first_month else steady_saving(0, commodity, month) or 0

    number, _ = await computed(database, small_city, COMPARING, use=use)
    owner.execute("SET session_replication_role = replica")
    owner.execute("DELETE FROM settlement_population")
    answer = await ask(client, small_city, "auditor", of(small_city, number, "saver"))
    assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}settlement.totals_not_kept")


async def test_an_award_that_somebody_changed_behind_the_banks_back_does_not_agree(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, _ = await computed(database, small_city)
    owner.execute("SET session_replication_role = replica")
    household = small_city.actors["saver"].household_id
    owner.execute("UPDATE award SET points = points + 1, tier = 2 WHERE household_id = %s", [household])
    told = await explained(client, small_city, "auditor", of(small_city, number, "saver"))
    assert (told["agrees"], told["differs"]) == (False, ["tier", "points"])
    assert (told["award"]["points"], told["explanation"]["points"]["points"]) == (5001, 5000)
    owner.execute("DELETE FROM tenure WHERE household_id = %s", [household])
    told = await explained(client, small_city, "auditor", of(small_city, number, "saver"))
    assert (told["agrees"], told["explanation"], told["sentences"]) == (False, None, [])


async def test_the_steps_are_told_in_either_language(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    number, _ = await computed(database, small_city)
    award = of(small_city, number, "saver")
    english, korean = [
        (await explained(client, small_city, "auditor", award, language))["sentences"] for language in ("en", "ko")
    ]
    assert [each["about"] for each in english] == [each["about"] for each in korean]
    english_text, korean_text = ({each["text"] for each in sentences} for sentences in (english, korean))
    assert "Electricity used in the period: 279 + 279 + 279 + 279 + 279 + 279 = 1,674 kWh." in english_text
    assert "Reduction: 1,815 kWh - 1,674 kWh = 141 kWh, 7.76 % of the baseline, rounded down." in english_text
    assert "Outcome: reduction. Points: 5,000." in english_text
    assert "감축량: 1,815 kWh - 1,674 kWh = 141 kWh, 감축률 7.76% (내림)." in korean_text
    assert "결과: 감축. 포인트: 5,000." in korean_text
    page = PAGE.read_text("utf-8")
    assert "\n".join(each["text"] for each in english) in page, "docs/explanation.md shows all of them"
    default = await explained(client, small_city, "auditor", award)
    assert (default["language"], default["sentences"]) == ("en", english)
    assert (await ask(client, small_city, "auditor", award, "fr")).status_code == 422
