"""A slip in an account number is seen, and the number is never repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.errors import Fault
from carbon_bank.rewards.bank_account import (
    IBAN_LENGTHS,
    Iban,
    LocalAccount,
    check_account,
    masked,
    read_bic,
    read_iban,
    read_local_account,
)

PUBLISHED = [
    "DE89 3704 0044 0532 0130 00",
    "GB29 NWBK 6016 1331 9268 19",
    "JO94 CBJO 0010 0000 0000 0131 0003 02",
    "KW81 CBKU 0000 0000 0000 1234 5601 01",
    "NO93 8601 1117 947",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
]
"""Examples of the IBAN Registry."""


def iban_of(country: str, rest: str) -> str:
    bban = (rest * 40)[: IBAN_LENGTHS[country] - 4]
    number = int("".join(str(int(each, 36)) for each in f"{bban}{country}00"))
    return f"{country}{98 - number % 97:02}{bban}"


ibans = st.builds(iban_of, st.sampled_from(sorted(IBAN_LENGTHS)), st.text("0123456789ABCXYZ", min_size=1))


@pytest.mark.parametrize("written", PUBLISHED)
def test_published_ibans_are_read_as_people_write_them(written: str) -> None:
    plain = written.replace(" ", "")
    assert read_iban(written, "account") == read_iban(plain.lower(), "account") == Iban(plain)


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("", "rewards.iban"),
        ("DE89-3704_0044", "rewards.iban"),
        ("ＤＥ89370400440532013000", "rewards.iban"),
        ("KR89370400440532013000", "rewards.iban_country"),
        ("DE8937040044053201300", "rewards.iban_length"),
        ("DE89370400440532013001", "rewards.iban_check"),
        ("9" * 1000, "rewards.iban"),
    ],
)
def test_a_wrong_iban_says_why_and_is_not_repeated(written: str, code: str) -> None:
    fault = read_iban(written, "account")
    assert isinstance(fault, Fault)
    assert (fault.where, fault.code, fault.value) == ("account", code, None)


@given(ibans, st.data())
def test_any_one_character_exchanged_in_an_iban_is_seen(iban: str, data: st.DataObject) -> None:
    assert read_iban(iban, "account") == Iban(iban)
    place = data.draw(st.integers(2, len(iban) - 1))
    other = data.draw(
        st.sampled_from("0123456789" if iban[place].isdigit() else "ABCXYZ").filter(lambda x: x != iban[place])
    )
    assert isinstance(read_iban(iban[:place] + other + iban[place + 1 :], "account"), Fault)


@given(st.text(), st.text(), st.none() | st.text())
def test_whatever_is_written_is_an_account_or_a_fault(first: str, second: str, third: str | None) -> None:
    for read in (read_iban(first, "x", third), read_local_account(first, second, "x", third), read_bic(first, "x")):
        if isinstance(read, Iban | LocalAccount):
            assert check_account(read, "x") is None
            assert masked(read) == f"••••{read.number[-4:]}"


@given(st.from_regex(r"\A[0-9]{2,11}\Z"), st.from_regex(r"\A[0-9]{6,20}\Z"))
def test_an_account_without_iban_keeps_its_zeros(bank: str, number: str) -> None:
    spaced = f"{number[:3]}-{number[3:]} "
    assert read_local_account(bank, spaced, "account") == LocalAccount(bank, number)


@pytest.mark.parametrize(
    ("bank", "number"), [("4", "123456"), ("004", "12345"), ("004", "1" * 21), ("004", "12345x"), ("", "")]
)
def test_a_wrong_account_is_a_fault(bank: str, number: str) -> None:
    assert isinstance(read_local_account(bank, number, "account"), Fault)


@pytest.mark.parametrize(
    ("bic", "is_right"), [("cobadeff", True), ("COBADEFFXXX", True), ("COBADE", False), ("COBA1EFF", False)]
)
def test_a_bic_has_its_shape(bic: str, is_right: bool) -> None:
    assert (read_bic(bic, "bank") == bic.upper()) is is_right
    assert isinstance(read_iban(PUBLISHED[0], "account", bic), Iban) is is_right


def test_a_kept_account_is_as_reading_gives_it() -> None:
    assert check_account(Iban("DE89370400440532013000"), "x") is None
    fault = check_account(Iban("DE89 3704 0044 0532 0130 00"), "x")
    assert fault is not None and fault.code == "rewards.account"
