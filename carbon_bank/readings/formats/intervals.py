"""Intervals finer than a day, summed to days or months: the bank keeps no load curves. Exact; a gap leaves its day out.

A day is that of a place: 23, 24 or 25 hours. It is given only where the intervals that begin in it cover it whole.
"""

from __future__ import annotations

import polars as pl

from carbon_bank.foundation.errors import TooLarge
from carbon_bank.readings.formats.clocks import Clock
from carbon_bank.readings.formats.interval_codes import (
    BECAME_REGISTER,
    CONTRADICTION,
    INCOMPLETE_DAY,
    INCOMPLETE_MONTH,
    NOTES,
    OVERLAP,
    TWO_UNITS,
)
from carbon_bank.readings.formats.normal import CHUNK_ROWS, METER, Chunk, Chunks, Finding, normal_form, numbered
from carbon_bank.readings.formats.options import SumTo
from carbon_bank.readings.formats.tariffs import RANK, SPAN_SCHEMA, STANDING_SCHEMA, added
from carbon_bank.readings.intake import COLUMNS
from carbon_bank.readings.quantities import NEGATIVE

INTERVALS_MAX = 5_000_000
"""They wait in memory until the end of the file, some 60 bytes each."""
BILLIONTHS = 10**9

INTERVAL_SCHEMA = pl.Schema(
    {
        "at": pl.Int32(),
        "commodity": pl.String(),
        "customer_number": pl.String(),
        "meter_number": pl.String(),
        "unit": pl.String(),
        "start": pl.Int64(),  # seconds since 1970 in UTC
        "seconds": pl.Int64(),
        "amount": pl.Int128(),  # billionths of the unit; null: the file says that it is missing
        "quality": pl.String(),
        "issued": pl.Int64(),  # of two values for one interval the later issued one counts; 0 where the file tells no moment
        "tariff": pl.Int16(),  # 0: all tariffs
    }
)


