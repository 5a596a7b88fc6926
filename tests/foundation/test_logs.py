"""Log lines lead back to a request, and show no values that passed through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy.exc import DBAPIError

from carbon_bank.foundation import logs
from carbon_bank.foundation.database import Database


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
