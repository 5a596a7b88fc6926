"""Made-up cities for the tests: policies, households, tenures and readings, odd on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

import polars as pl
import yaml

from carbon_bank.foundation.calendar import Period
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.programme.rules import HOUSEHOLD_SCHEMA, STREAK_SCHEMA, add_populations, award, evaluate, population
from carbon_bank.readings.rules import READING_SCHEMA, TENURE_SCHEMA
from tests.programme.oracle import Reading, Tenure, month_start

FAR = date(9999, 1, 1)
COMMODITIES = ("electricity", "gas", "water")
PERIODS_QUIET = 4
LEFT_OUT_AT_TIMES = (
    ("usage", "min_month_coverage"),
    ("baseline", "min_years"),
    ("baseline", "history"),
    ("baseline", "newcomer"),
    ("baseline", "peer_min"),
    ("reduction", "min_commodities"),
    ("reduction", "required"),
    ("review", "reduction_above"),
    ("review", "estimated_share_above"),
)
"""Keys that have a default, which both implementations must read as the same."""


@dataclass
class World:
    policy: dict[str, Any]
    first_month: int
    readings: list[Reading] = field(default_factory=list)
    tenures: list[Tenure] = field(default_factory=list)
    homes: dict[int, tuple[str | None, int | None]] = field(default_factory=dict)

    @property
    def rules(self) -> Policy:
        return parse_policy(yaml.safe_dump(self.policy, allow_unicode=True))

    @property
    def period(self) -> Period:
        return Period(self.first_month, self.policy["period_months"])


def reading_frame(readings: list[Reading]) -> pl.DataFrame:
    rows = [(r.meter, r.start, r.end, r.quantity, r.estimated) for r in readings]
    return pl.DataFrame(rows, schema=READING_SCHEMA, orient="row")


def tenure_frame(tenures: list[Tenure]) -> pl.DataFrame:
    rows = [(t.household, t.meter, t.commodity, t.start, t.end) for t in tenures]
    return pl.DataFrame(rows, schema=TENURE_SCHEMA, orient="row")


def household_frame(homes: dict[int, tuple[str | None, int | None]]) -> pl.DataFrame:
    rows = [(household, dwelling, residents) for household, (dwelling, residents) in homes.items()]
    return pl.DataFrame(rows, schema=HOUSEHOLD_SCHEMA, orient="row")


def settle(world: World, periods: int = 1) -> list[pl.DataFrame]:
    """The awards of so many periods, one after the other, by the rules under test."""
    rules, results = world.rules, []
    streaks = STREAK_SCHEMA.to_frame()
    readings, tenures = reading_frame(world.readings), tenure_frame(world.tenures)
    for step in range(periods):
        period = world.period.shift(step)
        evaluated = evaluate(rules, period, readings, tenures, household_frame(world.homes))
        totals = add_populations([population(evaluated)]) if rules.needs_population else None
        awards = award(rules, period, evaluated, streaks, totals)
        streaks = awards.select("household_id", "commodity", "streak")
        results.append(awards)
    return results


def quiet_world(random: Random) -> World:
    """Complete months near the tiers: what is rare in `random_world` (maintenance, no reduction by a hair) is common."""
    policy = random_policy(random) | {"maintenance": None}
    paid = list(policy["reduction"]["tiers"]) if isinstance(policy["reduction"]["tiers"], dict) else ["combined"]
    policy["maintenance"] = {"after": random.choice([1, 1, 2]), "points": dict.fromkeys(paid, 300)}
    period = Period.containing(2026 * 12, policy["period_months"], policy["anchor_month"])
    policy["effective_from"] = period.first_day
    world = World(policy, period.first_month)
    years = policy["baseline"]["lookback_years"]
    end = period.shift(PERIODS_QUIET - 1).end_day
    for number, commodity in enumerate(COMMODITIES):
        month = period.first_month - 12 * years
        while month_start(month) < end:
            is_new = month >= period.first_month
            quantity = random.choice([930, 949, 950, 951, 990]) if is_new else random.choice([1000, 1000, 1001])
            world.readings.append(Reading(number, month_start(month), month_start(month + 1), quantity))
            month += 1
        world.tenures.append(Tenure(1, number, commodity, date(2000, 1, 1), FAR))
    return world


def random_world(random: Random) -> World:
    """A handful of households with everything that goes wrong in a city."""
    policy = random_policy(random)
    period = Period.containing(2026 * 12 + random.randrange(12), policy["period_months"], policy["anchor_month"])
    policy["effective_from"] = period.first_day
    world = World(policy, period.first_month)
    start = month_start(period.first_month - 12 * policy["baseline"].get("lookback_years", 2))
    end = period.shift(1).end_day
    meters: list[tuple[int, str]] = []
    for meter in range(1, random.randint(2, 6)):
        meters.append((meter, random.choice(COMMODITIES)))
        world.readings += _meter_readings(random, meter, start, end)
    for household in range(1, random.randint(2, 5)):
        if random.random() < 0.8:
            world.homes[household] = (random.choice(["flat", "flat", "house", None]), random.choice([1, 2, 5, 9, None]))
        for meter, commodity in meters:
            if random.random() < 0.5:
                world.tenures += _tenures(random, household, meter, commodity, start, end)
    return world


def _meter_readings(random: Random, meter: int, start: date, end: date) -> list[Reading]:
    by_month, size = random.random() < 0.5, random.choice([3, 100, 100, 100_000])
    day, readings = start - timedelta(days=random.choice([0, 0, 17])), []
    while day < end:
        if by_month and day.day == 1:
            after = month_start(day.year * 12 + day.month - 1 + random.choice([1, 1, 1, 1, 2, 3]))
        else:
            after = day + timedelta(days=random.choice([1, 15, 28, 30, 31, 33, 61, 100]))
            if by_month:
                after = after.replace(day=1) if after.replace(day=1) > day else after
        quantity = random.choice(
            [0, size, size, size * 95 // 100, size * 9 // 10, size // 2, random.randint(0, 3 * size)]
        )
        if random.random() < 0.93:
            readings.append(Reading(meter, day, after, quantity, random.random() < 0.2))
        day = after + timedelta(days=random.choice([0] * 15 + [1, 12]))
    return readings


def _tenures(random: Random, household: int, meter: int, commodity: str, start: date, end: date) -> list[Tenure]:
    length = (end - start).days
    if random.random() < 0.5:
        return [Tenure(household, meter, commodity, start - timedelta(days=400), FAR)]
    begins = start + timedelta(days=random.randint(-30, length))
    if random.random() < 0.3:
        begins = begins.replace(day=1)
    ends = begins + timedelta(days=random.randint(1, length)) if random.random() < 0.5 else FAR
    first = Tenure(household, meter, commodity, begins, ends)
    if ends == FAR or random.random() < 0.5:
        return [first]
    return [first, Tenure(household, meter, commodity, ends + timedelta(days=random.choice([0, 5, 90])), FAR)]


def random_policy(random: Random) -> dict[str, Any]:
    """Any valid policy."""
    months = random.choice([1, 2, 3, 4, 6, 6, 12])
    combined = random.random() < 0.3
    chosen = sorted(random.sample(COMMODITIES, random.randint(1, 3)))
    paid = ["combined"] if combined else chosen
    years = random.choice([1, 2, 2, 3])
    baseline: dict[str, Any] = {"method": "same_months_mean", "lookback_years": years}
    baseline["min_years"] = random.randint(1, years)
    if random.random() < 0.5:
        baseline["min_months"] = random.randint(1, months)
    baseline["history"] = random.choice(["tenure", "dwelling"])
    if random.random() < 0.4:
        baseline |= {"newcomer": "peer_mean", "peer_min": random.choice([1, 2])}
    ladders = {name: _ladder(random) for name in paid}
    reduction: dict[str, Any] = {"basis": "combined_co2e" if combined else "per_commodity", "tiers": ladders}
    if combined:
        reduction["tiers"] = random.choice([ladders, ladders["combined"]])
        reduction["min_commodities"] = random.randint(1, len(chosen))
        reduction["required"] = random.choice([[], [chosen[0]]])
    if random.random() < 0.5:
        reduction["counted_max"] = random.choice(["0.3", "1/3", "0.07"])
    policy: dict[str, Any] = {
        "policy": "made-up",
        "version": "1",
        "period_months": months,
        "anchor_month": random.randint(1, 12),
        "commodities": {name: {"factor": random.choice(["0.424", "2.24", "1/3", "0"])} for name in chosen},
        "usage": {"min_month_coverage": random.choice(["1", "0.9", "1/2"])},
        "baseline": baseline,
        "reduction": reduction,
        "review": {
            "reduction_above": random.choice(["0.5", "0.2"]),
            "estimated_share_above": random.choice(["1/2", "0"]),
        },
    }
    if random.random() < 0.5:
        policy["maintenance"] = {"after": 1, "points": {random.choice(paid): 300}}
    if random.random() < 0.4 and not combined:
        policy["standard_use"] = {"share": random.choice(["0.5", "1"]), "points": {random.choice(chosen): 50}}
    if random.random() < 0.3:
        policy["household_points_max"] = random.choice([0, 60, 120])
    if random.random() < 0.5:
        policy["review"]["usage_per_day_below"] = {random.choice(chosen): random.choice(["0.002", "1/10"])}
    for part, key in LEFT_OUT_AT_TIMES:
        if random.random() < 0.15:
            policy[part].pop(key, None)
    return policy


def _ladder(random: Random) -> list[dict[str, Any]]:
    bounds = sorted(random.sample(["0.05", "0.1", "0.15", "1/3", "0.01"], random.randint(1, 3)), key=_value)
    tiers: list[dict[str, Any]] = [{"from": bound} for bound in bounds]
    if random.random() < 0.3:
        tiers[0] = {"above": "0"}
    for number, tier in enumerate(tiers):
        if random.random() < 0.5:
            tier["points"] = 100 * (number + 1)
        else:
            tier["points_per_unit"] = random.choice(["70", "1/7", "1000"])
    return tiers


def _value(text: str) -> float:
    numerator, _, denominator = text.partition("/")
    return float(numerator) / float(denominator or 1)
