"""What must not change an award: the order of rows, how a city is cut into chunks, how a reading is cut at month ends."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from carbon_bank.programme.rules import add_populations, award, evaluate, mark_shared, population
from tests.programme.oracle import Reading, month, month_start
from tests.programme.worlds import World, household_frame, random_world, reading_frame, settle, tenure_frame

seeds = st.integers(0, 2**32)
some = settings(max_examples=settings.default.max_examples * 2 // 5, deadline=None)


@some
@given(seeds)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    random = Random(seed)
    world = random_world(random)
    [expected] = settle(world)
    random.shuffle(world.readings)
    random.shuffle(world.tenures)
    world.homes = dict(random.sample(list(world.homes.items()), len(world.homes)))
    [found] = settle(world)
    assert_frame_equal(found, expected)


@some
@given(seeds)
def test_the_chunks_of_a_city_do_not_matter(seed: int) -> None:
    world = random_world(Random(seed))
    [expected] = settle(world)
    rules, period = world.rules, world.period
    tenures = mark_shared(period, tenure_frame(world.tenures))
    chunks = [tenures.filter(pl.col("household_id") == household) for household in range(1, 6)]
    readings, homes = reading_frame(world.readings), household_frame(world.homes)
    evaluated = [evaluate(rules, period, readings, chunk, homes) for chunk in chunks]
    totals = add_populations(map(population, evaluated)) if rules.needs_population else None
    found = pl.concat([award(rules, period, each, population=totals) for each in evaluated])
    assert_frame_equal(found, expected)


def cut_at_months(reading: Reading) -> list[Reading]:
    """The reading as one for each month, where each month's share is whole."""
    days = (reading.end - reading.start).days
    pieces = []
    for number in range(month(reading.start), month(reading.end - timedelta(days=1)) + 1):
        start, end = max(reading.start, month_start(number)), min(reading.end, month_start(number + 1))
        share = Fraction(reading.quantity * (end - start).days, days)
        if share.denominator != 1:
            return [reading]
        pieces.append(Reading(reading.meter, start, end, int(share), reading.estimated))
    return pieces


@some
@given(seeds)
def test_a_reading_may_come_in_pieces_that_are_its_exact_shares(seed: int) -> None:
    world = random_world(Random(seed))
    # A whole quantity for each day makes every share whole, wherever a reading is cut.
    even = [Reading(r.meter, r.start, r.end, r.quantity * (r.end - r.start).days, r.estimated) for r in world.readings]
    cut = [piece for reading in even for piece in cut_at_months(reading)]
    whole = World(world.policy, world.first_month, even, world.tenures, world.homes)
    pieces = World(world.policy, world.first_month, cut, world.tenures, world.homes)
    assert_frame_equal(settle(pieces)[0], settle(whole)[0])


def test_a_city_whose_totals_are_needed_is_not_settled_without_them() -> None:
    world = next(world for seed in range(1000) if (world := random_world(Random(seed))).rules.needs_population)
    evaluated = evaluate(world.rules, world.period, reading_frame(world.readings), tenure_frame(world.tenures))
    with pytest.raises(ValueError, match="population"):
        award(world.rules, world.period, evaluated)
