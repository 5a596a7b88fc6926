"""docs/ledger.md tells a household's story: it is lived here, and every query and command on the page gives what the page shows."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from carbon_bank.foundation.database import Database, WriteSession
from carbon_bank.ledger import act_service as acts
from carbon_bank.ledger.act_service import Context
from carbon_bank.settings import Settings
from tests.cli.typed import Run, typed
from tests.ledger.books import found_accounts, grant

PAGE = (Path(__file__).parent.parent.parent / "docs" / "ledger.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
STORY = next(text for language, text in BLOCKS if language == "story").splitlines()
QUERIES = [(text, BLOCKS[at + 1]) for at, (language, text) in enumerate(BLOCKS) if language == "sql"]
DEBT_MAX = Settings.model_fields["debt_points_max"].default
PERIOD_END = date(2025, 12, 31)


async def live(session: WriteSession, home: int, city_id: int, number: int, line: str) -> None:
    """One line of the story, at noon in the city."""
    day_text, verb, *words = line.split()
    day = date.fromisoformat(day_text)
    now = datetime.combine(day, time(3), UTC)
    context = Context(city_id, "person:1", now, day)
    match verb, words:
        case "award", [points, commodity, "until", last_day]:
            await grant(
                session,
                [(home, commodity, int(points))],
                number,
                now=now,
                effective_on=PERIOD_END if day.month < 7 else date(2026, 6, 30),
                expires_on=date.fromisoformat(last_day),
            )
        case "hold", [points]:
            await acts.hold_points(session, context, home, int(points), now + timedelta(days=14))
        case "spend", [points, "of", "hold", hold]:
            await acts.spend_hold(session, context, home, int(hold), int(points))
        case "book", ["what", "expired"]:
            await acts.book_expiries(session, context, 0, 10)
        case "take", ["back", "posting", seq]:
            found = await session.sql("SELECT journal_id FROM posting WHERE seq = :seq", {"seq": int(seq)})
            await acts.reverse_journal(session, context, found.scalar_one(), DEBT_MAX)
        case _:
            pytest.fail(f"nobody knows how to live '{line}'")


@pytest.fixture
async def lived(database: Database, owner: psycopg.Connection) -> None:
    """The story of the page, in an account of its own."""
    [home] = found_accounts(owner, 1)
    (city_id,) = owner.execute("SELECT id FROM city").fetchone() or (0,)
    for number, line in enumerate(STORY, start=1):
        async with database.write() as session:
            await live(session, home, city_id, number, line)


def shown(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A result as psql prints it, without spaces at the ends of lines."""
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    is_number = [all(not isinstance(row[at], str | date) for row in rows) for at in range(len(names))]
    lines = [" " + " | ".join(name.center(width) for name, width in zip(names, widths, strict=True))]
    lines.append("+".join("-" * (width + 2) for width in widths))
    for row in texts:
        cells = zip(row, widths, is_number, strict=True)
        lines.append(
            " " + " | ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in cells)
        )
    return "".join(f"{line.rstrip()}\n" for line in lines)


@pytest.mark.usefixtures("lived")
async def test_each_query_of_the_page_gives_what_the_page_shows(owner: psycopg.Connection) -> None:
    assert len(QUERIES) >= 4
    for query, (language, expected) in QUERIES:
        assert language == "text", query
        cursor = owner.execute(query)  # type: ignore[call-overload]
        found = shown([column.name for column in cursor.description or ()], cursor.fetchall())
        assert found == expected, f"{query}\n{found}"


@pytest.mark.usefixtures("lived")
async def test_the_books_are_proved_as_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path
) -> None:
    run: Run = typed(monkeypatch, capsys, database_url, tmp_path)
    [console] = [text for language, text in BLOCKS if language == "console"]
    command, _, expected = console.partition("\n")
    done = await asyncio.to_thread(run, *command.removeprefix("$ carbon-bank ").split())
    assert re.sub(r"\d+\.\d s", "0.1 s", done.stdout) == expected, done


def table_under(heading: str) -> list[list[str]]:
    """The rows of the first table of a section."""
    section = PAGE.partition(f"\n## {heading}\n")[2]
    rows = [line for line in re.split(r"\n(?!\|)", section[section.index("\n|") :])[0].splitlines() if line]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_page_has_every_kind_of_posting_with_its_contra(owner: psycopg.Connection) -> None:
    (law,) = owner.execute("SELECT pg_get_functiondef('posting_continues'::regproc)").fetchone() or ("",)
    kinds = dict(re.findall(r"WHEN '(\w+)' THEN (.*?)(?=WHEN|ELSE)", law, re.DOTALL))
    told: dict[str, set[str]] = {}
    for _, kind, contra, *_ in table_under("What each act does"):
        told.setdefault(kind.strip("`"), set()).update(re.findall(r"`(\w+)`", contra))
    assert told.keys() == kinds.keys()
    for kind, contras in told.items():
        allowed = set(re.findall(r"'(issuance|clawback|adjustment|redeemed|expired)'", kinds[kind]))
        assert contras <= allowed and (kind == "reversal" or contras == allowed), kind


def test_what_keeps_each_promise_is_there(owner: psycopg.Connection) -> None:
    there = {
        name
        for (name,) in owner.execute(
            "SELECT conname FROM pg_constraint UNION SELECT tgname FROM pg_trigger UNION SELECT relname FROM pg_class "
            "UNION SELECT rolname FROM pg_roles"
        )
    }
    rows = table_under("What always holds, and what keeps it") + table_under("Run again, it changes nothing")
    kept_by = [re.findall(r"`(\w+)`", row[-1]) for row in rows]
    assert all(kept_by) and set().union(*kept_by) <= there
