"""`carbon-bank settlement restate ...`: a posted half-year computed again after a revision, and the difference posted."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from tests.cli.test_settlement import APPROVER, BOTH, OPERATOR, refusal, told
from tests.cli.typed import Run, typed
from tests.settlement.test_restatement import posted, revise
from tests.small_city import SmallCity

WHY = ("--reason", "meters were misread")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("settlement", *map(str, arguments))


@pytest.fixture
async def settlement(database: Database, small_city: SmallCity) -> int:
    """A posted half-year, after which the electricity of one household was revised."""
    number, _ = await posted(database, small_city)
    await revise(database, small_city, "t000", 240)
    return number


def test_a_settlement_is_restated_by_two_people(run: Run, settlement: int, owner: psycopg.Connection) -> None:
    made = told(run("restate", settlement, *WHY, "--as", BOTH))
    assert f"Restatement 1 of settlement {settlement} is computed." in made
    assert refusal(run("restate", settlement, *WHY, "--as", OPERATOR)) == "restatement.exists"
    shown = told(run("restatement", "show", 1, "--as", APPROVER))
    assert f"restatement 1 of settlement {settlement}: computed" in shown and "(nobody yet)" in shown
    line = next(each.split() for each in shown.splitlines() if "to post" in each)
    assert line[2] == "1" and int(line[3].replace(",", "")) > 0
    assert refusal(run("restatement", "approve", 1, "--as", BOTH)) == "restatement.own"
    assert refusal(run("restatement", "post", 1, "--as", OPERATOR)) == "restatement.state"
    assert "is approved" in told(run("restatement", "approve", 1, "--as", APPROVER))
    assert f"Restatement 1 is posted: 1 postings, +{line[3]} points." in told(
        run("restatement", "post", 1, "--as", OPERATOR)
    )
    kinds = owner.execute("SELECT count(*) FROM posting WHERE kind = 'restatement'").fetchall()
    assert kinds == [(1,)]
    assert owner.execute("SELECT count(*) FROM procrastinate_jobs").fetchall() == [(0,)]
    listed = told(run("restatements", "--as", OPERATOR))
    assert "posted" in listed and "meters were misread" in listed


def test_a_withdrawn_restatement_makes_room_for_the_next(run: Run, settlement: int) -> None:
    told(run("restate", settlement, *WHY, "--points-min", 10**6, "--as", OPERATOR))
    assert "too small to post" in told(run("restatement", "show", 1, "--as", OPERATOR))
    assert "is withdrawn" in told(
        run("restatement", "withdraw", 1, "--reason", "the least is too high", "--as", OPERATOR)
    )
    assert "Restatement 2" in told(run("restate", settlement, *WHY, "--as", OPERATOR))
