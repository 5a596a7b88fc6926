"""Each kind of finding finds what was planted in an honest town, and nothing else moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from carbon_bank.audit.findings.kinds import Code, Expect
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.ledger.act_service import Context, hold_points, reverse_journal, spend_hold
from carbon_bank.rewards import payout_account_service
from tests.audit.honest_town import KEY, HonestTown, found_honest_town
from tests.rewards.shop import problem
from tests.settlement.town import reading, send
from tests.small_city import SmallCity

MAY = "period_start = '2024-05-01'"
MAY_2024 = 2024 * 12 + 4


@pytest.fixture
async def town(database: Database, small_city: SmallCity, owner: psycopg.Connection) -> HonestTown:
    return await found_honest_town(database, small_city, owner)


async def copy_readings(town: HonestTown) -> None:
    other = f"""(SELECT quantity FROM reading AS theirs
                 WHERE theirs.meter_id = {town.meter(town.unpaid[1])} AND theirs.period_start = reading.period_start)"""
    town.replace(town.meter(town.unpaid[0]), f"{other}, 'actual'")


async def write_a_meters_number_otherwise(town: HonestTown) -> None:
    town.plant(
        "INSERT INTO meter (city_id, utility_id, commodity, customer_number, meter_number) "
        "SELECT city_id, utility_id, commodity, %s, '' FROM meter WHERE id = %s",
        f"T {town.unpaid[2]}",
        town.meter(town.unpaid[2]),
    )


async def share_a_meter(town: HonestTown) -> None:
    claim(town, town.unpaid[1], town.meter(town.unpaid[3]))


async def hold_anothers_meters(town: HonestTown) -> None:
    for commodity in ("electricity", "water"):
        claim(town, town.unpaid[1], town.meter(town.unpaid[4], commodity))


def claim(town: HonestTown, household: int, meter_id: int) -> None:
    town.plant(
        "INSERT INTO tenure (city_id, household_id, meter_id, starts_on, recorded_at) VALUES (%s, %s, %s, '2024-03-01', now())",
        town.city.city_id,
        town.households[household],
        meter_id,
    )


async def write_a_households_number_otherwise(town: HonestTown) -> None:
    town.plant(
        "INSERT INTO household (city_id, number, district_id, joined_on) SELECT city_id, %s, district_id, joined_on "
        "FROM household WHERE id = %s",
        f"Ｔ-{town.unpaid[5]:05}",
        town.households[town.unpaid[5]],
    )


async def name_one_account_twice(town: HonestTown) -> None:
    for name, number in (("alder", "123456-01-987654"), ("birch", "12345601987654")):
        account = {"bank_code": "004", "number": number}
        async with town.database.write() as session:
            await payout_account_service.put(session, town.city.actors[name], clock.now(), KEY, name, account, True)


async def cancel_all_readings(town: HonestTown) -> None:
    town.replace(town.meter(town.paid[0]), "NULL, 'actual'")


async def lose_an_award(town: HonestTown) -> None:
    town.plant("DELETE FROM award WHERE household_id = %s AND commodity = 'water'", town.households[town.unpaid[6]])


async def estimate_a_month(town: HonestTown) -> None:
    town.replace(town.meter(town.paid[1]), "quantity, 'estimated'", months=MAY)


async def take_back_what_was_spent(town: HonestTown) -> None:
    household = town.households[town.paid[2]]
    now = datetime(2024, 8, 1, tzinfo=UTC)
    context = Context(town.city.city_id, "system:test", now, now.date())
    row = town.owner.execute(
        "SELECT journal_id FROM posting WHERE household_id = %s AND kind = 'award'", [household]
    ).fetchone()
    assert row is not None
    async with town.database.write() as session:
        held = await hold_points(session, context, household, 500, now + timedelta(days=1))
        await spend_hold(session, context, household, held.seq)
    async with town.database.write() as session:
        await reverse_journal(session, context, row[0], 10**6)


async def use_hardly_anything(town: HonestTown) -> None:
    statement = "UPDATE award SET usage = usage / 5 WHERE household_id = %s AND commodity = 'electricity'"
    town.plant(statement, town.households[town.paid[0]])


async def revise_a_month(town: HonestTown) -> None:
    row = reading(f"t{town.paid[1]:03}", "electricity", MAY_2024, 1234) | {"reason": "corrected"}
    await send(town.database, town.city, "elec", [row])


async def approve_on_sunday_night(town: HonestTown) -> None:
    town.plant(
        "INSERT INTO trail (at, city_id, by, act, subject, facts) "
        "VALUES ('2024-07-28T14:30:00Z', %s, 'person:2', 'adjustment.approved', 'adjustment:7', '{}')",
        town.city.city_id,
    )


Plant = Callable[[HonestTown], Awaitable[None]]
PLANTS: list[tuple[Plant, dict[Code, int], Code, tuple[str, ...]]] = [
    (copy_readings, {Code.READING_COPIED: 1}, Code.READING_COPIED, ("unpaid 0", "unpaid 1")),
    (write_a_meters_number_otherwise, {Code.METER_TWICE: 1}, Code.METER_TWICE, ("unpaid 2",)),
    (share_a_meter, {Code.METER_SHARED: 1}, Code.METER_SHARED, ("unpaid 1", "unpaid 3")),
    (
        hold_anothers_meters,
        {Code.METER_SHARED: 2, Code.HOUSEHOLD_TWICE: 1},
        Code.HOUSEHOLD_TWICE,
        ("unpaid 1", "unpaid 4"),
    ),
    (write_a_households_number_otherwise, {Code.HOUSEHOLD_TWICE: 1}, Code.HOUSEHOLD_TWICE, ("unpaid 5", "?")),
    (name_one_account_twice, {Code.ACCOUNT_SHARED: 1}, Code.ACCOUNT_SHARED, ("?",)),
    (cancel_all_readings, {Code.POINTS_WITHOUT_READINGS: 1}, Code.POINTS_WITHOUT_READINGS, ("paid 0",)),
    (lose_an_award, {Code.READINGS_WITHOUT_AWARD: 1}, Code.READINGS_WITHOUT_AWARD, ("unpaid 6",)),
    (estimate_a_month, {Code.POINTS_ON_ESTIMATES: 1}, Code.POINTS_ON_ESTIMATES, ("paid 1",)),
    (take_back_what_was_spent, {Code.POINTS_TAKEN_AFTER_PAYOUT: 2}, Code.POINTS_TAKEN_AFTER_PAYOUT, ("paid 2",)),
    (use_hardly_anything, {Code.AWARD_OUTLIER: 1}, Code.AWARD_OUTLIER, ("paid 0",)),
    (revise_a_month, {Code.READINGS_REVISED_AFTER: 1}, Code.READINGS_REVISED_AFTER, ("paid 1",)),
    (approve_on_sunday_night, {Code.ACT_ODD_HOURS: 1}, Code.ACT_ODD_HOURS, ()),
]
"""What is planted; how many more are found of which kind; and in one of them, whose case it is."""


async def test_what_was_planted_is_found_and_nothing_else(town: HonestTown, client: httpx.AsyncClient) -> None:
    honest = await town.report()
    assert {found.kind.code: found.found for found in honest.values() if found.found} == {}
    unasked = ("digits", "account", "points.taken")
    assert all(found.looked_at for code, found in honest.items() if not code.startswith(unasked))
    names = {town.households[at]: f"paid {place}" for place, at in enumerate(town.paid)}
    names |= {town.households[at]: f"unpaid {place}" for place, at in enumerate(town.unpaid)}
    expected: Counter[Code] = Counter()
    for plant, counts, code, whose in PLANTS:
        await plant(town)
        expected.update(counts)
        report = await town.report()
        assert {each: found.found for each, found in report.items() if found.found} == expected, plant.__name__
        told = {frozenset(names.get(each, "?") for each in case.households): case for case in report[code].cases}
        assert frozenset(whose) in told, plant.__name__
        answer = await client.get(told[frozenset(whose)].link, headers=town.city.bearer("auditor"))
        assert answer.status_code == 200, (plant.__name__, answer.text)


def test_every_kind_has_a_plant_or_a_test_of_its_law() -> None:
    assert {code for _, _, code, _ in PLANTS} == set(Code) - {Code.DIGITS_FIRST, Code.DIGITS_LAST}


async def test_a_reading_that_came_before_the_last_restatement_is_not_told_again(town: HonestTown) -> None:
    await revise_a_month(town)
    town.plant(
        "INSERT INTO restatement (city_id, settlement_id, state, reason, points_min, prepared_by, approved_by, approved_at, "
        "requested_at, as_of, computed_to, posted_to) "
        "VALUES (%s, %s, 'posted', 'why', 1, 'person:1', 'person:2', now(), now(), now(), 0, 0)",
        town.city.city_id,
        town.settlement_id,
    )
    report = await town.report(Code.READINGS_REVISED_AFTER)
    assert report[Code.READINGS_REVISED_AFTER].found == 0


async def test_the_digits_of_a_utility_that_rounds_half_of_its_readings_are_seen(town: HonestTown) -> None:
    months = ("2022-01", "2024-06")
    honest = (await town.report(Code.DIGITS_LAST, Code.DIGITS_FIRST, months=months)).values()
    assert [(found.looked_at, found.found) for found in honest] == [(0, 0), (2, 0)]
    assert "too close together" in (next(iter(honest)).passed_over or "")
    town.plant(
        "UPDATE reading SET quantity = quantity / 5000 * 5000 FROM meter "
        "WHERE meter.id = meter_id AND commodity = 'water' AND extract(month FROM period_start) > 6"
    )
    [found] = (await town.report(Code.DIGITS_LAST, months=months)).values()
    [case] = found.cases
    figures = case.figures
    assert (case.commodity, figures["utility"], figures["values"]) == ("water", "water", 36 * 30)
    assert int(figures["digit_0"]) + int(figures["digit_5"]) > 540
    assert found.kind.expect is Expect.NONE and found.is_alarm
    too_few = (await town.report(Code.DIGITS_LAST))[Code.DIGITS_LAST]
    assert (too_few.looked_at, too_few.found) == (0, 0)
    assert "water/water: fewer than 1000 values" in (too_few.passed_over or "")


async def test_the_report_is_for_the_citys_own_auditor(town: HonestTown, client: httpx.AsyncClient) -> None:
    path, city = "/v1/audit/findings", town.city
    asked = {"settlement_id": town.settlement_id}
    own = await client.get(path, params=asked, headers=city.bearer("auditor"))
    assert own.status_code == 200, own.text
    told = {each["kind"]: each for each in own.json()["findings"]}
    assert list(told) == list(Code) and own.json()["months"] == "2024-01..2024-06"
    assert "carbon-bank audit findings" in told["account.shared"]["passed_over"]
    assert told["award.outlier"]["thresholds"] == {"peers_min": "30", "score_min": "3.5"}
    far = await client.get(path, params=asked, headers=city.bearer("far_auditor"))
    assert problem(far) == (404, "settlement.unknown")
    months = {"from": "2024-01", "to": "2024-06", "kind": ["points.on_estimates", "meter.twice"]}
    theirs = await client.get(path, params=months, headers=city.bearer("far_auditor"))
    assert [each["kind"] for each in theirs.json()["findings"]] == ["meter.twice", "points.on_estimates"]
    assert [each["looked_at"] for each in theirs.json()["findings"]] == [1, 0]
    for wrong in ({}, asked | {"from": "2024-01", "to": "2024-02"}, {"from": "2024-01"}):
        assert problem(await client.get(path, params=wrong, headers=city.bearer("auditor"))) == (422, "audit.scope")
    backwards = {"from": "2024-06", "to": "2024-01"}
    assert problem(await client.get(path, params=backwards, headers=city.bearer("auditor"))) == (422, "audit.months")
