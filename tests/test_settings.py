"""Settings come from the environment and one file, hold their limits, and are all documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.settings import Settings, read_settings

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
ROW = re.compile(r"^\| `(CARBON_BANK_\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
OUTSIDE = {"CARBON_BANK_CONFIG", "CARBON_BANK_TEST_DATABASE_URL"}
"""Read before the settings are, or by the tests alone."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an environment without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CARBON_BANK_{name.upper()}", raising=False)
    monkeypatch.delenv("CARBON_BANK_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(default: object) -> str:
    """A default as the page writes it."""
    if default is None:
        return "unset"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_page_lists_every_setting_with_its_default_and_nothing_more() -> None:
    rows = {
        name: (default, text) for name, default, text in ROW.findall(PAGE.read_text("utf-8")) if name not in OUTSIDE
    }
    described = {
        f"CARBON_BANK_{name.upper()}": (shown(field.default), field.description)
        for name, field in Settings.model_fields.items()
    }
    assert rows == described
    assert list(rows) == list(described)


def test_the_page_names_no_other_variable() -> None:
    known = {f"CARBON_BANK_{name.upper()}" for name in Settings.model_fields} | OUTSIDE
    assert set(re.findall(r"CARBON_BANK_\w+", PAGE.read_text("utf-8"))) == known


def test_every_setting_has_a_default_so_that_the_bank_starts_without_any() -> None:
    assert all(field.default is not PydanticUndefined for field in Settings.model_fields.values())
    assert read_settings().port == 8000


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "carbon-bank.toml").write_text('port = 1001\nhost = "0.0.0.0"\nwork_inside = false\n')
    monkeypatch.setenv("CARBON_BANK_PORT", "1002")
    settings = read_settings()
    assert (settings.port, settings.host, settings.work_inside) == (1002, "0.0.0.0", False)
    assert read_settings(port=1003, host=None).port == 1003


def test_the_file_may_stand_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "carbon-bank.toml").write_text("port = 1001\n")
    (folder / "other.toml").write_text("port = 1004\n")
    monkeypatch.setenv("CARBON_BANK_CONFIG", "other.toml")
    assert read_settings().port == 1004


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("TOKEN_MINUTES", "61"),
        ("LOG_LEVEL", "loud"),
        ("WORK_INSIDE", "perhaps"),
        ("POOL_SIZE", "0"),
        ("BODY_BYTES_MAX", "1023"),
        ("CHUNK_HOUSEHOLDS", "0"),
    ],
)
def test_a_bad_value_is_refused_with_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CARBON_BANK_{name}", value)
    with pytest.raises(InvalidInput) as refused:
        read_settings()
    assert refused.value.code == "settings.invalid"
    assert [(fault.where, fault.value) for fault in refused.value.faults] == [(f"CARBON_BANK_{name}", value)]
    assert f"CARBON_BANK_{name} is '{value}'" in refused.value.message
    assert "docs/settings.md" in refused.value.message


def test_all_bad_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBON_BANK_PORT", "0")
    monkeypatch.setenv("CARBON_BANK_POOL_SIZE", "many")
    with pytest.raises(InvalidInput) as refused:
        read_settings()
    assert {fault.where for fault in refused.value.faults} == {"CARBON_BANK_PORT", "CARBON_BANK_POOL_SIZE"}


def test_a_bad_value_or_an_unknown_key_in_the_file_is_refused(folder: Path) -> None:
    (folder / "carbon-bank.toml").write_text('prot = 8001\nport = "x"\n')
    with pytest.raises(InvalidInput) as refused:
        read_settings()
    assert {fault.where for fault in refused.value.faults} == {"CARBON_BANK_PROT", "CARBON_BANK_PORT"}


@pytest.mark.parametrize("content", [b"port = ", b"port 8000", b"\xff"])
def test_a_file_that_is_no_toml_is_refused(folder: Path, content: bytes) -> None:
    (folder / "carbon-bank.toml").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"carbon-bank\.toml cannot be read as TOML") as refused:
        read_settings()
    assert refused.value.code == "settings.file"


def test_a_file_that_is_named_and_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARBON_BANK_CONFIG", "absent.toml")
    with pytest.raises(InvalidInput, match=r"names absent\.toml, and there is no such file"):
        read_settings()


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().port = 1
