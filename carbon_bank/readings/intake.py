"""What becomes of each row that a utility sends: accepted, duplicate, revised or refused, and why. Pure.

Rows come as text, as they were sent, with their `line`. `parse` turns text into dates and base units; `judge` compares
with what stands and with the rows before. A row is refused on its own, with the first thing that is wrong with it.

Source: readings.md, "What must hold".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from carbon_bank.foundation.units import QUALITY_DTYPE, Commodity, Quality
from carbon_bank.readings.quantities import QUANTITY_REASONS, any_from_energy, base_quantities
from carbon_bank.readings.registers import REGISTER_REASONS, any_registers, from_registers

PERIOD_DAYS_MAX = 100
_DAY = r"^(19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}$"
_NUL = "\0"
"""PostgreSQL keeps every character but this one."""
NUMBER_CHARACTERS_MAX = 200
"""Of a customer's or a meter's number. An index of PostgreSQL holds both in four bytes a character, and not many more."""

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
    "readings.number_too_long": f"The number has more than {NUMBER_CHARACTERS_MAX} characters. No customer or meter has such a one.",
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

Check = tuple[pl.Expr, str | pl.Expr, str | pl.Expr]
"""What can be wrong with a row (never null), its code and its column."""

_FAULT = ("code", "column")
_FOUND_BEFORE: Check = (pl.col("code").is_not_null(), pl.col("code"), pl.col("column"))
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


def tidied(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column of COLUMNS as text without blanks around it, empty where nothing is given; and with `code`
    and `column`, null where no format found a fault."""
    left_out = {name for name in COLUMNS if name not in rows.columns or rows[name].null_count() == rows.height}
    return rows.with_columns_seq(
        *(
            (pl.lit("") if name in left_out else pl.col(name).str.strip_chars().fill_null("")).alias(name)
            for name in COLUMNS
        ),
        *(pl.lit(None, pl.String).alias(name) for name in _FAULT if name not in rows.columns),
    )


def needs_meters(rows: pl.DataFrame) -> bool:
    """Whether `parse` has to know the meters of rows that `tidied` gave: some show registers, or gas in a unit of energy."""
    return any_registers(rows) or any_from_energy(rows)


def parse(rows: pl.DataFrame, today: date) -> pl.DataFrame:
    """Text to dates, base units and enums, with the first fault of each row.

    Args:    rows: `line` Int32 and what `tidied` gives; of the row's meter `calorific_value` Int64 (Wh per m3) and `digits`
             Int16, null or left out where unknown. today: the day it is in the city.
    Returns: the rows in their order with PARSED in place of the text; `code` and `column` null where nothing is wrong.
             `rolled`: the quantity is right if the register went through its highest figure.
    """
    unknown = [pl.lit(None, kind).alias(name) for name, kind in _OF_METER.items() if name not in rows.columns]
    read = base_quantities(from_registers(rows.with_columns_seq(*_READ, *unknown)), pl.col("calorific_value"))
    return with_faults(read, _checks(today)).select_seq(
        *(name for name in rows.columns if name not in PARSED and name not in _WORKED_OUT), *_PARSED
    )


@lru_cache(maxsize=4)
def _checks(today: date) -> list[Check]:
    """What is asked of a row, in the order in which it is told. Kept: to put it together takes as long as to ask it."""
    cancels, start, end = pl.col("cancels"), pl.col("start"), pl.col("end")
    quantity_column = (
        pl.when(pl.col("quantity_error") == "readings.unit").then(pl.lit("unit")).otherwise(pl.lit("quantity"))
    )
    return [
        (is_none_of(Commodity, "commodity"), "readings.commodity", "commodity"),
        *(
            (pl.col(name).str.contains(_NUL, literal=True), "readings.text", name)
            for name in ("customer_number", "meter_number", "reason_text")
        ),
        *(
            (pl.col(name).str.len_chars() > NUMBER_CHARACTERS_MAX, "readings.number_too_long", name)
            for name in ("customer_number", "meter_number")
        ),
        (start.is_null(), "readings.date", "period_start"),
        (end.is_null(), "readings.date", "period_end"),
        ((end <= start).fill_null(False), "readings.period_order", "period_end"),
        (
            ((end - start).dt.total_days() > PERIOD_DAYS_MAX).fill_null(False),
            "readings.period_too_long",
            "period_end",
        ),
        ((end > today).fill_null(False), "readings.future", "period_end"),
        (cancels & (pl.col("cancel") != "yes"), "readings.cancel", "cancel"),
        (~cancels & pl.col("register_code").is_not_null(), pl.col("register_code"), pl.col("register_column")),
        (~cancels & pl.col("quantity_error").is_not_null(), pl.col("quantity_error"), quantity_column),
        (is_none_of(Quality, "quality"), "readings.quality", "quality"),
        ((pl.col("reason") != "") & is_none_of(Reason, "reason"), "readings.reason", "reason"),
        ((pl.col("reason") == Reason.OTHER) & (pl.col("reason_text") == ""), "readings.reason_text", "reason_text"),
        (cancels & (pl.col("reason") == ""), "readings.revision_needs_reason", "reason"),
    ]


