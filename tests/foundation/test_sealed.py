"""Secrets are sealed for whom they are, opened by old keys as well, and by nothing else."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from carbon_bank.foundation.errors import InvalidInput, Unavailable
from carbon_bank.foundation.sealed import Sealer, load_sealer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "secrets.key"


@pytest.fixture
def sealer(file: Path) -> Sealer:
    return load_sealer(file, may_make=True)


def test_a_key_is_made_once_and_for_its_owner_alone(file: Path, sealer: Sealer) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_sealer(file, may_make=True).keys == sealer.keys
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert base64.b64encode(next(iter(sealer.keys.values()))).decode() not in repr(sealer)


def test_what_was_sealed_opens_again_and_shows_nothing_until_then(sealer: Sealer) -> None:
    sealed = sealer.seal("whsec_once", "client:1")
    assert "whsec" not in sealed
    assert sealer.open(sealed, "client:1") == "whsec_once"
    assert sealer.seal("whsec_once", "client:1") != sealed, "each sealing has a nonce of its own"


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-6] + "AAAA==", lambda text: "none." + text, lambda text: "", lambda text: text + "é"]
)
def test_a_changed_text_does_not_open(sealer: Sealer, spoil) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Unavailable) as refused:
        sealer.open(spoil(sealer.seal("whsec_once", "client:1")), "client:1")
    assert refused.value.code == "sealed.unopened"


def test_a_text_in_another_ones_row_does_not_open(sealer: Sealer) -> None:
    with pytest.raises(Unavailable):
        sealer.open(sealer.seal("whsec_once", "client:1"), "client:2")


def test_a_new_key_on_top_seals_and_the_old_one_still_opens(file: Path, sealer: Sealer) -> None:
    old = sealer.seal("whsec_once", "client:1")
    file.write_bytes(base64.b64encode(bytes(32)) + b"\n" + file.read_bytes())
    newer = load_sealer(file, may_make=False)
    assert newer.open(old, "client:1") == "whsec_once"
    assert newer.seal("x", "client:1").split(".")[0] != old.split(".")[0]
    file.write_bytes(file.read_bytes().splitlines()[0])
    with pytest.raises(Unavailable):
        load_sealer(file, may_make=False).open(old, "client:1")


@pytest.mark.parametrize("content", [None, b"", b"not base64!", base64.b64encode(bytes(16))])
def test_a_key_file_that_cannot_be_used_is_named_with_what_to_do(file: Path, content: bytes | None) -> None:
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match="CARBON_BANK_SECRETS_KEY_FILE") as refused:
        load_sealer(file, may_make=False)
    assert refused.value.code == "sealed.key"
    assert str(file) in refused.value.message
