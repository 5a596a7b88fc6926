"""docs/export.md shows how a settlement is taken away: its commands are typed here, and say what the page says."""

from __future__ import annotations

import re
import shlex
import zipfile
from pathlib import Path

import pytest

from carbon_bank.audit.export.columns import TABLES
from carbon_bank.foundation.database import Database
from tests.audit.log_reader import BASE, keys_in
from tests.audit.package_town import alone, eventful_settlement
from tests.cli.typed import Run, typed
from tests.small_city import SmallCity

PAGE = (Path(__file__).parent.parent.parent / "docs" / "export.md").read_text("utf-8")
EXAMPLE = re.findall(r"^```console example\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0].replace("\\\n", " ")
STEPS = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", EXAMPLE, re.MULTILINE)


@pytest.fixture
async def settled(database: Database, small_city: SmallCity, tmp_path: Path) -> None:
    assert await eventful_settlement(database, small_city, tmp_path) == 1
    (tmp_path / "vkey").write_text(str(keys_in(tmp_path).verifying("here")[0]))


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path) -> Run:
    monkeypatch.setenv("CARBON_BANK_LOG_KEYS_DIR", str(tmp_path / "log-keys"))
    monkeypatch.setenv("CARBON_BANK_PUBLIC_URL", BASE)
    return typed(monkeypatch, capsys, database_url, tmp_path)


def is_like(told: str, shown: str) -> bool:
    """Whether it says what the page shows, where `...` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("..."))), told, re.DOTALL) is not None


def test_the_commands_on_the_page_say_what_it_shows(settled: None, bank: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export-here-1"
    assert [shlex.split(command)[0] for command, _ in STEPS] == ["carbon-bank", "unzip", "python", "python", "python"]
    for command, shown in STEPS:
        program, *arguments = shlex.split(command.replace('"$(cat ../vkey)"', (tmp_path / "vkey").read_text()))
        if program == "carbon-bank":
            done = bank(*arguments)
            code, told = done.returncode, done.stdout
        elif program == "unzip":
            assert arguments == ["-q", "settlement-1.zip", "&&", "cd", folder.name]
            with zipfile.ZipFile(tmp_path / "settlement-1.zip") as archive:
                archive.extractall(tmp_path)
            continue
        else:
            ran = alone(folder, *arguments)
            code, told = ran.returncode, ran.stdout + ran.stderr
        assert (code, is_like(told, shown)) == (0, True), told


def test_only_who_may_takes_it_and_nothing_is_left_lying_about(settled: None, bank: Run, tmp_path: Path) -> None:
    wanted = ("audit", "export", "--settlement", "1", "--out", "x.zip", "--reason", "audit of 2024")
    before = sorted(tmp_path.iterdir())
    for person, more, code in (
        ("operator", (), "identity.forbidden"),
        ("privacy_officer", (), "identity.forbidden"),
        ("auditor", ("--with-numbers",), "identity.forbidden"),
        ("far_auditor", (), "settlement.unknown"),
        ("auditor", ("--reason", "no"), "audit.reason"),
        ("auditor", ("--out", "nowhere/x.zip"), "audit.file"),
    ):
        done = bank(*wanted, "--as", f"{person}@here.test", *more)
        assert (done.returncode, f"code: {code}" in done.stderr) == (2, True), done.stderr
    assert sorted(tmp_path.iterdir()) == before
    done = bank(*wanted, "--as", "privacy_officer@here.test", "--with-numbers")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert "export-here-1/numbers.csv" in archive.namelist()


def test_the_page_names_every_table() -> None:
    named = set(re.findall(r"`([\w/]+)\.csv`", PAGE))
    inside = {table.name for table in TABLES if not table.name.startswith("log/")}
    assert inside <= named | {"numbers"} and named - {"ids"} <= inside
