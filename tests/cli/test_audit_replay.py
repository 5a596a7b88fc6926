"""`carbon-bank audit replay`, as docs/replay.md shows it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from tests.audit.forged import change_reading, posted
from tests.cli.test_settlement import refusal
from tests.cli.typed import Done, typed
from tests.ledger.books import without_triggers
from tests.small_city import SmallCity

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text("utf-8")
UNTOUCHED, TOUCHED = re.findall(r"^```console\n\$ carbon-bank audit (.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
HOUSEHOLD, MARCH = 12, date(2024, 3, 1)
"""Whose reading the page changes."""

Run = Callable[..., Done]


@pytest.fixture
async def settled(database: Database, small_city: SmallCity, owner: psycopg.Connection) -> None:
    """Settlement 1, posted."""
    assert await posted(database, small_city, owner) == 1


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("audit", *arguments)


@pytest.mark.usefixtures("settled")
def test_a_replay_says_what_the_page_shows_and_writes_all_of_it(
    run: Run, owner: psycopg.Connection, tmp_path: Path
) -> None:
    for at_fault, shown in enumerate((UNTOUCHED, TOUCHED)):
        if at_fault:
            change_reading(owner, HOUSEHOLD, "electricity", MARCH, 100_000)
        command, _, expected = shown.partition("\n")
        done = run(*command.split())
        assert (done.returncode, re.sub(r"\d+\.\d s", "0.1 s", done.stdout)) == (at_fault, expected)
    with without_triggers(owner):
        owner.execute("UPDATE award SET outcome = '=' || outcome, avoided_g = - avoided_g")
    done = run("replay", "--settlement", "1", "--out", "differences.csv")
    lines = list(csv.DictReader((tmp_path / "differences.csv").read_text("utf-8").splitlines()))
    assert len(done.stdout.splitlines()) == 20 + 2
    assert f"... and {len(lines) - 20} more; all are in differences.csv.\n" in done.stdout
    cells = {(line["column"], line["stands"][:2]) for line in lines if line["table"] == "award"}
    assert ("outcome", "'=") in cells and not {each for each in cells if each[1].startswith("'-")}


def test_what_cannot_be_replayed_leaves_no_file(run: Run, tmp_path: Path) -> None:
    replay = ("replay", "--settlement", "7", "--out")
    assert refusal(run(*replay, "differences.csv")) == "settlement.unknown"
    assert refusal(run(*replay, "nowhere/differences.csv")) == "audit.file"
    assert list(tmp_path.glob("*.csv*")) == []
