"""A command as it is typed, in this process: a new one for each would take seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from carbon_bank.cli import main


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str, folder: Path) -> Run:
    """Something that runs `carbon-bank` with arguments in a folder, on a database."""
    monkeypatch.setenv("CARBON_BANK_DATABASE_URL", database_url)
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["carbon-bank", *arguments])
        logging = structlog.get_config()
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        else:
            code = 0
        finally:
            structlog.configure(**logging)
        told = capsys.readouterr()
        assert isinstance(code, int)
        return Done(code, told.out, told.err)

    return run
