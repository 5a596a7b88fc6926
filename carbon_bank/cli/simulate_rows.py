"""Rows of text to readings, tenures and households for `simulate`: each row accepted, or refused with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from carbon_bank.foundation.calendar import YEAR_MAX, YEAR_MIN
from carbon_bank.foundation.units import COMMODITY_DTYPE, QUALITY_DTYPE, Commodity, Quality
from carbon_bank.readings.quantities import QUANTITY_REASONS, base_quantities

READING_COLUMNS = (
    "household_id", "meter_id", "commodity", "period_start", "period_end", "quantity", "unit", "quality",
)  # fmt: skip
HOUSEHOLD_COLUMNS = ("household_id", "dwelling_type", "residents", "moved_in")
PERIOD_DAYS_MAX = 100
REASONS = {
    **QUANTITY_REASONS,
    "readings.missing": "The value is missing.",
    "readings.commodity": f"The commodity is none of {', '.join(Commodity)}.",
    "readings.quality": f"The quality is none of {', '.join(Quality)}.",
    "readings.date": f"It is no date of the calendar between {YEAR_MIN} and {YEAR_MAX}. Write it as 2026-03-01.",
    "readings.period_order": "The period ends before it begins, or on the same day. The end day does not count.",
    "readings.period_too_long": f"The period is longer than {PERIOD_DAYS_MAX} days.",
    "readings.future": "The period ends after today.",
    "registry.residents": "The number of residents is no whole number from 1 to 999.",
    "registry.duplicate": "The household stands in an earlier row too.",
}
ROWS_PER_PART = 1_000_000
_LINES = 2**32  # more than a file has lines, and than there are meters
_DAYS = 2**24  # more than the days until YEAR_MAX
FAULT_SCHEMA = pl.Schema(
    {"line": pl.Int64(), "column": pl.String(), "value": pl.String(), "code": pl.String(), "reason": pl.String()}
)


_NO_READINGS = pl.DataFrame(
    schema={
        "line": pl.Int64,
        "household": pl.Int64,
        "meter": pl.Int64,
        "commodity": COMMODITY_DTYPE,
        "start": pl.Date,
        "end": pl.Date,
        "base": pl.Int64,
        "quality": QUALITY_DTYPE,
    }
)


@dataclass(frozen=True)
class Judged:
    """Rows that are in order, and what is wrong with the others: one fault for each, the first that was found.

    rows of readings: `line`, `household` and `meter` (numbers for their ids), `commodity`, `start`, `end`, `base` (base
    units), `quality`; names: `household`, `name` (its id in the file). rows of households: see `judge_households`.
    """

    rows: pl.DataFrame
    faults: pl.DataFrame
    names: pl.DataFrame
    duplicates: int = 0


def judge_readings(rows: pl.DataFrame, today: date) -> Judged:
    """Rows of READING_COLUMNS as text, to readings.

    Readings of one meter that contradict each other are all refused: nothing in a file says which of them is right.
    """
    # One cast of a whole column: the numbers of categories hold within it, and no longer than it lives.
    numbered = rows.with_columns(_numbers("household_id").alias("household"), _numbers("meter_id").alias("meter"))
    names = numbered.select("household", name="household_id").unique("household")
    parts = [_judge_alone(part, today) for part in numbered.iter_slices(ROWS_PER_PART)]
    sound = pl.concat([_NO_READINGS, *(readings for readings, _ in parts)])
    suspect = _suspect_meters(sound)
    few = sound.join(suspect, on="meter", how="semi").join(rows.select("line", "quantity", "period_start"), on="line")
    few, of_two = _refuse_two_commodities(few)
    alone = few.filter(pl.struct("household", "meter", "start", "end", "base", "quality").is_first_distinct())
    agreed, conflicting = _refuse_conflicts(alone)
    apart, overlapping = _refuse_overlaps(agreed)
    accepted = pl.concat([sound.join(suspect, on="meter", how="anti"), apart.select(sound.columns)])
    faults = pl.concat(
        [FAULT_SCHEMA.to_frame(), *(refused for _, refused in parts), of_two, conflicting, overlapping]
    ).sort("line")
    known = names.join(accepted, on="household", how="semi")
    return Judged(accepted, faults, known, few.height - alone.height)


def _judge_alone(rows: pl.DataFrame, today: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each row by itself, its text turned into numbers."""
    read = base_quantities(rows).rename({"quantity_base": "base"})
    read = read.with_columns(start=_day("period_start"), end=_day("period_end"))
    days = (pl.col("end") - pl.col("start")).dt.total_days()
    error = pl.col("quantity_error")
    sound, faults = _judge(
        read,
        [
            *((pl.col(name).is_null(), name, "readings.missing") for name in READING_COLUMNS),
            (~pl.col("commodity").is_in(list(map(str, Commodity))), "commodity", "readings.commodity"),
            (pl.col("start").is_null(), "period_start", "readings.date"),
            (pl.col("end").is_null(), "period_end", "readings.date"),
            (days <= 0, "period_end", "readings.period_order"),
            (days > PERIOD_DAYS_MAX, "period_end", "readings.period_too_long"),
            (pl.col("end") > today + timedelta(days=1), "period_end", "readings.future"),
            *((error == code, "unit" if code == "readings.unit" else "quantity", code) for code in QUANTITY_REASONS),
            (~pl.col("quality").is_in(list(map(str, Quality))), "quality", "readings.quality"),
        ],
    )
    return sound.select(_NO_READINGS.columns).cast(_NO_READINGS.schema), faults


