"""`carbon-bank audit ...`: findings, samples and the trail from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import psycopg
import pytest

from carbon_bank.audit.findings.kinds import Code
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.sealed import load_sealer
from carbon_bank.rewards import payout_account_service
from tests.audit.honest_town import HonestTown, found_honest_town
from tests.cli.test_settlement import refusal, told
from tests.cli.typed import Run, typed
from tests.small_city import SmallCity


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: carbon_bank("audit", *map(str, arguments))


@pytest.fixture
async def town(database: Database, small_city: SmallCity, owner: psycopg.Connection) -> HonestTown:
    return await found_honest_town(database, small_city, owner)


@pytest.fixture
async def one_account(database: Database, small_city: SmallCity, tmp_path: Path) -> None:
    """Two households name one account, sealed under the key that the command line finds."""
    (tmp_path / "data").mkdir()
    sealer = load_sealer(tmp_path / "data" / "secrets.key", may_make=True)
    for name in ("alder", "birch"):
        async with database.write() as session:
            account = {"iban": "DE89 3704 0044 0532 0130 00"}
            await payout_account_service.put(session, small_city.actors[name], clock.now(), sealer, name, account, True)


@pytest.mark.usefixtures("one_account")
def test_findings_are_shown_and_written(run: Run, town: HonestTown, tmp_path: Path) -> None:
    shown = told(run("findings", "--settlement", town.settlement_id, "--out", "report.csv"))
    assert "Findings of 2024-01..2024-06" in shown
    assert "To be cleared up: account.shared." in shown, "the command line holds the key"
    assert "DE89" not in shown
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text("utf-8"))))
    assert [row["kind"] for row in rows if row["case"] == "0"] == list(Code)
    [case] = [row for row in rows if row["case"] != "0"]
    assert (case["kind"], case["households"]) == ("account.shared", f"{town.city.alder} {town.city.birch}")
    months = ("--city", "here", "--from", "2024-01", "--to", "2024-06")
    told(run("findings", *months, "--kind", "meter.shared", "--out", "report.json"))
    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert document["months"] == "2024-01..2024-06"
    assert [(each["kind"], each["found"]) for each in document["findings"]] == [("meter.shared", 0)]
    assert refusal(run("findings")) == "audit.scope"
    assert refusal(run("findings", *months, "--settlement", 1)) == "audit.scope"
    assert refusal(run("findings", *months, "--kind", "meter.stolen")) == "audit.kind"
    assert refusal(run("findings", *months, "--out", "report.xlsx")) == "audit.file"
    assert refusal(run("findings", "--settlement", 99)) == "settlement.unknown"


def test_a_sample_is_drawn_filled_in_and_evaluated(run: Run, town: HonestTown, tmp_path: Path) -> None:
    drawn = ("sample", "--settlement", town.settlement_id, "--nonce", "4 2 6 1 5", "--root", "ab" * 32, "--size", 8)
    assert "awards, which pay" in told(run(*drawn, "--out", "papers.csv"))
    [(points, awards)] = town.owner.execute("SELECT sum(points), count(*) FROM award").fetchall()
    page = (tmp_path / "papers.md").read_text("utf-8")
    assert f"| population | {awards} awards, of which {points} points are paid |" in page
    first = (tmp_path / "papers.csv").read_text("utf-8")
    told(run(*drawn, "--out", "again.csv"))
    assert (tmp_path / "again.csv").read_text("utf-8") == first
    assert refusal(run("sample", "--evaluate", "papers.csv")) == "audit.sample_file", "nothing is filled in yet"
    rows = list(csv.DictReader(io.StringIO(first)))
    text = io.StringIO()
    papers = csv.DictWriter(text, list(rows[0]))
    papers.writeheader()
    papers.writerows(row | {"agreed_points": row["points"], "checked_by": "auditor"} for row in rows)
    (tmp_path / "papers.csv").write_text(text.getvalue(), "utf-8", newline="")
    limit = 3 * points / 8
    result = run("sample", "--evaluate", "papers.csv", "--tolerable", int(limit) + 1)
    assert f"no more than {limit:.2f} points are too many" in told(result)
    beyond = run("sample", "--evaluate", "papers.csv", "--tolerable", int(limit) - 1)
    assert (beyond.returncode, "beyond the tolerable" in beyond.stdout) == (1, True)
    for method in ("random", "stratified"):
        told(run(*drawn, "--method", method, "--out", f"{method}.csv"))
    assert refusal(run(*drawn[:5], "--size", 8, "--out", "papers.csv")) == "audit.root_missing"
    assert refusal(run(*drawn, "--out", "papers.xlsx")) == "audit.file"
    assert refusal(run("sample")) == "audit.sample_asked"


def test_the_trail_is_printed(run: Run, town: HonestTown) -> None:
    shown = told(run("trail", "--city", "here", "--act", "settlement.approved"))
    assert len(shown.splitlines()) == 1
    assert "2024-07-22 12:00:00  settlement.approved  settlement:1" in shown, "by the city's clock"
    assert told(run("trail", "--city", "there", "--act", "settlement.approved")) == ""
    assert len(told(run("trail", "--city", "here", "--limit", 5)).splitlines()) == 5
    assert told(run("trail", "--city", "here", "--subject", "settlement:1", "--to", "2024-07-21")) == ""
    assert refusal(run("trail", "--city", "here", "--act", "city.sold")) == "audit.act"
    assert refusal(run("trail", "--city", "here", "--from", "2024-02-01", "--to", "2024-01-01")) == "audit.days"
