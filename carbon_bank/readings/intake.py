"""What becomes of each row that a utility sends: accepted, duplicate, revised or refused, and why. Pure.

Rows come as text, as they were sent, with their `line`. `parse` turns text into dates and base units; `judge` compares
with what stands and with the rows before. A row is refused on its own, with the first thing that is wrong with it.

Source: readings.md, "What must hold".
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

import polars as pl

from carbon_bank.foundation.units import QUALITY_DTYPE, Commodity, Quality
from carbon_bank.readings.quantities import QUANTITY_REASONS, base_quantities
from carbon_bank.readings.registers import REGISTER_REASONS, from_registers

PERIOD_DAYS_MAX = 100
_DAY = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
_NUL = "\0"
"""PostgreSQL keeps every character but this one."""

COLUMNS = {
    "commodity": True,
    "customer_number": True,
    "meter_number": False,
    "period_start": True,
    "period_end": True,
    "quantity": False,
    "unit": True,
    "register_start": False,
    "register_end": False,
    "quality": False,
    "reason": False,
    "reason_text": False,
    "cancel": False,
}
"""Column -> whether it must be there. Left out: one meter, quality actual, no reason, no cancellation. A row has a quantity, or
what the register showed at its start and at its end."""


class Reason(StrEnum):
    """Why a reading is stated anew."""

    CORRECTED = "corrected"
    ESTIMATE_REPLACED = "estimate_replaced"
    METER_FAULT = "meter_fault"
    OTHER = "other"
    REBILLED = "rebilled"


class Status(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REVISED = "revised"
    REFUSED = "refused"
    QUARANTINED = "quarantined"


SENTENCES: dict[str, str] = {
    **QUANTITY_REASONS,
    **REGISTER_REASONS,
    "readings.commodity": f"The commodity is none that the bank knows. Write one of {', '.join(Commodity)}.",
    "readings.quality": f"The quality is none that the bank knows. Write one of {', '.join(Quality)}, or leave it out.",
    "readings.reason": f"The reason is none that the bank knows. Write one of {', '.join(Reason)}.",
    "readings.reason_text": "The reason `other` needs its text in reason_text.",
    "readings.text": "The text holds a NUL character, which cannot be kept. Send it without.",
    "readings.date": "This is no date of the calendar since 1900. Write it as 2026-03-01.",
    "readings.period_order": "The period ends before it begins, or on the same day. The start day counts, the end day does not.",
    "readings.period_too_long": f"The period is longer than {PERIOD_DAYS_MAX} days. Split it, or ask the operator.",
    "readings.future": "The period ends after today. Send a reading when it has been taken.",
    "readings.cancel": "The column cancel takes `yes` or nothing.",
    "readings.not_this_utility": "This utility does not supply this commodity in its city. Check the column commodity.",
    "readings.unknown_meter": (
        "No meter of this utility has this customer number and meter number. Check both, or ask the operator to add the meter. "
        "A row that is in order otherwise is kept, and recorded when the meter appears within 13 months."
    ),
    "readings.meter_ambiguous": "This customer has several meters. Name one in the column meter_number.",
    "readings.overlap": (
        "The period overlaps a reading of this meter that stands for another period. Cancel that one (cancel=yes with its exact "
        "period and a reason) in the same batch, before this row."
    ),
    "readings.revision_needs_reason": (
        "Another value stands for this meter and period. To restate it, give a reason: " + ", ".join(Reason) + "."
    ),
    "readings.nothing_to_cancel": "No reading stands for this meter and period, so there is nothing to cancel.",
    "readings.batch_atomic": "The row is in order, but another row of this atomic batch is not, so none was taken.",
}
"""What each code means, and what to do: a sentence for each."""

_FAULT = ("code", "column")
_OF_METER = {"calorific_value": pl.Int64, "digits": pl.Int16}
_WORKED_OUT = {"quantity_base", "quantity_error", "register_code", "register_column", "register_start", "register_end"}

PARSED = {
    "line": pl.Int32,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "quantity": pl.Int64,
    "quality": QUALITY_DTYPE,
    "reason": pl.String,
    "reason_text": pl.String,
    "cancel": pl.Boolean,
    "rolled": pl.Boolean,
    "code": pl.String,
    "column": pl.String,
}


def parse(rows: pl.DataFrame, today: date) -> pl.DataFrame:
    """Text to dates, base units and enums, with the first fault of each row.

    Args:    rows: `line` Int32 and the columns of COLUMNS as text (absent optional ones are added); of the row's meter
             `calorific_value` Int64 (Wh per m3) and `digits` Int16, null or left out where unknown; where a format found a
             fault already, its `code` and `column`. today: the day it is in the city.
    Returns: the rows in their order with PARSED in place of the text; `code` and `column` null where nothing is wrong.
             `rolled`: the quantity is right if the register went through its highest figure.
    """
    absent = [name for name in (*COLUMNS, *_FAULT) if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    rows = from_registers(
        rows.with_columns(
            pl.lit(None, kind).alias(name) for name, kind in _OF_METER.items() if name not in rows.columns
        )
    )
    text = {name: pl.col(name).str.strip_chars() for name in COLUMNS}
    given = {name: text[name].fill_null("") != "" for name in COLUMNS}
    start, end = _day(text["period_start"]), _day(text["period_end"])
    quantities = base_quantities(rows.select("quantity", text["commodity"], "calorific_value", text["unit"]))
    rows = rows.with_columns(quantities["quantity_base"], quantities["quantity_error"])
    cancel = given["cancel"]
    quality = pl.when(given["quality"]).then(text["quality"]).otherwise(pl.lit(Quality.ACTUAL.value))
    quantity_column = (
        pl.when(pl.col("quantity_error") == "readings.unit").then(pl.lit("unit")).otherwise(pl.lit("quantity"))
    )
    checks: list[tuple[pl.Expr, str | pl.Expr, str | pl.Expr]] = [
        (pl.col("code").is_not_null(), pl.col("code"), pl.col("column")),
        (~text["commodity"].is_in(list(Commodity)).fill_null(False), "readings.commodity", "commodity"),
        *(
            (pl.col(name).str.contains(_NUL, literal=True), "readings.text", name)
            for name in ("customer_number", "meter_number", "reason_text")
        ),
        (start.is_null(), "readings.date", "period_start"),
        (end.is_null(), "readings.date", "period_end"),
        (end <= start, "readings.period_order", "period_end"),
        ((end - start).dt.total_days() > PERIOD_DAYS_MAX, "readings.period_too_long", "period_end"),
        (end > today, "readings.future", "period_end"),
        (cancel & (text["cancel"] != "yes"), "readings.cancel", "cancel"),
        (~cancel & pl.col("register_code").is_not_null(), pl.col("register_code"), pl.col("register_column")),
        (~cancel & pl.col("quantity_error").is_not_null(), pl.col("quantity_error"), quantity_column),
        (~quality.is_in(list(Quality)), "readings.quality", "quality"),
        (given["reason"] & ~text["reason"].is_in(list(Reason)), "readings.reason", "reason"),
        ((text["reason"] == Reason.OTHER) & ~given["reason_text"], "readings.reason_text", "reason_text"),
        (cancel & ~given["reason"], "readings.revision_needs_reason", "reason"),
    ]
    parsed = rows.with_columns(
        _first_fault(checks, 1).alias("code"),
        _first_fault(checks, 2).alias("column"),
        start.alias("start_day"),
        end.alias("end_day"),
        pl.when(~cancel).then("quantity_base").alias("quantity_whole"),
        quality.cast(QUALITY_DTYPE, strict=False).alias("quality_kind"),
        pl.when(given["reason"]).then(text["reason"]).alias("reason_code"),
        pl.when(given["reason_text"]).then(text["reason_text"]).alias("reason_words"),
        cancel.alias("cancels"),
    )
    return parsed.select(
        *(name for name in rows.columns if name not in PARSED and name not in _WORKED_OUT),
        "line",
        pl.col("start_day").alias("period_start"),
        pl.col("end_day").alias("period_end"),
        pl.col("quantity_whole").alias("quantity"),
        pl.col("quality_kind").alias("quality"),
        pl.col("reason_code").alias("reason"),
        pl.col("reason_words").alias("reason_text"),
        pl.col("cancels").alias("cancel"),
        pl.col("rolled") & ~pl.col("cancels"),
        "code",
        "column",
    )


def _day(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_DAY)).then(text).str.to_date("%Y-%m-%d", strict=False)


def _first_fault(checks: list[tuple[pl.Expr, str | pl.Expr, str | pl.Expr]], part: int) -> pl.Expr:
    values = [(check[0], check[part]) for check in checks]
    return pl.coalesce(
        pl.when(wrong).then(pl.lit(value) if isinstance(value, str) else value) for wrong, value in values
    )


class _Standing(NamedTuple):
    """The current revision of one natural key. `quantity` null: cancelled."""

    revision: int
    quantity: int | None
    quality: str


@dataclass(frozen=True)
class Judged:
    """What becomes of a batch.

    Args: outcomes: `line, status, code, column` for each row, in the order of the rows.
          readings: the rows to record: `meter_id, period_start, period_end, revision, quantity, quality, reason, reason_text`.
    """

    outcomes: pl.DataFrame
    readings: pl.DataFrame


KEY = ["meter_id", "period_start", "period_end"]
_RECORD = [*KEY, "revision", "quantity", "quality", "reason", "reason_text"]


def judge(rows: pl.DataFrame, standing: pl.DataFrame) -> Judged:
    """Compare sound rows with what stands for their meters, and with the rows before them.

    Args:    rows: as `parse` returns, without faults, with `meter_id` Int64; in the order in which they were sent.
             standing: current revisions of these meters near these periods: KEY, `revision` Int16, `quantity` Int64 (null:
             cancelled), `quality`.
    Returns: Judged. Rows of meters about which nothing is peculiar are judged together, the others one by one.
    """
    peculiar = _peculiar_meters(rows, standing)
    plain = rows.join(peculiar, on="meter_id", how="anti", maintain_order="left")
    odd = rows.join(peculiar, on="meter_id", how="semi", maintain_order="left")
    accepted = plain.with_columns(revision=pl.lit(1, pl.Int16)).select(_RECORD)
    outcomes = plain.select(
        "line", status=pl.lit(Status.ACCEPTED.value), code=pl.lit(None, pl.String), column=pl.lit(None, pl.String)
    )
    one_by_one, recorded = _judge_in_order(odd, standing)
    schema = accepted.schema
    return Judged(
        outcomes=pl.concat([outcomes, pl.DataFrame(one_by_one, schema=outcomes.schema, orient="row")]).sort("line"),
        readings=pl.concat([accepted, pl.DataFrame(recorded, schema=schema, orient="row")]),
    )


def _peculiar_meters(rows: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """Meters with a reason, a cancellation, or two periods that touch the same day."""
    periods = pl.concat([rows.select(KEY), standing.select(KEY)]).sort(KEY)
    touching = periods.filter(pl.col("period_start") < pl.col("period_end").shift(1).cum_max().over("meter_id"))
    marked = rows.filter(pl.col("cancel") | pl.col("reason").is_not_null())
    return pl.concat([touching.select("meter_id"), marked.select("meter_id")]).unique()


def _judge_in_order(rows: pl.DataFrame, standing: pl.DataFrame) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    of_meter: dict[int, dict[tuple[date, date], _Standing]] = defaultdict(dict)
    wanted = standing.join(rows.select("meter_id").unique(), on="meter_id", how="semi")
    for meter, start, end, revision, quantity, quality in wanted.select(
        *KEY, "revision", "quantity", "quality"
    ).iter_rows():
        of_meter[meter][start, end] = _Standing(revision, quantity, quality)
    outcomes: list[tuple[Any, ...]] = []
    recorded: list[tuple[Any, ...]] = []
    for row in rows.select("line", *KEY, "quantity", "quality", "reason", "reason_text", "cancel").iter_rows():
        line, meter, start, end, quantity, quality, reason, reason_text, cancel = row
        known = of_meter[meter]
        stands = known.get((start, end))
        status, code, column = _verdict(known, stands, (start, end), quantity, quality, reason, cancel)
        outcomes.append((line, status.value, code, column))
        if status in (Status.ACCEPTED, Status.REVISED):
            revision = stands.revision + 1 if stands else 1
            known[start, end] = _Standing(revision, quantity, quality)
            recorded.append(
                (
                    meter,
                    start,
                    end,
                    revision,
                    quantity,
                    quality,
                    reason if stands else None,
                    reason_text if stands else None,
                )
            )
    return outcomes, recorded


def _verdict(
    known: dict[tuple[date, date], _Standing],
    stands: _Standing | None,
    period: tuple[date, date],
    quantity: int | None,
    quality: str,
    reason: str | None,
    cancel: bool,
) -> tuple[Status, str | None, str | None]:
    if cancel:
        if stands is None:
            return Status.REFUSED, "readings.nothing_to_cancel", "period_start"
        return (Status.DUPLICATE if stands.quantity is None else Status.REVISED), None, None
    if stands is not None and (stands.quantity, stands.quality) == (quantity, quality):
        return Status.DUPLICATE, None, None
    start, end = period
    if any(s < end and start < e for (s, e), other in known.items() if (s, e) != period and other.quantity is not None):
        return Status.REFUSED, "readings.overlap", "period_start"
    if stands is None:
        return Status.ACCEPTED, None, None
    if reason is None:
        return Status.REFUSED, "readings.revision_needs_reason", "reason"
    return Status.REVISED, None, None
