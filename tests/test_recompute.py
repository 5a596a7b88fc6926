"""`scripts/recompute.py`, the auditor's own implementation: it stands alone, and finds what the bank finds."""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import typer
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from carbon_bank.cli.simulate import simulate
from carbon_bank.foundation.calendar import Period
from carbon_bank.programme.policy import load_shipped, shipped_policies
from tests.programme.test_oracle import assert_same
from tests.programme.worlds import FAR, World, quiet_world, random_world, settle

SCRIPT = Path(__file__).parent.parent / "scripts" / "recompute.py"
HEADER = ["household_id", "meter_id", "commodity", "period_start", "period_end", "quantity", "unit", "quality"]
VOLUMES = ("L", "dL", "m3", "ft3", "ccf", "gal", "gal_imp")
UNITS = {"electricity": ("Wh", "kWh", "MWh", "J", "MJ", "GJ"), "gas": VOLUMES, "water": VOLUMES}
YEARS_BACK = 8
"""A world lies about now and in the years to come; files are of the past. Two leap years back, days stay days."""


def under_shipped(world: World, reference: str) -> World:
    """The households of a world under a policy that comes with the bank."""
    policy: dict[str, Any] = yaml.safe_load(load_shipped(reference).text)
    period = Period.containing(world.first_month, policy["period_months"], policy["anchor_month"])
    return replace(world, policy=policy | {"effective_from": period.first_day}, first_month=period.first_month)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 2**32), st.sampled_from(shipped_policies()))
def test_under_every_shipped_policy_both_find_the_same(seed: int, reference: str) -> None:
    world = under_shipped(random_world(Random(seed)), reference)
    assert_same(world, settle(world, 2))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(shipped_policies()))
def test_near_the_tiers_of_every_shipped_policy_both_find_the_same(seed: int, reference: str) -> None:
    world = under_shipped(quiet_world(Random(seed)), reference)
    assert_same(world, settle(world, 2))


def earlier(day: date) -> date:
    return day.replace(year=day.year - YEARS_BACK)


def rows_of(world: World, odd_units: bool = False) -> Iterator[list[str]]:
    """Each reading for each household that ever holds its meter; odd_units: in whatever unit, with digits after the point."""
    for tenure in {(each.household, each.meter, each.commodity) for each in world.tenures}:
        household, meter, commodity = tenure
        for reading in world.readings:
            if reading.meter == meter:
                days = [str(earlier(reading.start)), str(earlier(reading.end))]
                quality = "estimated" if reading.estimated else "actual"
                units = UNITS[commodity]
                unit = units[reading.quantity % len(units) if odd_units else 0]
                quantity = f"{reading.quantity}.{meter}5" if odd_units else str(reading.quantity)
                yield [f"h{household}", f"m{meter}", commodity, *days, quantity, unit, quality]


def write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def moved_in(world: World, household: int) -> str:
    """The day on which every second household came; of the others it is not known."""
    days = [earlier(each.start) for each in world.tenures if each.household == household and household % 2]
    return str(min(days)) if days else ""


