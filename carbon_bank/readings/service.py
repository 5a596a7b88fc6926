"""Recording what a utility sends, and reading what was recorded up to a moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import polars as pl

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import change_queries, quarantine_queries, queries
from carbon_bank.readings.formats import known
from carbon_bank.readings.intake import (
    COLUMNS,
    KEY,
    SENTENCES,
    Check,
    Status,
    is_none_of,
    judge,
    needs_meters,
    parse,
    tidied,
    with_faults,
)
from carbon_bank.readings.registers import HELD, implausible
from carbon_bank.readings.tables import MeterReading as MeterReading
from carbon_bank.readings.tables import ReadingBatch
from carbon_bank.registry.service import UtilityPlace
from carbon_bank.trail.service import Act, record

Mode = Literal["partial", "atomic"]
BATCH_ROWS_MAX = 50_000
QUARANTINE_MONTHS = 13
USUAL_DAYS = 400
"""How far back a meter's readings tell its usual use: a year and the time that the last bills take."""
_FAULT = ["code", "column"]
_TEXT = dict.fromkeys(COLUMNS, pl.String)
UNKNOWN_METER = "readings.unknown_meter"
_ANY_CALORIFIC_VALUE = 11_000
"""Of a meter that is not known yet: enough to see whether the row is in order otherwise."""


@dataclass(frozen=True)
class Refused:
    """A row that was not taken, or waits: where, what stood there, why, and what to do."""

    line: int
    column: str
    value: str | None
    code: str
    message: str


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch. `statuses`: one for each row, in the order in which they were sent."""

    batch_id: int
    recorded_at: datetime
    accepted: int
    duplicate: int
    revised: int
    quarantined: int
    statuses: list[str]
    refused: list[Refused]


async def record_readings(
    session: WriteSession,
    actor: Actor,
    now: datetime,
    place: UtilityPlace,
    rows: pl.DataFrame,
    *,
    source: str,
    mode: Mode,
    trust_rollovers: bool = False,
) -> BatchResult:
    """Record a batch of one utility.

    Args: rows: at most BATCH_ROWS_MAX, `line` Int32 (rising) and the columns of intake.COLUMNS as text; `code` and `column`
          where their format found a fault. source: where they came from, as `api` or a file's name. mode: `atomic` takes all
          rows or none, `partial` each on its own. trust_rollovers: somebody looked at them.
    """
    assert rows.height <= BATCH_ROWS_MAX
    recorded_at = await queries.one_batch_at_a_time(session, place.utility_id, place.city_id)
    today = clock.local_day(now, place.time_zone)
    parsed = await _parsed(session, place, rows, today)
    if not trust_rollovers:
        parsed = await _with_held_rollovers(session, parsed, today)
    outcomes, readings = await _judged(session, parsed, mode)
    statuses = outcomes["status"].to_list()
    counts = Counter(statuses)
    batch = ReadingBatch(
        city_id=place.city_id,
        utility_id=place.utility_id,
        source=source,
        by=actor.subject,
        recorded_at=recorded_at,
        rows=rows.height,
        **{status.value: counts[status.value] for status in Status},
    )
    batch_id = await queries.add_batch(session, batch, readings)
    if batch.quarantined:
        waiting = outcomes.filter(pl.col("status") == Status.QUARANTINED.value)
        kept = waiting.select("line", "code").join(rows.drop(_FAULT, strict=False), on="line", maintain_order="left")
        await quarantine_queries.keep(session, batch, kept, _kept_until(today))
    facts = {"rows": rows.height, "source": source, **counts}
    record(
        session,
        Act.READINGS_RECORDED,
        by=actor.subject,
        at=now,
        subject=f"reading_batch:{batch_id}",
        city_id=place.city_id,
        facts=facts,
    )
    return BatchResult(
        batch_id=batch_id,
        recorded_at=recorded_at,
        accepted=batch.accepted,
        duplicate=batch.duplicate,
        revised=batch.revised,
        quarantined=batch.quarantined,
        statuses=statuses,
        refused=list(_refusals(outcomes, rows)),
    )


async def _parsed(session: ReadSession, place: UtilityPlace, rows: pl.DataFrame, today: date) -> pl.DataFrame:
    tidy = tidied(rows)
    looking_up = asyncio.create_task(queries.meters_of(session, place.utility_id, tidy, _ANY_CALORIFIC_VALUE))
    try:
        if needs_meters(tidy):
            parsed = parse(tidy.hstack(await looking_up), today)
        else:
            await asyncio.sleep(0)  # the query is sent, and PostgreSQL looks meters up while the text is read here
            parsed = parse(tidy, today)
            parsed = parsed.with_columns_seq((await looking_up).get_columns())
    finally:
        # A request that is cancelled in between must not leave a query behind on a connection that is being rolled back.
        if not looking_up.done():
            looking_up.cancel()
            await asyncio.wait([looking_up])
    return with_faults(parsed, _of_meters(place.commodities))


async def _judged(session: ReadSession, parsed: pl.DataFrame, mode: Mode) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What becomes of each row (`line, status, code, column`), and the readings to record."""
    faultless = parsed["code"].null_count() == parsed.height
    sound = parsed if faultless else parsed.filter(pl.col("code").is_null())
    judged = judge(sound, await _standing_near(session, sound))
    if faultless:
        outcomes = judged.outcomes
    else:
        waits = pl.col("code").is_in([UNKNOWN_METER, HELD]) if mode == "partial" else pl.lit(False)
        status = pl.when(waits).then(pl.lit(Status.QUARANTINED.value)).otherwise(pl.lit(Status.REFUSED.value))
        faulty = parsed.filter(pl.col("code").is_not_null()).select("line", status.alias("status"), "code", "column")
        outcomes = pl.concat([judged.outcomes, faulty]).sort("line")
    if mode == "atomic" and outcomes["status"].eq(Status.REFUSED.value).any():
        return _none_taken(outcomes), judged.readings.clear()
    return outcomes, judged.readings


