"""`carbon-bank registry`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.cli.typed import Run, typed

FILES = {
    "districts": ["code,name_en", "north,North"],
    "utilities": ["code,name,commodities", "power,Power,electricity"],
    "households": ["household_number,district,joined_on", "h1,north,2024-01-01", "h2,north,2024-01-01"],
    "meters": ["utility,commodity,customer_number", "power,electricity,3001", "power,electricity,3002"],
    "tenures": [
        "household_number,utility,commodity,customer_number,starts_on",
        "h1,power,electricity,3001,2024-01-01",
    ],
}
CITY = ["springfield", "--name", "Springfield", "--time-zone", "America/Chicago", "--currency", "USD"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("registry", *arguments)


def write(folder: Path, kind: str, lines: list[str]) -> str:
    (folder / f"{kind}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return f"{kind}.csv"


def test_a_city_is_filled_from_files_and_again_without_effect(
    run: Run, tmp_path: Path, owner: psycopg.Connection
) -> None:
    assert run("city", *CITY, "--name-local", "ko=스프링필드").returncode == 0
    assert owner.execute("SELECT code, name, time_zone, currency FROM city").fetchall() == [
        ("springfield", {"en": "Springfield", "ko": "스프링필드"}, "America/Chicago", "USD")
    ]
    for kind, lines in FILES.items():
        done = run("import", kind, write(tmp_path, kind, lines), "--city", "springfield")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{kind}: {len(lines) - 1} of {len(lines) - 1} rows added; the others were there.\n"
    again = run("import", "households", "households.csv", "--city", "springfield")
    assert (again.returncode, again.stdout) == (0, "households: 0 of 2 rows added; the others were there.\n")
    assert owner.execute("SELECT count(*) FROM account").fetchall() == [(2,)]


def test_a_file_with_faults_ends_with_2_and_every_fault(run: Run, tmp_path: Path, owner: psycopg.Connection) -> None:
    run("city", *CITY)
    lines = ["household_number,district,residents,joined_on", "h1,north,x,2024-01-01", "h2,north,2,never"]
    done = run("import", "households", write(tmp_path, "households", lines), "--city", "springfield")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has 2 faults, and nothing of it was taken" in done.stderr
    assert "line 2, column residents 'x': Write a whole number from 1 to 99" in done.stderr
    assert "line 3, column joined_on 'never': This is no date" in done.stderr
    assert "code: registry.import" in done.stderr
    assert "Traceback" not in done.stderr
    assert owner.execute("SELECT count(*) FROM household").fetchall() == [(0,)]


def test_what_cannot_be_read_or_is_not_there_ends_with_2_and_a_sentence(run: Run, tmp_path: Path) -> None:
    run("city", *CITY)
    sound = write(tmp_path, "districts", FILES["districts"])
    lacking = write(tmp_path, "lacking", ["code", "north"])
    unknown = write(tmp_path, "unknown", ["code,name_en,mayor", "north,North,somebody"])
    for file, city, code in (
        ("nowhere.csv", "springfield", "csv.unreadable"),
        (lacking, "springfield", "csv.column_missing"),
        (unknown, "springfield", "csv.column_unknown"),
        (sound, "shelbyville", "registry.unknown_city"),
    ):
        done = run("import", "districts", file, "--city", city)
        assert (done.returncode, done.stdout) == (2, ""), file
        assert f"code: {code}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_city_that_cannot_be_is_refused(run: Run, owner: psycopg.Connection) -> None:
    for given, code in (
        (["Spring Field", *CITY[1:]], "registry.invalid"),
        ([*CITY[:-1], "dollars"], "registry.currency"),
        ([*CITY[:4], "Springfield", *CITY[5:]], "registry.time_zone"),
    ):
        done = run("city", *given)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"code: {code}" in done.stderr
    assert owner.execute("SELECT count(*) FROM city").fetchall() == [(0,)]
    assert run("city", *CITY).returncode == 0
    assert "code: registry.city_exists" in run("city", *CITY).stderr
