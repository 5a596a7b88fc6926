"""Comparing policies over a city."""

from __future__ import annotations

import asyncio
from typing import Any

import polars as pl

from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Refusal
from carbon_bank.programme import compare_service, rules
from carbon_bank.programme.compare_service import Trial
from carbon_bank.programme.comparison import Totals, add_totals, compare, totals
from carbon_bank.programme.comparison_report import report
from carbon_bank.programme.policy import Policy
from carbon_bank.programme.span import periods_within
from carbon_bank.programme.sweep import evaluated_alike


async def compare_over_city(database: Database, comparison_id: int, chunk_households: int) -> None:
    """Compare two policies over a city. What refuses the comparison itself is recorded as its failure."""
    async with database.write() as session:
        trial = await compare_service.begin(session, comparison_id)
    if trial is None:
        return
    try:
        told, failure = await _tried(database, trial, chunk_households), None
    except Refusal as refusal:
        told, failure = None, str(refusal)
    async with database.write() as session:
        await compare_service.finish(session, clock.now(), comparison_id, told, failure)


async def give_up_comparison(database: Database, comparison_id: int) -> None:
    """End a comparison that a mistake of the bank keeps from its end."""
    told = (
        f"The bank made a mistake in comparison {comparison_id}. Tell the operator this number, and ask for it again when it is mended."
        " [programme.unexpected]"
    )
    async with database.write() as session:
        await compare_service.finish(session, clock.now(), comparison_id, None, told)


async def _tried(database: Database, trial: Trial, households: int) -> dict[str, Any]:
    """The report. Of A and B all awards are kept for it, of the values of a sweep only what they come to."""
    pair: list[list[pl.DataFrame]] = [[], []]
    swept: list[list[Totals]] = [[] for _ in trial.sweep_values]
    for places in evaluated_alike(trial.policies):
        first = trial.policies[places[0]]
        streaks: dict[int, pl.DataFrame] = {}
        for period in periods_within(first, trial.first_month, trial.end_month):
            evaluated = await _evaluated_city(database, trial, first, period, households)
            for place in places:
                awards, streaks[place] = await asyncio.to_thread(
                    compare_service.awards_of_period, trial.policies[place], period, evaluated, streaks.get(place)
                )
                if place < len(pair):
                    pair[place].append(awards)
                else:
                    swept[place - len(pair)].append(totals(awards))
    async with database.read() as session:
        homes = await compare_service.homes_of(session, trial)
    a, b = [pl.concat(each) for each in pair]
    found = await asyncio.to_thread(compare, a, b, homes, trial.policies[0].factors)
    sums = zip(trial.sweep_values, map(add_totals, swept), strict=True)
    return report(found, trial.unit_price, list(sums))


async def _evaluated_city(
    database: Database, trial: Trial, policy: Policy, period: Period, households: int
) -> list[pl.DataFrame]:
    """The households of a city, evaluated chunk by chunk; one empty chunk of a city that has none."""
    evaluated: list[pl.DataFrame] = []
    after = 0
    while True:
        async with database.read() as session:
            part = await compare_service.evaluate_next(session, trial, policy, period, after, households)
        if part is None:
            return evaluated or [rules.EVALUATED_SCHEMA.to_frame()]
        after = part[0]
        evaluated.append(part[1])
