"""`carbon-bank policy adopt | approve | ...` and the review of held awards, as typed."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from tests.cli.test_settlement import APPROVER, BOTH, OPERATOR, refusal, told
from tests.cli.typed import Run, typed
from tests.settlement.town import KOREA, Town, found_town
from tests.small_city import SmallCity

ADOPT = ("policy", "adopt", KOREA.reference, "--from", "2024-01-01", "--as")


@pytest.fixture
async def town(database: Database, small_city: SmallCity) -> Town:
    return await found_town(database, small_city, 14)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    monkeypatch.setenv("COLUMNS", "220")
    return lambda *arguments: carbon_bank(*map(str, arguments))


def test_a_policy_from_a_file_is_adopted_by_two_and_settles_its_periods(
    run: Run, town: Town, owner: psycopg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(KOREA.text.replace('version: "2024"', 'version: "own-1"'), encoding="utf-8")
    assert refusal(run("settlement", "compute", "--period", "2024-H1", "--as", OPERATOR)) == "programme.no_policy"
    proposed = told(run("policy", "adopt", file, "--from", "2024-01-01", "--as", OPERATOR))
    command = re.search(r"carbon-bank (policy approve 1 --digest [0-9a-f]{64} --as) LOGIN", proposed)
    assert command, proposed
    assert "settles the periods that begin on 2024-01-01" in told(run(*command[1].split(), APPROVER))
    listed = told(run("policy", "adoptions", "--as", OPERATOR))
    assert all(word in listed for word in ("korea-carbon-point@own-1", "approved", "2024-01-01"))
    told(run("settlement", "compute", "--period", "2024-H1", "--as", OPERATOR))
    texts = owner.execute("SELECT text FROM policy JOIN settlement ON policy_id = policy.id").fetchall()
    assert texts == [(file.read_text("utf-8"),)]


def test_an_adoption_is_refused_here_as_over_http(run: Run, town: Town, owner: psycopg.Connection) -> None:
    assert refusal(run(*ADOPT, APPROVER)) == "identity.forbidden"
    told(run(*ADOPT, BOTH))
    assert refusal(run("policy", "approve", 1, "--digest", KOREA.digest, "--as", BOTH)) == "programme.own"
    assert refusal(run("policy", "approve", 1, "--digest", "ab", "--as", APPROVER)) == "programme.digest"
    assert "is rejected" in told(run("policy", "reject", 1, "--as", APPROVER, "--reason", "not now"))
    told(run(*ADOPT, OPERATOR))
    assert "is withdrawn" in told(run("policy", "withdraw", 2, "--as", OPERATOR, "--reason", "a mistake"))
    assert (
        refusal(run("policy", "withdraw", 3, "--as", OPERATOR, "--reason", "a mistake")) == "programme.unknown_adoption"
    )
    assert owner.execute("SELECT state FROM policy_adoption ORDER BY id").fetchall() == [("rejected",), ("withdrawn",)]


def test_held_awards_are_shown_with_what_holds_them_and_decided(
    run: Run, town: Town, owner: psycopg.Connection
) -> None:
    told(run(*ADOPT, OPERATOR))
    told(run("policy", "approve", 1, "--digest", KOREA.digest, "--as", APPROVER))
    told(run("settlement", "compute", "--period", "2024-H1", "--as", OPERATOR))
    held = told(run("settlement", "held", 1, "--as", OPERATOR))
    names = re.findall(r"\b1-\d+-\w+\b", held)
    assert len(names) == 4
    assert "reduction.unusual" in held and "reduction_bp=" in held
    assert "is released" in told(run("settlement", "release", names[0], "--as", OPERATOR, "--reason", "asked them"))
    assert "is rejected" in told(run("settlement", "reject", names[1], "--as", OPERATOR, "--reason", "stood empty"))
    again = run("settlement", "reject", names[0], "--as", OPERATOR, "--reason", "asked again")
    assert refusal(again) == "settlement.not_held"
    shown = told(run("settlement", "show", 1, "--as", OPERATOR))
    assert re.search(r"in review +2 held \([\d,]+ points\), 1 rejected \(.*\), 1 released \(", shown)
