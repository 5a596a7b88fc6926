"""Exact rationals, as policies write them and as columns carry them.

A column's rational is a numerator and a denominator of 128-bit integers, the denominator positive. Polars wraps silently
beyond 128 bits: what may be multiplied with what is bounded in `limits.py` and proved in
tests/programme/test_bounds.py.
"""

from __future__ import annotations

import re
from fractions import Fraction

import polars as pl

from carbon_bank.programme.limits import DENOMINATOR_MAX

_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{1,12})?")
_FRACTION = re.compile(r"[+-]?[0-9]{1,12}/[0-9]{1,12}")


def parse_rational(text: str) -> Fraction | None:
    """`0.05` or `1/3` as a fraction; None where the text is neither."""
    if not (_DECIMAL.fullmatch(text) or _FRACTION.fullmatch(text)):
        return None
    try:
        return Fraction(text)
    except ZeroDivisionError:
        return None


def rational_between(value: object, low: Fraction, high: Fraction, low_counts: bool = True) -> Fraction:
    """What a policy gives for a rational, if it is one between two bounds; `low_counts`: the lower one is allowed itself.

    Raises: ValueError with a sentence that says what to write instead.
    """
    if isinstance(value, float):
        raise ValueError(f'{value!r} is floating point. Put it in quotes, as in "0.05", to keep it exact.')
    exact = parse_rational(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if exact is None:
        raise ValueError('Write a quoted decimal or fraction, as in "0.05" or "1/3".')
    if exact.denominator > DENOMINATOR_MAX:
        raise ValueError(f"Its denominator is above {DENOMINATOR_MAX}: at most six decimals are kept.")
    if exact < low or exact > high or (exact == low and not low_counts):
        least = "at least" if low_counts else "above"
        raise ValueError(f"It must be {least} {rational_text(low)} and at most {rational_text(high)}.")
    return exact


def rational_text(value: Fraction) -> str:
    """A rational as policies write it: a decimal where it has one, else a fraction."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    if digits == 0:
        return str(value.numerator)
    scaled = abs(value.numerator) * 10**digits // value.denominator
    whole, part = divmod(scaled, 10**digits)
    return f"{'-' if value < 0 else ''}{whole}.{part:0{digits}d}"


def fraction(num: int | None, den: int | None) -> Fraction | None:
    """A rational of a frame; null where the frame has none."""
    return None if num is None or den is None else Fraction(num, den)


def half_up(value: Fraction) -> int:
    """The nearest whole number, the larger one where two are equally near."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def hundredths_text(hundredths: int) -> str:
    """Hundredths of a percent as people read percents: -667 as `-6.67`."""
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def floor_of(num: pl.Expr, den: pl.Expr, factor: Fraction = Fraction(1)) -> pl.Expr:
    """num / den x factor, rounded down, for a factor of 0 or more.

    With num = a x den + c, the floor of (p x num) / (q x den) is (p x a + p x c // den) // q: no product is larger than
    p times the value or p times the denominator, where the plain formula would need p x num.
    """
    upper, lower = _wide(factor.numerator), _wide(factor.denominator)
    whole, rest = num // den, num % den
    return (upper * whole + (upper * rest) // den) // lower


def round_half_up_of(num: pl.Expr, den: pl.Expr, factor: Fraction = Fraction(1)) -> pl.Expr:
    """num / den x factor, rounded half up (toward plus infinity), for a factor of 0 or more."""
    return (floor_of(num, den, 2 * factor) + 1) // 2


def at_least(num: pl.Expr, den: pl.Expr, bound: Fraction) -> pl.Expr:
    """num / den >= bound, for a positive denominator."""
    return num * _wide(bound.denominator) >= den * _wide(bound.numerator)


def above(num: pl.Expr, den: pl.Expr, bound: Fraction) -> pl.Expr:
    """num / den > bound, for a positive denominator."""
    return num * _wide(bound.denominator) > den * _wide(bound.numerator)


def _wide(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.Int128)
