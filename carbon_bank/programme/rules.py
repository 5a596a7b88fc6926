"""The law of the programme: from readings to awards, in three stages.

    evaluated = evaluate(policy, period, readings, tenures, households)    each chunk of households on its own
    totals = add_populations(population(each) for each in chunks)          only where policy.needs_population
    awards = award(policy, period, evaluated, streaks, totals)             each chunk again on its own

Everything is an argument: no clock, no database, no chance. Everything that decides a point is exact.

Source: rules.md; limits.py says why 128 bits are enough.
"""

from __future__ import annotations

from carbon_bank.programme.award import (
    AWARD_SCHEMA,
    OUTCOME_DTYPE,
    STREAK_SCHEMA,
    Outcome,
    award,
    award_rows,
    no_streaks,
)
from carbon_bank.programme.baseline import history_months, windows
from carbon_bank.programme.evaluation import EVALUATED_SCHEMA, HOUSEHOLD_SCHEMA, evaluate, mark_shared, no_dwellings
from carbon_bank.programme.findings import Code, Severity
from carbon_bank.programme.monthly import monthly_with_baseline
from carbon_bank.programme.population import POPULATION_SCHEMA, add_populations, population

__all__ = [
    "AWARD_SCHEMA",
    "EVALUATED_SCHEMA",
    "HOUSEHOLD_SCHEMA",
    "OUTCOME_DTYPE",
    "POPULATION_SCHEMA",
    "STREAK_SCHEMA",
    "Code",
    "Outcome",
    "Severity",
    "add_populations",
    "award",
    "award_rows",
    "evaluate",
    "history_months",
    "mark_shared",
    "monthly_with_baseline",
    "no_dwellings",
    "no_streaks",
    "population",
    "windows",
]
