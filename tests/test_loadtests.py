"""The benches and the load test run: how fast anything is, no test says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.bench.__main__ import BENCHES

ROOT = Path(__file__).parent.parent
HOUSEHOLDS = 150

READINGS_LEAST = HOUSEHOLDS * 3 * 30
POSTINGS = HOUSEHOLDS * 3


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """All benches, at a size that shows nothing but that they run."""
    folder = tmp_path_factory.mktemp("results")
    ended = run("-m", "loadtests.bench", "all", "--size", str(HOUSEHOLDS), "--results", str(folder))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


def test_all_benches_leave_a_figure_each(figures: dict[str, dict[str, object]]) -> None:
    assert set(figures) == {f"{name}-{HOUSEHOLDS}" for name in BENCHES}


@pytest.mark.parametrize("name", sorted(BENCHES))
def test_a_figure_tells_both_sides_of_every_round_the_ratio_the_memory_and_the_machine(
    figures: dict[str, dict[str, object]], name: str
) -> None:
    figure = figures[f"{name}-{HOUSEHOLDS}"]
    ours, limit, ratios = figure["ours_seconds"], figure["limit_seconds"], figure["ratios"]
    assert isinstance(ours, list) and isinstance(limit, list) and isinstance(ratios, list)
    assert len(ours) == len(limit) == len(ratios) == 3
    assert figure["ratio"] == sorted(ratios)[1]
    for mine, its, ratio in zip(ours, limit, ratios, strict=True):
        assert ratio == pytest.approx(its / mine if BENCHES[name].by_speed else mine / its)
    assert figure["memory_peak_mib"] >= figure["memory_before_mib"] > 0  # type: ignore[operator]
    assert {"goal", "unit", "rows_per_second", "server", "cores", "machine", "python", "measured_at"} <= set(figure)


def test_the_benches_count_the_rows_of_the_whole_city(figures: dict[str, dict[str, object]]) -> None:
    readings = figures[f"settle-{HOUSEHOLDS}"]["rows"]
    assert isinstance(readings, int) and READINGS_LEAST < readings < READINGS_LEAST * 1.05, (
        "each reading, and its revision"
    )
    assert figures[f"post-{HOUSEHOLDS}"]["rows"] == POSTINGS


def test_fewer_than_three_rounds_are_refused() -> None:
    ended = run("-m", "loadtests.bench", "settle", "--rounds", "2")
    assert ended.returncode == 2 and "--rounds" in ended.stderr


WHAT_USERS_SEND = """
import json, sys
from loadtests import locustfile
supplier, other = locustfile.suppliers()
assert locustfile.suppliers()[0] is supplier
first, second = supplier.new_rows(3), supplier.new_rows(3)
json.dump([first, second, supplier.restated_rows(100), [kind.__name__ for kind in (locustfile.Household, locustfile.Utility)]],
          sys.stdout)
"""


def test_a_utility_of_the_load_test_sends_no_reading_twice_as_new(tmp_path: Path) -> None:
    meters = [
        {"commodity": "gas", "customer_number": number, "meter_number": "", "unit": "m3"}
        | {"last_start": "2024-01-01", "last_end": "2024-02-01"}
        for number in ("1", "2")
    ]
    utility = {"client_id": "a", "client_secret": "b", "meters": meters}
    cast = tmp_path / "cast.json"
    cast.write_text(json.dumps({"households": [], "utilities": [utility, utility]}), "utf-8")
    # In a process of its own: Locust replaces the standard library's sockets and threads for the whole process.
    ended = run("-c", WHAT_USERS_SEND, CARBON_BANK_LOADTEST_CAST=str(cast))
    assert ended.returncode == 0, ended.stderr
    first, second, restated, users = json.loads(ended.stdout)
    keys = [(row["customer_number"], row["period_start"], row["period_end"]) for row in first + second]
    assert keys == [(number, f"2024-02-0{day}", f"2024-02-0{day + 1}") for day in (1, 2, 3) for number in ("1", "2")]
    assert sorted((row["customer_number"], row["period_start"], row["period_end"]) for row in restated) == [
        ("1", "2024-01-01", "2024-02-01"),
        ("2", "2024-01-01", "2024-02-01"),
    ]
    assert {row["reason"] for row in restated} == {"corrected"}
    assert users == ["Household", "Utility"]


def test_the_load_test_says_which_file_it_lacks() -> None:
    ended = run("-c", "from loadtests import locustfile; locustfile.cast()", CARBON_BANK_LOADTEST_CAST="")
    assert ended.returncode == 1 and "CARBON_BANK_LOADTEST_CAST" in ended.stderr


def test_the_load_test_tells_its_options() -> None:
    ended = run("-m", "loadtests.run", "--help", NO_COLOR="1", TERM="dumb")
    assert ended.returncode == 0
    assert all(option in ended.stdout for option in ("--seconds", "--users", "--households"))
