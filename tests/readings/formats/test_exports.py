"""What utilities and meters export, read by the mappings that come with the bank; counts and totals taken by other means."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from carbon_bank.readings.formats import csv_format
from carbon_bank.readings.formats.mapping import parse_mapping
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from tests.readings.formats.judged import CALORIFIC_VALUE, Read

EXAMPLES = Path(csv_format.__file__).parent / "examples"


@pytest.fixture
def exports(shared_data: Path) -> Path:
    return shared_data / "exports"


def read(exports: Path, name: str, mapping: str, *changes: tuple[str, str]) -> Read:
    text = (EXAMPLES / f"{mapping}.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Read(Source(exports / f"{name}.csv", name), "csv", Options("Asia/Seoul", mapping=parse_mapping(text)))


def by_hand(exports: Path, name: str, delimiter: str) -> Iterator[list[str]]:
    with (exports / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        yield from csv.reader(file, delimiter=delimiter)


def day(text: str, order: str) -> date:
    parts = dict(zip(order, map(int, text.replace("/", "-").replace(".", "-").split("-")), strict=True))
    return date(parts["y"] + (2000 if parts["y"] < 100 else 0), parts["m"], parts["d"])


def test_a_register_read_by_hand_with_a_title_above_and_thanks_below(exports: Path) -> None:
    found = read(exports, "energycontrol_water_register", "energycontrol-water")
    lines = [
        line for line in by_hand(exports, "energycontrol_water_register", ";") if line[0][:1].isdigit() and line[1]
    ]
    shown = [(day(line[0], "dmy"), Fraction(line[2].replace(",", "."))) for line in lines]
    assert len(shown) == 10
    expected = [
        (start, end, int((later - before) * 1000)) for (start, before), (end, later) in itertools.pairwise(shown)
    ]
    assert found.codes == {None: 8, "readings.period_too_long": 1}
    judged = found.rows.select("period_start", "period_end", "quantity", "code")
    too_long = [(start, end) for start, end, _ in expected if (end - start).days > 100]
    assert [row[:2] for row in judged.filter(pl.col("code").is_not_null()).rows()] == too_long
    assert found.sound.select("period_start", "period_end", "quantity").rows() == [
        row for row in expected if row[:2] not in too_long
    ]
    [below] = found.findings.values()
    assert (below.code, below.at, below.count) == ("formats.no_rows", 15, 4)


def test_hours_in_two_units_of_which_one_is_read(exports: Path) -> None:
    found = read(exports, "fluvius_gas_hourly", "fluvius-gas")
    lines = list(by_hand(exports, "fluvius_gas_hourly", ";"))
    names, hours = lines[0], lines[1:]
    volume, unit, start = (names.index(name) for name in ("Volume", "Eenheid", "Van datum"))
    cubic = [line for line in hours if line[unit] == "m³"]
    eleventh = [Fraction(line[volume].replace(",", ".")) for line in cubic if line[start] == "11-01-2022"]
    assert (len(hours), len(cubic), len(eleventh)) == (116, 58, 24)
    assert found.passed_over == len(hours) - len(cubic)
    assert found.codes == {None: 1, "formats.incomplete_day": 2}
    [whole] = found.sound.rows(named=True)
    assert (whole["period_start"], whole["quantity"]) == (date(2022, 1, 11), round(sum(eleventh) * 1000))
    assert (whole["customer_number"], whole["meter_number"]) == ("123456789123456789", "7FLO12345678")


def test_an_hour_told_in_two_units_is_not_counted_twice(exports: Path) -> None:
    both = ("unit: m3", "unit: {column: Eenheid, values: {m³: m3, kWh: kWh}}"), ("where: {Eenheid: m³}\n", "")
    found = read(exports, "fluvius_gas_hourly", "fluvius-gas", *both)
    assert found.codes == {"formats.two_units": 3}


def test_two_tariffs_of_one_meter_newest_first_and_a_day_left_out(exports: Path) -> None:
    found = read(exports, "greenchoice_register", "greenchoice-electricity")
    lines = list(by_hand(exports, "greenchoice_register", ";"))[1:]
    shown = sorted((date.fromisoformat(line[0]), int(line[1]) + int(line[2])) for line in lines)
    assert found.codes == {None: len(lines) - 1}
    assert sorted(found.sound.select("period_start", "period_end", "quantity").rows()) == [
        (start, end, (later - before) * 1000) for (start, before), (end, later) in itertools.pairwise(shown)
    ]
    assert found.sound["quantity"].sum() == (shown[-1][1] - shown[0][1]) * 1000
    long = found.sound.filter((pl.col("period_end") - pl.col("period_start")).dt.total_days() == 2)
    assert long["period_start"].to_list() == [date(2023, 4, 21)]


def test_use_that_turned_into_a_register_is_read_up_to_there(exports: Path) -> None:
    found = read(exports, "homewizard_water_15min", "homewizard-water")
    lines = list(by_hand(exports, "homewizard_water_15min", ","))
    first = next(number for number, line in enumerate(lines, start=1) if number > 1 and line[1] != "0")
    assert (len(lines) - 1, first, lines[first - 1]) == (12_860, 2647, ["2025-03-28 13:15", "116"])
    days = sorted({line[0][:10] for line in lines[1:]})
    turned = date(2025, 3, 28)
    before = [each for each in days if each < str(turned)]
    assert found.codes == {None: len(before), "formats.became_register": len(days) - len(before)}
    assert found.sound["quantity"].to_list() == [0] * 27
    assert found.sound["period_end"].max() == turned
    [told] = found.findings.values()
    assert (told.code, told.at) == ("formats.became_register", first)


def test_the_same_file_mapped_as_a_register_skips_its_glitches(exports: Path) -> None:
    as_register = ("intervals: {date: time, minutes: 15}", "registers: {date: time}")
    found = read(exports, "homewizard_water_15min", "homewizard-water", as_register)
    lines = list(by_hand(exports, "homewizard_water_15min", ","))[1:]
    first_of: dict[str, int] = {}
    for moment, value in lines:
        first_of.setdefault(moment[:10], int(value))
    shown = [(date.fromisoformat(name), value) for name, value in first_of.items()]
    assert found.codes == {None: len(shown) - 1}
    assert found.sound.select("period_start", "quantity").rows() == [
        (start, (2 * (later - before) + 10) // 20) for (start, before), (_, later) in itertools.pairwise(shown)
    ]


def test_bills_of_two_commodities_in_one_row(exports: Path) -> None:
    found = read(exports, "xcel_energy_elec_gas", "xcel-bills")
    lines = list(by_hand(exports, "xcel_energy_elec_gas", ","))[1:]
    bills = sorted((day(line[0], "mdy"), int(line[3]), int(line[4])) for line in lines if line)
    assert len(bills) == 48
    assert found.codes == {None: 94, "formats.no_period_start": 2}
    therm = Fraction("105505585.262") / 3600 * 1000 / CALORIFIC_VALUE  # litres
    for place, (commodity, factor) in enumerate((("electricity", Fraction(1000)), ("gas", therm)), start=1):
        of_one = found.sound.filter(pl.col("commodity") == commodity)
        assert sorted(of_one.select("period_start", "period_end", "quantity").rows()) == [
            (start, bill[0], (2 * bill[place] * factor + 1) // 2) for (start, *_), bill in itertools.pairwise(bills)
        ]
    refused = found.rows.filter(pl.col("code").is_not_null())
    assert (
        found.sent.filter(pl.col("line").is_in(refused["line"].implode()))["Bill Date"].to_list() == ["10/21/2021"] * 2
    )
    assert refused["column"].to_list() == ["period_start"] * 2


def test_a_day_is_a_day_also_where_the_clock_is_changed(exports: Path) -> None:
    """30 March 2025 has 23 hours in Amsterdam, and 92 quarters in the file."""
    found = read(exports, "homewizard_water_15min", "homewizard-water")
    assert date(2025, 3, 30) - timedelta(days=3) in found.sound["period_start"].to_list()
    lines = [line for line in by_hand(exports, "homewizard_water_15min", ",") if line[0].startswith("2025-03-30")]
    assert len(lines) == 92
    row = found.rows.filter(pl.col("period_start") == date(2025, 3, 30))
    assert row["code"].to_list() == ["formats.became_register"], "and not that it is incomplete"