def _numbers(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Categorical).to_physical().cast(pl.Int64)


def _suspect_meters(rows: pl.DataFrame) -> pl.DataFrame:
    """The meters with more than one commodity or with a day in two readings: of most files none.

    Meter and day are packed into one number, so that one sort and one running maximum serve all meters.
    """
    begins, ends = (pl.col("meter") * _DAYS + pl.col(name).cast(pl.Int32) for name in ("start", "end"))
    ordered = rows.select("meter", "commodity", begins=begins, ends=ends).sort("begins")
    mixed = (pl.col("meter") == pl.col("meter").shift(1)) & (pl.col("commodity") != pl.col("commodity").shift(1))
    touching = pl.col("begins") < pl.col("ends").cum_max().shift(1)
    return ordered.filter(mixed | touching).select("meter").unique()


def judge_households(rows: pl.DataFrame) -> Judged:
    """Rows of HOUSEHOLD_COLUMNS as text (those left out are unknown): the same with `people` (Int64), `moved` (Date)."""
    lacking = [name for name in HOUSEHOLD_COLUMNS if name not in rows.columns]
    read = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in lacking)
    people = pl.col("residents").str.extract(r"^([1-9][0-9]{0,2})$").cast(pl.Int64)
    read = read.with_columns(people=people, moved=_day("moved_in"))
    sound, faults = _judge(
        read,
        [
            (pl.col("household_id").is_null(), "household_id", "readings.missing"),
            (~pl.col("household_id").is_first_distinct(), "household_id", "registry.duplicate"),
            (pl.col("residents").is_not_null() & pl.col("people").is_null(), "residents", "registry.residents"),
            (pl.col("moved_in").is_not_null() & pl.col("moved").is_null(), "moved_in", "readings.date"),
        ],
    )
    return Judged(sound, faults, sound.select(name="household_id"))


