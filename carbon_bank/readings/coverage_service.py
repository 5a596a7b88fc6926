"""Which meters have which months: for the city before it settles, and for a utility that looks for what it owes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import polars as pl

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period, first_day, month_text
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import coverage_queries as queries
from carbon_bank.readings.months_read import LACKING, MonthState, months_read
from carbon_bank.registry import holding_service as registry
from carbon_bank.registry.holding_service import MetersWanted
from carbon_bank.registry.service import get_city, utility_asked_for

MONTHS_MAX = 24
CHUNK_METERS = 20_000
DUE_DAYS = 45
"""A month is due this many days after its end where nobody says otherwise: a two-monthly bill's month has had its half."""


@dataclass(frozen=True)
class Question:
    """Which meters and months, and what day it is."""

    city_id: int
    time_zone: str
    wanted: MetersWanted
    months: range
    today: date
    due_days: int
    utilities: dict[int, str]
    districts: dict[int, str]


@dataclass(frozen=True)
class MeterMonths:
    """One meter and its months: rows of `months_read` without `meter_id`."""

    meter_id: int
    utility: str
    district: str
    commodity: str
    customer_number: str
    meter_number: str
    months: list[dict[str, Any]]


@dataclass(frozen=True)
class Reminder:
    """A meter whose readings were due and are not here: the months (`2026-03`), and the days that are not covered."""

    utility: str
    district: str
    commodity: str
    customer_number: str
    meter_number: str
    months: list[str]
    days_missing: int

    def line(self) -> list[str | int]:
        """As a line of a table, in the order of REMINDER_COLUMNS."""
        named = {**self.__dict__, "months": " ".join(self.months)}
        return [named[column] for column in REMINDER_COLUMNS]


REMINDER_COLUMNS = [field.name for field in fields(Reminder)]


async def question(
    session: ReadSession,
    actor: Actor,
    now: datetime,
    *,
    months: str,
    utility: str | None = None,
    district: str | None = None,
    commodity: str | None = None,
    due_days: int = DUE_DAYS,
) -> Question:
    """What somebody asks for, within what they may see: a utility its own meters, others those of their city.

    Args:   months: `2026-03`, `2026-H1`, or a range of such as `2026-01..2026-04`.
    Raises: InvalidInput `calendar.period`, `calendar.period_range`, `readings.coverage_span` (422);
            NotFound `registry.unknown_utility`, `registry.unknown_district` (404).
    """
    periods = Period.parse_range(months)
    span = range(periods[0].first_month, periods[-1].first_month + periods[-1].length)
    if len(span) > MONTHS_MAX:
        raise InvalidInput(
            "readings.coverage_span",
            f"'{months}' is {len(span)} months, and {MONTHS_MAX} are looked at in one go. Ask for them in parts.",
            {"months": len(span), "months_max": MONTHS_MAX},
        )
    city = await get_city(session, actor.of_city())
    assert city.id is not None
    wanted = MetersWanted(
        utility_id=await utility_asked_for(session, actor, utility),
        commodity=commodity,
        district_ids=None if district is None else await registry.districts_within(session, city.id, district),
    )
    return Question(
        city_id=city.id,
        time_zone=city.time_zone,
        wanted=wanted,
        months=span,
        today=clock.local_day(now, city.time_zone),
        due_days=due_days,
        utilities=await registry.utility_codes(session, city.id),
        districts=await registry.district_codes(session, city.id),
    )


async def totals(session: ReadSession, asked: Question) -> pl.DataFrame:
    """How many meters stand how, by month, utility, district and commodity.

    Returns: `month, utility, district, commodity, meters`, a column for each MonthState, `late`, `days_held, days_covered`.
    """
    keys = ["month", "utility_id", "district_id", "commodity"]
    sums = [
        pl.len().cast(pl.Int64).alias("meters"),
        *((pl.col("state") == state.value).sum().cast(pl.Int64).alias(state.value) for state in MonthState),
        pl.col("is_late").sum().cast(pl.Int64).alias("late"),
        pl.col("days_held").sum().cast(pl.Int64),
        pl.col("days_covered").sum().cast(pl.Int64),
    ]
    parts = [table.group_by(keys).agg(sums) async for table in _tables(session, asked)]
    if not parts:
        return pl.DataFrame()
    whole = pl.concat(parts).group_by(keys).sum()
    return whole.with_columns(
        pl.col("utility_id").replace_strict(asked.utilities, return_dtype=pl.String).alias("utility"),
        pl.col("district_id").replace_strict(asked.districts, return_dtype=pl.String).alias("district"),
        pl.col("commodity").cast(pl.String),
    ).sort("month", "utility", "district", "commodity")


