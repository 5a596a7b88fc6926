"""The rules over sound rows, without a database: periods in order, households in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

from carbon_bank.cli.simulate_rows import Judged
from carbon_bank.foundation.calendar import Period, first_day, month_of
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.units import AWARD_COMMODITY_DTYPE, COMBINED, Quality
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rationals import round_half_up_of
from carbon_bank.programme.rules import (
    OUTCOME_DTYPE,
    Outcome,
    add_populations,
    award,
    evaluate,
    history_months,
    mark_shared,
    population,
)

HOUSEHOLDS_PER_CHUNK = 20_000
PERIODS_MAX = 1_000
TOLD_SCHEMA = pl.Schema(
    {
        "period": pl.String(),
        "household_id": pl.String(),
        "commodity": pl.String(),
        "outcome": pl.String(),
        "baseline": pl.Int64(),
        "usage": pl.Int64(),
        "reduction_percent": pl.Decimal(20, 2),
        "points": pl.Int64(),
        "avoided_g_co2e": pl.Int64(),
        "findings": pl.String(),
    }
)
"""The columns of section 9."""


@dataclass(frozen=True)
class City:
    """What the rows tell, with numbers for the ids of households and meters.

    households: `household_id` Int64, `name` (its id in the file), `dwelling_type`, `residents`; numbered in the order
    of the names. readings, tenures: as the rules take them; a household and its tenures have a `chunk`.
    """

    households: pl.DataFrame
    readings: pl.DataFrame
    tenures: pl.DataFrame

    @property
    def chunks(self) -> int:
        return -(-self.households.height // HOUSEHOLDS_PER_CHUNK)


def found_city(judged: Judged, homes: pl.DataFrame | None) -> City:
    """The city of sound rows.

    A household holds a meter from its first reading of it (or the day it moved in, where the file of households has one)
    to the end of its last. A meter whose last reading ends before they moved in is not theirs.
    """
    households = judged.names.sort("name").select(
        "household", "name", household_id=pl.int_range(pl.len()), chunk=pl.int_range(pl.len()) // HOUSEHOLDS_PER_CHUNK
    )
    rows = judged.rows
    readings = rows.select(
        meter_id="meter",
        period_start="start",
        period_end="end",
        quantity="base",
        estimated=pl.col("quality") == Quality.ESTIMATED.value,
    )
    tenures = rows.group_by("household", "meter", "commodity").agg(
        starts_on=pl.col("start").min(), ends_on=pl.col("end").max()
    )
    shared = tenures.filter(pl.col("meter").is_duplicated())
    if not shared.is_empty():  # the same reading of a meter may stand there for each household that claims it
        readings = readings.unique()
    tenures = tenures.join(households, on="household")
    if homes is None:
        households = households.with_columns(dwelling_type=pl.lit(None, pl.String), residents=pl.lit(None, pl.Int64))
    else:
        told = homes.select(name="household_id", dwelling_type="dwelling_type", residents="people", moved="moved")
        households = households.join(told, on="name", how="left", maintain_order="left")
        moved = tenures.join(told.select("name", "moved"), on="name", how="left")
        tenures = moved.with_columns(starts_on=pl.coalesce("moved", "starts_on"))
    held = tenures.filter(pl.col("starts_on") < pl.col("ends_on"))
    return City(
        households,
        readings,
        held.select("household_id", "commodity", "starts_on", "ends_on", "chunk", meter_id="meter"),
    )


def periods_to_settle(policy: Policy, asked: str | None, rows: pl.DataFrame) -> list[Period]:
    """The periods asked for, or all that the readings reach into.

    Raises: InvalidInput `programme.period`, `simulate.periods`.
    """
    if asked is not None:
        periods = Period.parse_range(asked)
    elif rows.is_empty():
        periods = []
    else:
        first, last = rows.select(pl.col("start").min(), pl.col("end").max().dt.offset_by("-1d")).row(0)
        one, other = (
            Period.containing(month_of(day), policy.period_months, policy.anchor_month) for day in (first, last)
        )
        periods = [one.shift(step) for step in range((other.first_month - one.first_month) // one.length + 1)]
    if len(periods) > PERIODS_MAX:
        raise InvalidInput(
            "simulate.periods", f"{len(periods)} periods are more than {PERIODS_MAX}. Name them with --periods."
        )
    for period in periods:
        policy.require_period(period)
    return periods


def simulate_periods(
    policy: Policy, city: City, periods: list[Period], step: Callable[[], None]
) -> Iterator[pl.DataFrame]:
    """The awards of each period in order, in the form of section 9; `step` is called after each chunk.

    The periods lie one right behind the other, so the runs of maintenance pass from each to the next.
    """
    for [told] in simulate_alike([policy], city, periods, step):
        yield told


def simulate_alike(
    policies: list[Policy], city: City, periods: list[Period], step: Callable[[], None]
) -> Iterator[list[pl.DataFrame]]:
    """The same for several policies, in their order, that `sweep.evaluated_alike` puts together: evaluated once."""
    streaks: list[pl.DataFrame | None] = [None] * len(policies)
    for period in periods:
        evaluated = []
        for readings, tenures, households in _chunks(policies[0], city, period):
            evaluated.append(evaluate(policies[0], period, readings, tenures, households))
            step()
        if not evaluated:  # a file without a row
            yield [TOLD_SCHEMA.to_frame() for _ in policies]
            continue
        told = []
        for place, policy in enumerate(policies):
            totals = add_populations(map(population, evaluated)) if policy.needs_population else None
            awards = pl.concat([award(policy, period, chunk, streaks[place], totals) for chunk in evaluated])
            awards = _with_absent(policy, city, awards)
            streaks[place] = awards.select("household_id", "commodity", "streak")
            told.append(_told(period, awards, city))
        yield told


def _with_absent(policy: Policy, city: City, awards: pl.DataFrame) -> pl.DataFrame:
    """The awards, and a row for each household and commodity of the file that has no tenure in the period.

    Section 9 wants one row per household, commodity and period. Whoever holds no meter has no covered day, so the usage
    is missing; the bank itself makes no award for those who are gone.
    """
    key = ["household_id", "commodity"]
    known = city.tenures.filter(pl.col("commodity").is_in(list(policy.commodities))).select(
        "household_id", commodity=pl.lit(COMBINED) if policy.is_combined else pl.col("commodity").cast(pl.String)
    )
    missing = Outcome.NOT_EVALUABLE if policy.is_combined else Outcome.INCOMPLETE
    absent = (
        known.cast({"commodity": AWARD_COMMODITY_DTYPE})
        .unique()
        .join(awards, on=key, how="anti")
        .with_columns(
            outcome=pl.lit(missing.value, OUTCOME_DTYPE),
            points=pl.lit(0, pl.Int64),
            streak=pl.lit(0, pl.Int16),
            finding_codes=pl.lit(""),
        )
    )
    return pl.concat([awards, absent], how="diagonal").sort(key)


def _chunks(policy: Policy, city: City, period: Period) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]]:
    tenures = mark_shared(period, city.tenures)
    first = min([*history_months(policy, period), period.first_month])
    in_window = (pl.col("period_end") > first_day(first)) & (pl.col("period_start") < period.end_day)
    readings = city.readings.filter(in_window)
    for chunk in range(city.chunks):
        theirs = tenures.filter(pl.col("chunk") == chunk)
        yield (
            readings if city.chunks == 1 else readings.join(theirs, on="meter_id", how="semi"),
            theirs.drop("chunk"),
            city.households.filter(pl.col("chunk") == chunk),
        )


def _told(period: Period, awards: pl.DataFrame, city: City) -> pl.DataFrame:
    """The columns of section 9: the baseline rounded half up, the reduction in percent rounded down."""
    named = awards.join(city.households.select("household_id", "name"), on="household_id", maintain_order="left")
    bp = pl.col("reduction_bp")
    size = bp.abs()
    digits = pl.concat_str(
        pl.when(bp < 0).then(pl.lit("-")).otherwise(pl.lit("")),
        (size // 100).cast(pl.String),
        pl.lit("."),
        (size % 100).cast(pl.String).str.zfill(2),
    )
    told = named.with_columns(
        period=pl.lit(str(period)),
        household_id="name",
        baseline=round_half_up_of(pl.col("baseline_num"), pl.col("baseline_den")),
        reduction_percent=digits,
        avoided_g_co2e="avoided_g",
        findings="finding_codes",
    )
    return told.select(TOLD_SCHEMA.names()).cast(TOLD_SCHEMA)
