"""The tables of an export package that tell of readings and awards, some households or meters at a time."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import polars as pl

from carbon_bank.audit.export import columns, queries
from carbon_bank.audit.export.files import TableFile
from carbon_bank.audit.export.form import Table
from carbon_bank.audit.export.pseudonyms import Pseudonyms
from carbon_bank.audit.export.scope_service import Scope
from carbon_bank.foundation.calendar import month_text
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.units import BASE_UNIT, BASE_UNITS_PER_DISPLAY_UNIT, DISPLAY_UNIT
from carbon_bank.programme import evaluation, rules
from carbon_bank.programme.rationals import rational_text
from carbon_bank.registry import service as registry
from carbon_bank.settlement import compute_service

HOUSEHOLDS_TOGETHER, METERS_TOGETHER = 10_000, 20_000
"""Read at a time. Part of the files' form: Parquet keeps rows in groups of these."""
NO_END = pl.date(9999, 1, 1)
_UNITS = {commodity.value: unit for commodity, unit in BASE_UNIT.items()}
_METER_FOUND = re.compile(r'"meter_id": (\d+)')


@dataclass
class Writer:
    """The package's tables by their names; which households and meters are in them, some at a time; the meters that are held."""

    scope: Scope
    files: dict[str, TableFile]
    households: list[pl.Series] = field(default_factory=list)
    meters: list[pl.Series] = field(default_factory=list)
    held: list[pl.Series] = field(default_factory=list)

    @property
    def pseudonyms(self) -> Pseudonyms:
        return self.scope.pseudonyms

    async def write(self, table: Table, frame: pl.DataFrame) -> None:
        await asyncio.to_thread(self.files[table.name].write, frame)


async def write_households(session: ReadSession, writer: Writer) -> None:
    """Households, tenures, streaks, usage, baselines and awards."""
    plan = writer.scope.plan
    async for first, last in _ranges(session, plan.city_id):
        chunk = await compute_service.read_range(session, plan, first, last)
        named = writer.pseudonyms.households(chunk.tenures["household_id"])
        meters = writer.pseudonyms.meters(chunk.tenures["meter_id"])
        dwellings = await registry.dwellings(session, plan.city_id, first, last)
        ended = pl.when(pl.col("ends_on") != NO_END).then("ends_on").alias("ends_on")
        tenures = chunk.tenures.with_columns(ended).sort("household_id", "meter_id", "starts_on")
        await writer.write(columns.HOUSEHOLDS, with_pseudonyms(dwellings, named))
        await writer.write(columns.TENURES, with_pseudonyms(with_pseudonyms(tenures, named), meters, "meter_id"))
        await writer.write(columns.STREAKS, with_pseudonyms(chunk.streaks.sort("household_id", "commodity"), named))
        await _write_evaluated(writer, chunk, named)
        await _write_awards(session, writer, first, last)
        writer.households.append(named["id"])
        writer.held.append(meters["id"])


async def _ranges(session: ReadSession, city_id: int) -> AsyncIterator[tuple[int, int]]:
    after = 0
    while not (ids := await registry.household_ids(session, city_id, after, HOUSEHOLDS_TOGETHER)).is_empty():
        after = int(ids[-1])
        yield int(ids[0]), after


async def _write_evaluated(writer: Writer, chunk: compute_service.Chunk, named: pl.DataFrame) -> None:
    """Usage and baselines, made anew from the readings by the law."""
    plan = writer.scope.plan

    def evaluated() -> tuple[pl.DataFrame, pl.DataFrame]:
        measured = evaluation.measure(plan.policy, plan.period, chunk.readings, chunk.tenures)
        months = measured.usage.months
        told = pl.col("month").replace_strict(list(months), list(map(month_text, months)), return_dtype=pl.String)
        usage = measured.usage.table().with_columns(month=told)
        return usage, evaluation.assess(plan.policy, plan.period, measured, None)

    usage, baselines = await asyncio.to_thread(evaluated)
    await writer.write(columns.USAGE, with_pseudonyms(usage, named))
    await writer.write(columns.BASELINES, with_pseudonyms(baselines, named))


