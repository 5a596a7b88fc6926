"""One household, a few months, a policy: the small cases by which the rules are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import yaml

from carbon_bank.foundation.calendar import Period
from carbon_bank.programme.policy import Policy, load_policy, parse_policy
from carbon_bank.programme.rules import add_populations, award, evaluate, population
from tests.programme.oracle import Reading, Tenure, month_start
from tests.programme.worlds import FAR, household_frame, reading_frame, tenure_frame

KOREA = load_policy("korea-carbon-point@2024")
H1_2026 = Period.parse("2026-H1")
METER, HOUSEHOLD = 7, 1


def korea(**changes: Any) -> Policy:
    """The Korean policy of 2024 with some top-level keys changed."""
    return parse_policy(yaml.safe_dump(yaml.safe_load(KOREA.text) | changes, allow_unicode=True))


def months(first: str, quantities: list[int | None], meter: int = METER) -> list[Reading]:
    """A reading for each month from the first on; None where there is none."""
    start = Period.parse(first).first_month
    return [
        Reading(meter, month_start(start + step), month_start(start + step + 1), quantity)
        for step, quantity in enumerate(quantities)
        if quantity is not None
    ]


def three_years(
    of_2024: int | list[int | None],
    of_2025: int | list[int | None],
    of_2026: int | list[int | None],
    meter: int = METER,
) -> list[Reading]:
    """The first halves of three years, month by month; one number for all six months."""
    halves = {"2024-01": of_2024, "2025-01": of_2025, "2026-01": of_2026}
    return [
        reading
        for first, quantities in halves.items()
        for reading in months(first, [quantities] * 6 if isinstance(quantities, int) else quantities, meter)
    ]


def tenure(since: date = date(2020, 1, 1), until: date = FAR, **changes: Any) -> Tenure:
    return replace(Tenure(HOUSEHOLD, METER, "electricity", since, until), **changes)


def settle_all(
    readings: list[Reading],
    tenures: list[Tenure],
    policy: Policy = KOREA,
    period: Period = H1_2026,
    streaks: pl.DataFrame | None = None,
    homes: Mapping[int, tuple[str | None, int | None]] | None = None,
) -> list[dict[str, Any]]:
    """The awards of one period as rows."""
    evaluated = evaluate(
        policy, period, reading_frame(readings), tenure_frame(tenures), household_frame(dict(homes or {}))
    )
    totals = add_populations([population(evaluated)]) if policy.needs_population else None
    return award(policy, period, evaluated, streaks, totals).to_dicts()


def settle_one(readings: list[Reading], **given: Any) -> dict[str, Any]:
    """The award of the one household with its one meter."""
    [row] = settle_all(readings, **{"tenures": [tenure()], **given})
    return row


def streak_of(run: int, commodity: str = "electricity") -> pl.DataFrame:
    return pl.DataFrame({"household_id": [HOUSEHOLD], "commodity": [commodity], "streak": [run]}).cast(
        {"streak": pl.Int16}
    )


def told(row: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The findings of an award: code to severity and numbers, in their order."""
    found = json.loads(row["findings"])
    assert row["finding_codes"] == ";".join(each["code"] for each in found)
    return {each["code"]: (each["severity"], each["numbers"]) for each in found}
