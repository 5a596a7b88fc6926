"""Rationals as policies write them, to the letter. Source: rules.md section 8."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.programme.limits import DENOMINATOR_MAX
from carbon_bank.programme.rationals import hundredths_text, parse_rational, rational_between, rational_text

LOW, HIGH = Fraction(1, 2), Fraction(3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"), (Fraction(12), "12"), (Fraction(-3), "-3"), (Fraction(1, 2), "0.5"),
        (Fraction(-1, 4), "-0.25"), (Fraction(241, 20), "12.05"), (Fraction(1, 1000), "0.001"),
        (Fraction(-7, 80), "-0.0875"), (Fraction(1, 3), "1/3"), (Fraction(-7, 6), "-7/6"),
    ],
)  # fmt: skip
def test_a_rational_is_a_decimal_where_it_has_one_and_else_a_fraction(value: Fraction, text: str) -> None:
    assert rational_text(value) == text


@given(st.fractions(-(10**6), 10**6, max_denominator=DENOMINATOR_MAX))
def test_a_rational_that_was_written_reads_as_itself(value: Fraction) -> None:
    text = rational_text(value)
    assert Fraction(text) == value
    if len(text.rpartition(".")[2]) <= 12:
        assert parse_rational(text) == value


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1/0", "1/-2", "1.", ".5", "1e3", "½", "1_000", "nan", "1/2/3"])
def test_what_is_neither_a_decimal_nor_a_fraction_is_none(text: str) -> None:
    assert parse_rational(text) is None


def test_a_bound_itself_counts_unless_it_is_said_not_to() -> None:
    assert rational_between("0.5", LOW, HIGH) == LOW
    assert rational_between("3", LOW, HIGH, low_counts=False) == HIGH
    assert rational_between(2, LOW, HIGH) == 2


@pytest.mark.parametrize(
    ("value", "low_counts", "says"),
    [
        (0.5, True, '0.5 is floating point. Put it in quotes, as in "0.05", to keep it exact.'),
        ("half", True, 'Write a quoted decimal or fraction, as in "0.05" or "1/3".'),
        (None, True, 'Write a quoted decimal or fraction, as in "0.05" or "1/3".'),
        (True, True, 'Write a quoted decimal or fraction, as in "0.05" or "1/3".'),
        (Decimal("0.5"), True, 'Write a quoted decimal or fraction, as in "0.05" or "1/3".'),
        ("1/1000001", True, "Its denominator is above 1000000: at most six decimals are kept."),
        ("0.499999", True, "It must be at least 0.5 and at most 3."),
        ("3.000001", True, "It must be at least 0.5 and at most 3."),
        ("0.5", False, "It must be above 0.5 and at most 3."),
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_policy_is_refused_with_what_to_write_instead(
    value: object, low_counts: bool, says: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        rational_between(value, LOW, HIGH, low_counts)
    assert str(refusal.value) == says


def test_the_largest_denominator_is_kept() -> None:
    assert rational_between("999999/1000000", LOW, HIGH) == Fraction(999_999, 1_000_000)


@pytest.mark.parametrize(
    ("hundredths", "text"),
    [
        (0, "0.00"),
        (1, "0.01"),
        (-1, "-0.01"),
        (99, "0.99"),
        (100, "1.00"),
        (-12345, "-123.45"),
        (1_000_100, "10001.00"),
    ],
)
def test_hundredths_are_written_with_their_point_and_sign(hundredths: int, text: str) -> None:
    assert hundredths_text(hundredths) == text
