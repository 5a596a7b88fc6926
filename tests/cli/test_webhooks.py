"""`carbon-bank webhooks ...`: what was sent, and sending it again."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from carbon_bank.worker import deliver_webhooks
from tests.cli.typed import Run, typed
from tests.webhooks.conftest import office as office
from tests.webhooks.sending import Office


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "200")
    carbon_bank = typed(monkeypatch, capsys, database_url, tmp_path)
    return lambda *arguments: carbon_bank("webhooks", *map(str, arguments))


@pytest.fixture
async def dead(office: Office) -> None:
    """A delivery that is dead, and one that waits."""
    await office.register("http://127.0.0.1:9/nobody")
    await office.tell(1)
    for _ in range(10):
        await deliver_webhooks(office.post())
        office.later(days=1)
    await office.tell(2)


def test_dead_letters_are_shown_and_sent_again(run: Run, dead: None, owner: psycopg.Connection) -> None:
    shown = run("deliveries", "--city", "here", "--state", "dead")
    assert shown.returncode == 0, shown
    assert "http://127.0.0.1:9/nobody" in shown.stdout
    assert "settlement.posted" in shown.stdout
    assert shown.stdout.count("dead") == 1
    assert "waiting" in run("deliveries", "--city", "here").stdout
    [(number,)] = owner.execute("SELECT id FROM webhook_delivery WHERE state = 'dead'").fetchall()
    replayed = run("replay", number)
    assert (replayed.returncode, f"Delivery {number} is due again" in replayed.stdout) == (0, True)
    assert owner.execute("SELECT state FROM webhook_delivery").fetchall() == [("waiting",), ("waiting",)]
    assert owner.execute("SELECT by FROM trail WHERE act = 'webhook.delivery_replayed'").fetchall() == [
        ("system:command-line",)
    ]
    again = run("replay", number)
    assert (again.returncode, again.stderr.strip().endswith("code: webhooks.delivery_waiting")) == (2, True)
    assert run("replay", 999).stderr.strip().endswith("code: webhooks.unknown_delivery")
