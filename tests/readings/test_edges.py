"""Monthly usage at its edges: just on a bound, just beside it, and what is told there. Source: rules.md section 2."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.errors import InvalidInput, TooLarge
from carbon_bank.foundation.units import COMMODITY_DTYPE, QUANTITY_MAX
from carbon_bank.readings.coverage import days_covered_by_all_meters
from carbon_bank.readings.pieces import PAIR_SCHEMA, cut, day_number
from carbon_bank.readings.rules import (
    MONTH_USAGE_MAX,
    PART_SCHEMA,
    READINGS_MAX,
    ROWS_MAX,
    monthly_usage,
    parts_of_readings,
)
from tests.programme.oracle import Reading, Tenure, parts
from tests.programme.worlds import FAR, reading_frame, tenure_frame

JAN, FEB, MAR = (date(2026, month, 1) for month in (1, 2, 3))
[JANUARY] = Period.parse("2026-01").months
ONE_READING, ONE_TENURE = Reading(1, JAN, FEB, 31), Tenure(1, 1, "water", date(2020, 1, 1), FAR)


def table(readings: pl.DataFrame, tenures: pl.DataFrame, coverage: str = "1") -> pl.DataFrame:
    return monthly_usage(readings, tenures, [JANUARY], Fraction(coverage)).table()


def test_every_small_quantity_is_divided_as_the_rules_say_wherever_a_tenure_cuts_it() -> None:
    start, end = date(2026, 1, 15), date(2026, 4, 10)
    edges = [date(2025, 12, 1), start, JAN.replace(day=31), FEB, date(2026, 2, 20), MAR, date(2026, 4, 1), end, FAR]
    held = [(since, until) for since in edges for until in edges if since < until]
    cases = [(quantity, *each) for quantity in (*range(0, 86, 3), 10**9 + 7) for each in held]
    pairs = pl.DataFrame(
        [
            (row, day_number(start), day_number(end), day_number(since), day_number(until), quantity, row % 2 == 0)
            for row, (quantity, since, until) in enumerate(cases)
        ],
        schema=PAIR_SCHEMA,
        orient="row",
    )
    found: dict[int, dict[int, int]] = {row: {} for row in range(len(cases))}
    for piece in cut(pairs.sample(fraction=1, shuffle=True, seed=1)).iter_rows(named=True):
        months = found[piece["row"]]
        months[piece["month"]] = months.get(piece["month"], 0) + piece["quantity"]
        assert piece["estimated"] is (piece["row"] % 2 == 0)
    for row, (quantity, since, until) in enumerate(cases):
        expected = parts(Reading(1, start, end, quantity), since, until)
        assert found[row] == {month: share for (month, inside), share in expected.items() if inside}


def test_days_are_compared_with_what_the_same_row_held_on_them() -> None:
    """Two rows hold two meters each; the second lets one go on the tenth day. All of their readings are of 31 days."""
    start, middle, end = (day_number(day) for day in (JAN, date(2026, 1, 11), FEB))
    holdings = [(0, start, end), (0, start, end), (1, start, middle), (1, start, end)]
    read = [(0, start, 31), (0, start, 31), (1, start, 10), (1, start, 31)]
    names = {"row": pl.Int64, "held_from": pl.Int32, "held_to": pl.Int32}
    pieces = pl.DataFrame(read, schema={"row": pl.Int64, "start": pl.Int32, "days": pl.Int32}, orient="row")
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        found = days_covered_by_all_meters(
            pieces.with_columns(month=JANUARY, estimated=pl.lit(False))[order],
            pl.DataFrame(holdings, schema=names, orient="row")[order],
        )
        assert found.sort("row").rows() == [(0, JANUARY, 31, 0), (1, JANUARY, 31, 0)]


def test_a_household_that_left_and_came_back_has_no_use_of_the_days_between() -> None:
    away, back = date(2026, 1, 11), date(2026, 1, 21)
    days = [Reading(1, JAN.replace(day=day), JAN.replace(day=day) + (FEB - JAN) / 31, day) for day in range(1, 32)]
    for order in (1, -1):
        tenures = [Tenure(1, 1, "water", JAN, away), Tenure(1, 1, "water", back, FEB)][::order]
        [row] = table(reading_frame(days), tenure_frame(tenures), "1/2").rows(named=True)
        used = sum([*range(1, 11), *range(21, 32)])
        assert (row["days_covered"], row["usage"]) == (21, used * 31 // 21), (
            "scaled to the month, and not with what others used"
        )


def test_the_grid_is_in_the_order_of_household_commodity_and_month() -> None:
    tenures = [Tenure(h, 1, name, JAN, FAR) for h, name in ((2, "gas"), (1, "water"), (2, "electricity"), (1, "gas"))]
    found = monthly_usage(reading_frame([ONE_READING]), tenure_frame(tenures), [JANUARY + 1, JANUARY, JANUARY])
    assert found.rows.rows() == [(1, "gas"), (1, "water"), (2, "electricity"), (2, "gas")]
    lines = found.table().select("household_id", "commodity", "month", "usage").rows()
    assert lines[:3] == [(1, "gas", JANUARY, 31), (1, "gas", JANUARY + 1, None), (1, "water", JANUARY, 31)]


class TestPartsOfReadings:
    """Which part of which reading went into which month: it adds up to the usage of the month."""

    whole, across = Reading(1, FEB, MAR, 56), Reading(1, JAN.replace(year=2025), JAN.replace(year=2025, day=11), 9)
    long = Reading(2, date(2026, 1, 20), date(2026, 3, 11), 101, True)  # 12 days, 28 and 10: 24.24, 56.56, 20.2

    def parts(self, readings: list[Reading], tenures: list[Tenure], months: list[int]) -> list[tuple[object, ...]]:
        found = parts_of_readings(reading_frame(readings), tenure_frame(tenures), months)
        assert found.schema == PART_SCHEMA
        return found.rows()

    def test_each_part_is_told_with_its_reading(self) -> None:
        gas = Tenure(9, 2, "gas", date(2020, 1, 1), FAR)
        readings = [self.long, self.across, Reading(1, MAR, date(2026, 4, 1), 5), self.whole]
        assert self.parts(readings, [gas, ONE_TENURE], [JANUARY + 1, JANUARY, JANUARY]) == [
            (1, "water", JANUARY + 1, 1, FEB, MAR, 56, False, 28, 56),
            (9, "gas", JANUARY, 2, self.long.start, self.long.end, 101, True, 12, 24),
            (9, "gas", JANUARY + 1, 2, self.long.start, self.long.end, 101, True, 28, 57),
        ]

    def test_parts_are_cut_at_the_tenure_and_in_the_order_of_month_meter_and_day(self) -> None:
        moved = date(2026, 1, 11)
        tenures = [Tenure(1, 5, "water", moved, FAR), Tenure(1, 1, "water", date(2020, 1, 1), moved)]
        readings = [
            Reading(5, date(2026, 1, 21), FEB, 11), Reading(5, JAN, date(2026, 1, 21), 40), Reading(5, FEB, MAR, 7),
            Reading(1, JAN, FEB, 62),
        ]  # fmt: skip
        assert [row[2:5] + row[-2:] for row in self.parts(readings, tenures, [JANUARY, JANUARY + 1])] == [
            (JANUARY, 1, JAN, 10, 20), (JANUARY, 5, JAN, 10, 20), (JANUARY, 5, date(2026, 1, 21), 11, 11),
            (JANUARY + 1, 5, FEB, 28, 7),
        ]  # fmt: skip

    def test_nothing_read_or_held_has_no_part(self) -> None:
        assert self.parts([], [ONE_TENURE], [JANUARY]) == self.parts([ONE_READING], [], [JANUARY]) == []


class TestRefusals:
    def refusal(self, readings: pl.DataFrame, tenures: pl.DataFrame, coverage: str = "1") -> TooLarge:
        with pytest.raises(TooLarge) as refusal:
            table(readings, tenures, coverage)
        assert refusal.value.code == "readings.beyond_bounds"
        found, limit = refusal.value.facts["found"], refusal.value.facts["limit"]
        told = f"is {found}, above {limit}, up to which the rules are proved exact."
        assert refusal.value.message.endswith(told) and found > limit
        return refusal.value

    def test_more_readings_than_the_proofs_cover(self) -> None:
        many = pl.DataFrame({"estimated": pl.zeros(READINGS_MAX + 1, dtype=pl.Boolean, eager=True)})
        refusal = self.refusal(many, tenure_frame([ONE_TENURE]))
        assert refusal.message.startswith("The number of readings in one call is 9000001, above")

    def test_more_tenures_than_the_proofs_cover(self) -> None:
        many = pl.DataFrame({"household_id": pl.zeros(ROWS_MAX + 1, dtype=pl.Int64, eager=True)})
        refusal = self.refusal(reading_frame([ONE_READING]), many)
        assert refusal.message.startswith("The number of tenures in one call is 900001, above")

    def test_a_reading_larger_than_the_largest(self) -> None:
        largest = Reading(1, JAN, FEB, QUANTITY_MAX)
        assert table(reading_frame([largest]), tenure_frame([ONE_TENURE]))["usage"].to_list() == [QUANTITY_MAX]
        refusal = self.refusal(reading_frame([Reading(1, JAN, FEB, QUANTITY_MAX + 1)]), tenure_frame([ONE_TENURE]))
        assert refusal.message.startswith(f"The quantity of a reading is {QUANTITY_MAX + 1}, above")

    def test_a_month_larger_than_ten_of_the_largest_readings(self) -> None:
        meters = range(10)
        tenures = [Tenure(1, meter, "water", date(2020, 1, 1), FAR) for meter in meters]
        most = [Reading(meter, JAN, FEB, QUANTITY_MAX) for meter in meters]
        assert table(reading_frame(most), tenure_frame(tenures))["usage"].to_list() == [MONTH_USAGE_MAX]
        more = [*most, Reading(10, JAN, FEB, 1)]
        tenures.append(Tenure(1, 10, "water", date(2020, 1, 1), FAR))
        refusal = self.refusal(reading_frame(more), tenure_frame(tenures))
        assert refusal.message.startswith("The usage of a household's commodity in a month is ")
        assert refusal.facts == {"found": MONTH_USAGE_MAX + 1, "limit": MONTH_USAGE_MAX}

    def test_a_month_that_becomes_too_large_when_it_is_scaled(self) -> None:
        meters = range(10)
        tenures = [Tenure(1, meter, "water", date(2020, 1, 1), FAR) for meter in meters]
        short = [Reading(meter, JAN, date(2026, 1, 31), QUANTITY_MAX) for meter in meters]
        refusal = self.refusal(reading_frame(short), tenure_frame(tenures), "1/2")
        assert refusal.message.startswith("The usage of a household's commodity in a month is ")
        assert refusal.facts["found"] == (2 * MONTH_USAGE_MAX * 31 + 30) // 60

    def test_a_month_so_large_that_scaling_it_would_wrap(self) -> None:
        """Twice the quantity times 31 days is 2^64 and a little: 64 bits would keep the little."""
        total = 2**64 // 62 + 1
        meters = pl.int_range(total // QUANTITY_MAX + 1, eager=True)
        last = (meters == len(meters) - 1).cast(pl.Int64)
        day = {"period_start": JAN, "period_end": date(2026, 1, 2)}
        quantity = QUANTITY_MAX - last * (len(meters) * QUANTITY_MAX - total)
        readings = pl.DataFrame({"meter_id": meters, "quantity": quantity}).with_columns(
            **{name: pl.lit(value) for name, value in day.items()}, estimated=pl.lit(False)
        )
        tenures = pl.DataFrame({"meter_id": meters}).with_columns(
            household_id=pl.lit(1, dtype=pl.Int64),
            commodity=pl.lit("water", dtype=COMMODITY_DTYPE),
            starts_on=pl.lit(JAN),
            ends_on=pl.lit(FAR),
        )
        assert self.refusal(readings, tenures, "1/31").facts["found"] == total

    @pytest.mark.parametrize("column", ["meter_id", "period_start", "period_end", "quantity", "estimated"])
    def test_a_reading_that_lacks_a_value(self, column: str) -> None:
        readings = reading_frame([ONE_READING, Reading(1, FEB, MAR, 1)])
        lacking = readings.with_columns(pl.when(pl.int_range(pl.len()) == 0).then(pl.col(column)).alias(column))
        with pytest.raises(InvalidInput) as refusal:
            table(lacking, tenure_frame([ONE_TENURE]))
        assert refusal.value.code == "readings.impossible"
        assert refusal.value.message.startswith("A reading lacks a value, is negative, or ends before it starts.")

    def test_days_read_twice_are_named_an_overlap(self) -> None:
        with pytest.raises(InvalidInput) as refusal:
            table(reading_frame([ONE_READING] * 2), tenure_frame([ONE_TENURE]))
        assert refusal.value.code == "readings.overlap"
        assert refusal.value.message.startswith("Two readings of one meter overlap.")

    def test_a_column_that_the_law_does_not_know_may_be_empty(self) -> None:
        told = reading_frame([ONE_READING]).with_columns(source=pl.lit(None, dtype=pl.String))
        assert table(told, tenure_frame([ONE_TENURE]))["usage"].to_list() == [31]
