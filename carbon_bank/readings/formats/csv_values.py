"""Single values of a mapped row: words, numbers, days and moments, as expressions."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence

import polars as pl

from carbon_bank.readings.formats.intervals import decimal_text
from carbon_bank.readings.formats.mapping import MappedReading, Mapping, Value, strptime_of
from carbon_bank.readings.registers import billionths

NO_DATE, NOT_TRANSLATED = "formats.date", "formats.not_translated"
SENTENCES: dict[str, str] = {
    NO_DATE: "The date or time is not written as the mapping says, or there was no such moment. Mend it, or the mapping.",
    NOT_TRANSLATED: "The mapping does not say what this value means. Add it to `values` of the column.",
    "formats.interval_length": "The interval is not longer than nothing and at most a day. For longer ones map a `period`.",
    "formats.order": "The row is out of the order of time in which the rows of its meter come. Sort the file by date.",
    "formats.same_day": "A row of the same meter and day comes before it. Send one for each day.",
    "formats.no_period_start": (
        "No row of the meter comes before it in time, so nothing says where its period began. It is used up as the start of the next."
    ),
    "formats.register_glitch": (
        "The register is off in this row and goes on from where it was in the next. The row is passed over; look at the meter."
    ),
}
INTERVAL_OF = ("_commodity", "_customer_number", "_meter_number", "_unit")
_THOUSANDS = {"point": ".", "comma": ",", "space": " ", "apostrophe": "'"}


def value_of(given: Value | None) -> pl.Expr:
    """What a value says in each row; null where it says nothing, or something that is not translated."""
    if given is None:
        return pl.lit(None, pl.String)
    if given.column is None:
        return pl.lit(given.value, pl.String)
    if given.values is None:
        return pl.col(given.column)
    return pl.col(given.column).replace_strict(
        list(given.values), list(given.values.values()), default=None, return_dtype=pl.String
    )


def fault_of(reading: MappedReading, names: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    """Code and column of the first value that stands there and is not translated."""
    code, column = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for name in names:
        given: Value | None = getattr(reading, name)
        if given is not None and given.values is not None and given.column is not None:
            wrong = pl.col(given.column).is_not_null() & ~pl.col(given.column).is_in(list(given.values))
            code = pl.coalesce(code, pl.when(wrong).then(pl.lit(NOT_TRANSLATED)))
            column = pl.coalesce(column, pl.when(wrong).then(pl.lit(name)))
    return code, column


def amount_text(columns: Sequence[str], mapping: Mapping) -> pl.Expr:
    """A number as plain decimal text; of several columns their exact sum, null where one of them is missing or no number."""
    texts = [_number(column, mapping) for column in columns]
    if len(texts) == 1:
        return texts[0]
    total = billionths(texts[0])
    for text in texts[1:]:
        total = total + billionths(text)
    return decimal_text(total)


def _number(column: str, mapping: Mapping) -> pl.Expr:
    text = pl.col(column).str.replace_all("\u00a0", " ", literal=True).str.strip_chars()
    if mapping.thousands != "none":
        text = text.str.replace_all(_THOUSANDS[mapping.thousands], "", literal=True)
    if mapping.decimal == "comma":
        # A point would be a second decimal sign: it stays one that no number has.
        text = text.str.replace_all(".", "?", literal=True).str.replace_all(",", ".", literal=True)
    return text


def kept_by(where: Dict[str, Sequence[str]]) -> pl.Expr:
    """Whether a row has the values that the mapping asks for."""
    kept = pl.lit(True)
    for column, values in where.items():
        kept = kept & pl.col(column).is_in(list(values)).fill_null(False)
    return kept


def day_of(text: pl.Expr, mapping: Mapping) -> pl.Expr:
    """The day in a text; a pattern with hours has them passed over."""
    pattern = strptime_of(mapping.dates)
    if "%H" in pattern:
        return text.str.to_datetime(pattern, strict=False).dt.date()
    return text.str.to_date(pattern, strict=False)


def moment_of(rows: pl.DataFrame, date: str, time: str | None, mapping: Mapping, zone: str) -> pl.Series:
    """Moments in seconds since 1970 in UTC; null where a place had none such.

    Of the hour that a place has twice, the rows of a meter come in their order: the first time, then again.
    Args: rows: with the columns of INTERVAL_OF, to tell one meter's rows from another's.
    """
    pattern, text = strptime_of(mapping.dates), pl.col(date)
    if time is not None:
        pattern, text = f"{pattern} {strptime_of(mapping.times)}", text + " " + pl.col(time)
    local = pl.col("_local")
    naive = rows.with_columns(_local=text.str.to_datetime(pattern, strict=False, time_unit="us"))
    again = local.cum_count().over([*INTERVAL_OF, "_local"]) > 1
    steps = naive.select((local - local.shift(1)).dt.total_seconds())["_local"].filter(naive["_local"].is_not_null())
    newest_first = bool((steps < 0).sum() > (steps > 0).sum())
    second, first = ("earliest", "latest") if newest_first else ("latest", "earliest")
    which = pl.when(again).then(pl.lit(second)).otherwise(pl.lit(first))
    aware = local.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
    return naive.select(aware.dt.epoch("s"))["_local"]
