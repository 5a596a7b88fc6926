"""What a household sees of itself: use by month, awards and why, points and what expires when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period, first_day, month_of, month_text
from carbon_bank.foundation.database import Database
from carbon_bank.ledger.service import lot_expiry
from carbon_bank.settlement import service
from tests.ledger.books import grant
from tests.settlement.town import KOREA, request
from tests.small_city import SmallCity

H1_2025 = Period.parse("2025-H1")


def bill(customer: str, month: int, quantity: str, **more: str) -> dict[str, str]:
    unit = {"e": "kWh", "g": "m3", "w": "m3"}[customer[-1]]
    commodity = {"e": "electricity", "g": "gas", "w": "water"}[customer[-1]]
    return {
        "commodity": commodity,
        "customer_number": customer,
        "period_start": str(first_day(month)),
        "period_end": str(first_day(month + 1)),
        "quantity": quantity,
        "unit": unit,
        **more,
    }


async def push(client: httpx.AsyncClient, city: SmallCity, utility: str, rows: list[dict[str, str]]) -> None:
    answer = await client.post("/v1/readings", json={"readings": rows}, headers=city.bearer(utility))
    assert answer.status_code == 200, answer.text


async def see(client: httpx.AsyncClient, city: SmallCity, name: str, path: str) -> Any:
    answer = await client.get(f"/v1/me/{path}", headers=city.bearer(name))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def settle(database: Database, city: SmallCity, period: Period = H1_2025) -> int:
    """A half-year from request to posting, each by its own person."""
    now = clock.now()
    number = await request(database, city.actors["operator"], KOREA, period, now)
    await worker.compute(database, number, 10)
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], now, number)
        await service.start_posting(session, city.actors["operator"], now, number, in_background=False)
    await worker.post(database, number, 10)
    return number


async def push_two_years(client: httpx.AsyncClient, city: SmallCity, saved: Mapping[str, str]) -> None:
    """First halves: 300 kWh or 20 m3 a month in 2023 and 2024, in 2025 as told by customer number."""
    for customer, quantity in saved.items():
        utility = {"e": "elec", "g": "gas", "w": "water"}[customer[-1]]
        before = "300" if customer[-1] == "e" else "20"
        rows = [bill(customer, year * 12 + month, before) for year in (2023, 2024) for month in range(6)]
        rows += [bill(customer, month, quantity) for month in H1_2025.months]
        await push(client, city, utility, rows)


@pytest.mark.parametrize("path", ["usage", "awards", "points"])
async def test_only_members_of_a_household_have_a_page_of_their_own(
    client: httpx.AsyncClient, small_city: SmallCity, path: str
) -> None:
    assert (await client.get(f"/v1/me/{path}")).status_code == 401
    for name in ("operator", "auditor", "admin", "elec"):
        assert (await client.get(f"/v1/me/{path}", headers=small_city.bearer(name))).status_code == 403


async def test_a_household_of_which_nothing_is_known_sees_empty_pages(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    assert await see(client, small_city, "alder", "awards") == []
    points = await see(client, small_city, "alder", "points")
    assert points == {"available": 0, "held": 0, "debt": 0, "lots": [], "statement": [], "next": None}
    for commodity in await see(client, small_city, "alder", "usage"):
        assert {month["usage"] for month in commodity["months"]} == {None}


async def test_use_by_month_stands_beside_the_mean_of_the_same_month_in_the_years_before(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    today = clock.local_day(clock.now(), "Asia/Seoul")
    last = month_of(today) - 1
    missing = last - 3
    rows = [bill("A-e", month, str(200 + last - month)) for month in range(last - 26, last + 1) if month != missing]
    await push(client, small_city, "elec", rows)
    await push(client, small_city, "water", [bill("A-w", last, "12.5", quality="estimated")])

    found = {each["commodity"]: each for each in await see(client, small_city, "alder", "usage?months=6")}
    assert (found["electricity"]["unit"], found["water"]["unit"]) == ("Wh", "L")
    months = {month["month"]: month for month in found["electricity"]["months"]}
    # Twelve and twenty-four months before, 12 and 24 kWh more were used: 18 on the mean.
    for back in range(5):
        month = last - back
        days = (first_day(month + 1) - first_day(month)).days
        used = None if month == missing else (200 + back) * 1000
        # The missing month misses only itself: its own baseline is there; and two years back only one year is.
        more = 18 if last - 24 - back >= last - 26 else 12
        assert months[month_text(month)] == {
            "month": month_text(month),
            "usage": used,
            "baseline": (200 + back + more) * 1000,
            "days_covered": 0 if used is None else days,
            "days_estimated": 0,
        }
    [water] = [month for month in found["water"]["months"] if month["month"] == month_text(last)]
    days = (first_day(last + 1) - first_day(last)).days
    assert (water["usage"], water["baseline"], water["days_estimated"]) == (12_500, None, days)


async def test_a_month_of_which_some_days_are_read_is_shown_as_not_known(
    client: httpx.AsyncClient, small_city: SmallCity
) -> None:
    last = month_of(clock.local_day(clock.now(), "Asia/Seoul")) - 1
    half = bill("A-e", last, "150") | {"period_end": str(first_day(last).replace(day=16))}
    await push(client, small_city, "elec", [half])
    [found] = [
        each for each in await see(client, small_city, "alder", "usage?months=3") if each["commodity"] == "electricity"
    ]
    [month] = [each for each in found["months"] if each["month"] == month_text(last)]
    assert (month["usage"], month["days_covered"]) == (None, 15)


@pytest.mark.parametrize("months", ["0", "37", "many"])
async def test_use_is_shown_for_one_to_36_months(client: httpx.AsyncClient, small_city: SmallCity, months: str) -> None:
    answer = await client.get(f"/v1/me/usage?months={months}", headers=small_city.bearer("alder"))
    assert answer.status_code == 422


async def test_awards_tell_the_numbers_behind_them(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push_two_years(client, small_city, {"A-e": "281.25", "A-w": "20.5", "A-g": "9", "B-e": "240"})
    await settle(database, small_city)
    found = {award["commodity"]: award for award in await see(client, small_city, "alder", "awards")}
    assert found["electricity"] == {
        "id": found["electricity"]["id"],
        "policy_digest": KOREA.digest,
        "period": "2025-H1",
        "commodity": "electricity",
        "outcome": "reduction",
        "usage": 1_687_500,
        "baseline": 1_800_000,
        "reduction_percent": "6.25",
        "points": 5000,
        "avoided_g": 47_700,
        "review": "clear",
        "findings": found["electricity"]["findings"],
    }
    assert [found["water"][name] for name in ("outcome", "reduction_percent", "points")] == ["no_reduction", "-2.50", 0]
    held = found["gas"]
    assert (held["review"], held["points"], held["reduction_percent"]) == ("held", 8000, "55.00")
    assert "reduction.unusual" in {finding["code"] for finding in held["findings"]}
    points = await see(client, small_city, "alder", "points")
    assert points["available"] == 5000, "what is held is not posted"


async def test_points_show_what_expires_when_and_how_they_came(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push_two_years(client, small_city, {"A-e": "240", "A-w": "18.9", "B-e": "299"})
    number = await settle(database, small_city)
    points = await see(client, small_city, "alder", "points")
    assert (points["available"], points["held"], points["debt"]) == (15_750, 0, 0)
    expires_on = str(lot_expiry(clock.local_day(clock.now(), "Asia/Seoul"), 60))
    assert points["lots"] == [
        {"lot_id": seq, "granted": amount, "remaining": amount, "expires_on": expires_on}
        for seq, amount in ((1, 15_000), (2, 750))
    ]
    lines = [(line["seq"], line["commodity"], line["amount"], line["available_after"]) for line in points["statement"]]
    assert lines == [(2, "water", 750, 15_750), (1, "electricity", 15_000, 15_000)]
    assert {line["settlement_id"] for line in points["statement"]} == {number}
    page = await see(client, small_city, "alder", "points?limit=1")
    rest = await see(client, small_city, "alder", f"points?limit=1&cursor={page['next']}")
    assert [*page["statement"], *rest["statement"]] == points["statement"]
    assert rest["next"] is None


async def test_another_household_sees_nothing_of_it(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push_two_years(client, small_city, {"A-e": "240"})
    await settle(database, small_city)
    for name in ("birch", "far_household"):
        awards = await see(client, small_city, name, "awards")
        assert {award["points"] for award in awards} <= {0}
        points = await see(client, small_city, name, "points")
        assert (points["available"], points["lots"], points["statement"]) == (0, [], [])
        for commodity in await see(client, small_city, name, "usage?months=36"):
            assert {month["usage"] for month in commodity["months"]} == {None}
    assert (await see(client, small_city, "alder", "points"))["available"] == 15_000


async def test_awards_are_shown_when_they_are_posted_and_not_before(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity
) -> None:
    await push_two_years(client, small_city, {"A-e": "240"})
    number = await request(database, small_city.actors["operator"], KOREA, H1_2025, clock.now())
    await worker.compute(database, number, 10)
    assert await see(client, small_city, "alder", "awards") == []
    async with database.write() as session:
        await service.approve(session, small_city.actors["approver"], clock.now(), number)
    assert await see(client, small_city, "alder", "awards") == []
    assert (await see(client, small_city, "alder", "points"))["available"] == 0


async def test_a_lot_is_gone_from_the_page_the_day_after_it_expired(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    today = clock.local_day(clock.now(), "Asia/Seoul")
    for number, day in enumerate((date.fromordinal(today.toordinal() - 2), today), start=1):
        async with database.write() as session:
            await grant(session, [(small_city.alder, "gas", number)], settlement_id=number, expires_on=day)
    lots = (await see(client, small_city, "alder", "points"))["lots"]
    assert [(lot["granted"], lot["expires_on"]) for lot in lots] == [(2, str(today))]
