"""Comparisons as jobs: chunk by chunk as the rules have it, as of one moment, and to an end whatever happens."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import polars as pl
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import compare_service, rules
from carbon_bank.programme.compare_service import PolicyComparison
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.span import span_of
from carbon_bank.programme.sweep import Sweep, with_value
from carbon_bank.registry import enrol_service
from carbon_bank.settings import Settings
from carbon_bank.worker.retries import RETRIES_MAX
from tests.settlement.town import H1_2024, KOREA, Town, found_town, policy_with, reading, send
from tests.small_city import NOW, SYSTEM, SmallCity

PEERS = policy_with(
    version="peers",
    baseline={"method": "same_months_mean", "newcomer": "peer_mean", "peer_min": 2},
    standard_use={"share": "0.95", "points": {"electricity": 700, "water": 10}},
    household_points_max=9000,
)
YEAR = ("2022-01", "2024-12")


async def ask(
    database: Database, actor: Actor, a: Policy, b: Policy, periods: str = "2024-H1", sweep: Sweep | None = None
) -> int:
    async with database.write() as session:
        asked = await compare_service.request_comparison(
            session, actor, NOW, a, b, span_of(periods), Fraction(1), sweep
        )
    assert asked.id is not None
    return asked.id


async def told(database: Database, actor: Actor, comparison_id: int) -> PolicyComparison:
    async with database.read() as session:
        return await compare_service.get_comparison(session, actor, comparison_id)


async def report(database: Database, actor: Actor, comparison_id: int, households: int = 100) -> dict[str, Any]:
    """Worked to its end, so many households at a time."""
    await worker.compare_over_city(database, comparison_id, households)
    found = await told(database, actor, comparison_id)
    assert (found.state, found.failure) == ("done", None)
    assert found.report is not None
    return found.report


def paid(town: Town, policy: Policy, *periods: Period) -> dict[str, int]:
    """What the rules make of the whole town at once, period by period."""
    points: dict[int, int] = {}
    awards, streaks = 0, None
    for period in periods:
        rows = town.judged(policy, period, streaks)
        streaks = pl.DataFrame(
            [(row["household_id"], row["commodity"], row["streak"]) for row in rows],
            schema=rules.STREAK_SCHEMA,
            orient="row",
        )
        awards += sum(row["points"] > 0 for row in rows)
        for row in rows:
            points[row["household_id"]] = points.get(row["household_id"], 0) + row["points"]
    return {
        "points": sum(points.values()),
        "payees": sum(each > 0 for each in points.values()),
        "awards": awards,
    }


def counted(side: dict[str, Any]) -> dict[str, int]:
    return {name: side[name] for name in ("points", "payees", "awards")}


async def test_chunk_by_chunk_comes_out_as_the_rules_have_it_for_the_city_at_once(
    database: Database, small_city: SmallCity
) -> None:
    """Over two periods, with runs of reductions, totals of the city and peers; each value of the sweep as by itself."""
    town = await found_town(database, small_city, months=YEAR, moved_in={3: "2023-09-01", 8: "2023-12-01"})
    operator = small_city.actors["operator"]
    periods = [H1_2024, H1_2024.shift(1)]
    sweep = Sweep("maintenance.after", ("1", "2"))
    number = await ask(database, operator, KOREA, PEERS, "2024-H1..2024-H2", sweep)
    found = await report(database, operator, number, households=7)
    assert counted(found["total"]["a"]) == paid(town, KOREA, *periods)
    assert counted(found["total"]["b"]) == paid(town, PEERS, *periods)
    assert found["total"]["a"]["points"] != found["total"]["b"]["points"] > 0
    for each in found["sweep"]:
        assert counted(each) == paid(town, with_value(PEERS, sweep.key, each["value"]), *periods)


async def test_a_sweep_may_change_usage_or_baseline_too(database: Database, small_city: SmallCity) -> None:
    town = await found_town(database, small_city)
    operator = small_city.actors["operator"]
    sweep = Sweep("baseline.lookback_years", ("1", "2"))
    found = await report(database, operator, await ask(database, operator, KOREA, KOREA, sweep=sweep))
    expected = [paid(town, with_value(KOREA, sweep.key, value), H1_2024) for value in sweep.values]
    assert [counted(each) for each in found["sweep"]] == expected


async def test_policies_of_other_period_lengths_are_compared_over_the_same_months(
    database: Database, small_city: SmallCity
) -> None:
    town = await found_town(database, small_city, months=YEAR)
    yearly = policy_with(period_months=12, maintenance=None, baseline={"method": "same_months_mean"})
    operator = small_city.actors["operator"]
    found = await report(database, operator, await ask(database, operator, KOREA, yearly, "2024-H1..2024-H2"))
    assert counted(found["total"]["a"]) == paid(town, KOREA, H1_2024, H1_2024.shift(1))
    assert counted(found["total"]["b"]) == paid(town, yearly, Period.parse("2024"))
    assert found["outcomes"] == []


async def test_a_job_that_was_killed_is_done_as_of_the_same_moment(database: Database, small_city: SmallCity) -> None:
    await found_town(database, small_city)
    operator = small_city.actors["operator"]
    first, second = [await ask(database, operator, KOREA, KOREA) for _ in range(2)]
    async with database.write() as session:
        begun = await compare_service.begin(session, first)
    may = Period.parse("2024-05").first_month
    corrected = [reading(f"t{at:03d}", "water", may, 1, reason="corrected") for at in range(10)]
    await send(database, small_city, "water", corrected)
    before = await report(database, operator, first)
    after = await report(database, operator, second)
    assert begun is not None
    assert (await told(database, operator, first)).as_of == begun.as_of
    assert before["total"]["a"]["avoided_g"] < after["total"]["a"]["avoided_g"]


async def test_what_refuses_a_comparison_ends_it_with_the_reason(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    """Here a span that only an older release would have taken."""
    operator = small_city.actors["operator"]
    number = await ask(database, operator, KOREA, KOREA)
    owner.execute("UPDATE policy_comparison SET end_month = end_month - 1 WHERE id = %s", [number])
    await worker.compare_over_city(database, number, 100)
    found = await told(database, operator, number)
    assert (found.state, found.report, found.finished_at is None) == ("failed", None, False)
    assert found.failure is not None
    assert "are not whole periods of korea-carbon-point@2024" in found.failure


async def test_a_city_without_households_has_an_empty_report(database: Database, small_city: SmallCity) -> None:
    async with database.write() as session:
        city = await enrol_service.add_city(
            session, SYSTEM, NOW, code="none", name={"en": "None"}, time_zone="Asia/Seoul", currency="KRW"
        )
    assert city.id is not None
    planner = Actor("person:9001", city_id=city.id)
    number = await ask(database, planner, KOREA, PEERS, sweep=Sweep("maintenance.after", ("1",)))
    found = await report(database, planner, number)
    assert (found["total"], found["groups"], found["outcomes"]) == (None, [], [])
    assert found["sweep"][0]["points"] == 0


async def test_what_was_asked_and_what_came_of_it_cannot_be_rewritten(
    database: Database, small_city: SmallCity, database_url: str
) -> None:
    number = await ask(database, small_city.actors["operator"], KOREA, KOREA)
    with psycopg.connect(database_url) as connection:
        for change in ("UPDATE policy_comparison SET unit_price = '2'", "DELETE FROM policy_comparison"):
            connection.execute("SET ROLE carbon_bank_app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"{change} WHERE id = {number}")
            connection.rollback()


async def test_a_mistake_of_the_bank_ends_a_comparison_after_its_last_try(
    database: Database,
    small_city: SmallCity,
    settings: Settings,
    owner: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*given: object) -> None:
        raise ZeroDivisionError

    operator = small_city.actors["operator"]
    number = await ask(database, operator, KOREA, KOREA)
    monkeypatch.setattr(compare_service, "homes_of", broken)
    await worker.work(database, settings, until_empty=True)
    assert (await told(database, operator, number)).state == "requested", "it is tried again"
    owner.execute("UPDATE procrastinate_jobs SET scheduled_at = NULL, attempts = %s", [RETRIES_MAX])
    await worker.work(database, settings, until_empty=True)
    found = await told(database, operator, number)
    assert (found.state, found.report) == ("failed", None)
    assert found.failure is not None and f"comparison {number}." in found.failure