class Sums:
    """Gathers intervals of any number of meters, in any order, and gives their days (or months)."""

    def __init__(self, sum_to: SumTo, strict: bool) -> None:
        """Args: strict: a restated interval is a contradiction."""
        self._sum_to, self._strict = sum_to, strict
        self._parts: list[pl.DataFrame] = []
        self._count = 0
        self._bad_from: list[tuple[str, str, str, int]] = []
        self._findings: list[Finding] = []

    def add(self, intervals: pl.DataFrame, clock: Clock) -> None:
        """Args: intervals: INTERVAL_SCHEMA. clock: of the place. Raises: TooLarge `formats.too_many_intervals`."""
        self._count += intervals.height
        if self._count > INTERVALS_MAX:
            raise TooLarge(
                "formats.too_many_intervals",
                f"The file holds more than {INTERVALS_MAX} intervals finer than a day. Split it by meters, or send sums of days.",
                {"intervals_max": INTERVALS_MAX},
            )
        days = clock.days(intervals["start"])
        dated = intervals.with_columns(days["day"], length=days["ends"] - days["begins"])
        self._parts.append(
            dated.with_columns(pl.col(*METER, "unit").cast(pl.Categorical), pl.col("quality").cast(RANK))
        )

    def refuse_from(self, commodity: str, customer_number: str, meter_number: str, start: int) -> None:
        """A meter's intervals tell no use from a moment on: its days from then are refused `formats.became_register`."""
        self._bad_from.append((commodity, customer_number, meter_number, start))

    def findings(self) -> list[Finding]:
        """What was odd about the intervals; whole after `chunks` has ended."""
        return self._findings

    def spans(self) -> pl.DataFrame:
        """SPAN_SCHEMA of all intervals."""
        parts = [part.select(SPAN_SCHEMA.names()) for part in self._parts]
        return pl.concat([SPAN_SCHEMA.to_frame(), *(part.cast(SPAN_SCHEMA) for part in parts)])

    def chunks(self, first_line: int, stand: pl.DataFrame | None = None) -> Chunks:
        """The sums in order of meter and day, after everything was added.

        Args: first_line: `line` of the first row. stand: STANDING_SCHEMA, how the tariffs stand to each other.
        """
        if not self._parts:
            return
        gathered = pl.concat(self._parts).with_columns(pl.col(*METER, "unit").cast(pl.String))
        self._parts = []
        single = added(
            self._single(gathered), STANDING_SCHEMA.to_frame() if stand is None else stand, ["start", "seconds"]
        )
        days = self._judged(self._days(single))
        rows = self._months(days) if self._sum_to == "month" else days
        for part in self._normal(rows, first_line).iter_slices(CHUNK_ROWS):
            yield Chunk(part, part.select("line", *COLUMNS))

    def _single(self, gathered: pl.DataFrame) -> pl.DataFrame:
        """Each interval of a meter and tariff once, with `fault` where two rows contradict each other."""
        key = [*METER, "tariff", "start", "seconds"]
        ordered = gathered.sort(*key, "issued", "at")
        last_issued = pl.col("issued") == pl.col("issued").max()
        single = ordered.group_by(key, maintain_order=True).agg(
            pl.col("at", "unit", "amount", "quality", "day", "length").last(),
            rows=pl.len(),
            units=pl.col("unit").n_unique(),
            values=pl.col("amount").n_unique(),
            last_values=pl.col("amount").filter(last_issued).n_unique(),
        )
        restated = (pl.col("values") > 1) & (pl.col("units") == 1)
        undecided = restated & ((pl.col("last_values") > 1) | pl.lit(self._strict))
        self._note(single.filter((pl.col("rows") > 1) & (pl.col("values") == 1)), "formats.repeated_interval")
        self._note(single.filter(restated & ~undecided), "formats.restated_interval")
        return single.with_columns(
            fault=pl.when(pl.col("units") > 1).then(pl.lit(TWO_UNITS)).when(undecided).then(pl.lit(CONTRADICTION))
        ).drop("rows", "units", "values", "last_values")

    def _note(self, intervals: pl.DataFrame, code: str) -> None:
        if intervals.height:
            at = int(intervals["at"].min())  # type: ignore[arg-type]
            self._findings.append(Finding(at, code, NOTES[code], count=intervals.height))

    def _days(self, single: pl.DataFrame) -> pl.DataFrame:
        """Days of meters: `at` of the first interval, `unit, amount, quality, covered` (seconds), `fault` of one of its intervals."""
        ends = (pl.col("start") + pl.col("seconds")).shift(1).over(METER)
        marked = single.sort(*METER, "start", "seconds").with_columns(
            overlaps=(pl.col("start") < ends).fill_null(False) & pl.col("fault").is_null(),
        )
        return marked.group_by(*METER, "day", maintain_order=True).agg(
            pl.col("at").min(),
            pl.col("unit").first(),
            units=pl.col("unit").n_unique(),
            amount=pl.col("amount").sum(),
            lacking=pl.col("amount").null_count(),
            quality=pl.col("quality").min(),
            covered=pl.col("seconds").sum(),
            length=pl.col("length").first(),
            last_start=pl.col("start").max(),
            fault=pl.coalesce(
                pl.col("fault").drop_nulls().first(),
                pl.when(pl.col("overlaps").any()).then(pl.lit(OVERLAP)),
                pl.when((pl.col("amount") < 0).any()).then(pl.lit(NEGATIVE)),  # a sum would hide it
            ),
        )

    def _judged(self, days: pl.DataFrame) -> pl.DataFrame:
        """Days with `code`: null where the day is whole."""
        bad = pl.DataFrame(self._bad_from, schema=[*METER, "bad_from"], orient="row", schema_overrides=_BAD_SCHEMA)
        bad_from = bad.group_by(METER).agg(pl.col("bad_from").min())
        judged = days.join(bad_from, on=METER, how="left", maintain_order="left")
        whole = (pl.col("covered") == pl.col("length")) & (pl.col("lacking") == 0)
        code = (
            pl.when(pl.col("last_start") >= pl.col("bad_from"))
            .then(pl.lit(BECAME_REGISTER))
            .when(pl.col("fault").is_not_null())
            .then("fault")
            .when(pl.col("units") > 1)
            .then(pl.lit(TWO_UNITS))
            .when(~whole)
            .then(pl.lit(INCOMPLETE_DAY))
        )
        return judged.select(
            *METER, "at", "unit", "amount", "quality", period_start="day",
            period_end=pl.col("day") + pl.duration(days=1), code=code,
        )  # fmt: skip

    def _months(self, days: pl.DataFrame) -> pl.DataFrame:
        first = pl.col("period_start").dt.truncate("1mo")
        months = days.with_columns(first=first, end=first.dt.offset_by("1mo"))
        gathered = months.group_by(*METER, "first", "end", maintain_order=True).agg(
            pl.col("at").min(),
            pl.col("unit").first(),
            pl.col("amount").sum(),
            pl.col("quality").min(),
            units=pl.col("unit").n_unique(),
            days=pl.len(),
            code=pl.col("code").filter(pl.col("code") != INCOMPLETE_DAY).first(),
            lacking=(pl.col("code") == INCOMPLETE_DAY).sum(),
        )
        length = (pl.col("end") - pl.col("first")).dt.total_days()
        whole = (pl.col("days") == length) & (pl.col("lacking") == 0)
        code = pl.coalesce(
            "code",
            pl.when(pl.col("units") > 1).then(pl.lit(TWO_UNITS)),
            pl.when(~whole).then(pl.lit(INCOMPLETE_MONTH)),
        )
        return gathered.select(
            *METER, "at", "unit", "amount", "quality", period_start="first", period_end="end", code=code
        )

    def _normal(self, rows: pl.DataFrame, first_line: int) -> pl.DataFrame:
        told = pl.when(pl.col("code").is_null()).then(decimal_text(pl.col("amount")))
        made = rows.select(
            *METER, "at", "unit", "code",
            pl.col("quality").cast(pl.String),
            pl.col("period_start").dt.strftime("%Y-%m-%d"),
            pl.col("period_end").dt.strftime("%Y-%m-%d"),
            quantity=told,
            column=pl.when(pl.col("code").is_not_null()).then(pl.lit("quantity")),
        )  # fmt: skip
        return numbered(normal_form(made), first_line)


def decimal_text(billionths: pl.Expr) -> pl.Expr:
    """Billionths (Int128) as a plain decimal number, without trailing zeros."""
    sign = pl.when(billionths < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    whole, rest = billionths.abs() // BILLIONTHS, billionths.abs() % BILLIONTHS
    fraction = rest.cast(pl.String).str.zfill(9).str.strip_chars_end("0")
    point = pl.when(fraction != "").then(pl.lit(".")).otherwise(pl.lit(""))
    return sign + whole.cast(pl.String) + point + fraction


_BAD_SCHEMA = {**dict.fromkeys(METER, pl.String), "bad_from": pl.Int64}
