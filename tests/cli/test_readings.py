"""`carbon-bank readings import`, as it is typed."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

import psycopg
import pytest

from carbon_bank.cli.readings import SHOWN
from carbon_bank.readings.intake import SENTENCES
from carbon_bank.readings.service import BATCH_ROWS_MAX
from tests.cli.typed import Done, Run, typed
from tests.small_city import SmallCity

HEADER = "customer_number,commodity,period_start,period_end,quantity,unit"
SOUND = "A-e,electricity,2026-03-01,2026-04-01,100,kWh"
OTHER = "B-e,electricity,2026-03-01,2026-04-01,50,kWh"
WRONG = 'Z-e,electricity,2026-03-01,2026-04-01,"1,5",kWh'
STRANGER = "Z-e,electricity,2026-03-01,2026-04-01,100,kWh"


FOREIGN = "A-g,gas,2026-03-01,2026-04-01,100,m3"


@pytest.fixture
def bank(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
    small_city: SmallCity,
    tmp_path: Path,
) -> Run:
    return typed(monkeypatch, capsys, database_url, tmp_path)


@pytest.fixture
def run(bank: Run) -> Run:
    """Import a file of the city's electricity."""

    def imported(file: str, *options: str, utility: str = "elec") -> Done:
        return bank("readings", "import", file, "--city", "here", "--utility", utility, *options)

    return imported


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def file(*rows: str, name: str = "march.csv", header: str = HEADER) -> str:
        (tmp_path / name).write_text("\n".join([header, *rows]) + "\n", "utf-8")
        return name

    return file


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def recorded(owner: psycopg.Connection) -> list[tuple[str, int]]:
    query = "SELECT customer_number, quantity FROM reading JOIN meter ON meter.id = meter_id ORDER BY 1, revision"
    return owner.execute(query).fetchall()


