"""A cursor comes back as it went out, and nothing else passes for one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.paging import page_of, read_cursor

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KINDS = st.lists(st.sampled_from([int, str]), min_size=1, max_size=3)


def cursor_of(key: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


@given(st.lists(NUMBERS | TEXTS, min_size=1, max_size=4))
def test_a_cursor_gives_back_the_key_of_the_last_row(key: list[int | str]) -> None:
    rows, cursor = page_of([["first"], key, ["third"]], 2, lambda row: row)
    assert rows == [["first"], key]
    assert read_cursor(cursor, [type(part) for part in key]) == key


@given(st.integers(0, 30), st.integers(1, 10))
def test_pages_together_hold_every_row_once(count: int, limit: int) -> None:
    rows, seen, after = list(range(1, count + 1)), [], 0
    while True:
        fetched = [row for row in rows if row > after][: limit + 1]
        page, cursor = page_of(fetched, limit, lambda row: [row])
        seen += page
        key = read_cursor(cursor, (int,))
        if key is None:
            break
        assert len(page) == limit
        after = int(key[0])
    assert seen == rows


def test_no_cursor_is_the_first_page() -> None:
    assert read_cursor(None, (int,)) is None


@given(st.text(max_size=200), KINDS)
def test_garbage_is_refused_or_read_as_a_key_of_the_kinds(cursor: str, kinds: list[type]) -> None:
    try:
        key = read_cursor(cursor, kinds)
    except InvalidInput as refused:
        assert refused.code == "paging.cursor"
    else:
        assert key is not None and [type(part) for part in key] == kinds


@pytest.mark.parametrize(
    "key",
    [[], [1, 2], ["1"], [True], [1.0], [None], {"0": 1}, 1, "1", [2**63], [-(2**63) - 1], [[1]]],
    ids=repr,
)
def test_a_key_of_another_form_is_refused(key: object) -> None:
    with pytest.raises(InvalidInput, match=r"paging\.cursor"):
        read_cursor(cursor_of(key), (int,))


@pytest.mark.parametrize("part", ["\0", "a\0b", "\ud800"], ids=ascii)
def test_a_text_that_no_row_can_hold_is_refused(part: str) -> None:
    with pytest.raises(InvalidInput, match=r"paging\.cursor"):
        read_cursor(cursor_of([part]), (str,))
