"""`carbon-bank policy compare`, on real bills and on a city made up for it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from carbon_bank.programme.policy import load_shipped
from carbon_bank.programme.sweep import with_value
from tests.cli.typed import Run, typed

KOREA = load_shipped("korea-carbon-point@2024")
THRESHOLD = "reduction.tiers.water[0].from"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, "postgresql://nobody@127.0.0.1:1/none", tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: carbon_bank("policy", "compare", *map(str, arguments))


def test_real_bills_under_one_policy_twice_change_nobodys_points(run: Run, shared_data: Path, tmp_path: Path) -> None:
    bills = shared_data / "santa-monica" / "water-readings.csv.gz"
    name = "korea-carbon-point@2024"
    done = run(
        name, name, "--readings", bills, "--periods", "2015-H1..2016-H1", "--unit-price", "2", "--out", tmp_path / "lab"
    )
    assert done.returncode == 0, done.stderr
    assert "2,459,000" in done.stdout and "4,918,000" in done.stdout
    assert "0 households gain 0 points, 0 lose 0." in done.stdout
    written = {path.name for path in (tmp_path / "lab").iterdir()}
    assert written == {
        *(f"{name}.csv" for name in ("groups", "changes", "outcomes", "households")),
        *(f"{name}.{kind}" for name in ("deciles", "changes") for kind in ("svg", "png")),
    }
    with (tmp_path / "lab" / "households.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), sum(int(row["points_b"]) for row in rows)) == (4792, 2_459_000)


def test_a_sweep_gives_what_each_policy_gives_by_itself(run: Run, shared_data: Path, tmp_path: Path) -> None:
    bills = shared_data / "santa-monica" / "water-readings.csv.gz"
    asked = ("--readings", bills, "--periods", "2015-H1", "--out", tmp_path / "lab")
    done = run(KOREA.reference, KOREA.reference, *asked, "--sweep", f"{THRESHOLD}=0.01,0.05,0.09")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "lab" / "sweep.csv").open() as file:
        swept = {row["value"]: int(row["points"]) for row in csv.DictReader(file)}
    for value, points in swept.items():
        single = tmp_path / f"{value}.yaml"
        single.write_text(with_value(KOREA, THRESHOLD, value).text, "utf-8")
        alone = run(single, single, *asked)
        assert f"│ points                │ {points:,}".split("│")[2].strip() in alone.stdout
    assert swept["0.01"] > swept["0.05"] > swept["0.09"]


def made_up(folder: Path) -> tuple[Path, Path]:
    """Readings of twelve households over three years, each of which saves 1 % more than the one before; two districts."""
    rows = [
        f"h{each:02d},m{each},water,{year}-{month:02d}-01,{year}-{month + 1:02d}-01,{quantity},m3,actual"
        for each in range(12)
        for year in (2023, 2024, 2025)
        for month in range(1, 7)
        for quantity in [1000 + 100 * each if year < 2025 else (1000 + 100 * each) * (100 - each) // 100]
    ]
    header = "household_id,meter_id,commodity,period_start,period_end,quantity,unit,quality"
    readings, homes = folder / "readings.csv", folder / "homes.csv"
    readings.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    districts = [f"h{each:02d},flat,2,{'east' if each < 6 else 'west'}" for each in range(11)]
    homes.write_text("\n".join(["household_id,dwelling_type,residents,district", *districts]) + "\n", "utf-8")
    return readings, homes


def test_the_tables_of_a_made_up_city_tell_who_gains_where(run: Run, tmp_path: Path) -> None:
    readings, homes = made_up(tmp_path)
    strict = tmp_path / "strict.yaml"
    strict.write_text(with_value(KOREA, THRESHOLD, "0.08").text, "utf-8")
    asked = ("--readings", readings, "--households", homes, "--periods", "2025-H1", "--unit-price", "1.25")
    done = run(KOREA.reference, strict, *asked, "--out", tmp_path / "lab", "--sweep", "household_points_max=0,1000")
    assert done.returncode == 0, done.stderr
    tables = {}
    for name in ("groups", "households", "outcomes", "sweep"):
        with (tmp_path / "lab" / f"{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    groups = {(row["dimension"], row["group"]): row for row in tables["groups"]}
    # From 5 % on 750 points, from 10 % on 1,500; h05 to h07 lose theirs, of whom h05 lives in the east.
    expected = {
        ("total", "all"): ("6750", "4500", "0", "3", "8437.5", "5625"),
        ("district", "east"): ("750", "0", "0", "1", "937.5", "0"),
        ("district", "west"): ("4500", "3000", "0", "2", "5625", "3750"),
        ("district", "unknown"): ("1500", "1500", "0", "0", "1875", "1875"),
    }
    names = ("points_a", "points_b", "gainers", "losers", "cost_a", "cost_b")
    assert {key: tuple(groups[key][name] for name in names) for key in expected} == expected
    assert [row["household_id"] for row in tables["households"] if row["change"] == "-750"] == ["h05", "h06", "h07"]
    assert [(row["value"], row["points"], row["payees"]) for row in tables["sweep"]] == [
        ("0", "0", "0"),
        ("1000", "3500", "4"),
    ]
    assert {(row["outcome_a"], row["outcome_b"]): row["awards"] for row in tables["outcomes"]} == {
        ("below_threshold", "below_threshold"): "4",
        ("no_reduction", "no_reduction"): "1",
        ("reduction", "below_threshold"): "3",
        ("reduction", "reduction"): "4",
    }


def test_on_a_narrow_terminal_no_figure_is_cut(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    readings, homes = made_up(tmp_path)
    done = run(KOREA.reference, KOREA.reference, "--readings", readings, "--households", homes, "--periods", "2025-H1")
    assert (done.returncode, "…" in done.stdout) == (0, False)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_file_without_rows_is_refused(run: Run, tmp_path: Path) -> None:
    readings, _ = made_up(tmp_path)
    readings.write_text(readings.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    done = run(KOREA.reference, KOREA.reference, "--readings", readings, "--periods", "2025-H1")
    assert (done.returncode, done.stderr.strip().rpartition("code: ")[2]) == (2, "simulate.no_rows")


def test_what_cannot_be_compared_is_refused_with_the_reason(run: Run, shared_data: Path) -> None:
    bills = shared_data / "santa-monica" / "water-readings.csv.gz"
    name = KOREA.reference
    for more, code in (
        (("--periods", "2015-Q1"), "programme.span"),
        (("--periods", "2015-H1", "--unit-price", "cheap"), "programme.unit_price"),
        (("--periods", "2015-H1", "--sweep", "nowhere[3]=1"), "programme.sweep"),
        (("--periods", "2015-H1", "--sweep", "period_months=6,12"), "programme.span"),
    ):
        done = run(name, name, "--readings", bills, *more)
        assert (done.returncode, done.stderr.strip().rpartition("code: ")[2]) == (2, code)