async def meters(
    session: ReadSession, asked: Question, states: Collection[MonthState], after: int, limit: int
) -> tuple[list[MeterMonths], int | None]:
    """The next meters behind an id that have at least one month in one of the states (none given: all).

    Returns: at most `limit` of them, and the id to go on behind, null at the end. It may be fewer than `limit` before the
             end, too: one call looks at no more than CHUNK_METERS.
    """
    looked_at = limit if not states else CHUNK_METERS
    table = await _table(session, asked, after, looked_at)
    if table is None:
        return [], None
    held = table["meter_id"].unique()
    following = _last(held) if len(held) == looked_at else None
    if states:
        chosen = table.filter(pl.col("state").is_in([state.value for state in states]))["meter_id"].unique().sort()
        if len(chosen) > limit:
            chosen = chosen.head(limit)
            following = int(chosen[-1])
        table = table.filter(pl.col("meter_id").is_in(chosen.implode()))
    known = await registry.meters_by_id(session, table["meter_id"].unique().to_list())
    found: list[MeterMonths] = []
    for _, rows in table.group_by("meter_id", maintain_order=True):
        first = rows.row(0, named=True)
        meter = known[first["meter_id"]]
        months = rows.select("month", "days_held", "days_covered", "days_estimated", "is_late", "state")
        found.append(
            MeterMonths(
                meter_id=first["meter_id"],
                utility=asked.utilities[first["utility_id"]],
                district=asked.districts[first["district_id"]],
                commodity=first["commodity"],
                customer_number=meter.customer_number,
                meter_number=meter.meter_number,
                months=months.to_dicts(),
            )
        )
    return found, following


async def reminders(session: ReadSession, asked: Question, after: int, limit: int) -> tuple[list[Reminder], int | None]:
    """What was due and has not come, meter by meter; pages as of `meters`."""
    rows, following = await meters(session, asked, LACKING, after, limit)
    return [_reminder(row) for row in rows], following


def _reminder(row: MeterMonths) -> Reminder:
    lacking = [each for each in row.months if each["state"] in LACKING]
    return Reminder(
        row.utility,
        row.district,
        row.commodity,
        row.customer_number,
        row.meter_number,
        months=[month_text(each["month"]) for each in lacking],
        days_missing=sum(each["days_held"] - each["days_covered"] for each in lacking),
    )


async def _tables(session: ReadSession, asked: Question) -> AsyncIterator[pl.DataFrame]:
    after = 0
    while (table := await _table(session, asked, after, CHUNK_METERS)) is not None:
        yield table
        after = _last(table["meter_id"])


async def _table(session: ReadSession, asked: Question, after: int, limit: int) -> pl.DataFrame | None:
    """`months_read` of the next meters, with their utility, district and commodity; null when there are none left."""
    first, end = first_day(asked.months[0]), first_day(asked.months[-1] + 1)
    holdings = await registry.held_meters(session, asked.city_id, asked.wanted, first, end, after, limit)
    if holdings.is_empty():
        return None
    ids: Sequence[int] = holdings["meter_id"].unique().to_list()
    readings = await queries.standing_with_arrival(session, ids, first, end, asked.time_zone)
    table = await asyncio.to_thread(months_read, readings, holdings, list(asked.months), asked.today, asked.due_days)
    # Who holds it last says where it is.
    place = holdings.group_by("meter_id", maintain_order=True).last()
    return table.join(
        place.select("meter_id", "utility_id", "district_id", "commodity"), on="meter_id", maintain_order="left"
    )


def _last(meter_ids: pl.Series) -> int:
    last = meter_ids.max()
    assert isinstance(last, int)
    return last
