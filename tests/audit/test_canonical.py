"""Canonical JSON and commitments: one record has one sequence of bytes, and nobody reads a commitment without its key."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.audit.log.canonical import canonical, commit, opens, parse_canonical
from carbon_bank.foundation.errors import InvalidInput

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT
VALUES = st.recursive(SCALARS, lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXT, each, max_size=4))
KEY = bytes(range(32))


def test_keys_are_sorted_by_utf16_as_in_the_rfcs_example() -> None:
    record = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    names = [value.split()[0] for value in json.loads(canonical(record)).values()]
    assert names == ["Carriage", "One", "Control", "Latin", "Euro", "Emoji:", "Hebrew"]


def test_strings_are_escaped_as_in_the_rfcs_example() -> None:
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    assert canonical({"string": text, "literals": [None, True, False]}) == (
        '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode()
    )
    assert canonical("\b\t\f\x7f\u2028\x00") == '"\\b\\t\\f\x7f\u2028\\u0000"'.encode()


@given(VALUES)
def test_a_record_is_read_back_from_its_bytes(value: Any) -> None:
    data = canonical(value)
    assert json.loads(data) == value
    assert canonical(parse_canonical(data)) == data


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), 10**5000, "\ud800", {"\udc00": 1}, {1: "a"}, b"a", {1, 2}, [object()]],
    ids=lambda value: repr(type(value).__name__),
)
def test_what_has_no_one_form_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical({"a": [value]})
    assert refused.value.code == "audit.canonical"


def test_a_record_nested_without_end_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(InvalidInput, match="nested"):
        canonical(value)
    with pytest.raises(InvalidInput):
        parse_canonical(b"[" * 100_000)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b"1.0",
        b"1e3",
        b"-0",
        b'"\\u0041"',
        b'"\\ud800"',
        b"NaN",
        b"\xff",
        b"",
    ],
)
def test_bytes_that_tell_it_in_another_way_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_canonical(data)
    assert refused.value.code == "audit.canonical"


def test_a_commitment_is_hmac_over_domain_newline_and_record() -> None:
    record = {"household": "H-1", "points": 300}
    expected = hmac.new(KEY, b'bank/award/v1\n{"household":"H-1","points":300}', hashlib.sha256).digest()
    assert commit(KEY, "bank/award/v1", record) == expected
    assert opens(expected, KEY, "bank/award/v1", {"points": 300, "household": "H-1"})


@given(st.integers(0, 255), st.integers(0, 31))
def test_another_key_domain_or_record_does_not_open_it(bit: int, byte: int) -> None:
    commitment = commit(KEY, "bank/award/v1", {"points": 300})
    other_key, other = bytearray(KEY), bytearray(commitment)
    other_key[byte] ^= 1 << bit % 8
    other[byte] ^= 1 << bit % 8
    assert not opens(commitment, bytes(other_key), "bank/award/v1", {"points": 300})
    assert not opens(bytes(other), KEY, "bank/award/v1", {"points": 300})
    assert not opens(commitment, KEY, "bank/award/v2", {"points": 300})
    assert not opens(commitment, KEY, "bank/award/v1", {"points": 301})
    assert not opens(commitment[:-1], KEY, "bank/award/v1", {"points": 300})


@pytest.mark.parametrize(("key", "domain"), [(KEY[:-1], "a"), (KEY + b"\0", "a"), (KEY, ""), (KEY, "a\nb"), (KEY, "A")])
def test_a_key_or_domain_that_could_be_mistaken_is_refused(key: bytes, domain: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        commit(key, domain, {})
    assert refused.value.code == "audit.commitment"