async def _write_awards(session: ReadSession, writer: Writer, first: int, last: int) -> None:
    found = await queries.awards(session, writer.scope.plan.settlement_id, first, last)
    noticed = found.filter(pl.col("findings_told") != "[]").select("findings_told").unique("findings_told")
    told = noticed["findings_told"].to_list()
    codes = [";".join(dict.fromkeys(each["code"] for each in json.loads(text))) for text in told]
    hidden = [
        _METER_FOUND.sub(lambda found: f'"meter_id": "{writer.pseudonyms.meter(int(found[1]))}"', t) for t in told
    ]
    with_codes = noticed.with_columns(
        findings=pl.Series(codes, dtype=pl.String), hidden=pl.Series(hidden, dtype=pl.String)
    )
    rows = found.join(with_codes, on="findings_told", how="left", maintain_order="left").with_columns(
        period=pl.lit(str(writer.scope.plan.period)), findings_told=pl.coalesce("hidden", "findings_told")
    )
    await writer.write(columns.AWARDS, with_pseudonyms(rows, writer.pseudonyms.households(rows["household_id"])))


async def write_readings(session: ReadSession, writer: Writer) -> None:
    """Readings of the city's meters as they were recorded by the settlement's moment, and the meters that are in any file."""
    plan, after = writer.scope.plan, 0
    windows = rules.windows(plan.period, plan.policy.baseline.lookback_years)
    held = pl.concat([pl.Series(dtype=pl.Int64), *writer.held])
    while not (meters := await queries.meters(session, plan.city_id, after, METERS_TOGETHER)).is_empty():
        after = int(meters["id"][-1])
        ids = meters["id"].to_list()
        found = await queries.readings_recorded(session, ids, windows, plan.as_of)
        there = pl.concat([found["meter_id"].unique(), held]).unique()
        known = meters.filter(pl.col("id").is_in(there.implode()))
        named = writer.pseudonyms.meters(known["id"])
        of_each = found.join(known, left_on="meter_id", right_on="id", how="left", maintain_order="left")
        rows = of_each.with_columns(
            quantity=pl.when(pl.col("quantity") != queries.NO_QUANTITY).then("quantity"),
            reason=pl.col("reason").cast(pl.String).replace("", None),
            unit=pl.col("commodity").replace_strict(_UNITS, return_dtype=pl.String),
        )
        await writer.write(columns.READINGS, with_pseudonyms(rows, named, "meter_id"))
        await writer.write(columns.METERS, with_pseudonyms(known.with_columns(meter_id="id"), named, "meter_id"))
        writer.meters.append(known["id"])


async def write_small(session: ReadSession, writer: Writer) -> None:
    """Reviews, totals and factors."""
    scope = writer.scope
    reviews = await queries.reviews(session, scope.plan.settlement_id)
    named = [each | {"household_id": writer.pseudonyms.household(each["household_id"])} for each in reviews]
    await writer.write(columns.REVIEWS, pl.DataFrame(named, schema=columns.REVIEWS.schema))
    totals = [each.model_dump() for each in scope.totals]
    await writer.write(columns.TOTALS, pl.DataFrame(totals, schema=columns.TOTALS.schema))
    assert BASE_UNITS_PER_DISPLAY_UNIT == 1000, "factors are told for a kWh or a m3"
    factors = [
        (commodity.value, rational_text(rule.factor), DISPLAY_UNIT[commodity].name, rule.source)
        for commodity, rule in scope.plan.policy.commodities.items()
    ]
    await writer.write(columns.FACTORS, pl.DataFrame(factors, schema=columns.FACTORS.schema, orient="row"))


async def write_ids(session: ReadSession, writer: Writer, with_numbers: bool) -> None:
    """The bank's numbers behind the pseudonyms; and who they are, where a privacy officer says so."""
    for ids, pseudonyms, numbers in (
        (writer.households, writer.pseudonyms.households, queries.household_numbers),
        (writer.meters, writer.pseudonyms.meters, queries.meter_numbers),
    ):
        for some in ids:
            named = pseudonyms(some)
            await writer.write(columns.IDS, named)
            if with_numbers:
                told = (await numbers(session, some.to_list())).join(named, on="id", maintain_order="left")
                every = [
                    pl.lit(None, pl.String).alias(name) for name in columns.NUMBERS.schema if name not in told.columns
                ]
                await writer.write(columns.NUMBERS, told.with_columns(every))


def with_pseudonyms(frame: pl.DataFrame, pseudonyms: pl.DataFrame, column: str = "household_id") -> pl.DataFrame:
    """The rows whose household (or meter) has a pseudonym, with it in place of the number."""
    known = pseudonyms.select(pl.col("id").alias(column), pl.col("pseudonym"))
    joined = frame.join(known, on=column, how="inner", maintain_order="left")
    return joined.with_columns(pl.col("pseudonym").alias(column)).drop("pseudonym")