def files_of(world: World, folder: Path, odd_units: bool = False) -> list[str]:
    """The arguments that name a world's files, the same for both programs."""
    policy = folder / "policy.yaml"
    policy.write_text(yaml.safe_dump(world.policy | {"effective_from": earlier(world.period.first_day)}), "utf-8")
    readings = write(folder / "readings.csv", [HEADER, *rows_of(world, odd_units)])
    homes = [
        [f"h{key}", kind or "", str(people or ""), moved_in(world, key)] for key, (kind, people) in world.homes.items()
    ]
    households = write(folder / "households.csv", [["household_id", "dwelling_type", "residents", "moved_in"], *homes])
    first = world.period.shift(-YEARS_BACK * 12 // world.period.length)
    periods = f"{first}..{first.shift(1)}"
    return ["--policy", str(policy), "--readings", str(readings), "--households", str(households), "--periods", periods]


def recomputed(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-I", SCRIPT, *arguments], capture_output=True, check=False, timeout=120)


def simulated(arguments: list[str]) -> bytes:
    app = typer.Typer()
    app.command()(simulate)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout_bytes


def test_from_the_same_files_both_write_the_same_bytes(tmp_path: Path) -> None:
    rows = 0
    for seed in range(12):
        world = random_world(Random(seed))
        if seed % 2:
            world = under_shipped(world, shipped_policies()[seed // 2])
        arguments = files_of(world, tmp_path, odd_units=seed % 3 == 0)
        ours, theirs = recomputed(*arguments), simulated(arguments)
        assert ours.returncode == 0, ours.stderr
        assert ours.stdout == theirs, f"seed {seed}"
        rows += len(theirs.splitlines()) - 1
    assert rows > 40, "hardly anything was compared"


def test_a_changed_award_is_found_and_named(tmp_path: Path) -> None:
    arguments = files_of(random_world(Random(3)), tmp_path)
    awards = tmp_path / "awards.csv"
    awards.write_bytes(recomputed(*arguments).stdout)
    same = recomputed(*arguments, "--awards", str(awards))
    assert (same.returncode, same.stdout) == (0, b""), same.stderr
    with awards.open(newline="") as file:
        head, first, *rest = csv.reader(file)
    changed = [*first[:7], str(int(first[7]) + 1), *first[8:]]
    write(awards, [head, changed, *rest[1:]])
    found = recomputed(*arguments, "--awards", str(awards))
    assert found.returncode == 1
    told = list(csv.reader(found.stdout.decode().splitlines()))
    assert [first[1], first[2], first[0], "points", changed[7], first[7]] in told
    assert [rest[0][1], rest[0][2], rest[0][0], "row", "missing", "there"] in told
    assert len(told) == 3


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("readings", ["h1", "m1", "heat", "2018-01-01", "2018-02-01", "5", "L", "actual"], "heat"),
        ("readings", ["h1", "m1", "gas", "2018-01-01", "2018-02-01", "5.5.5", "L", "actual"], "5.5.5"),
        ("readings", ["h1", "m1", "gas", "2018-01-01", "2017-02-01", "5", "L", "actual"], "period_end"),
        ("readings", ["h1", "m1", "gas"], "values"),
        ("households", ["h1", "flat", "many"], "residents"),
    ],
)
def test_a_row_that_cannot_be_read_is_named_by_its_line(name: str, row: list[str], told: str, tmp_path: Path) -> None:
    arguments = files_of(random_world(Random(3)), tmp_path)
    head = HEADER if name == "readings" else ["household_id", "dwelling_type", "residents"]
    write(tmp_path / f"{name}.csv", [head, row])
    done = recomputed(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"line 2" in done.stderr and told.encode() in done.stderr


@pytest.mark.parametrize("text", ["policy: [", "policy: x", "period_months: 0.5", ""])
def test_a_policy_that_cannot_be_read_is_refused(text: str, tmp_path: Path) -> None:
    arguments = files_of(random_world(Random(3)), tmp_path)
    (tmp_path / "policy.yaml").write_text(text)
    done = recomputed(*arguments)
    assert done.returncode == 2 and b"policy" in done.stderr and b"Traceback" not in done.stderr


def test_tenures_of_their_own_file_count_in_place_of_those_that_readings_suggest(tmp_path: Path) -> None:
    world = random_world(Random(3))
    arguments = files_of(world, tmp_path)
    rows = [["household_id", "meter_id", "commodity", "starts_on", "ends_on"]]
    for each in world.tenures:
        end = "" if each.end == FAR else str(earlier(each.end))
        rows.append([f"h{each.household}", f"m{each.meter}", each.commodity, str(earlier(each.start)), end])
    tenures = write(tmp_path / "tenures.csv", rows)
    done = recomputed(*arguments, "--tenures", str(tenures))
    assert done.returncode == 0, done.stderr
    found = {tuple(row[1:4]): row for row in csv.reader(done.stdout.decode().splitlines()[1:]) if row[0]}
    expected = settle(world, 1)[0]
    first = str(world.period.shift(-YEARS_BACK * 12 // world.period.length))
    told = [row for row in csv.reader(done.stdout.decode().splitlines()) if row[0] == first]
    assert [(row[1], row[2], row[3], row[7]) for row in told] == [
        (f"h{row['household_id']}", row["commodity"], row["outcome"], str(row["points"])) for row in expected.to_dicts()
    ]
    assert found


def test_the_highest_revision_counts_and_one_without_a_quantity_takes_it_back(tmp_path: Path) -> None:
    world = random_world(Random(3))
    arguments = files_of(world, tmp_path)
    expected = recomputed(*arguments).stdout
    rows = list(rows_of(world))
    wrong = [[*row[:5], "1", *row[6:], "2"] for row in rows]
    day = timedelta(days=1)
    long = next(row for row in rows if date.fromisoformat(row[3]) + day < date.fromisoformat(row[4]))
    gone = [*long[:3], str(date.fromisoformat(long[3]) + day), *long[4:], "1"]
    back = [*gone[:5], "", *gone[6:8], "2"]
    revised = [*wrong, *([*row, "3"] for row in rows), *([*row, "1"] for row in rows), gone, back]
    write(tmp_path / "readings.csv", [[*HEADER, "revision"], *revised])
    done = recomputed(*arguments)
    assert (done.returncode, done.stdout) == (0, expected), done.stderr
    write(tmp_path / "readings.csv", [[*HEADER, "revision"], *revised, [*back[:5], "7", *back[6:]]])
    assert b"An earlier line says something else of this revision" in recomputed(*arguments).stderr


def test_without_its_files_it_says_what_to_name() -> None:
    for arguments in ([], ["--policy", "x"], ["--package", "x", "--policy", "x", "--readings", "x"]):
        done = recomputed(*arguments)
        assert done.returncode == 2 and b"name --package DIR, or --policy and --readings" in done.stderr
    done = recomputed("--package", "nowhere")
    assert done.returncode == 2 and b"the folder of an unpacked export package" in done.stderr


def test_it_stands_alone() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"yaml"}


def test_real_water_bills_come_to_the_same_bytes(shared_data: Path, tmp_path: Path) -> None:
    bills = shared_data / "santa-monica" / "water-readings.csv.gz"
    policy = tmp_path / "policy.yaml"
    policy.write_text(load_shipped("korea-carbon-point@2024").text, "utf-8")
    arguments = ["--policy", str(policy), "--readings", str(bills), "--periods", "2015-H1..2016-H1"]
    ours = recomputed(*arguments)
    assert ours.returncode == 0, ours.stderr
    assert ours.stdout == simulated(arguments)
    assert (len(ours.stdout.splitlines()) - 1, b"2459000 points" in ours.stderr) == (14_376, True)