def test_a_sound_file_ends_with_0_and_again_is_the_same_import(
    run: Run, write: Callable[..., str], owner: psycopg.Connection
) -> None:
    file = write(SOUND, OTHER)
    done = run(file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 accepted, 0 duplicate, 0 revised, 0 refused, 0 quarantined of 2 rows.\n"
    again = run(file)
    assert (again.returncode, again.stdout) == (done.returncode, done.stdout)
    assert again.stderr.startswith("This file is import 1, of ")
    assert recorded(owner) == [("A-e", 100_000), ("B-e", 50_000)]
    assert owner.execute("SELECT source, by FROM reading_batch").fetchall() == [("import:1", "system:command-line")]
    other = run(write(SOUND, OTHER, "", name="april.csv"))
    assert other.stdout == "0 accepted, 2 duplicate, 0 revised, 0 refused, 0 quarantined of 2 rows.\n"


def test_refused_rows_are_told_and_end_with_1(run: Run, write: Callable[..., str], owner: psycopg.Connection) -> None:
    done = run(write(WRONG, SOUND, "", STRANGER, FOREIGN))
    assert (done.returncode, done.stdout) == (
        1,
        "1 accepted, 0 duplicate, 0 revised, 2 refused, 1 quarantined of 4 rows.\n",
    )
    assert done.stderr.splitlines() == [
        f"march.csv line 2, column quantity '1,5': {SENTENCES['readings.not_a_number']} [readings.not_a_number]",
        f"march.csv line 6, column commodity 'gas': {SENTENCES['readings.not_this_utility']} [readings.not_this_utility]",
    ]
    assert recorded(owner) == [("A-e", 100_000)]


def test_refused_rows_come_back_as_they_were_sent_and_are_taken_when_mended(
    run: Run, write: Callable[..., str], owner: psycopg.Connection, tmp_path: Path
) -> None:
    done = run(write(WRONG, SOUND, OTHER.replace("50", " 5O")), "--rejections", "refused.csv")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "All of them: refused.csv"
    back = (tmp_path / "refused.csv").read_text("utf-8")
    assert back.splitlines()[0] == f"{HEADER},code,message"
    names = HEADER.split(",")
    assert [[each[name] for name in names] for each in read(tmp_path / "refused.csv")] == [
        ["Z-e", "electricity", "2026-03-01", "2026-04-01", "1,5", "kWh"],
        ["B-e", "electricity", "2026-03-01", "2026-04-01", "5O", "kWh"],
    ]
    assert {(each["code"], each["message"]) for each in read(tmp_path / "refused.csv")} == {
        ("readings.not_a_number", SENTENCES["readings.not_a_number"])
    }
    (tmp_path / "refused.csv").write_text(back.replace('"1,5"', '"1;5"').replace("5O", "50"), "utf-8")
    mended = run("refused.csv", "--rejections", "refused.csv")
    assert (mended.returncode, mended.stdout) == (
        1,
        "1 accepted, 0 duplicate, 0 revised, 1 refused, 0 quarantined of 2 rows.\n",
    )
    [left] = read(tmp_path / "refused.csv")
    assert (left["customer_number"], left["quantity"], left["code"]) == ("Z-e", "1;5", "readings.not_a_number")
    assert recorded(owner) == [("A-e", 100_000), ("B-e", 50_000)]


def test_of_very_many_refused_rows_the_first_are_told_and_all_written(
    run: Run, write: Callable[..., str], tmp_path: Path
) -> None:
    """More than one chunk, each its own transaction."""
    done = run(write(*[FOREIGN] * BATCH_ROWS_MAX, WRONG, SOUND), "--rejections", "refused.csv")
    assert done.returncode == 1
    assert (
        done.stdout
        == f"1 accepted, 0 duplicate, 0 revised, {BATCH_ROWS_MAX + 1:,} refused, 0 quarantined of {BATCH_ROWS_MAX + 2:,} rows.\n"
    )
    told = done.stderr.splitlines()
    assert len(told) == SHOWN + 2
    assert told[SHOWN] == f"... and {BATCH_ROWS_MAX + 1 - SHOWN:,} more refused rows."
    refused = read(tmp_path / "refused.csv")
    assert len(refused) == BATCH_ROWS_MAX + 1
    assert refused[-1]["quantity"] == "1,5"


def test_a_compressed_file_with_a_byte_order_mark_is_taken_and_sent_back_alike(run: Run, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "march.csv.gz", "wt", encoding="utf-8-sig") as file:
        file.write(f"{HEADER},reason\n{SOUND},\n{WRONG},because\n")
    done = run("march.csv.gz", "--rejections", "refused.csv")
    assert (done.returncode, done.stdout) == (
        1,
        "1 accepted, 0 duplicate, 0 revised, 1 refused, 0 quarantined of 2 rows.\n",
    )
    [refused] = read(tmp_path / "refused.csv")
    assert list(refused) == [*HEADER.split(","), "reason", "code", "message"]
    assert (refused["quantity"], refused["reason"]) == ("1,5", "because")


def test_what_cannot_be_read_or_is_not_there_ends_with_2_and_a_sentence(
    run: Run, write: Callable[..., str], owner: psycopg.Connection
) -> None:
    cases: Iterable[tuple[str, str, str]] = (
        ("nowhere.csv", "elec", "formats.no_file"),
        (write(name="empty.csv", header="").strip(), "elec", "formats.header_missing"),
        (write("A-e", name="lacking.csv", header="customer_number"), "elec", "formats.column_missing"),
        (write(f"{SOUND},x", name="more.csv", header=f"{HEADER},household"), "elec", "formats.column_unknown"),
        (write(SOUND, name="other.doc"), "elec", "formats.unknown"),
        (write(SOUND), "nobody", "registry.unknown_utility"),
    )
    for file, utility, code in cases:
        done = run(file, utility=utility)
        assert (done.returncode, done.stdout) == (2, ""), (file, done.stderr)
        assert f"code: {code}" in done.stderr
        assert "Traceback" not in done.stderr
    assert recorded(owner) == []


def test_a_saved_mapping_is_named_with_a_file(bank: Run, run: Run, write: Callable[..., str], tmp_path: Path) -> None:
    place = ("--city", "here", "--utility", "elec")
    text = (
        "dates: YYYY-MM-DD\nperiod: {start: from, end: to}\nreadings:\n  - commodity: electricity\n    unit: kWh\n"
        "    customer_number: {column: account}\n    quantity: {column: kwh}\n"
    )
    (tmp_path / "own.yaml").write_text(text, "utf-8")
    file = write("A-e,2026-03-01,2026-04-01,100", header="account,from,to,kwh")
    assert (
        "no mapping of that name that elec saved, and no example of that name"
        in run(file, "--mapping", "monthly").stderr
    )
    saved = bank("readings", "mapping", "save", "monthly", "own.yaml", *place)
    assert saved.stdout == "monthly version 1 of elec. Name it: --mapping monthly\n", saved.stderr
    assert bank("readings", "mapping", "show", "monthly", *place).stdout == text
    assert "monthly" in bank("readings", "mapping", "list", *place).stdout
    done = run(file, "--mapping", "monthly")
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "1 accepted"), done.stderr
    bad = bank("readings", "mapping", "save", "My Mapping", "own.yaml", *place)
    assert (bad.returncode, "2 to 61 small letters" in bad.stderr) == (2, True)
    assert "has saved no mapping 'other'" in bank("readings", "mapping", "show", "other", *place).stderr


def test_coverage_shows_months_and_writes_reminders(
    bank: Run, run: Run, write: Callable[..., str], tmp_path: Path
) -> None:
    run(write(SOUND))
    done = bank("readings", "coverage", "--city", "here", "--months", "2026-03", "--reminders", "lacking.csv")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if " elec " in line)
    assert line.split() == ["2026-03", "elec", "electricity", "2", "1", "0", "0", "1", "0", "1"]
    assert done.stdout.endswith("5 meters lack months that were due: lacking.csv\n")
    lacking = read(tmp_path / "lacking.csv")
    assert [each["customer_number"] for each in lacking] == ["B-e", "A-g", "B-g", "A-w", "B-w"]
    assert {each["days_missing"] for each in lacking} == {"31"}
    wrong = bank("readings", "coverage", "--city", "here", "--months", "2026-13")
    assert (wrong.returncode, "is no settlement period" in wrong.stderr) == (2, True)
