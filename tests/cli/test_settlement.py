"""`carbon-bank settlement ...`: a half-year from the command line, each step in a person's name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from carbon_bank.foundation.database import Database
from carbon_bank.settlement import compute_service
from tests.cli.typed import Done, Run, typed
from tests.settlement.town import KOREA, Town, adopt, found_town, request
from tests.small_city import SmallCity

OPERATOR, APPROVER, BOTH = "operator@here.test", "approver@here.test", "both@here.test"
COMPUTE = ("compute", "--period", "2024-H1", "--as")


@pytest.fixture
async def town(database: Database, small_city: SmallCity) -> Town:
    await adopt(database, small_city.city_id)
    return await found_town(database, small_city, 8)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    """Runs a command of settlements, with chunks and buckets of three households."""
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    for name, value in {"CARBON_BANK_CHUNK_HOUSEHOLDS": 3, "CARBON_BANK_BUCKET_HOUSEHOLDS": 3, "COLUMNS": 200}.items():
        monkeypatch.setenv(name, str(value))
    return lambda *arguments: carbon_bank("settlement", *map(str, arguments))


def told(done: Done) -> str:
    assert done.returncode == 0, done
    return done.stdout


def refusal(done: Done) -> str:
    """The code that stands at the end of a refusal."""
    assert done.returncode == 2, done
    return done.stderr.strip().rpartition("code: ")[2]


def states(owner: psycopg.Connection) -> list[str]:
    return [state for (state,) in owner.execute("SELECT state FROM settlement ORDER BY id")]


def test_a_half_year_is_computed_shown_approved_and_posted(run: Run, town: Town, owner: psycopg.Connection) -> None:
    assert "Settlement 1 of 2024-H1 is computed" in told(run(*COMPUTE, OPERATOR))
    shown = told(run("show", 1, "--as", APPROVER))
    assert "settlement 1 of 2024-H1: computed" in shown
    assert f"{KOREA.reference} ({KOREA.digest})" in shown
    assert "households  10" in shown
    assert "(nobody yet)" in shown
    assert "Settlement 1 is approved" in told(run("approve", 1, "--as", APPROVER))
    posted = told(run("post", 1, "--as", OPERATOR))
    [(postings, points)] = owner.execute("SELECT count(*), sum(amount)::int FROM posting").fetchall()
    assert f"Settlement 1 is posted: {postings} postings, {points} points." in posted
    assert points > 0
    line = next(each for each in told(run("list", "--as", OPERATOR)).splitlines() if "2024-H1" in each)
    assert "posted" in line
    jobs = owner.execute("SELECT count(*) FROM procrastinate_jobs").fetchall()
    assert jobs == [(0,)], "what is done here and now is left to no worker"


def test_what_is_refused_over_http_is_refused_here_too(run: Run, town: Town, owner: psycopg.Connection) -> None:
    told(run(*COMPUTE, BOTH))
    assert refusal(run(*COMPUTE, OPERATOR)) == "settlement.exists"
    assert refusal(run("approve", 1, "--as", BOTH)) == "settlement.own"
    assert refusal(run("post", 1, "--as", OPERATOR)) == "settlement.state"
    assert refusal(run("show", 1, "--as", "far_operator@here.test")) == "settlement.unknown"
    assert refusal(run("show", 1, "--as", "nobody@here.test")) == "identity.unknown_login"
    assert refusal(run("compute", "--period", "2023-H2", "--as", OPERATOR)) == "programme.no_policy"
    assert states(owner) == ["computed"]


def test_a_withdrawn_settlement_makes_room_for_the_next(run: Run, town: Town, owner: psycopg.Connection) -> None:
    told(run(*COMPUTE, OPERATOR))
    assert "is withdrawn" in told(run("withdraw", 1, "--as", OPERATOR, "--reason", "readings of May are wrong"))
    told(run(*COMPUTE, OPERATOR))
    assert states(owner) == ["withdrawn", "computed"]
    assert "Settlement 1 is withdrawn: there is nothing to compute." in told(run("resume", 1))


@pytest.fixture
async def half_done(database: Database, small_city: SmallCity, town: Town) -> int:
    """A settlement whose computation stopped after one chunk."""
    number = await request(database, small_city.actors["operator"], now=datetime(2024, 7, 20, tzinfo=UTC))
    async with database.write() as session:
        plan = await compute_service.begin_computing(session, number)
        chunk = await compute_service.read_chunk(session, plan, 0, 4)
        assert chunk is not None
        await compute_service.write_chunk(
            session, plan, chunk, compute_service.award_case(plan, compute_service.evaluate_chunk(plan, chunk), None)
        )
    return number


def test_a_computation_that_stopped_goes_on(run: Run, half_done: int, owner: psycopg.Connection) -> None:
    assert f"Settlement {half_done} is computed." in told(run("resume", half_done))
    assert states(owner) == ["computed"]
    assert owner.execute("SELECT count(*) FROM award").fetchall() == [(2 * 8 + 6,)]
    assert f"Settlement {half_done} is computed: there is nothing to compute." in told(run("resume", half_done))
    assert refusal(run("resume", half_done + 1)) == "settlement.unknown"


def test_a_command_in_somebodys_name_may_do_only_what_they_may(run: Run, town: Town, owner: psycopg.Connection) -> None:
    assert refusal(run(*COMPUTE, APPROVER)) == "identity.forbidden"
    assert "is computed" in told(run(*COMPUTE, BOTH))
    assert refusal(run("approve", 1, "--as", OPERATOR)) == "identity.forbidden"
    assert refusal(run("approve", 1, "--as", BOTH)) == "settlement.own"
    assert "is approved" in told(run("approve", 1, "--as", APPROVER))
    assert refusal(run("post", 1, "--as", APPROVER)) == "identity.forbidden"
    assert states(owner) == ["approved"]
