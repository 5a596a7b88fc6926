"""A table under a mapping: each row to readings, registers to readings between them, fine intervals to their sums.

Registers and bills are compared with the row before of the same meter, so the last row of each meter is kept. A file has its
rows in either order of time; which, the first two days of a meter tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from carbon_bank.foundation.errors import TooLarge
from carbon_bank.foundation.units import Quality
from carbon_bank.readings.formats.clocks import ZoneClock
from carbon_bank.readings.formats.csv_values import (
    NO_DATE,
    amount_text,
    day_of,
    fault_of,
    kept_by,
    moment_of,
    value_of,
)
from carbon_bank.readings.formats.growth import Growth
from carbon_bank.readings.formats.intervals import INTERVAL_SCHEMA, Sums
from carbon_bank.readings.formats.mapping import Intervals, MappedReading, Mapping, Moments, Period
from carbon_bank.readings.formats.normal import METER, NORMAL_SCHEMA, Chunk, Chunks, Finding, normal_form, numbered
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.table import Rows, Table
from carbon_bank.readings.formats.tariffs import TOTAL
from carbon_bank.readings.registers import billionths

METERS_MAX = 2_000_000
FOOTER_LINES_MAX = 1000
"""So many are counted; a file of nothing else is told by the first."""
ORDER, SAME_DAY, NO_START, GLITCH = (
    "formats.order", "formats.same_day", "formats.no_period_start", "formats.register_glitch",
)  # fmt: skip
_WORDS = (*METER, "unit", "quality", "reason", "reason_text")


def mapped_chunks(table: Table, mapping: Mapping, options: Options) -> Chunks:
    """The readings of a table. Rows that the mapping leaves out, and what stands below the last row, are counted."""
    reader = _Reader(table, mapping, options)
    line = 1
    for chunk in reader.chunks():
        rows = numbered(chunk.rows, line)
        sent = chunk.sent.with_columns(line=rows["line"])
        line += rows.height
        yield replace(chunk, rows=rows, sent=sent.select("line", pl.exclude("line")))


@dataclass
class _Reader:
    table: Table
    mapping: Mapping
    options: Options

    def __post_init__(self) -> None:
        self.zone = self.mapping.zone or self.options.zone
        self.sent = [name for name in self.table.header if name and name != "line"]
        self.clock = ZoneClock(self.zone)
        self.sums = Sums(self.options.sum_to, self.options.strict)
        self.growth = Growth(self.sums)
        self.pairs = [_Pairs(self.mapping) for _ in self.mapping.readings]

    def chunks(self) -> Iterator[Chunk]:
        footer: list[int] = []
        for part in self.table.rows:
            kept, passed_over = self._kept(part, footer)
            yield Chunk(*self._empty(), passed_over=passed_over, position=part.position)
            for number, reading in enumerate(self.mapping.readings):
                rows = self._valued(kept, reading)
                yield self._chunk(self._readings(rows, number))
        for pairs in self.pairs:
            yield self._chunk(pairs.left())
        yield from self.sums.chunks(1)
        yield Chunk(*self._empty(), findings=[*self._footer(footer), *self.growth.findings, *self.sums.findings()])

    def _kept(self, part: Rows, footer: list[int]) -> tuple[pl.DataFrame, int]:
        """The rows that the mapping reads. A row that is no row of the table, as an advertisement, is put aside."""
        has_date = day_of(pl.col(_date_column(self.mapping)), self.mapping).is_not_null()
        amounts = [column for reading in self.mapping.readings for column in reading.quantity.column]
        is_row = has_date | pl.any_horizontal(pl.col(amounts).is_not_null())
        says_something = pl.any_horizontal(pl.col(self.sent).is_not_null())
        beside = part.frame.filter(~is_row & says_something)
        footer += beside["_at"].to_list()[: FOOTER_LINES_MAX - len(footer)]
        kept = part.frame.filter(is_row).filter(kept_by(self.mapping.where))
        return kept.with_columns(_column=pl.lit(None, pl.String)), part.frame.height - kept.height

    def _footer(self, lines: list[int]) -> list[Finding]:
        if not lines:
            return []
        column = _date_column(self.mapping)
        told = f"Lines with neither a date in the column '{column}' nor a quantity were passed over: they are no rows of the table."
        return [Finding(lines[0], "formats.no_rows", told, count=len(lines))]

    def _valued(self, rows: pl.DataFrame, reading: MappedReading) -> pl.DataFrame:
        """The words and the number of one reading of each row, as `_commodity` and so on, and `_amount`."""
        words = {name: value_of(getattr(reading, name)) for name in _WORDS}
        fault, column = fault_of(reading, _WORDS)
        return rows.with_columns(
            *(expression.alias(f"_{name}") for name, expression in words.items()),
            amount_text(reading.quantity.column, self.mapping).alias("_amount"),
            pl.coalesce("_code", fault).alias("_code"),
            pl.coalesce("_column", column).alias("_column"),
        )

    def _readings(self, rows: pl.DataFrame, number: int) -> pl.DataFrame:
        days = self.mapping.days
        if isinstance(days, Period):
            return self._of_periods(rows, days)
        if isinstance(days, Intervals):
            return self._of_intervals(rows, days)
        return self.pairs[number].add(self._at_moments(rows, days))

    def _of_periods(self, rows: pl.DataFrame, days: Period) -> pl.DataFrame:
        start, end = day_of(pl.col(days.start), self.mapping), day_of(pl.col(days.end), self.mapping)
        last = end + pl.duration(days=1) if days.end_counts else end
        return (
            rows.with_columns(_start=start, _end=last, _quantity="_amount")
            .pipe(_dated, "_start", days.start)
            .pipe(_dated, "_end", days.end)
        )

    def _of_intervals(self, rows: pl.DataFrame, days: Intervals) -> pl.DataFrame:
        """Hands the intervals to their sums; only rows with a fault are given."""
        start = moment_of(rows, days.date, days.time, self.mapping, self.zone)
        if days.minutes is not None:
            seconds = pl.Series([days.minutes * 60], dtype=pl.Int64).new_from_index(0, rows.height)
        else:
            assert days.end_date is not None
            seconds = moment_of(rows, days.end_date, days.end_time, self.mapping, self.zone) - start
        read = rows.with_columns(_start_s=start, _seconds=seconds, _billionths=billionths("_amount"))
        read = _marked(read, pl.col("_start_s").is_null() | pl.col("_seconds").is_null(), NO_DATE, days.date)
        read = _marked(read, ~pl.col("_seconds").is_between(1, 86400), "formats.interval_length", days.date)
        is_number = pl.col("_amount").is_null() | pl.col("_billionths").is_not_null()
        read = _marked(read, ~is_number, "readings.not_a_number", "quantity")
        is_quality = pl.col("_quality").is_null() | pl.col("_quality").is_in([quality.value for quality in Quality])
        read = _marked(read, ~is_quality, "readings.quality", "quality")
        sound = read.filter(pl.col("_code").is_null())
        renamed = {"at": "_at", "start": "_start_s", "seconds": "_seconds", "amount": "_billionths"}
        intervals = sound.select(
            *(pl.col(name).alias(to) for to, name in renamed.items()),
            *(pl.col(f"_{name}").fill_null("").alias(name) for name in (*METER, "unit")),
            quality=pl.col("_quality").fill_null(Quality.ACTUAL.value),
            issued=pl.lit(0, pl.Int64),
            tariff=pl.lit(TOTAL, pl.Int16),
        ).select(INTERVAL_SCHEMA.names())
        self.sums.add(intervals, self.clock)
        self.growth.look_at(intervals)
        return read.filter(pl.col("_code").is_not_null())

    def _at_moments(self, rows: pl.DataFrame, days: Moments) -> pl.DataFrame:
        day = day_of(pl.col(days.date), self.mapping)
        return _marked(rows.with_columns(_day=day), pl.col("_day").is_null(), NO_DATE, days.date)

    def _empty(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return NORMAL_SCHEMA.to_frame(), pl.DataFrame(schema={"line": pl.Int32, **dict.fromkeys(self.sent, pl.String)})

    def _chunk(self, made: pl.DataFrame) -> Chunk:
        """Rows with `_start`, `_end`, `_quantity`, `_register_start`, `_register_end` as far as they have them."""
        given = {
            "at": "_at", "code": "_code", "column": "_column", "quantity": "_quantity", **{n: f"_{n}" for n in _WORDS},
            "register_start": "_register_start", "register_end": "_register_end",
            "period_start": "_start", "period_end": "_end",
        }  # fmt: skip
        if not made.width:
            return Chunk(*self._empty())
        said = made.select(
            (pl.col(column).dt.strftime("%Y-%m-%d") if made.schema[column] == pl.Date else pl.col(column)).alias(name)
            for name, column in given.items()
            if column in made.columns
        )
        return Chunk(normal_form(said), made.select(pl.lit(0, pl.Int32).alias("line"), *self.sent))


def _date_column(mapping: Mapping) -> str:
    days = mapping.days
    return days.start if isinstance(days, Period) else days.date


def _marked(rows: pl.DataFrame, wrong: pl.Expr, code: str, column: str) -> pl.DataFrame:
    """Rows that have no fault yet get this one."""
    newly = pl.col("_code").is_null() & wrong.fill_null(True)
    return rows.with_columns(
        _code=pl.when(newly).then(pl.lit(code)).otherwise("_code"),
        _column=pl.when(newly).then(pl.lit(column)).otherwise("_column"),
    )


def _dated(rows: pl.DataFrame, name: str, column: str) -> pl.DataFrame:
    return _marked(rows, pl.col(name).is_null(), NO_DATE, column)


class _Pairs:
    """Rows at moments, compared with the row before of the same meter: what was used between the two."""

    def __init__(self, mapping: Mapping) -> None:
        self._is_register = mapping.registers is not None
        self._last: pl.DataFrame | None = None
        self._newest_first: bool | None = None

    def add(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Args: rows: with `_day`. Returns: readings, and rows with a fault."""
        faulty = rows.filter(pl.col("_code").is_not_null())
        sound = rows.filter(pl.col("_code").is_null()).with_columns(_is_old=pl.lit(False))
        together = sound if self._last is None else pl.concat([self._last, sound])
        if self._newest_first is None:
            self._newest_first = _is_newest_first(together)
        together = together.with_columns(_was=pl.col("_day").shift(1).over(_METER))
        same = (pl.col("_was") == pl.col("_day")).fill_null(False)
        out = pl.col("_was") < pl.col("_day") if self._newest_first else pl.col("_was") > pl.col("_day")
        out = out.fill_null(False)
        refused = [faulty, _with_fault(together.filter(out & ~pl.col("_is_old")), ORDER)]
        if not self._is_register:
            refused.append(_with_fault(together.filter(same), SAME_DAY))
        together = together.filter(~(same | out))
        if self._is_register:
            together, glitches = _without_glitches(together, bool(self._newest_first))
            refused.append(glitches)
        made, self._last = self._paired(together)
        if self._last.height > METERS_MAX:
            raise TooLarge(
                "formats.too_many_meters",
                f"The file has registers or bills of more than {METERS_MAX} meters. Split it by meters.",
                {"meters_max": METERS_MAX},
            )
        return pl.concat([made, *refused], how="diagonal_relaxed").sort("_at", maintain_order=True)

    def left(self) -> pl.DataFrame:
        """What waited for a row that did not come: of bills that come newest first, the oldest of each meter."""
        if self._is_register or self._last is None or not self._newest_first:
            return pl.DataFrame()
        return _with_fault(self._last, NO_START)

    def _paired(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Readings, and the row of each meter that the next one is compared with."""
        last = rows.group_by(_METER, maintain_order=True).last().select(rows.columns).with_columns(_is_old=pl.lit(True))
        before, after = (pl.col("_day").shift(by).over(_METER) for by in (1, -1))
        amount_before = pl.col("_amount").shift(1).over(_METER)
        paired = rows.with_columns(_before=before, _after=after, _amount_before=amount_before)
        if self._is_register:
            new = paired.filter(~pl.col("_is_old") & pl.col("_before").is_not_null())
            if self._newest_first:
                made = new.with_columns(
                    _start="_day", _end="_before", _register_start="_amount", _register_end="_amount_before"
                )
            else:
                made = new.with_columns(
                    _start="_before", _end="_day", _register_start="_amount_before", _register_end="_amount"
                )
        elif self._newest_first:
            made = paired.filter(pl.col("_after").is_not_null()).with_columns(
                _start="_after", _end="_day", _quantity="_amount"
            )
        else:
            new = paired.filter(~pl.col("_is_old"))
            made = _marked(new, pl.col("_before").is_null(), NO_START, "period_start").with_columns(
                _start="_before", _end="_day", _quantity="_amount"
            )
        return made.drop("_before", "_after", "_amount_before"), last.drop("_was", strict=False)


_METER = [f"_{name}" for name in METER]


def _with_fault(rows: pl.DataFrame, code: str) -> pl.DataFrame:
    return rows.with_columns(_code=pl.lit(code), _column=pl.lit("period_start"))


def _is_newest_first(rows: pl.DataFrame) -> bool | None:
    """What the first two days of a meter that differ tell; null where none do."""
    moved = rows.select(step=(pl.col("_day") - pl.col("_day").shift(1).over(_METER)).dt.total_days())
    steps = moved.filter(pl.col("step") != 0)["step"]
    return None if steps.is_empty() else bool(steps[0] < 0)


def _without_glitches(rows: pl.DataFrame, newest_first: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A register that is off for one row and goes on from where it was: the row is refused, and nothing is reckoned from it.

    One that stays low did roll over, or is another meter's: the intake judges that.
    """
    value = billionths("_amount")
    earlier, later = (value.shift(step).over(_METER) for step in ((-1, 1) if newest_first else (1, -1)))
    odd = ((earlier <= later) & ((value < earlier) | (value > later))).fill_null(False) & ~pl.col("_is_old")
    return rows.filter(~odd), _with_fault(rows.filter(odd), GLITCH).with_columns(_column=pl.lit("quantity"))
