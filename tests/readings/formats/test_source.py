"""A file is opened as often as needed, decompressed, and never read beyond its bounds."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.errors import Refusal
from carbon_bank.readings.formats.source import Source

TEXT = b"commodity,customer_number\nwater,1\n" * 1000


def source(folder: Path, content: bytes, **bounds: int) -> Source:
    path = folder / "sent"
    path.write_bytes(content)
    return Source(path, "sent.csv", **bounds)


def code_of(folder: Path, content: bytes, **bounds: int) -> str:
    with pytest.raises(Refusal) as refused:
        source(folder, content, **bounds).open().read()
    assert "sent.csv" in refused.value.message
    return refused.value.code


@pytest.mark.parametrize(
    "content",
    [TEXT, gzip.compress(TEXT, mtime=0), gzip.compress(TEXT[:99], mtime=0) + gzip.compress(TEXT[99:], mtime=0)],
)
def test_plain_and_compressed_files_read_alike_as_often_as_they_are_opened(tmp_path: Path, content: bytes) -> None:
    sent = source(tmp_path, content)
    for _ in range(2):
        with sent.open() as file:
            assert file.readline() + file.read(10) + file.read() == TEXT


def test_there_must_be_a_file_with_something_in_it(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        Source(tmp_path / "nowhere", "nowhere.csv").open()
    assert refused.value.code == "formats.no_file"
    assert code_of(tmp_path, b"") == "formats.empty"
    assert code_of(tmp_path, gzip.compress(b"")) == "formats.empty"


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(TEXT)
    assert code_of(tmp_path, whole[:-20]) == "formats.damaged"
    assert code_of(tmp_path, whole[:30] + b"\0\0\0\0" + whole[34:]) == "formats.damaged"
    assert code_of(tmp_path, gzip.compress(whole)) == "formats.damaged"
    assert code_of(tmp_path, whole + b"more") == "formats.damaged"


def test_other_kinds_of_file_are_named(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("march.csv", TEXT)
    for content in (archive.getvalue(), b"%PDF-1.7", b"BZh91AY", b"\xfd7zXZ\x00\x00", b"\x28\xb5\x2f\xfd...."):
        assert code_of(tmp_path, content) == "formats.not_text"


def test_a_file_is_read_up_to_its_bound_and_not_beyond(tmp_path: Path) -> None:
    size = len(TEXT)
    assert source(tmp_path, TEXT, bytes_max=size).open().read() == TEXT
    assert code_of(tmp_path, TEXT, bytes_max=size - 1) == "formats.too_large"
    assert code_of(tmp_path, gzip.compress(TEXT), bytes_max=size - 1) == "formats.too_large"


def test_a_bomb_is_not_let_out(tmp_path: Path) -> None:
    assert code_of(tmp_path, gzip.compress(b"\0" * 2**27)) == "formats.expansion"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans(), st.integers(2, 400))
def test_whatever_the_bytes_nothing_but_a_refusal_comes_of_it(
    tmp_path: Path, content: bytes, compressed: bool, cut: int
) -> None:
    sent = source(tmp_path, gzip.compress(content)[:cut] if compressed else content)
    try:
        with sent.open() as file:
            assert file.read() == content
    except Refusal as refusal:
        assert refusal.code.startswith("formats.")