@lru_cache(maxsize=16)
def _of_meters(supplied: frozenset[str]) -> tuple[Check, ...]:
    return (
        (is_none_of(sorted(supplied), "commodity"), "readings.not_this_utility", "commodity"),
        (pl.col("matches") == 0, UNKNOWN_METER, "customer_number"),
        (pl.col("matches") > 1, "readings.meter_ambiguous", "meter_number"),
    )


async def _with_held_rollovers(session: ReadSession, parsed: pl.DataFrame, today: date) -> pl.DataFrame:
    if not parsed["rolled"].any():
        return parsed
    rolled = parsed.filter(pl.col("code").is_null() & pl.col("rolled"))
    usual = await queries.usual_use(session, rolled["meter_id"].unique().to_list(), today - timedelta(days=USUAL_DAYS))
    held = pl.col("line").is_in(implausible(rolled, usual).implode())
    return parsed.with_columns(
        code=pl.when(held).then(pl.lit(HELD)).otherwise("code"),
        column=pl.when(held).then(pl.lit("register_end")).otherwise("column"),
    )


def _kept_until(today: date) -> date:
    months = today.year * 12 + today.month - 1 + QUARANTINE_MONTHS
    return date(months // 12, months % 12 + 1, min(today.day, 28))


async def _standing_near(session: ReadSession, sound: pl.DataFrame) -> pl.DataFrame:
    if sound.height == 0:
        return await queries.standing(
            session, sound["meter_id"], date.min.replace(year=1970), date.min.replace(year=1970)
        )
    first, last = sound["period_start"].min(), sound["period_end"].max()
    assert isinstance(first, date) and isinstance(last, date)
    return await queries.standing(session, pl.Series(np.unique(sound["meter_id"].to_numpy())), first, last)


def _none_taken(outcomes: pl.DataFrame) -> pl.DataFrame:
    return outcomes.with_columns(
        status=pl.lit(Status.REFUSED.value), code=pl.col("code").fill_null(pl.lit("readings.batch_atomic"))
    )


def sentence(code: str) -> str:
    """What the code of a row that was not taken means, and what to do: the intake's, or a format's."""
    return SENTENCES.get(code) or known.SENTENCES[code]


def _refusals(outcomes: pl.DataFrame, rows: pl.DataFrame) -> Iterator[Refused]:
    if outcomes["code"].null_count() == outcomes.height:
        return
    refused = outcomes.filter(pl.col("status").is_in([Status.REFUSED.value, Status.QUARANTINED.value]))
    sent = refused.join(rows.drop(_FAULT, strict=False), on="line", how="left", maintain_order="left")
    for row in sent.iter_rows(named=True):
        column = row["column"] or ""
        value = row.get(column)
        yield Refused(row["line"], column, None if value is None else value[:80], row["code"], sentence(row["code"]))


async def readings_as_of(
    session: ReadSession, meter_ids: Sequence[int], first: date, last: date, as_of: datetime
) -> pl.DataFrame:
    """What stood for meters at a moment, as the rules take it: `meter_id, period_start, period_end, quantity, estimated`.

    Args: first, last: readings whose periods touch [first, last). Current revisions only, cancelled ones left out.
    """
    found = await queries.recorded_by(session, meter_ids, first, last, as_of)
    if found["revision"].max() != 1 and found.height:
        found = found.filter(pl.col("revision") == pl.col("revision").max().over(KEY))
        found = found.filter(pl.col("quantity") != queries.NO_QUANTITY)
    return found.drop("revision")


async def history_of(
    session: ReadSession, meter_ids: Sequence[int], first: date, last: date, as_of: datetime
) -> list[tuple[MeterReading, bool]]:
    """Every revision of the readings of a few meters, in order, and whether it stood at a moment.

    Args: first, last: readings whose periods touch [first, last).
    """
    rows = await queries.revisions_near(session, meter_ids, first, last)
    stood = {reading_key(row): row.revision for row in rows if row.recorded_at <= as_of}  # the last one wins
    return [(row, stood.get(reading_key(row)) == row.revision) for row in rows]


def reading_key(row: MeterReading) -> tuple[int, date, date]:
    """What the revisions of one reading have in common: meter, first day, day after the last."""
    return row.meter_id, row.period_start, row.period_end


async def list_revisions(
    session: ReadSession, meter_id: int | None, after: Sequence[object] | None, limit: int
) -> Sequence[MeterReading]:
    """Every revision of a meter's readings, in order of period and revision.

    Raises: NotFound `readings.unknown_meter` (404).
    """
    if meter_id is None:
        raise NotFound("readings.unknown_meter", "No meter of this utility has these numbers. Check them.")
    return await queries.list_revisions(session, meter_id, after, limit)


def rows_from(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as sent in JSON, each value a text or nothing, to a frame of text, numbered from 1."""
    text = pl.from_dicts(rows, schema=_TEXT)
    return text.insert_column(0, pl.int_range(1, len(rows) + 1, dtype=pl.Int32, eager=True).alias("line"))


async def recorded_after(
    session: ReadSession, city_id: int, moment: datetime, windows: Sequence[tuple[date, date]], batch_id: int | None
) -> pl.DataFrame:
    """The meters of which something was recorded after a moment that touches some days: `meter_id, readings, revised`.

    Args: windows: [first day, end day). batch_id: of this batch alone; null: of any. `revised`: how many of the readings took
          the place of an earlier one, or took it back.
    """
    return await change_queries.recorded_after(session, city_id, moment, windows, batch_id)