def _day(name: str) -> pl.Expr:
    text = pl.col(name)
    day = pl.when(text.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")).then(text).str.to_date("%Y-%m-%d", strict=False)
    return pl.when(day.is_between(date(YEAR_MIN, 1, 1), date(YEAR_MAX, 12, 31))).then(day)


def _judge(rows: pl.DataFrame, checks: Sequence[tuple[pl.Expr, str, str]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    first = pl.coalesce(pl.when(wrong).then(pl.lit(number)) for number, (wrong, _, _) in enumerate(checks))
    checked = rows.with_columns(check=first)
    refused = checked.filter(pl.col("check").is_not_null())
    faults = [FAULT_SCHEMA.to_frame()]
    for number, (_, column, code) in enumerate(checks):
        of_check = refused.filter(pl.col("check") == number)
        faults.append(_faults(of_check, column, code, pl.lit(REASONS[code])))
    return checked.filter(pl.col("check").is_null()).drop("check"), pl.concat(faults).sort("line")


def _faults(rows: pl.DataFrame, column: str, code: str, reason: pl.Expr) -> pl.DataFrame:
    return rows.select("line", column=pl.lit(column), value=pl.col(column), code=pl.lit(code), reason=reason).cast(
        FAULT_SCHEMA
    )


def _refuse_two_commodities(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    meters = rows.group_by("meter").agg(pl.col("commodity").n_unique()).filter(pl.col("commodity") > 1)
    few = rows.join(meters.select("meter"), on="meter", how="semi")
    told = _with_other_line(few, ["meter"], pl.col("commodity"))
    reason = pl.format("Line {} has the same meter with another commodity. A meter has one.", "other_line")
    faults = _faults(told, "commodity", "readings.meter_commodity", reason)
    return rows.join(meters, on="meter", how="anti"), faults


def _refuse_conflicts(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    period = ["meter", "start", "end"]
    value = pl.concat_str(pl.col("base").cast(pl.String), pl.lit(" "), pl.col("quality").cast(pl.String))
    several = rows.filter(pl.struct(period).is_duplicated()).with_columns(value=value)
    differing = several.group_by(period).agg(pl.col("value").n_unique()).filter(pl.col("value") > 1).select(period)
    told = _with_other_line(several.join(differing, on=period, how="semi"), period, pl.col("value"))
    reason = pl.format("Line {} has another quantity or quality for the same meter and period.", "other_line")
    faults = _faults(told, "quantity", "readings.conflict", reason)
    return rows.join(differing, on=period, how="anti"), faults


def _with_other_line(rows: pl.DataFrame, key: list[str], value: pl.Expr) -> pl.DataFrame:
    """`other_line`: the first line of the same key with another value."""
    firsts = rows.group_by(*key, value.alias("_value")).agg(other_line=pl.col("line").min())
    paired = rows.with_columns(_own=value).join(firsts, on=key).filter(pl.col("_own") != pl.col("_value"))
    return paired.sort("line", "other_line").unique("line", keep="first", maintain_order=True)


def _refuse_overlaps(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A reading that shares a day with another of its meter; the line of one that it overlaps is named."""
    period = ["meter", "start", "end"]
    periods = rows.select(*period, "line").sort(*period, "line").unique(period, keep="first", maintain_order=True)
    # The latest end so far and the line that it stands in, packed, so that one running maximum carries both.
    packed = pl.col("end").cast(pl.Int32).cast(pl.Int64) * _LINES + pl.col("line")
    before = packed.cum_max().shift(1).over("meter")
    after_start, after_line = (pl.col(name).shift(-1).over("meter") for name in ("start", "line"))
    linked = periods.with_columns(before=before, after_start=after_start, after_line=after_line).with_columns(
        other_line=pl.when(pl.col("start").cast(pl.Int32) < pl.col("before") // _LINES)
        .then(pl.col("before") % _LINES)
        .when(pl.col("after_start") < pl.col("end"))
        .then("after_line")
    )
    overlapping = linked.filter(pl.col("other_line").is_not_null()).select(*period, "other_line")
    told = rows.join(overlapping, on=period)
    reason = pl.format("The reading of the same meter in line {} covers a day of this one too.", "other_line")
    return rows.join(overlapping, on=period, how="anti"), _faults(told, "period_start", "readings.overlap", reason)
