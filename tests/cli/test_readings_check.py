"""`carbon-bank readings check`: what a utility runs before it sends."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from carbon_bank.cli import app
from carbon_bank.cli.simulate_rows import READING_COLUMNS
from carbon_bank.foundation.errors import Refusal

HEADER = "commodity,customer_number,meter_number,period_start,period_end,quantity,unit,quality,reason,cancel"
MARCH, APRIL = "2026-03-01,2026-04-01", "2026-04-01,2026-05-01"


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["readings", "check", *map(str, arguments)], env={"COLUMNS": "100"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "march.csv"


def write(file: Path, *rows: str) -> Path:
    file.write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    return file


def test_a_clean_file_ends_with_0_and_is_written_as_simulate_reads_it(file: Path, tmp_path: Path) -> None:
    write(
        file,
        f"electricity,1,,{MARCH},310.5,kWh,,,",
        f"electricity,1,,{APRIL},290,kWh,estimated,,",
        f"water,1,,{MARCH},12,m3,,,",
        f"electricity,2,b,{MARCH},100,kWh,,,",
        f"electricity,2,b,{MARCH},90,kWh,,corrected,",
        f"electricity,2,b,{APRIL},80,kWh,,,",
        f"electricity,2,b,{APRIL},,,,rebilled,yes",
    )
    out = tmp_path / "normal.csv"
    done = check(file, "--out", out)
    assert done.exit_code == 0, done.output
    assert "5 accepted, 0 duplicate, 2 revised, 0 refused of 7 rows." in done.output
    with out.open(newline="") as written:
        rows = list(csv.reader(written))
    assert tuple(rows[0]) == READING_COLUMNS
    assert sorted(rows[1:]) == [
        ["1", "electricity/1", "electricity", "2026-03-01", "2026-04-01", "310500", "Wh", "actual"],
        ["1", "electricity/1", "electricity", "2026-04-01", "2026-05-01", "290000", "Wh", "estimated"],
        ["1", "water/1", "water", "2026-03-01", "2026-04-01", "12000", "L", "actual"],
        ["2", "electricity/2/b", "electricity", "2026-03-01", "2026-04-01", "90000", "Wh", "actual"],
    ]


def test_refused_rows_are_told_by_reason_and_written_as_they_were_sent(file: Path, tmp_path: Path) -> None:
    write(
        file,
        f"electricity,1,,{MARCH},310.5,kWh,,,",
        *(f"electricity,{number},,{MARCH},x,kWh,,," for number in range(2, 7)),
        "electricity,1,,2026-03-16,2026-04-16,300,kWh,,,",
        "electricity,9,,2026-03-01",
    )
    rejections = tmp_path / "refused.csv"
    done = check(file, "--rejections", rejections)
    assert done.exit_code == 1
    assert "5 refused: The quantity is no plain decimal number." in done.output
    assert "line 3 quantity 'x'; line 4 quantity 'x'; line 5 quantity 'x', and 2 more" in done.output
    assert "line 8 period_start '2026-03-16'" in done.output
    assert "1 accepted, 0 duplicate, 0 revised, 7 refused of 8 rows." in done.output
    with rejections.open(newline="") as written:
        rows = list(csv.DictReader(written))
    assert [row["code"] for row in rows] == ["readings.not_a_number"] * 5 + ["readings.overlap", "formats.ragged"]
    assert [row["customer_number"] for row in rows] == ["2", "3", "4", "5", "6", "1", "9"]
    assert all(row["message"].endswith(".") for row in rows)
    again = check(rejections)
    assert "7 refused of 7 rows" not in again.output, "the overlap was with a row that is not in this file"
    assert again.exit_code == 1, "the two columns more are passed over"


def test_a_row_that_overlaps_one_thousands_of_rows_before_is_found(file: Path) -> None:
    many = [f"electricity,{number},,{MARCH},1,kWh,,," for number in range(25_000)]
    write(file, *many, "electricity,7,,2026-03-31,2026-04-02,1,kWh,,,", f"electricity,8,,{MARCH},1,kWh,,,")
    done = check(file)
    assert "25,000 accepted, 1 duplicate, 0 revised, 1 refused of 25,002 rows." in done.output
    assert "line 25002 period_start '2026-03-31'" in done.output


def test_the_same_readings_in_every_format_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"commodity": "gas", "customer_number": str(number), "period_start": "2026-03-01", "period_end": "2026-04-01",
         "quantity": quantity, "unit": "m3", "cancel": None}
        for number, quantity in ((1, "10.5"), (2, "-1"), (3, "7"), (3, "7"))
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={"cancel": pl.String})
    frame.write_csv(tmp_path / "a.csv")
    frame.write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.ndjson").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    for name in ("a.csv", "a.parquet", "a.ndjson"):
        done = check(tmp_path / name)
        assert done.exit_code == 1
        assert "2 accepted, 1 duplicate, 0 revised, 1 refused of 4 rows." in done.output, name
        assert "17.500 m3" in done.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere.csv"], "formats.no_file"),
        (["march.csv", "--format", "excel"], "formats.unknown"),
        (["march.csv", "--mapping", "nobody-has-this"], "formats.no_mapping"),
        (["march.csv", "--zone", "Mars/Base"], "readings.zone"),
        (["march.csv", "--format", "ndjson", "--mapping", "xcel-bills"], "formats.mapping_unused"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is_said(
    file: Path, tmp_path: Path, arguments: list[str], code: str
) -> None:
    write(file, f"electricity,1,,{MARCH},310.5,kWh,,,")
    done = check(tmp_path / arguments[0], *arguments[1:])
    assert isinstance(done.exception, Refusal)
    assert done.exception.code == code
    assert done.output == ""
