"""The two ways in which a batch is judged, together and one by one, against a reading of the rules in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.units import QUALITY_DTYPE
from carbon_bank.readings.intake import KEY, judge

FIRST_DAY = date(2026, 1, 1)
ROW = {
    **dict(zip(KEY, [pl.Int64, pl.Date, pl.Date], strict=True)),
    "quantity": pl.Int64,
    "quality": QUALITY_DTYPE,
    "reason": pl.String,
    "reason_text": pl.String,
    "cancel": pl.Boolean,
}
STANDING = {**{name: ROW[name] for name in KEY}, "revision": pl.Int16, "quantity": pl.Int64, "quality": QUALITY_DTYPE}

Key = tuple[int, date, date]


@dataclass
class Book:
    """All revisions of every reading, the latest last."""

    revisions: dict[Key, list[tuple[int | None, str]]] = field(default_factory=dict)

    def take(self, row: dict[str, Any]) -> tuple[str, str | None]:
        key = (row["meter_id"], row["period_start"], row["period_end"])
        earlier = self.revisions.get(key, [])
        said = (row["quantity"], row["quality"])
        if row["cancel"]:
            if not earlier:
                return "refused", "readings.nothing_to_cancel"
            if earlier[-1][0] is None:
                return "duplicate", None
        elif earlier and earlier[-1] == said:
            return "duplicate", None
        elif self._days_taken(key):
            return "refused", "readings.overlap"
        elif earlier and row["reason"] is None:
            return "refused", "readings.revision_needs_reason"
        self.revisions[key] = [*earlier, said]
        return ("revised" if earlier else "accepted"), None

    def _days_taken(self, key: Key) -> bool:
        """Whether a day of the period belongs to another reading of the meter that stands."""
        meter, start, end = key
        others = [
            (other_start, other_end)
            for (other_meter, other_start, other_end), every in self.revisions.items()
            if other_meter == meter and (other_start, other_end) != (start, end) and every[-1][0] is not None
        ]
        days = [start + timedelta(number) for number in range((end - start).days)]
        return any(other_start <= day < other_end for day in days for other_start, other_end in others)

    def standing(self) -> pl.DataFrame:
        rows = [(*key, len(every), *every[-1]) for key, every in self.revisions.items()]
        return pl.DataFrame(rows, schema=STANDING, orient="row")


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Few meters, days, lengths and values, so that rows meet. Cancellations have a reason, as `parse` sees to."""
    start = FIRST_DAY + timedelta(draw(st.integers(0, 5)))
    cancel = draw(st.sampled_from([False, False, False, True]))
    return {
        "meter_id": draw(st.integers(1, 4)),
        "period_start": start,
        "period_end": start + timedelta(draw(st.integers(1, 3))),
        "quantity": None if cancel else draw(st.integers(0, 2)),
        "quality": draw(st.sampled_from(["actual", "estimated"])),
        "reason": "corrected" if cancel else draw(st.sampled_from([None, None, "corrected"])),
        "reason_text": None,
        "cancel": cancel,
    }


@st.composite
def plain_rows(draw: st.DrawFn) -> dict[str, Any]:
    """Rows without a reason or a cancellation, over more meters: most of these are judged together."""
    return {**draw(rows()), "meter_id": draw(st.integers(1, 20)), "reason": None, "cancel": False, "quantity": 1}


@given(st.lists(st.lists(st.one_of(rows(), plain_rows()), max_size=12), max_size=4))
def test_batches_in_turn_are_judged_as_row_after_row(batches: list[list[dict[str, Any]]]) -> None:
    book = Book()
    for batch in batches:
        before = book.standing()
        frame = pl.DataFrame(batch, schema=ROW).with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int32))
        known = {key: len(every) for key, every in book.revisions.items()}
        expected = [book.take(row) for row in batch]
        judged = judge(frame, before)
        assert judged.outcomes.select("status", "code").rows() == expected
        assert judged.outcomes["line"].to_list() == list(range(1, len(batch) + 1))
        recorded = sorted(judged.readings.select(*KEY, "revision", "quantity", "quality").rows())
        assert recorded == sorted(
            (*key, number, *said)
            for key, every in book.revisions.items()
            for number, said in enumerate(every, start=1)
            if number > known.get(key, 0)
        )


@given(st.lists(rows(), max_size=15), st.lists(st.integers(1, 5), max_size=15))
def test_it_does_not_matter_how_rows_are_cut_into_batches(sent: list[dict[str, Any]], sizes: list[int]) -> None:
    whole, parts = Book(), Book()
    expected = judge(_frame(sent), whole.standing()).outcomes.select("status", "code").rows()
    found, left = [], list(sent)
    for size in [*sizes, len(sent)]:
        batch, left = left[:size], left[size:]
        judged = judge(_frame(batch), parts.standing())
        found += judged.outcomes.select("status", "code").rows()
        for row in judged.readings.sort("revision").iter_rows(named=True):
            key = (row["meter_id"], row["period_start"], row["period_end"])
            parts.revisions.setdefault(key, []).append((row["quantity"], row["quality"]))
    assert found == expected


def _frame(batch: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(batch, schema=ROW).with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int32))
