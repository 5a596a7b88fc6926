"""Computing: the rules over a whole city, in chunks, as of one moment, whoever does it and however often it is cut off."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import Actor
from carbon_bank.programme.policy import Policy
from carbon_bank.registry import enrol_service
from carbon_bank.registry import service as registry
from carbon_bank.settlement import compute_service, service
from carbon_bank.settlement.compute_service import Plan
from carbon_bank.settlement.states import SettlementState
from tests.settlement.town import (
    H1_2024,
    JULY_2024,
    KOREA,
    found_town,
    look,
    policy_with,
    reading,
    request,
    send,
    stored,
)
from tests.small_city import NOW, SmallCity

CITY_WIDE = {
    "standard use": policy_with(standard_use={"share": "0.9", "points": {"electricity": 77, "water": 33}}),
    "peers": policy_with(
        baseline={"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 2},
    ),
}


async def settle(database: Database, actor: Actor, chunk: int, policy: Policy = KOREA, period: Period = H1_2024) -> int:
    """Compute a settlement, and withdraw it so that the next one can be asked for."""
    number = await request(database, actor, policy, period)
    await worker.compute(database, number, chunk)
    async with database.write() as session:
        await service.withdraw(session, actor, JULY_2024, number, "compared")
    return number


async def begin(database: Database, number: int) -> Plan:
    async with database.write() as session:
        return await compute_service.begin_computing(session, number)


async def compute_one_chunk(database: Database, plan: Plan, after: int, households: int) -> int:
    """What a worker does that is killed after one chunk. Returns the last household."""
    async with database.read() as session:
        chunk = await compute_service.read_chunk(session, plan, after, households)
    assert chunk is not None
    awards = compute_service.award_case(plan, compute_service.evaluate_chunk(plan, chunk), None)
    async with database.write() as session:
        assert await compute_service.write_chunk(session, plan, chunk, awards)
    return chunk.last


async def test_the_awards_are_what_the_rules_say_whatever_the_chunks(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    town = await found_town(database, small_city)
    expected = town.judged(KOREA, H1_2024)
    outcomes = Counter((row["outcome"], row["review"]) for row in expected)
    assert {"reduction", "below_threshold", "no_reduction", "incomplete"} <= {outcome for outcome, _ in outcomes}
    assert outcomes["reduction", "held"] > 0
    assert len(expected) == 2 * 23 + 6, "two meters of each household, and the six of the small city"
    for chunk in (1, 7, 1000):
        number = await settle(database, small_city.actors["operator"], chunk)
        assert await stored(database, number) == expected
        totals = owner.execute(
            "SELECT outcome, review, sum(awards)::int FROM settlement_total WHERE settlement_id = %s GROUP BY 1, 2",
            [number],
        ).fetchall()
        assert {(outcome, review): awards for outcome, review, awards in totals} == outcomes


@pytest.mark.parametrize("policy", CITY_WIDE.values(), ids=CITY_WIDE)
async def test_a_policy_that_compares_households_compares_the_whole_city_and_not_the_chunk(
    database: Database, small_city: SmallCity, policy: Policy
) -> None:
    def use(household: int, commodity: str, month: int) -> int | None:
        return (300 if commodity == "electricity" else 900) - 10 * (household % 7) + month % 5

    # Household 2 and its only peer, 7, lie in different chunks of five.
    town = await found_town(database, small_city, 12, use=use, moved_in={2: "2024-01-01", 5: "2023-12-15"})
    expected = town.judged(policy, H1_2024)
    codes = {finding["code"] for row in expected for finding in row["findings"]}
    assert codes & {"standard_use", "baseline.peer"}, "the comparison decides something"
    assert sum(row["points"] for row in expected) > 0
    for chunk in (5, 100):
        number = await settle(database, small_city.actors["operator"], chunk, policy)
        assert await stored(database, number) == expected


async def test_a_meter_that_two_households_claim_is_found_across_chunks(
    database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, 4)
    meter = town.tenures.filter(household_id=town.households[-4], commodity="water")["meter_id"].item()
    async with database.write() as session:
        await enrol_service.add_tenure(
            session,
            small_city.actors["operator"],
            NOW,
            household_id=town.households[-1],
            meter_id=meter,
            starts_on=H1_2024.first_day,
            ends_on=None,
        )
    number = await settle(database, small_city.actors["operator"], 1)
    awards = await stored(database, number)
    assert awards == (await look(database, small_city)).judged(KOREA, H1_2024)
    sharing = {
        row["household_id"]: row["review"]
        for row in awards
        if any(finding["code"] == "meter.shared" for finding in row["findings"])
    }
    assert sharing == {town.households[-4]: "held", town.households[-1]: "held"}


async def test_what_is_recorded_after_a_settlement_began_does_not_change_it(
    database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, 6)
    operator = small_city.actors["operator"]
    number = await request(database, operator)
    plan = await begin(database, number)
    await compute_one_chunk(database, plan, 0, 3)
    march = H1_2024.first_month + 2
    later = [
        reading("t000", "electricity", march, 1, reason="corrected"),
        reading("t005", "electricity", march, 900, reason="corrected"),
        reading("t004", "electricity", march, 1, reason="other", reason_text="a late one"),
    ]
    await send(database, small_city, "elec", later)
    async with database.write() as session:
        [tenure] = [
            tenure
            for tenure, meter in await registry.tenures_of(session, town.households[-1])
            if meter.commodity == "electricity"
        ]
        assert tenure.id is not None
        await enrol_service.end_tenure(session, operator, NOW, tenure.id, H1_2024.first_day)
    await worker.compute(database, number, 3)
    assert await stored(database, number) == town.judged(KOREA, H1_2024)
    async with database.write() as session:
        await service.withdraw(session, operator, JULY_2024, number, "compared")
    anew = await settle(database, operator, 3)
    assert await stored(database, anew) == (await look(database, small_city)).judged(KOREA, H1_2024)
    assert await stored(database, anew) != await stored(database, number)


async def test_a_computation_that_was_cut_off_goes_on_where_it_stopped(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    town = await found_town(database, small_city, 10)
    number = await request(database, small_city.actors["operator"])
    plan = await begin(database, number)
    last = await compute_one_chunk(database, plan, 0, 4)
    last = await compute_one_chunk(database, plan, last, 2)
    done: list[int] = []
    resumed = await worker.compute(database, number, 3, done.append)
    assert (resumed.computed_to, resumed.as_of) == (last, plan.as_of)
    assert done == [3, 3], "of twelve households six were done"
    assert await stored(database, number) == town.judged(KOREA, H1_2024)
    again = await worker.compute(database, number, 3, done.append)
    assert again.state is SettlementState.COMPUTED
    assert len(done) == 2, "what is computed is not computed again"
    computed = owner.execute("SELECT facts FROM trail WHERE act = 'settlement.computed'").fetchall()
    assert computed == [({"awards": 26, "households": 12},)]


async def test_a_chunk_is_written_once_and_only_behind_the_one_before(
    database: Database, small_city: SmallCity
) -> None:
    await found_town(database, small_city, 6)
    number = await request(database, small_city.actors["operator"])
    plan = await begin(database, number)
    async with database.read() as session:
        chunk = await compute_service.read_chunk(session, plan, 0, 4)
        assert chunk is not None
        following = await compute_service.read_chunk(session, plan, chunk.last, 4)
        assert following is not None
        assert await compute_service.read_chunk(session, plan, following.last, 4) is None
    awards = compute_service.award_case(plan, compute_service.evaluate_chunk(plan, chunk), None)
    ahead = compute_service.award_case(plan, compute_service.evaluate_chunk(plan, following), None)
    async with database.write() as session:
        assert not await compute_service.write_chunk(session, plan, following, ahead)
        assert await compute_service.write_chunk(session, plan, chunk, awards)
        assert not await compute_service.write_chunk(session, plan, chunk, awards)
    assert len(await stored(database, number)) == awards.height


async def test_workers_at_the_same_settlement_make_each_award_once(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    town = await found_town(database, small_city, 14)
    number = await request(database, small_city.actors["operator"])
    await asyncio.gather(*(worker.compute(database, number, size) for size in (2, 2, 3)))
    assert (await begin(database, number)).state is SettlementState.COMPUTED, "who is overtaken leaves it to the other"
    assert await stored(database, number) == town.judged(KOREA, H1_2024)
    assert owner.execute("SELECT count(*) FROM trail WHERE act = 'settlement.computed'").fetchall() == [(1,)]


async def test_a_settlement_that_is_withdrawn_meanwhile_is_computed_no_further(
    database: Database, small_city: SmallCity
) -> None:
    await found_town(database, small_city, 6)
    number = await request(database, small_city.actors["operator"])
    plan = await begin(database, number)
    await compute_one_chunk(database, plan, 0, 3)
    async with database.write() as session:
        await service.withdraw(session, small_city.actors["operator"], JULY_2024, number, "a mistake")
    before = await stored(database, number)
    assert (await worker.compute(database, number, 3)).state is SettlementState.WITHDRAWN
    assert await stored(database, number) == before


async def test_a_city_without_households_settles_to_nothing(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    [(city,)] = owner.execute(
        "INSERT INTO city (code, name, time_zone, currency, created_at) "
        "VALUES ('empty', '{}', 'Asia/Seoul', 'KRW', now()) RETURNING id"
    ).fetchall()
    number = await request(database, Actor("person:77", city_id=city))
    await worker.compute(database, number, 10)
    states = owner.execute("SELECT state, households FROM settlement WHERE id = %s", [number]).fetchall()
    assert states == [("computed", 0)]
