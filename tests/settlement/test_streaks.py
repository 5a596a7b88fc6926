"""Runs of reductions pass from one settlement to the next."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from carbon_bank import worker
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.settlement import compute_service, service
from tests.settlement.town import found_town, request, stored
from tests.small_city import SmallCity

QUARTERS = [Period.parse(f"2024-Q{number}") for number in (1, 2, 3)]
AFTER = datetime(2024, 11, 1, tzinfo=UTC)


def quarterly(version: str = "1") -> Policy:
    """Ten points from 10 %; one a quarter who held it twice and saves a little more."""
    return parse_policy(
        f"""
        policy: quarterly
        version: "{version}"
        title: {{en: By quarters}}
        source: [a test]
        effective_from: 2020-01-01
        period_months: 3
        anchor_month: 1
        commodities: {{electricity: {{factor: "0.4"}}}}
        baseline: {{method: same_months_mean, lookback_years: 1}}
        reduction: {{basis: per_commodity, tiers: {{electricity: [{{from: "0.1", points: 10}}]}}}}
        maintenance: {{after: 2, points: {{electricity: 3}}}}
        """
    )


def use(household: int, commodity: str, month: int) -> int | None:
    """A fifth less in each quarter of 2024; the first household in the third quarter, the second in the second, only a
    fiftieth less; the third has no reading of May."""
    year, month0 = divmod(month, 12)
    quarter = month0 // 3 + 1 if year == 2024 else 0
    if (household, year, month0) == (2, 2024, 4):
        return None
    if (household, quarter) in {(0, 3), (1, 2), (1, 3), (2, 3)}:
        return 98
    return 80 if quarter else 100


async def settle(database: Database, city: SmallCity, period: Period, policy: Policy, approve: bool = True) -> int:
    number = await request(database, city.actors["operator"], policy, period, AFTER)
    await worker.compute(database, number, 2)
    if approve:
        async with database.write() as session:
            await service.approve(session, city.actors["approver"], AFTER, number)
    return number


async def found(database: Database, number: int, households: list[int]) -> list[tuple[str, int, int]]:
    rows = {row["household_id"]: row for row in await stored(database, number) if row["commodity"] == "electricity"}
    return [(rows[each]["outcome"], rows[each]["points"], rows[each]["streak"]) for each in households]


async def test_two_reductions_lead_to_maintenance_and_a_gap_or_a_lesser_one_does_not(
    database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, 4, ("2023-01", "2024-09"), use)
    ours = town.households[-4:]
    first, second, third = [await settle(database, small_city, each, quarterly()) for each in QUARTERS]
    assert await found(database, first, ours) == [("reduction", 10, 1)] * 4
    assert await found(database, second, ours) == [
        ("reduction", 10, 2),
        ("below_threshold", 0, 0),
        ("incomplete", 0, 0),
        ("reduction", 10, 2),
    ]
    assert await found(database, third, ours) == [
        ("maintenance", 3, 2),
        ("below_threshold", 0, 0),
        ("below_threshold", 0, 0),
        ("reduction", 10, 3),
    ]


@pytest.mark.parametrize("what", ["not there", "not approved", "withdrawn"])
async def test_without_an_approved_settlement_before_it_there_is_no_run(
    database: Database, small_city: SmallCity, what: str
) -> None:
    town = await found_town(database, small_city, 1, ("2023-01", "2024-09"), use)
    await settle(database, small_city, QUARTERS[0], quarterly())
    if what != "not there":
        number = await settle(database, small_city, QUARTERS[1], quarterly(), approve=False)
        if what == "withdrawn":
            async with database.write() as session:
                await service.withdraw(session, small_city.actors["operator"], AFTER, number, "a test")
    third = await settle(database, small_city, QUARTERS[2], quarterly())
    assert await found(database, third, town.households[-1:]) == [("below_threshold", 0, 0)]


async def test_an_approval_after_the_moment_that_a_settlement_reads_as_of_comes_too_late_for_it(
    database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, 1, ("2023-01", "2024-09"), use)
    await settle(database, small_city, QUARTERS[0], quarterly())
    second = await settle(database, small_city, QUARTERS[1], quarterly(), approve=False)
    third = await request(database, small_city.actors["operator"], quarterly(), QUARTERS[2], AFTER)
    async with database.write() as session:
        await compute_service.begin_computing(session, third)
    async with database.write() as session:
        await service.approve(session, small_city.actors["approver"], clock.now(), second)
    await worker.compute(database, third, 2)
    assert await found(database, third, town.households[-1:]) == [("below_threshold", 0, 0)]


async def test_a_moment_is_fixed_before_an_approval_or_when_it_is_there_and_never_in_between(
    database: Database, small_city: SmallCity
) -> None:
    await found_town(database, small_city, 1, ("2023-01", "2024-09"), use)
    first = await settle(database, small_city, QUARTERS[0], quarterly(), approve=False)
    second = await request(database, small_city.actors["operator"], quarterly(), QUARTERS[1], AFTER)

    async def begin() -> None:
        async with database.write() as session:
            await compute_service.begin_computing(session, second)

    async with database.write() as session:
        approved = await service.approve(session, small_city.actors["approver"], clock.now(), first)
        beginning = asyncio.create_task(begin())
        done, _ = await asyncio.wait([beginning], timeout=0.2)
        assert not done  # it waits for the approval, to see it whole
    await beginning
    async with database.read() as session:
        told = await service.any_settlement(session, second)
    assert told.as_of is not None and approved.approved_at is not None
    assert approved.approved_at < told.as_of
