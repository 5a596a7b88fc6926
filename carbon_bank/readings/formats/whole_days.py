"""Readings of a day and more, and registers, with moments: from midnight to midnight at their place."""

from __future__ import annotations

import polars as pl

from carbon_bank.readings.formats import espi_codes as codes
from carbon_bank.readings.formats.interval_codes import CONTRADICTION
from carbon_bank.readings.formats.intervals import decimal_text
from carbon_bank.readings.formats.normal import METER, Finding, normal_form
from carbon_bank.readings.formats.tariffs import RANK, SPAN_SCHEMA, added

WHOLE_SCHEMA = pl.Schema(
    {
        "at": pl.Int32(),
        **dict.fromkeys(METER, pl.String()),
        "unit": pl.String(),
        "start": pl.Int64(),
        "seconds": pl.Int64(),
        "amount": pl.Int128(),  # billionths of the unit
        "quality": pl.String(),
        "issued": pl.Int64(),
        "tariff": pl.Int16(),
        "is_register": pl.Boolean(),
        "first": pl.Date(),  # the midnights that are nearest to its start and its end
        "last": pl.Date(),
        "off": pl.Int64(),  # seconds from them
    }
)


def spans_of(readings: pl.DataFrame) -> pl.DataFrame:
    """SPAN_SCHEMA of readings: each of its own time, registers of all the time from a meter's first to its last."""
    moment = pl.col("start") + pl.col("seconds")
    first, last = moment.min().over(METER), moment.max().over(METER)
    registers = readings.filter("is_register").with_columns(start=first, seconds=pl.max_horizontal(last - first, 1))
    names = SPAN_SCHEMA.names()
    return pl.concat([readings.filter(~pl.col("is_register")).select(names), registers.select(names)])


def whole_rows(readings: pl.DataFrame, stand: pl.DataFrame, strict: bool) -> tuple[pl.DataFrame, list[Finding]]:
    """Args: readings: WHOLE_SCHEMA. stand: of their tariffs, STANDING_SCHEMA. Returns: NORMAL_SCHEMA, and what was odd."""
    findings = []
    readings = readings.with_columns(pl.col("quality").cast(RANK))
    single, restated = _single(readings.filter(~pl.col("is_register")), strict)
    if restated.height:
        told = "A reading stands there more than once, with different values. The one issued last counts."
        findings.append(Finding(restated["at"].min(), "formats.restated_interval", told, count=restated.height))  # type: ignore[arg-type]
    off = single.filter(pl.col("off") > 0)
    if off.height:
        hours = int(off["off"].max()) // 3600  # type: ignore[arg-type]
        told = f"{codes.NOTES[codes.OFF]} The farthest is off by {hours} hours."
        findings.append(Finding(off["at"].min(), codes.OFF, told, count=off.height))  # type: ignore[arg-type]
    late = (pl.col("off") > 0) & pl.lit(strict) & pl.col("fault").is_null()
    single = single.with_columns(fault=pl.when(late).then(pl.lit(codes.OFF)).otherwise("fault"))
    quantities = added(single, stand, ["first", "last"]).with_columns(quantity=decimal_text(pl.col("amount")))
    rows = pl.concat([quantities, _between(readings.filter("is_register"), stand)], how="diagonal")
    return _normal(rows), findings


def _single(readings: pl.DataFrame, strict: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each period of a meter and tariff once, the value issued last; and those that were restated."""
    key = [*METER, "tariff", "start", "seconds"]
    last_issued = pl.col("issued") == pl.col("issued").max()
    marked = readings.sort(*key, "issued", "at").with_columns(
        values=pl.struct("amount", "unit").n_unique().over(key),
        last_values=pl.struct("amount", "unit").filter(last_issued).n_unique().over(key),
    )
    single = marked.unique(key, keep="last", maintain_order=True)
    undecided = (pl.col("last_values") > 1) | ((pl.col("values") > 1) & pl.lit(strict))
    single = single.with_columns(fault=pl.when(undecided).then(pl.lit(CONTRADICTION)))
    return single, single.filter((pl.col("values") > 1) & ~undecided)


def _between(registers: pl.DataFrame, stand: pl.DataFrame) -> pl.DataFrame:
    """What registers showed on one day and on the next that they were read: the first of each day counts."""
    moment = pl.col("start") + pl.col("seconds")
    # The nearest midnight, of the moment at which the register was read.
    ordered = registers.with_columns(moment=moment).sort(*METER, "moment", "issued", "at")
    first = ordered.unique([*METER, "tariff", "last"], keep="first", maintain_order=True)
    shown = added(first.with_columns(fault=pl.lit(None, pl.String)), stand, ["last"]).sort(*METER, "last")
    faulty, daily = shown.filter(pl.col("fault").is_not_null()), shown.filter(pl.col("fault").is_null())
    before = {name: pl.col(column).shift(1).over(METER) for name, column in (("day", "last"), ("amount", "amount"))}
    pairs = (
        daily.with_columns(first=before["day"], shown=before["amount"])
        .filter(pl.col("shown").is_not_null())
        .with_columns(
            register_start=decimal_text(pl.col("shown")),
            register_end=decimal_text(pl.col("amount")),
        )
    )
    return pl.concat([pairs, faulty], how="diagonal")


def _normal(rows: pl.DataFrame) -> pl.DataFrame:
    dated = rows.with_columns(
        code="fault",
        period_start=pl.col("first").dt.strftime("%Y-%m-%d"),
        period_end=pl.col("last").dt.strftime("%Y-%m-%d"),
        column=pl.when(pl.col("fault").is_not_null()).then(pl.lit("quantity")),
    )
    return normal_form(dated).sort("at", maintain_order=True)
