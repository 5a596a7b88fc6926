"""A pickup code survives being read aloud, typed and scanned, and a slip in it is seen."""

from __future__ import annotations

import hashlib
import hmac
import re

import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from carbon_bank.foundation.errors import Fault
from carbon_bank.rewards.pickup_code import (
    CHECK_SYMBOLS,
    SECRET_BYTES,
    SYMBOLS,
    PickupCode,
    make_code,
    qr_svg,
    read_code,
    stored_hash,
)

codes = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES).map(make_code)
KNOWN = make_code(bytes.fromhex("3f6e304114ebb5acb5a9"))


def test_a_code_is_groups_of_four_and_a_check() -> None:
    assert str(KNOWN) == "7XQ3-0G8M-XETT-SDD9-Q"
    assert str(make_code(bytes(10))) == "0000-0000-0000-0000-0"


@given(codes)
def test_a_code_is_read_as_it_was_made_however_it_is_written(code: PickupCode) -> None:
    misread = code.symbols.replace("0", "O").replace("1", "l")
    for written in (str(code), str(code).lower(), code.symbols, f" {str(code).replace('-', ' – ')} ", misread):
        assert read_code(written, "code") == code


@given(codes, st.integers(0, 16), st.data())
def test_any_one_symbol_typed_wrong_is_seen(code: PickupCode, place: int, data: st.DataObject) -> None:
    others = (CHECK_SYMBOLS if place == 16 else SYMBOLS).replace(code.symbols[place], "")
    wrong = code.symbols[:place] + data.draw(st.sampled_from(others)) + code.symbols[place + 1 :]
    read = read_code(wrong, "code")
    assert isinstance(read, Fault) and read.code == "rewards.pickup_check" and read.value is None


@given(codes, st.integers(0, 14))
def test_neighbours_exchanged_are_seen(code: PickupCode, place: int) -> None:
    left, right = code.symbols[place : place + 2]
    exchanged = code.symbols[:place] + right + left + code.symbols[place + 2 :]
    assert isinstance(read_code(exchanged, "code"), Fault) is (left != right)


@given(st.text() | st.text(CHECK_SYMBOLS + "-oil ", min_size=15, max_size=20))
def test_whatever_is_typed_is_a_code_or_a_fault(text: str) -> None:
    read = read_code(text, "code")
    assert isinstance(read, Fault) or read_code(str(read), "code") == read


def test_a_code_that_is_no_code_says_what_one_looks_like() -> None:
    for text in ("", "7XQ3", "7XQ3-0G8M-XETT-SDD9-Q" * 100, "UXQ3-0G8M-XETT-SDD9-Q"):
        read = read_code(text, "code")
        assert isinstance(read, Fault) and read.code == "rewards.pickup_form"


def test_what_is_kept_of_a_code_needs_the_key() -> None:
    key = bytes(range(32))
    assert stored_hash(KNOWN, key) == stored_hash(make_code(bytes.fromhex("3f6e304114ebb5acb5a9")), key)
    assert stored_hash(KNOWN, key) != stored_hash(KNOWN, bytes(32))
    expected = hmac.new(key, b"carbon-bank pickup code 1\n7XQ30G8MXETTSDD9Q", hashlib.sha256).digest()
    assert stored_hash(KNOWN, key) == expected


@settings(max_examples=20)
@given(codes, st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20))
def test_the_qr_is_one_svg_element_with_the_code_in_it(code: PickupCode, title: str) -> None:
    svg = qr_svg(code, title)
    assert svg == qr_svg(code, title)
    root = etree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.findtext("{*}title") or "") == title
    assert dark_modules(root) == [list(row) for row in segno.make_qr(str(code), error="q").matrix]


def dark_modules(root: etree._Element) -> list[list[int]]:
    """The picture as a matrix, from its path: a pen that moves and draws to the right, row by row."""
    size = int((root.get("viewBox") or "").split()[2])
    drawn = [[0] * size for _ in range(size)]
    path = root.findall("{*}path")[-1].get("d") or ""
    x, y = 0, 0.0
    for letter, numbers in re.findall(r"([Mmh])([^Mmh]+)", path):
        steps = [float(each) for each in re.findall(r"-?[\d.]+", numbers)]
        if letter == "h":
            drawn[int(y)][x : x + int(steps[0])] = [1] * int(steps[0])
            x += int(steps[0])
        else:
            x, y = (int(steps[0]), steps[1]) if letter == "M" else (x + int(steps[0]), y + steps[1])
    return [row[4:-4] for row in drawn[4:-4]]
