"""Which posted settlements were overtaken by what was recorded since, and for which households: due for restatement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import rules
from carbon_bank.readings import service as readings
from carbon_bank.registry import holding_service as registry
from carbon_bank.settlement import queries, restate_queries
from carbon_bank.settlement.service import check_state, get_settlement, policy_of
from carbon_bank.settlement.states import SettlementState
from carbon_bank.settlement.tables import Settlement

_DUE: dict[str, type[pl.DataType] | pl.DataType] = {
    "household_id": pl.Int64,
    "commodities": pl.List(pl.String),
    "readings": pl.Int64,
    "revised": pl.Int64,
    "tenure_changed": pl.Boolean,
}
DUE_SCHEMA = pl.Schema(_DUE)


@dataclass(frozen=True)
class Due:
    """A posted settlement and the households that are due in it, as DUE_SCHEMA, by household."""

    settlement: Settlement
    households: pl.DataFrame


async def due_settlements(session: ReadSession, actor: Actor, batch_id: int | None) -> list[Due]:
    """The city's posted settlements that something recorded since touches, the oldest period first.

    Args: batch_id: what this batch of readings touches, alone.
    """
    found = [
        Due(settlement, await _due(session, settlement, await _seen_to(session, settlement), batch_id))
        for settlement in await queries.posted_of_city(session, actor.of_city())
    ]
    return [each for each in found if each.households.height]


async def due_households(session: ReadSession, actor: Actor, settlement_id: int, batch_id: int | None) -> pl.DataFrame:
    """The households of a posted settlement that something recorded since touches: DUE_SCHEMA, by household.

    `readings`: how many were recorded since that it would read; `revised`: how many of them took the place of one it read, or
    took it back. Whether the points differ, the restatement computes.

    Raises: NotFound `settlement.unknown` (404); Conflict `settlement.state` (409) where it is not posted.
    """
    settlement = await get_settlement(session, actor, settlement_id)
    check_state(settlement, SettlementState.POSTED, "restate")
    return await _due(session, settlement, await _seen_to(session, settlement), batch_id)


async def due_of(session: ReadSession, settlement: Settlement) -> pl.DataFrame:
    """The households of a settlement that something recorded since touches: DUE_SCHEMA, by household."""
    return await _due(session, settlement, await _seen_to(session, settlement), None)


async def _seen_to(session: ReadSession, settlement: Settlement) -> datetime:
    """Up to when what was recorded is in the books: the settlement's moment, or its last restatement's."""
    assert settlement.id is not None and settlement.as_of is not None
    return await restate_queries.last_as_of(session, settlement.id) or settlement.as_of


async def _due(session: ReadSession, settlement: Settlement, as_of: datetime, batch_id: int | None) -> pl.DataFrame:
    period = Period(settlement.first_month, settlement.months)
    windows = rules.windows(period, (await policy_of(session, settlement)).baseline.lookback_years)
    city_id = settlement.city_id
    changed = await readings.recorded_after(session, city_id, as_of, windows, batch_id)
    held = await registry.holders(session, city_id, changed["meter_id"], period.first_day, period.end_day)
    by_reading = (
        held.join(changed, on="meter_id")
        .with_columns(pl.col("commodity").cast(pl.String))
        .group_by("household_id")
        .agg(
            pl.col("commodity").unique().sort().alias("commodities"), pl.col("readings").sum(), pl.col("revised").sum()
        )
    )
    moved = pl.Series("household_id", [], dtype=pl.Int64)
    if batch_id is None:
        moved = await registry.changed_after(session, city_id, as_of, period.first_day, period.end_day)
    by_tenure = moved.to_frame().with_columns(tenure_changed=pl.lit(True))
    due = by_reading.join(by_tenure, on="household_id", how="full", coalesce=True)
    # Of whom only a tenure changed no reading was recorded: none, not an unknown number.
    counts = pl.col("readings", "revised").fill_null(0)
    due = due.with_columns(counts, pl.col("commodities").fill_null([]), pl.col("tenure_changed").fill_null(False))
    return due.select(DUE_SCHEMA.names()).cast(DUE_SCHEMA).sort("household_id")
