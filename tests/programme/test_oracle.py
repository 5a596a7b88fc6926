"""The rules against a naive second reading of rules.md, on random cities under random policies."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.programme.oracle import Award, Recomputation, read_policy
from tests.programme.worlds import PERIODS_QUIET, World, quiet_world, random_world, settle

PERIODS = 2


def as_oracle(row: dict[str, object]) -> Award:
    """A row of awards in the oracle's form."""
    num, den = row["baseline_num"], row["baseline_den"]
    codes = str(row["finding_codes"])
    return Award(
        outcome=str(row["outcome"]),
        baseline=None if num is None else Fraction(num, den),  # type: ignore[arg-type]
        usage=row["usage"],  # type: ignore[arg-type]
        points=row["points"],  # type: ignore[arg-type]
        avoided=row["avoided_g"],  # type: ignore[arg-type]
        tier=row["tier"],  # type: ignore[arg-type]
        streak=row["streak"],  # type: ignore[arg-type]
        codes=codes.split(";") if codes else [],
        reduction_bp=row["reduction_bp"],  # type: ignore[arg-type]
    )


def assert_same(world: World, awards: list[pl.DataFrame]) -> None:
    oracle = Recomputation(read_policy(world.policy), world.readings, world.tenures, world.homes)
    for step, frame in enumerate(awards):
        expected = oracle.settle(world.period.shift(step).first_month)
        found = {(row["household_id"], row["commodity"]): as_oracle(row) for row in frame.iter_rows(named=True)}
        assert found == expected
        assert list(found) == sorted(found)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.integers(0, 2**32))
def test_a_city_is_settled_as_the_rules_read_day_by_day(seed: int) -> None:
    world = random_world(Random(seed))
    assert_same(world, settle(world, PERIODS))


@settings(max_examples=settings.default.max_examples * 2 // 5, deadline=None)
@given(st.integers(0, 2**32))
def test_a_household_near_the_tiers_is_settled_as_the_rules_read(seed: int) -> None:
    world = quiet_world(Random(seed))
    assert_same(world, settle(world, PERIODS_QUIET))
