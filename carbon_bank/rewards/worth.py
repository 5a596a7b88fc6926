"""What points are worth in money: exact, rounded down to what a currency can pay."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.rewards.credit_transfer import CURRENCY_PLACES

PART_MAX = 10**9
"""Of numerator and denominator of a point's value."""


@dataclass(frozen=True)
class Worth:
    """Args: minor: the amount in the currency's smallest unit. rest: what rounding left, in the same unit, below 1."""

    minor: int
    rest: Fraction


def worth_of(points: int, value: Fraction, currency: str) -> Worth:
    """What some points come to. Args: value: of one point, in the currency itself (won, euros), one that is in use."""
    exact = points * value * 10 ** CURRENCY_PLACES[currency]
    minor = exact.numerator // exact.denominator
    return Worth(minor, exact - minor)


def amount_text(minor: int, currency: str) -> str:
    """An amount as people write it: 5000 for 5000 won, 50.00 for 5000 cents."""
    places = CURRENCY_PLACES[currency]
    whole, part = divmod(minor, 10**places)
    return f"{whole}.{part:0{places}d}" if places else str(whole)


def read_value(text: str) -> Fraction:
    """The value of a point as an operator writes it: `2`, `1.4`, `3/2`.

    Raises: InvalidInput `rewards.point_value` (422).
    """
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if value <= 0 or value.numerator > PART_MAX or value.denominator > PART_MAX or "e" in text.lower():
        raise InvalidInput(
            "rewards.point_value",
            f"'{text[:80]}' is no value of a point. Write a decimal or a fraction above 0, as 2, 1.4 or 3/2.",
        )
    return value
