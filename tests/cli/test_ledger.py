"""`carbon-bank ledger ...`: adjustments, reversals, budgets and statements from the command line, each in a person's name."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import psycopg
import pypdfium2
import pytest

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from tests.cli.test_settlement import APPROVER, BOTH, OPERATOR, refusal, told
from tests.cli.typed import Run, typed
from tests.ledger.books import grant
from tests.small_city import SmallCity

ALDER = ("--household", "alder")
WHY = ("--reason", "error", "--text", "entered twice")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    """Runs a command of the ledger in a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("ledger", *map(str, arguments))


@pytest.fixture
async def awarded(database: Database, small_city: SmallCity) -> None:
    """100 points at alder, 50 at birch, in one journal."""
    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 100), (small_city.birch, "gas", 50)], now=clock.now())


def cells(table: str, row: str) -> list[str]:
    """The words of the first line of a table that begins so."""
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [row])


@pytest.mark.usefixtures("awarded")
def test_points_are_adjusted_and_taken_back_by_two_people(run: Run, tmp_path: Path) -> None:
    prepared = told(run("adjust", *ALDER, "--points=-30", *WHY, "--as", BOTH))
    assert "Adjustment 1: -30 points for household alder are prepared." in prepared
    assert "carbon-bank ledger approve 1 --as LOGIN" in prepared
    assert refusal(run("approve", 1, "--as", BOTH)) == "ledger.adjustment_own"
    assert refusal(run("approve", 1, "--as", OPERATOR)) == "identity.forbidden"
    assert refusal(run("adjust", *ALDER, "--points=0", *WHY, "--as", OPERATOR)) == "ledger.adjustment_points"
    assert refusal(run("adjust", "--household", "none", "--points=1", *WHY, "--as", OPERATOR)) == (
        "registry.unknown_household"
    )
    assert cells(told(run("approve", 1, "--as", APPROVER)), "alder") == ["alder", "70", "0", "0", "0"]
    why = ("--reason", "objection 7")
    statement = told(run("statement", *ALDER, "--format", "csv", *why, "--as", OPERATOR))
    [award] = [row for row in csv.DictReader(io.StringIO(statement, newline="")) if row["kind"] == "award"]
    reversal = told(run("reverse", award["journal"], *WHY, "--as", OPERATOR))
    assert "Households: 2; postings: 2; points: +150." in reversal, "whoever takes back a journal sees how far it goes"
    after = told(run("approve", 2, "--as", APPROVER))
    assert "Accounts: 2; points not asked back: 0." in after
    assert [cells(after, name) for name in ("alder", "birch")] == [["alder", "0", "0", "30", "0"], ["birch", *"0000"]]
    told(run("adjust", "--household", "birch", "--points", 5, *WHY, "--as", OPERATOR))
    assert "Adjustment 3 is rejected." in told(run("reject", 3, "--reason", "not shown", "--as", APPROVER))
    listed = told(run("adjustments", "--as", APPROVER))
    assert cells(listed, "1")[:4] == ["1", "approved", "alder", "-30"]
    assert cells(listed, "2")[:3] == ["2", "approved", award["journal"]]
    assert cells(told(run("adjustments", "--state", "rejected", "--as", APPROVER)), "3")[1] == "rejected"
    assert "The books hold" in told(run("check"))


@pytest.mark.usefixtures("awarded")
def test_a_statement_is_shown_and_written(run: Run, tmp_path: Path) -> None:
    shown = told(run("statement", *ALDER, "--as", "auditor@here.test"))
    assert "Here, household alder: " in shown
    assert "Points earned: gas, period to 2025-12-31" in shown
    assert "100 points can be spent until 2031-03-31." in shown
    file = ("--format", "pdf", "--out", "alder.pdf", "--as", OPERATOR)
    assert refusal(run("statement", *ALDER, *file)) == "identity.no_reason"
    assert "alder.pdf" in told(run("statement", *ALDER, *file, "--reason", "objection 7"))
    with pypdfium2.PdfDocument(tmp_path / "alder.pdf") as document:
        assert "Points earned: gas" in document[0].get_textpage().get_text_bounded()
    assert refusal(run("statement", *ALDER, "--format", "pdf", "--as", OPERATOR)) == "ledger.statement_file"
    assert refusal(run("statement", *ALDER, "--as", "far_auditor@here.test")) == "registry.unknown_household"
    backwards = ("--from", "2026-02-01", "--to", "2026-01-01")
    assert refusal(run("statement", *ALDER, *backwards, "--as", OPERATOR)) == "ledger.statement_days"


@pytest.mark.usefixtures("awarded")
def test_a_budget_is_prepared_approved_and_used_up(run: Run, owner: psycopg.Connection) -> None:
    days = ("--from", "2020-01-01", "--to", "2100-01-01")
    assert "Budget 1 of 40 points" in told(run("budget", "prepare", *days, "--points", 40, "--as", BOTH))
    assert refusal(run("budget", "approve", 1, "--as", BOTH)) == "ledger.budget_own"
    assert "is in force" in told(run("budget", "approve", 1, "--as", APPROVER))
    for points, done in ((30, True), (11, False)):
        told(run("adjust", *ALDER, "--points", points, *WHY, "--as", OPERATOR))
        answer = run("approve", 1 if done else 2, "--as", APPROVER)
        assert answer.returncode == (0 if done else 2), answer
    listed = cells(told(run("budget", "list", "--as", OPERATOR)), "1")
    assert listed[3:6] == ["40", "30", "10"]
