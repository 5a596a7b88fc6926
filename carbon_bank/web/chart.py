"""The drawings of an explanation, measured: bars of months beside their baseline, and a rate on the scale of the tiers.

Units: lengths in the drawing's own units, whole numbers; what they stand for is exact until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

BARS_HEIGHT = 220
TICKS_MAX = 5
SCALE_WIDTH = 320


@dataclass(frozen=True)
class Bar:
    """`top`: from the drawing's upper edge."""

    top: int
    height: int


@dataclass(frozen=True)
class Group:
    """A month. Null: not known, which is not zero."""

    usage: Bar | None
    baseline: Bar | None


@dataclass(frozen=True)
class Tick:
    at: int
    value: Fraction


@dataclass(frozen=True)
class Bars:
    groups: tuple[Group, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Scale:
    """`ticks`: 0 and the tiers' bounds. `beyond`: whether the rate lies outside what is drawn, on its side."""

    rate_at: int
    zero_at: int
    ticks: tuple[Tick, ...]
    beyond: bool


def bars(months: Sequence[tuple[Fraction | None, Fraction | None]]) -> Bars:
    """Usage and baseline of each month, from 0 up to a round number that holds all.

    Args: months: (usage, baseline) of each.
    """
    highest = max((value for pair in months for value in pair if value is not None), default=Fraction(0))
    step = _round_step(highest)
    steps = max(1, -(-highest // step))
    top = step * steps

    def bar(value: Fraction | None) -> Bar | None:
        if value is None:
            return None
        height = int(value * BARS_HEIGHT / top)
        return Bar(BARS_HEIGHT - height, height)

    ticks = tuple(Tick(BARS_HEIGHT - BARS_HEIGHT * place // steps, step * place) for place in range(steps + 1))
    return Bars(tuple(Group(bar(usage), bar(baseline)) for usage, baseline in months), ticks)


def scale(rate: Fraction, bounds: Sequence[Fraction]) -> Scale:
    """A rate of reduction beside the bounds of the tiers; half of it lies below 0 where more was used than before."""
    top = max([*bounds, Fraction(1, 20)]) * Fraction(3, 2)
    low = Fraction(0) if rate >= 0 else -top / 2
    shown = min(max(rate, low), top)

    def at(value: Fraction) -> int:
        return int((value - low) * SCALE_WIDTH / (top - low))

    ticks = tuple(Tick(at(value), value) for value in sorted({Fraction(0), *bounds}))
    return Scale(at(shown), at(Fraction(0)), ticks, shown != rate)


def _round_step(highest: Fraction) -> Fraction:
    """The smallest of 1, 2, 5 times a power of ten that needs no more than `TICKS_MAX` steps to the highest value."""
    return next((step for step in _steps() if step * TICKS_MAX >= highest), Fraction(1))


def _steps() -> Iterator[Fraction]:
    for power in count(-3):
        yield from (Fraction(10) ** power * each for each in (1, 2, 5))
