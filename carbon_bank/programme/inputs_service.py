"""What the law reads of a city: the tenures, readings and dwellings of some households, as recorded at a moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession
from carbon_bank.programme import rules
from carbon_bank.programme.policy import Policy
from carbon_bank.readings import service as readings
from carbon_bank.registry import service as registry


@dataclass(frozen=True)
class Inputs:
    """As `rules.evaluate` takes them."""

    tenures: pl.DataFrame
    readings: pl.DataFrame
    dwellings: pl.DataFrame


async def inputs_as_of(
    session: ReadSession, city_id: int, first_id: int, last_id: int, policy: Policy, period: Period, as_of: datetime
) -> Inputs:
    """What a policy looks at to settle a period of the households from one id to another."""
    tenures = await registry.tenures_as_of(session, city_id, first_id, last_id, period.first_day, period.end_day, as_of)
    meters = tenures["meter_id"].unique().sort().to_list()
    found = [
        await readings.readings_as_of(session, meters, first_day, end_day, as_of)
        for first_day, end_day in rules.windows(period, policy.baseline.lookback_years)
    ]
    dwellings = (
        await registry.dwellings(session, city_id, first_id, last_id)
        if policy.needs_dwellings
        else rules.no_dwellings()
    )
    return Inputs(tenures, pl.concat(found), dwellings)
