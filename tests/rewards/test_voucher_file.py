"""A file of vouchers is read to its last good code, and each bad row is told with its line."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon_bank.foundation.errors import Refusal, TooLarge
from carbon_bank.rewards import voucher_file
from carbon_bank.rewards.voucher_file import Voucher, VoucherFile, read_vouchers, voucher_lines


def faults(content: str) -> list[tuple[str, str]]:
    return [(fault.where, fault.code) for fault in read_vouchers(content.encode(), "v.csv").faults]


def test_codes_are_read_from_what_a_spreadsheet_saves() -> None:
    found = read_vouchers('\ufeffcode, expires_on\r\nA-1,2026-12-31\r\n\r\n ＠커피 1 ,\r\n"x,y",\r\n'.encode(), "v.csv")
    assert found.vouchers == [
        Voucher(2, "A-1", date(2026, 12, 31)), Voucher(4, "＠커피 1", None), Voucher(5, "x,y", None),
    ]  # fmt: skip
    assert found.faults == [] and found.fault_count == 0
    assert read_vouchers(b"code\nA\n", "v.csv").vouchers == [Voucher(2, "A", None)]


def test_each_bad_row_is_told_with_its_line_and_harms_no_other() -> None:
    rows = [
        "code,expires_on",
        "A,",
        "A,",
        ",2026-01-01",
        "B,31.12.2026",
        "C,2026-02-30",
        "D",
        f"{'x' * 201},",
        "E\x07,",
        "F,",
    ]
    content = "\n".join(rows)
    assert faults(content) == [
        ("line 3", "rewards.voucher_repeated"),
        ("line 4", "rewards.voucher_empty"),
        ("line 5", "rewards.voucher_day"),
        ("line 6", "rewards.voucher_day"),
        ("line 7", "rewards.voucher_row"),
        ("line 8", "rewards.voucher_length"),
        ("line 9", "rewards.voucher_character"),
    ]
    found = read_vouchers(content.encode(), "v.csv")
    assert [voucher.code for voucher in found.vouchers] == ["A", "F"]
    assert "line 2" in found.faults[0].message and "line 3" in found.faults[0].message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "rewards.vouchers_columns"),
        (b"A\nB\n", "rewards.vouchers_columns"),
        (b"code,code\nA,B\n", "rewards.vouchers_columns"),
        ("code\n커피".encode("cp949"), "rewards.vouchers_unreadable"),
        (b'code\n"A', "rewards.vouchers_unreadable"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content: bytes, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        read_vouchers(content, "v.csv")
    assert refused.value.code == code


def test_a_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voucher_file, "CODES_MAX", 3)
    monkeypatch.setattr(voucher_file, "FAULTS_MAX", 2)
    found = read_vouchers(b"code\nA\nA\nA\nA\nB\nC\n", "v.csv")
    assert (len(found.vouchers), len(found.faults), found.fault_count) == (3, 2, 3)
    with pytest.raises(TooLarge):
        read_vouchers(b"code\nA\nB\nC\nD\n", "v.csv")
    monkeypatch.setattr(voucher_file, "BYTES_MAX", 10)
    with pytest.raises(TooLarge):
        read_vouchers(b"code\nABCDEF\n", "v.csv")


def test_no_code_runs_in_a_spreadsheet() -> None:
    assert list(voucher_lines([Voucher(2, "=1+1", date(2026, 1, 1)), Voucher(3, "A", None)])) == [
        "code,expires_on\r\n", "'=1+1,2026-01-01\r\n", "A,\r\n",
    ]  # fmt: skip


words = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=200).filter(
    lambda each: each[0] not in "=+-@＝＋－＠"
)


@settings(max_examples=100)
@given(st.lists(st.tuples(words, st.none() | st.dates()), unique_by=lambda each: each[0]))
def test_vouchers_read_back_as_they_were_written(rows: list[tuple[str, date | None]]) -> None:
    vouchers = [Voucher(line, *row) for line, row in enumerate(rows, start=2)]
    assert read_vouchers("".join(voucher_lines(vouchers)).encode(), "v.csv") == VoucherFile(vouchers)
