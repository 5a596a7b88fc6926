"""Log lines lead back to a request, and show no values that passed through it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from sqlalchemy.exc import DBAPIError

from carbon_bank.foundation import logs
from carbon_bank.foundation.database import Database
from tests.small_city import SmallCity


@pytest.fixture(params=["console", "json"])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param
    structlog.reset_defaults()


def test_a_trace_shows_where_and_no_values_of_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, "info")
    try:
        password = "correct " + "horse"
        raise RuntimeError(f"with a password of {len(password)}")
    except RuntimeError:
        structlog.get_logger().exception("unexpected", request_id="12345678")
    logged = capsys.readouterr().err
    assert "with a password of 13" in logged and "12345678" in logged and "test_logs.py" in logged
    assert "correct horse" not in logged


def test_lines_below_the_level_are_left_out(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, "warning")
    structlog.get_logger().info("chatter")
    structlog.get_logger().warning("worth a line")
    logged = capsys.readouterr().err
    assert "worth a line" in logged and "chatter" not in logged


async def test_an_error_of_the_database_shows_no_parameters(database: Database) -> None:
    async with database.read() as session:
        with pytest.raises(DBAPIError) as failed:
            await session.sql(
                "SELECT CAST(:n AS integer) / 0, CAST(:login AS text)", {"n": 1, "login": "alma@here.test"}
            )
    assert "alma" not in str(failed.value)


async def test_an_error_of_the_database_shows_no_values_of_rows(
    form: str,
    database: Database,
    small_city: SmallCity,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of the tests: so that it is set up anew
    logs.configure(form, "info")
    add = "INSERT INTO person (login, password_hash, roles, city_id, created_at) VALUES (:login, :secret, :roles, 1, now())"
    twice = {"login": "alder@here.test", "secret": "!", "roles": ["operator"]}
    beyond = twice | {"login": "two\n\nlines@here.test", "roles": ["household"]}
    for parameters, constraint in ((twice, "person_login"), (beyond, "person_household_check")):
        with pytest.raises(DBAPIError) as failed:
            async with database.write() as session:
                await session.sql(add, parameters)
        cause = failed.value.orig
        assert isinstance(cause, psycopg.Error) and "here.test" in str(cause), "PostgreSQL tells the row"
        structlog.get_logger().error("unexpected", exc_info=failed.value)
        logging.getLogger("procrastinate.worker").error("unexpected", exc_info=failed.value)
        logged = capsys.readouterr().err
        assert logged.count("here.test") == 0
        assert logged.count(constraint) >= 4 and "test_logs.py" in logged and "INSERT INTO person" in logged
