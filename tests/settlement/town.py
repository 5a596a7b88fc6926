"""A town with some more households than the small city, their readings, and what the rules say of them directly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import yaml

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period, first_day
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import adoption_service, rules
from carbon_bank.programme.policy import Policy, load_shipped, parse_policy
from carbon_bank.readings import service as readings
from carbon_bank.readings.intake import COLUMNS as READING_COLUMNS
from carbon_bank.registry import import_service
from carbon_bank.registry import service as registry
from carbon_bank.registry.import_rows import COLUMNS, Kind
from carbon_bank.settlement import service
from tests.small_city import NOW, SYSTEM, SmallCity

KOREA = load_shipped("korea-carbon-point@2024")
H1_2024 = Period.parse("2024-H1")
JULY_2024 = datetime(2024, 7, 20, 3, 0, tzinfo=UTC)
UTILITIES = {"electricity": "elec", "water": "water"}
UNITS = {"electricity": "kWh", "water": "m3"}

Use = Callable[[int, str, int], int | None]
"""Household (from 0), commodity, month: what was used in kWh or m3; None where there is no reading."""


def steady_saving(household: int, commodity: str, month: int) -> int | None:
    """300 (12) a month until 2023, then less by 0 to 22 %: every outcome, and some that are held as unusual."""
    base = 300 if commodity == "electricity" else 1200
    if month < Period.parse("2024-01").first_month:
        return base + month % 12
    if household % 11 == 10:
        return None if month % 12 == 2 else base
    if household % 7 == 6:
        return base // 3
    return base * (101 - household) // 100


@dataclass
class Town:
    """Ids of its households in their order, and the frames that the rules take."""

    households: list[int]
    readings: pl.DataFrame
    tenures: pl.DataFrame
    dwellings: pl.DataFrame

    def judged(self, policy: Policy, period: Period, streaks: pl.DataFrame | None = None) -> list[dict[str, Any]]:
        """The awards as the rules make them of all households at once, as `stored` returns the bank's."""
        evaluated = rules.evaluate(policy, period, self.readings, self.tenures, self.dwellings)
        totals = rules.add_populations([rules.population(evaluated)]) if policy.needs_population else None
        rows = rules.award_rows(rules.award(policy, period, evaluated, streaks, totals)).sort(
            "household_id", "commodity"
        )
        return [_comparable(row) for row in rows.to_dicts()]


def policy_with(**changes: Any) -> Policy:
    """The Korean policy of 2024 with some top-level keys changed."""
    return parse_policy(yaml.safe_dump(yaml.safe_load(KOREA.text) | changes, allow_unicode=True))


async def found_town(
    database: Database,
    city: SmallCity,
    households: int = 23,
    months: Sequence[str] = ("2022-01", "2024-06"),
    use: Use = steady_saving,
    moved_in: Mapping[int, str] | None = None,
) -> Town:
    """Households `t000`, `t001`, ... in the small city, each with an electricity and a water meter.

    Args: moved_in: since when they hold them, by household (from 0); left out, since 2021.
    """
    numbers = [f"t{each:03d}" for each in range(households)]
    homes = [
        {"household_number": number, "district": "south", "dwelling_type": "house", "residents": str(1 + at % 5)}
        for at, number in enumerate(numbers)
    ]
    meters = [
        {"utility": utility, "commodity": commodity, "customer_number": number}
        for number in numbers
        for commodity, utility in UTILITIES.items()
    ]
    since = {numbers[at]: day for at, day in (moved_in or {}).items()}
    tenures = [
        meter | {"household_number": number, "starts_on": since.get(number, "2021-01-01")}
        for meter in meters
        for number in [meter["customer_number"]]
    ]
    files = {
        Kind.HOUSEHOLDS: [home | {"joined_on": "2021-01-01"} for home in homes],
        Kind.METERS: meters,
        Kind.TENURES: tenures,
    }
    for kind, rows in files.items():
        async with database.write() as session:
            await import_service.import_rows(
                session, SYSTEM, NOW, "here", kind, [text_frame(rows, list(COLUMNS[kind]))]
            )
    first, last = (Period.parse(month).first_month for month in months)
    for commodity, utility in UTILITIES.items():
        sent = [
            reading(numbers[at], commodity, month, quantity)
            for month in range(first, last + 1)
            for at in range(households)
            if (quantity := use(at, commodity, month)) is not None
        ]
        await send(database, city, utility, sent)
    return await look(database, city)


