"""The usage and baseline of one commodity, explained: from parts of readings to months, years, and the mean of them.

Source: rules.md sections 2 to 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import polars as pl

from carbon_bank.foundation.calendar import Period, days_in_month, first_day
from carbon_bank.programme.baseline import (
    history_months,
    history_that_counts,
    mean_of_years,
    means_denominator,
    years_before,
)
from carbon_bank.programme.evaluation import Measured, mark_shared
from carbon_bank.programme.explanation_steps import (
    BaselineStep,
    CommodityStep,
    LeftOut,
    MonthBaseline,
    MonthStep,
    NoBaseline,
    PastMonth,
    PeerStep,
    ReadingPart,
    TenureStep,
)
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.rationals import fraction
from carbon_bank.readings.rules import parts_of_readings

Row = Mapping[str, Any]
_OPEN_YEAR = 9999
"""A tenure that ends in this year has no end."""


@dataclass(frozen=True)
class Home:
    """What all commodities of the household are told from: frames that each have a column `commodity`."""

    policy: Policy
    period: Period
    tenures: pl.DataFrame
    parts: pl.DataFrame
    months: pl.DataFrame
    history: pl.DataFrame
    population: pl.DataFrame | None

    def rows(self, name: str, commodity: str) -> list[dict[str, Any]]:
        frame: pl.DataFrame = getattr(self, name)
        return frame.filter(pl.col("commodity") == commodity).drop("household_id", "commodity", strict=False).to_dicts()


def home_of(
    policy: Policy,
    period: Period,
    measured: Measured,
    evaluated: pl.DataFrame,
    readings: pl.DataFrame,
    population: pl.DataFrame | None,
) -> Home:
    """The household from what the stages of its evaluation left."""
    claims, months = measured.tenures, [*history_months(policy, period), *period.months]
    return Home(
        policy=policy,
        period=period,
        tenures=claims if "shared" in claims.columns else mark_shared(period, claims),
        parts=parts_of_readings(readings, measured.holdings, months),
        months=measured.usage.table(),
        history=history_that_counts(policy, period, evaluated, measured.usage).with_columns(evaluated["commodity"]),
        population=population,
    )


def commodity_step(home: Home, case: Row) -> CommodityStep:
    """What the household used of the commodity of a case, and its baseline. Args: case: a row of `compared`."""
    commodity, months = case["commodity"], _months(home, case["commodity"])
    tenures = [
        TenureStep(
            meter_id=each["meter_id"],
            starts_on=each["starts_on"],
            ends_on=None if each["ends_on"].year >= _OPEN_YEAR else each["ends_on"],
            shared=each["shared"],
        )
        for each in home.rows("tenures", commodity)
    ]
    return CommodityStep(
        commodity=commodity,
        tenures=tuple(sorted(tenures, key=lambda tenure: (tenure.starts_on, tenure.meter_id))),
        history_since=case["tenure_since"],
        months=tuple(months[month] for month in home.period.months),
        usage=case["usage"],
        baseline=_baseline(home, months, case),
    )


def _months(home: Home, commodity: str) -> dict[int, MonthStep]:
    """The months of the period and of the history, each with the parts of readings that it is made of."""
    parts: dict[int, list[ReadingPart]] = defaultdict(list)
    for each in home.rows("parts", commodity):
        parts[each.pop("month")].append(ReadingPart(**each))
    months = {}
    for line in home.rows("months", commodity):
        month, days = line["month"], days_in_month(line["month"])
        months[month] = MonthStep(
            **line,
            days=days,
            quantity=sum(part.quantity for part in parts[month]),
            scaled=line["usage"] is not None and line["days_covered"] < days,
            parts=tuple(parts[month]),
        )
    return months


def _baseline(home: Home, months: Mapping[int, MonthStep], case: Row) -> BaselineStep:
    history = home.history.filter(pl.col("commodity") == case["commodity"])
    own = tuple(_month_baseline(home.policy, month, months, history) for month in home.period.months)
    found = [each.baseline for each in own if each.baseline is not None]
    peers = _peers(home, case)
    baseline = fraction(case["baseline_num"], case["baseline_den"])
    return BaselineStep(
        months=own,
        months_counted=case["baseline_months"],
        months_min=home.policy.baseline_months_min,
        months_total=sum(found, Fraction(0)),
        newcomer=case["newcomer"],
        peers=peers,
        baseline=baseline,
        none=_why_no_baseline(home.policy, case, peers) if baseline is None else None,
    )


def _month_baseline(
    policy: Policy, month: int, months: Mapping[int, MonthStep], history: pl.DataFrame
) -> MonthBaseline:
    mean, found = mean_of_years(policy, month)
    [(total, count)] = history.select(mean.alias("mean"), found.alias("found")).rows()
    years = []
    for year in years_before(policy, month):
        counts = history[str(year)].item() is not None
        years.append(PastMonth(months[year], None if counts else _why_left_out(policy, months[year], history)))
    return MonthBaseline(
        month=month,
        years=tuple(years),
        years_counted=count,
        baseline=Fraction(total, means_denominator(policy)) if count else None,
    )


def _why_left_out(policy: Policy, step: MonthStep, history: pl.DataFrame) -> LeftOut:
    if policy.baseline.history == "tenure" and history["tenure_since"].item() > first_day(step.month):
        return LeftOut.BEFORE_TENURE
    return LeftOut.INCOMPLETE if step.usage is None else LeftOut.TOO_FEW_YEARS


def _peers(home: Home, case: Row) -> PeerStep | None:
    rule = home.policy.baseline
    if rule.newcomer == "wait" or not case["newcomer"]:
        return None
    assert home.population is not None
    group = {name: case[name] for name in ("commodity", "dwelling_type", "residents_band")}
    is_known = None not in group.values()
    theirs = home.population.filter(**group).to_dicts() if is_known else []
    return PeerStep(
        dwelling_type=case["dwelling_type"],
        residents_band=case["residents_band"],
        households=sum(each["households"] for each in theirs),
        usage_total=sum(each["usage_total"] for each in theirs),
        households_min=rule.peer_min,
    )


def _why_no_baseline(policy: Policy, case: Row, peers: PeerStep | None) -> NoBaseline:
    if case["baseline_months"] >= policy.baseline_months_min:
        return NoBaseline.ZERO
    if not case["newcomer"]:
        return NoBaseline.HISTORY
    if peers is None:
        return NoBaseline.NEWCOMER
    if peers.dwelling_type is None or peers.residents_band is None:
        return NoBaseline.PEERS_UNKNOWN
    return NoBaseline.PEERS_TOO_FEW if peers.households < peers.households_min else NoBaseline.ZERO
