"""The drawings of an explanation, measured."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon_bank.web.chart import BARS_HEIGHT, SCALE_WIDTH, TICKS_MAX, Bar, bars, scale

quantity = st.fractions(min_value=0, max_value=10**9)


def test_bars_are_as_high_as_what_they_stand_for() -> None:
    drawn = bars([(Fraction(250), Fraction(500)), (Fraction(0), Fraction(125))])
    assert [(each.usage, each.baseline) for each in drawn.groups] == [
        (Bar(110, 110), Bar(0, 220)),
        (Bar(220, 0), Bar(165, 55)),
    ]
    assert [(tick.at, tick.value) for tick in drawn.ticks] == [(220 - 44 * step, 100 * step) for step in range(6)]


def test_a_month_that_is_not_known_has_no_bar_and_is_not_zero() -> None:
    [group] = bars([(None, Fraction(3))]).groups
    assert (group.usage, group.baseline) == (None, Bar(0, 220))
    [nothing] = bars([(None, None)]).groups
    assert (nothing.usage, nothing.baseline) == (None, None)


@given(st.lists(st.tuples(st.none() | quantity, st.none() | quantity), min_size=1, max_size=12))
def test_every_bar_fits_and_the_higher_one_stands_for_more(
    months: list[tuple[Fraction | None, Fraction | None]],
) -> None:
    drawn = bars(months)
    heights = {}
    for pair, group in zip(months, drawn.groups, strict=True):
        for value, bar in zip(pair, (group.usage, group.baseline), strict=True):
            assert (bar is None) == (value is None)
            if bar is not None and value is not None:
                assert 0 <= bar.top <= BARS_HEIGHT and bar.top + bar.height == BARS_HEIGHT
                heights[value] = bar.height
    assert [heights[value] for value in sorted(heights)] == sorted(heights.values())
    assert len(drawn.ticks) <= TICKS_MAX + 1
    assert drawn.ticks[-1].value >= max(heights, default=0)


@pytest.mark.parametrize(
    ("rate", "at", "beyond"),
    [("0", 0, False), ("0.15", 213, False), ("0.225", SCALE_WIDTH, False), ("0.8", SCALE_WIDTH, True)],
)
def test_a_rate_stands_where_it_belongs_among_the_tiers(rate: str, at: int, beyond: bool) -> None:
    drawn = scale(Fraction(rate), [Fraction(1, 20), Fraction(1, 10), Fraction(3, 20)])
    assert (drawn.rate_at, drawn.beyond, drawn.zero_at) == (at, beyond, 0)
    assert [tick.at for tick in drawn.ticks] == [0, 71, 142, 213]


@pytest.mark.parametrize(("rate", "at", "beyond"), [("-0.05", 59, False), ("-3", 0, True)])
def test_who_used_more_stands_below_zero(rate: str, at: int, beyond: bool) -> None:
    drawn = scale(Fraction(rate), [Fraction(1, 20), Fraction(1, 10), Fraction(3, 20)])
    assert (drawn.rate_at, drawn.beyond) == (at, beyond)
    assert drawn.rate_at < drawn.zero_at == 106


@given(st.fractions(-5, 1), st.lists(st.fractions(0, 1), max_size=5))
def test_every_mark_of_a_scale_lies_on_it(rate: Fraction, bounds: list[Fraction]) -> None:
    drawn = scale(rate, bounds)
    assert all(0 <= at <= SCALE_WIDTH for at in [drawn.rate_at, drawn.zero_at, *(tick.at for tick in drawn.ticks)])
    assert {tick.value for tick in drawn.ticks} == {Fraction(0), *bounds}
