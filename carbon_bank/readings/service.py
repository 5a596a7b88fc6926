"""Recording what a utility sends, and reading what was recorded up to a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import polars as pl

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import NotFound
from carbon_bank.foundation.moments import recording_moment
from carbon_bank.identity.actor import Actor
from carbon_bank.readings import queries
from carbon_bank.readings.intake import COLUMNS, KEY, SENTENCES, Status, judge, parse
from carbon_bank.readings.tables import MeterReading as MeterReading
from carbon_bank.readings.tables import ReadingBatch
from carbon_bank.registry.service import UtilityPlace
from carbon_bank.trail.service import Act, record

Mode = Literal["partial", "atomic"]
BATCH_ROWS_MAX = 10_000


@dataclass(frozen=True)
class Refused:
    """A row that was not taken: where, what stood there, why, and what to do."""

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
) -> BatchResult:
    """Record a batch of one utility.

    Args: rows: at most BATCH_ROWS_MAX, `line` Int32 (rising) and the columns of intake.COLUMNS as text. source: where they
          came from, as `api` or a file's name. mode: `atomic` takes all rows or none, `partial` each on its own.
    """
    assert rows.height <= BATCH_ROWS_MAX
    await queries.one_batch_at_a_time(session, place.utility_id)
    recorded_at = await recording_moment(session, place.city_id)
    meters = await queries.resolve_meters(session, place.utility_id, rows)
    parsed = parse(
        rows.join(meters, on="line", how="left", maintain_order="left"), clock.local_day(now, place.time_zone)
    )
    parsed = _with_meter_faults(parsed, place)
    sound = parsed.filter(pl.col("code").is_null())
    stands = await _standing_near(session, sound)
    judged = judge(sound, stands)
    faulty = parsed.filter(pl.col("code").is_not_null()).select(
        "line", pl.lit(Status.REFUSED.value).alias("status"), "code", "column"
    )
    outcomes = pl.concat([judged.outcomes, faulty]).sort("line")
    readings = judged.readings
    if mode == "atomic" and outcomes["status"].eq(Status.REFUSED.value).any():
        outcomes, readings = _none_taken(outcomes), readings.clear()
    counts = dict(outcomes["status"].value_counts().iter_rows())
    batch = ReadingBatch(
        city_id=place.city_id,
        utility_id=place.utility_id,
        source=source,
        by=actor.subject,
        recorded_at=recorded_at,
        rows=rows.height,
        **{status.value: counts.get(status.value, 0) for status in Status},
    )
    batch_id = await queries.add_batch(session, batch, readings)
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
        statuses=outcomes["status"].to_list(),
        refused=list(_refusals(outcomes, rows)),
    )


def _with_meter_faults(parsed: pl.DataFrame, place: UtilityPlace) -> pl.DataFrame:
    supplied = pl.col("commodity").str.strip_chars().is_in(sorted(place.commodities))
    code = (
        pl.when(pl.col("code").is_not_null())
        .then("code")
        .when(~supplied)
        .then(pl.lit("readings.not_this_utility"))
        .when(pl.col("matches") == 0)
        .then(pl.lit("readings.unknown_meter"))
        .when(pl.col("matches") > 1)
        .then(pl.lit("readings.meter_ambiguous"))
    )
    column = (
        pl.when(pl.col("code").is_not_null())
        .then("column")
        .when(~supplied)
        .then(pl.lit("commodity"))
        .when(pl.col("matches") == 0)
        .then(pl.lit("customer_number"))
        .when(pl.col("matches") > 1)
        .then(pl.lit("meter_number"))
    )
    return parsed.with_columns(code=code, column=column)


async def _standing_near(session: ReadSession, sound: pl.DataFrame) -> pl.DataFrame:
    if sound.height == 0:
        return await queries.standing(session, [], date.min.replace(year=1970), date.min.replace(year=1970))
    first, last = sound["period_start"].min(), sound["period_end"].max()
    assert isinstance(first, date) and isinstance(last, date)
    return await queries.standing(session, sound["meter_id"].unique().to_list(), first, last)


def _none_taken(outcomes: pl.DataFrame) -> pl.DataFrame:
    return outcomes.with_columns(
        status=pl.lit(Status.REFUSED.value), code=pl.col("code").fill_null(pl.lit("readings.batch_atomic"))
    )


def _refusals(outcomes: pl.DataFrame, rows: pl.DataFrame) -> Iterator[Refused]:
    refused = outcomes.filter(pl.col("status") == Status.REFUSED.value).join(
        rows, on="line", how="left", maintain_order="left"
    )
    for row in refused.iter_rows(named=True):
        column = row["column"] or ""
        value = row.get(column)
        yield Refused(row["line"], column, None if value is None else value[:80], row["code"], SENTENCES[row["code"]])


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


def rows_from(rows: Sequence[dict[str, str | int | None]]) -> pl.DataFrame:
    """Rows as sent in JSON to a frame of text, numbered from 1."""
    text = {
        name: pl.Series(name, [None if row.get(name) is None else str(row[name]) for row in rows], dtype=pl.String)
        for name in COLUMNS
    }
    return pl.DataFrame({"line": pl.Series(range(1, len(rows) + 1), dtype=pl.Int32), **text})