def is_none_of(values: Iterable[str], column: str) -> pl.Expr:
    """Whether a text is none of a few. For a thousand rows `is_in` takes several times as long."""
    return pl.col(column).cast(pl.Enum(map(str, values)), strict=False).is_null()


def with_faults(rows: pl.DataFrame, checks: Sequence[Check]) -> pl.DataFrame:
    """The rows with the first fault of each, by `code` and `column`; one that was found before stays."""
    checks = [_FOUND_BEFORE, *checks]
    # What it is called is worked out for the rows that have one: few.
    faulty = rows.select_seq(pl.any_horizontal(wrong for wrong, _, _ in checks)).to_series()
    if not faulty.any():
        return rows
    faults = rows.filter(faulty).select(
        "line",
        *(
            pl.coalesce(
                pl.when(check[0]).then(pl.lit(check[part]) if isinstance(check[part], str) else check[part])
                for check in checks
            ).alias(name)
            for part, name in ((1, "code"), (2, "column"))
        ),
    )
    return rows.drop(_FAULT).join(faults, on="line", how="left", maintain_order="left")


def _day(name: str) -> pl.Expr:
    text = pl.col(name)
    return pl.when(text.str.contains(_DAY)).then(text).str.to_date("%Y-%m-%d", strict=False)


_READ = [
    _day("period_start").alias("start"),
    _day("period_end").alias("end"),
    pl.when(pl.col("quality") == "").then(pl.lit(Quality.ACTUAL.value)).otherwise("quality").alias("quality"),
    (pl.col("cancel") != "").alias("cancels"),
]
_PARSED = [
    pl.col("line"),
    pl.col("start").alias("period_start"),
    pl.col("end").alias("period_end"),
    pl.when(~pl.col("cancels")).then("quantity_base").alias("quantity"),
    pl.col("quality").cast(QUALITY_DTYPE, strict=False),
    *(pl.when(pl.col(name) != "").then(name).alias(name) for name in ("reason", "reason_text")),
    pl.col("cancels").alias("cancel"),
    pl.col("rolled") & ~pl.col("cancels"),
    *map(pl.col, _FAULT),
]


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


def judge(rows: pl.DataFrame, standing: pl.DataFrame) -> Judged:
    """Compare sound rows with what stands for their meters, and with the rows before them.

    Args:    rows: as `parse` returns, without faults, with `meter_id` Int64; in the order in which they were sent.
             standing: current revisions of these meters near these periods: KEY, `revision` Int16, `quantity` Int64 (null:
             cancelled), `quality`.
    Returns: Judged. Rows of meters about which nothing is peculiar are judged together, the others one by one.
    """
    peculiar = _peculiar_meters(rows, standing)
    if peculiar.is_empty():
        return _accepted(rows)
    plain = _accepted(rows.join(peculiar, on="meter_id", how="anti", maintain_order="left"))
    odd = rows.join(peculiar, on="meter_id", how="semi", maintain_order="left")
    outcomes, readings = _judge_in_order(odd, standing)
    return Judged(
        outcomes=pl.concat([plain.outcomes, pl.DataFrame(outcomes, schema=plain.outcomes.schema, orient="row")]).sort(
            "line"
        ),
        readings=pl.concat([plain.readings, pl.DataFrame(readings, schema=plain.readings.schema, orient="row")]),
    )


def _accepted(rows: pl.DataFrame) -> Judged:
    return Judged(outcomes=rows.select_seq(_OUTCOME), readings=rows.select_seq(_READINGS))


def _peculiar_meters(rows: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """Meters with a reason, a cancellation, or two periods that touch the same day."""
    marked = rows["meter_id"].filter(rows["cancel"] | rows["reason"].is_not_null())
    named = pl.concat([rows["meter_id"], standing["meter_id"]])
    if named.n_unique() == len(named):  # nothing of the same meter to touch
        return pl.DataFrame({"meter_id": marked})
    meter, start, end = (
        np.concatenate([frame[name].to_physical().to_numpy() for frame in (rows, standing)]) for name in KEY
    )
    order = np.lexsort((end, start, meter))
    meter, start, end = meter[order], start[order], end[order]
    # Where any two touch, two neighbours do: the next to begin begins before the first has ended.
    touching = meter[1:][(meter[1:] == meter[:-1]) & (end[:-1] > start[1:])]
    return pl.DataFrame({"meter_id": np.unique(np.concatenate([touching, marked.to_numpy()]))})


_OUTCOME = [
    pl.col("line"),
    pl.lit(Status.ACCEPTED.value).alias("status"),
    *(pl.lit(None, pl.String).alias(name) for name in _FAULT),
]
_READINGS = [
    *map(pl.col, KEY),
    pl.lit(1, pl.Int16).alias("revision"),
    *map(pl.col, ("quantity", "quality", "reason", "reason_text")),
]


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