def reading(customer: str, commodity: str, month: int, quantity: int, **more: str) -> dict[str, str]:
    days = {"period_start": str(first_day(month)), "period_end": str(first_day(month + 1))}
    return {
        "commodity": commodity,
        "customer_number": customer,
        **days,
        "quantity": str(quantity),
        "unit": UNITS[commodity],
        **more,
    }


async def send(database: Database, city: SmallCity, utility: str, rows: Sequence[dict[str, str]]) -> None:
    """Record readings as a utility sends them; each must be taken."""
    async with database.write() as session:
        result = await readings.record_readings(
            session,
            city.actors[utility],
            NOW,
            city.places[utility],
            text_frame(rows, list(READING_COLUMNS)),
            source="test",
            mode="atomic",
        )
    assert result.refused == []


def text_frame(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> pl.DataFrame:
    text = {name: [row.get(name) for row in rows] for name in columns}
    frame = pl.DataFrame(text, schema=dict.fromkeys(columns, pl.String))
    return frame.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("line"), *columns)


async def look(database: Database, city: SmallCity) -> Town:
    """The city as it stands now, whole."""
    first, last = first_day(Period.parse("2015").first_month), first_day(Period.parse("2030").first_month)
    async with database.read() as session:
        ids = await registry.household_ids(session, city.city_id, 0, 100_000)
        now = clock.now()
        tenures = await registry.tenures_as_of(session, city.city_id, ids[0], ids[-1], first, last, now)
        found = await readings.readings_as_of(session, tenures["meter_id"].unique().to_list(), first, last, now)
        dwellings = await registry.dwellings(session, city.city_id, ids[0], ids[-1])
    return Town(ids.to_list(), found, tenures.drop("shared"), dwellings)


async def adopt(
    database: Database,
    city_id: int,
    policy: Policy = KOREA,
    active_from: date | None = None,
    now: datetime | None = None,
) -> int:
    """Have a policy proposed by one person and approved by another, from its first day on. Returns the adoption's number."""
    first_day = active_from or policy.effective_from
    then = now or datetime(first_day.year, first_day.month, first_day.day, tzinfo=UTC) - timedelta(days=2)
    proposer, approver = Actor("person:9001", city_id=city_id), Actor("person:9002", city_id=city_id)
    async with database.write() as session:
        drafted = await adoption_service.draft_policy(session, proposer, then, policy, first_day)
        assert drafted.id is not None
        await adoption_service.propose(session, proposer, then, drafted.id)
        await adoption_service.approve(session, approver, then, drafted.id, policy.digest)
    return drafted.id


async def request(
    database: Database, actor: Actor, policy: Policy = KOREA, period: Period = H1_2024, now: datetime = JULY_2024
) -> int:
    """A settlement that is asked for, and computed by the test itself. The policy is adopted, where another is in force."""
    async with database.read() as session:
        found = await adoption_service.policy_in_force(session, actor.of_city(), period.first_day)
    if found is None or found[1].digest != policy.digest:
        await adopt(database, actor.of_city(), policy, period.first_day if found else None)
    async with database.write() as session:
        made = await service.request_settlement(session, actor, now, period=period, in_background=False)
    assert made.id is not None
    return made.id


async def stored(database: Database, settlement_id: int) -> list[dict[str, Any]]:
    """The bank's awards, in order."""
    async with database.read() as session:
        awards = await service.list_awards(session, settlement_id, None, 100_000)
    return [_comparable(award.model_dump(exclude={"settlement_id"})) for award in awards]


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    findings = row["findings"] if isinstance(row["findings"], list) else yaml.safe_load(row["findings"])
    whole = {name: None if row[name] is None else int(row[name]) for name in ("baseline_num", "baseline_den")}
    return row | whole | {"findings": findings}
