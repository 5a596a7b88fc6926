"""What becomes of a row, without a database. Source: readings.md, "What must hold"."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from carbon_bank.foundation.units import QUALITY_DTYPE
from carbon_bank.readings.intake import COLUMNS, KEY, SENTENCES, judge, parse, tidied

TODAY = date(2026, 11, 23)
SOUND = {
    "commodity": "electricity",
    "customer_number": "A-e",
    "period_start": "2026-03-01",
    "period_end": "2026-04-01",
    "quantity": "310.5",
    "unit": "kWh",
}
FAULTS: list[tuple[str, str, dict[str, str | None]]] = [
    # code, column, what the row says in place of SOUND
    ("readings.commodity", "commodity", {"commodity": "heat"}),
    ("readings.commodity", "commodity", {"commodity": "Electricity"}),
    ("readings.commodity", "commodity", {"commodity": None}),
    ("readings.text", "customer_number", {"customer_number": "A\0e"}),
    ("readings.text", "meter_number", {"meter_number": "\0"}),
    ("readings.number_too_long", "customer_number", {"customer_number": "9" * 201}),
    ("readings.number_too_long", "meter_number", {"meter_number": "計" * 201}),
    ("readings.text", "reason_text", {"reason": "other", "reason_text": "a\0b"}),
    ("readings.date", "period_start", {"period_start": "2026-02-29"}),
    ("readings.date", "period_start", {"period_start": "2026-3-1"}),
    ("readings.date", "period_start", {"period_start": "01-03-2026"}),
    ("readings.date", "period_start", {"period_start": "+2026-03-01"}),
    ("readings.date", "period_start", {"period_start": "0001-01-01", "period_end": "0001-02-01"}),
    ("readings.date", "period_start", {"period_start": "1899-12-31", "period_end": "1900-01-31"}),
    ("readings.date", "period_start", {"period_start": None}),
    ("readings.date", "period_end", {"period_end": "2026-04-31"}),
    ("readings.date", "period_end", {"period_end": "2026-04-01T00:00"}),
    ("readings.date", "period_end", {"period_end": None}),
    ("readings.period_order", "period_end", {"period_end": "2026-03-01"}),
    ("readings.period_order", "period_end", {"period_end": "2026-02-01"}),
    ("readings.period_too_long", "period_end", {"period_end": "2026-06-10"}),
    ("readings.future", "period_end", {"period_start": "2026-11-01", "period_end": "2026-11-24"}),
    ("readings.cancel", "cancel", {"cancel": "true", "reason": "corrected"}),
    ("readings.not_a_number", "quantity", {"quantity": "NaN"}),
    ("readings.not_a_number", "quantity", {"quantity": "Infinity"}),
    ("readings.not_a_number", "quantity", {"quantity": "1e3"}),
    ("readings.not_a_number", "quantity", {"quantity": "310,5"}),
    ("readings.not_a_number", "quantity", {"quantity": "1 000"}),
    ("readings.quantity_missing", "quantity", {"quantity": None}),
    ("readings.quantity_missing", "quantity", {"quantity": None, "register_start": "100"}),
    ("readings.quantity_missing", "quantity", {"quantity": None, "register_end": "100"}),
    ("readings.quantity_twice", "register_start", {"register_start": "100", "register_end": "410.5"}),
    ("readings.not_a_number", "register_start", {"quantity": None, "register_start": "1,5", "register_end": "2"}),
    ("readings.not_a_number", "register_end", {"quantity": None, "register_start": "1", "register_end": "1e3"}),
    ("readings.negative", "register_start", {"quantity": None, "register_start": "-1", "register_end": "2"}),
    ("readings.register_backwards", "register_end", {"quantity": None, "register_start": "2", "register_end": "1"}),
    ("readings.too_large", "quantity", {"quantity": None, "register_start": "0", "register_end": "1000000000.001"}),
    ("readings.negative", "quantity", {"quantity": "-1"}),
    ("readings.too_large", "quantity", {"quantity": "1000000000.001"}),
    ("readings.unit", "unit", {"unit": "m3"}),
    ("readings.unit", "unit", {"unit": "kwh"}),
    ("readings.unit", "unit", {"unit": None}),
    ("readings.unit", "unit", {"commodity": "gas"}),  # in kWh, of a meter without a calorific value
    ("readings.quality", "quality", {"quality": "guessed"}),
    ("readings.reason", "reason", {"reason": "because"}),
    ("readings.reason_text", "reason_text", {"reason": "other"}),
    ("readings.reason_text", "reason_text", {"reason": "other", "reason_text": "  "}),
    ("readings.revision_needs_reason", "reason", {"cancel": "yes"}),
]
NEAR_FAULTS: list[dict[str, str | None]] = [
    {},
    {"period_end": "2026-06-09"},  # 100 days
    {"period_start": "2026-11-22", "period_end": "2026-11-23"},  # yesterday, to the end
    {"period_start": "1900-01-01", "period_end": "1900-02-01"},
    {"customer_number": "計" * 200, "meter_number": "9" * 200},
    {"quantity": "0"},
    {"quantity": "1000000000"},
    {"commodity": "gas", "unit": "m3"},
    {"quality": "estimated"},
    {"quality": " ", "reason": "", "cancel": "  "},
    {"reason": "other", "reason_text": "the dog ate it"},
    {"reason": "corrected"},
    {"cancel": "yes", "reason": "rebilled", "quantity": None, "unit": None},
    {"quantity": None, "register_start": "4711.25", "register_end": "4711.25"},
    {"quantity": " ", "register_start": " +0 ", "register_end": "310.500000001"},
    {"commodity": " electricity ", "period_start": " 2026-03-01 ", "quantity": " 310.5 ", "unit": " kWh "},
]


def parsed(*rows: dict[str, str | None], calorific_value: int | None = None) -> pl.DataFrame:
    columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in COLUMNS}
    frame = pl.DataFrame({"line": pl.Series(range(1, len(rows) + 1), dtype=pl.Int32), **columns})
    meter = {"calorific_value": pl.lit(calorific_value, pl.Int64), "meter_id": pl.lit(7, pl.Int64)}
    return parse(tidied(frame).with_columns(**meter), TODAY)


@pytest.mark.parametrize(("code", "column", "said"), FAULTS)
def test_a_row_is_refused_for_its_first_fault_at_its_column(
    code: str, column: str, said: dict[str, str | None]
) -> None:
    row, sound = parsed({**SOUND, **said}, SOUND).rows(named=True)
    assert (row["code"], row["column"]) == (code, column)
    assert sound["code"] is None, "a row is judged by itself"


@pytest.mark.parametrize("said", NEAR_FAULTS)
def test_a_row_just_inside_the_rules_is_sound(said: dict[str, str | None]) -> None:
    [row] = parsed({**SOUND, **said}).rows(named=True)
    assert (row["code"], row["column"]) == (None, None)


def test_what_a_format_found_wrong_comes_first() -> None:
    rows = pl.DataFrame([{**SOUND, "quantity": "x", "code": "formats.ragged", "column": "unit"}, SOUND])
    numbered = rows.with_columns(line=pl.Series([1, 2], dtype=pl.Int32))
    assert parse(tidied(numbered), TODAY).select("code", "column").rows() == [("formats.ragged", "unit"), (None, None)]


def test_of_several_faults_the_first_in_the_order_of_the_rules_is_told() -> None:
    [row] = parsed({**SOUND, "period_end": "2027-04-01", "quantity": "x", "quality": "x"}).rows(named=True)
    assert (row["code"], row["column"]) == ("readings.period_too_long", "period_end")


def test_text_becomes_days_base_units_and_a_quality() -> None:
    [row] = parsed(SOUND).rows(named=True)
    assert (row["period_start"], row["period_end"]) == (date(2026, 3, 1), date(2026, 4, 1))
    assert (row["quantity"], row["quality"], row["cancel"]) == (310_500, "actual", False)
    assert row["meter_id"] == 7


def test_gas_comes_in_kilowatt_hours_where_the_meter_has_a_calorific_value() -> None:
    [row] = parsed({**SOUND, "commodity": "gas", "quantity": "118.61"}, calorific_value=11_861).rows(named=True)
    assert (row["quantity"], row["code"]) == (10_000, None)


def test_a_cancellation_has_no_quantity_even_where_one_was_sent() -> None:
    [row] = parsed({**SOUND, "cancel": "yes", "reason": "corrected", "quantity": "not looked at"}).rows(named=True)
    assert (row["quantity"], row["code"], row["cancel"]) == (None, None, True)


def test_optional_columns_may_be_left_out_of_the_frame() -> None:
    frame = pl.DataFrame({name: [value] for name, value in SOUND.items()}).with_columns(line=pl.lit(1, pl.Int32))
    [row] = parse(tidied(frame), TODAY).rows(named=True)
    assert (row["code"], row["quality"], row["reason"]) == (None, "actual", None)


BY_COMPARISON = {"readings.overlap", "readings.nothing_to_cancel", "readings.revision_needs_reason"}
BY_THE_REGISTRY = {"readings.not_this_utility", "readings.unknown_meter", "readings.meter_ambiguous"}
BY_THE_BATCH = {"readings.batch_atomic"}
BY_THE_METER = {"readings.register_digits", "readings.rollover_held"}


def test_every_code_is_reached_by_a_test_and_has_a_sentence() -> None:
    """The sets by name: below in this file, in test_service.py and in test_registers.py."""
    reached = {code for code, _, _ in FAULTS} | BY_COMPARISON | BY_THE_REGISTRY | BY_THE_BATCH | BY_THE_METER
    assert reached == set(SENTENCES)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


MARCH, APRIL, MID = ("2026-03-01", "2026-04-01"), ("2026-04-01", "2026-05-01"), ("2026-03-16", "2026-04-16")


def reading(period: tuple[str, str], quantity: str = "100", **more: str) -> dict[str, str | None]:
    return {**SOUND, "period_start": period[0], "period_end": period[1], "quantity": quantity, **more}


def cancellation(period: tuple[str, str]) -> dict[str, str | None]:
    return reading(period, cancel="yes", reason="corrected")


def standing(*rows: tuple[tuple[str, str], int, int | None]) -> pl.DataFrame:
    """Current revisions of meter 7: period, revision, kWh (None: cancelled)."""
    found = [
        (7, date.fromisoformat(start), date.fromisoformat(end), revision, kwh and kwh * 1000, "actual")
        for (start, end), revision, kwh in rows
    ]
    dtypes = [pl.Int64, pl.Date, pl.Date, pl.Int16, pl.Int64, QUALITY_DTYPE]
    names = [*KEY, "revision", "quantity", "quality"]
    return pl.DataFrame(found, schema=dict(zip(names, dtypes, strict=True)), orient="row")


def outcomes(stands: pl.DataFrame, *rows: dict[str, str | None]) -> list[tuple[str, str | None, str | None]]:
    return judge(parsed(*rows), stands).outcomes.select("status", "code", "column").rows()


def revisions(stands: pl.DataFrame, *rows: dict[str, str | None]) -> list[tuple[int, int | None, str | None]]:
    return judge(parsed(*rows), stands).readings.select("revision", "quantity", "reason").rows()


ACCEPTED, DUPLICATE, REVISED = ("accepted", None, None), ("duplicate", None, None), ("revised", None, None)
OVERLAP = ("refused", "readings.overlap", "period_start")
NEEDS_REASON = ("refused", "readings.revision_needs_reason", "reason")


def test_the_first_reading_of_a_period_is_accepted_as_revision_one() -> None:
    assert outcomes(standing(), reading(MARCH)) == [ACCEPTED]
    assert revisions(standing(), reading(MARCH)) == [(1, 100_000, None)]


def test_a_reason_on_a_first_reading_is_not_kept() -> None:
    assert revisions(standing(), reading(MARCH, reason="corrected")) == [(1, 100_000, None)]


def test_periods_that_meet_on_a_day_do_not_overlap() -> None:
    assert outcomes(standing((MARCH, 1, 100)), reading(APRIL)) == [ACCEPTED]


def test_the_same_value_again_is_a_duplicate_however_much_later() -> None:
    stands = standing((MARCH, 3, 100))
    assert outcomes(stands, reading(MARCH)) == [DUPLICATE]
    assert outcomes(stands, reading(MARCH, "0.1", unit="MWh")) == [DUPLICATE], "it is the quantity that counts"
    assert revisions(stands, reading(MARCH)) == []


def test_the_same_value_with_a_reason_is_still_a_duplicate() -> None:
    assert outcomes(standing((MARCH, 1, 100)), reading(MARCH, reason="corrected")) == [DUPLICATE]


def test_another_value_needs_a_reason_and_gets_the_next_revision() -> None:
    stands = standing((MARCH, 4, 100))
    assert outcomes(stands, reading(MARCH, "90")) == [NEEDS_REASON]
    assert outcomes(stands, reading(MARCH, "90", reason="rebilled")) == [REVISED]
    assert revisions(stands, reading(MARCH, "90", reason="rebilled")) == [(5, 90_000, "rebilled")]


def test_another_quality_of_the_same_quantity_is_a_revision() -> None:
    stands = standing((MARCH, 1, 100))
    assert outcomes(stands, reading(MARCH, quality="estimated")) == [NEEDS_REASON]
    assert outcomes(stands, reading(MARCH, quality="estimated", reason="corrected")) == [REVISED]


def test_revisions_within_a_batch_count_on() -> None:
    rows = (reading(MARCH), reading(MARCH, "90", reason="corrected"), reading(MARCH, "80", reason="meter_fault"))
    assert outcomes(standing(), *rows) == [ACCEPTED, REVISED, REVISED]
    assert [revision for revision, _, _ in revisions(standing(), *rows)] == [1, 2, 3]


def test_a_period_across_another_is_refused() -> None:
    assert outcomes(standing((MARCH, 1, 100)), reading(MID)) == [OVERLAP]


def test_of_two_overlapping_rows_of_a_batch_the_first_wins() -> None:
    assert outcomes(standing(), reading(MID), reading(MARCH), reading(APRIL)) == [ACCEPTED, OVERLAP, OVERLAP]
    assert outcomes(standing(), reading(MARCH), reading(MID), reading(APRIL)) == [ACCEPTED, OVERLAP, ACCEPTED]


def test_a_refused_row_stands_in_nobodys_way() -> None:
    stands = standing((MARCH, 1, 100))
    assert outcomes(stands, reading(MID), reading(("2026-04-10", "2026-05-10"))) == [OVERLAP, ACCEPTED]


def test_a_restated_period_is_a_cancellation_and_a_new_reading_in_one_batch() -> None:
    stands = standing((MARCH, 1, 100))
    assert outcomes(stands, cancellation(MARCH), reading(MID)) == [REVISED, ACCEPTED]
    assert revisions(stands, cancellation(MARCH), reading(MID)) == [(2, None, "corrected"), (1, 100_000, None)]
    assert outcomes(stands, reading(MID), cancellation(MARCH)) == [OVERLAP, REVISED], "the order counts"


def test_where_nothing_stands_there_is_nothing_to_cancel() -> None:
    nothing = ("refused", "readings.nothing_to_cancel", "period_start")
    assert outcomes(standing(), cancellation(MARCH)) == [nothing]
    assert outcomes(standing((MARCH, 1, 100)), cancellation(MID)) == [nothing], "the period must be exact"


def test_a_second_cancellation_is_a_duplicate() -> None:
    assert outcomes(standing((MARCH, 2, None)), cancellation(MARCH)) == [DUPLICATE]


def test_a_cancelled_reading_comes_back_only_with_a_reason() -> None:
    stands = standing((MARCH, 2, None))
    assert outcomes(stands, reading(MARCH)) == [NEEDS_REASON]
    assert revisions(stands, reading(MARCH, reason="corrected")) == [(3, 100_000, "corrected")]


def test_a_cancelled_reading_does_not_come_back_across_another() -> None:
    stands = standing((MARCH, 2, None), (MID, 1, 100))
    assert outcomes(stands, reading(MARCH, reason="corrected")) == [OVERLAP]


def test_an_empty_batch_has_no_outcomes() -> None:
    judged = judge(parsed(SOUND).clear(), standing((MARCH, 1, 100)))
    assert (judged.outcomes.height, judged.readings.height) == (0, 0)


def test_the_page_for_utilities_tells_every_column_and_every_code_with_its_sentence() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "readings.md").read_text("utf-8")
    assert re.findall(r"^\| `(readings\.\w+)` \| (.+) \|$", page, re.MULTILINE) == list(SENTENCES.items())
    columns = page.partition("## Columns")[2].partition("##")[0]
    needed = {name: said == "yes" for name, said in re.findall(r"^\| `(\w+)` \| ([^|]+) \|", columns, re.MULTILINE)}
    assert needed == COLUMNS
