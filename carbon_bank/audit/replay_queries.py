"""All SQL of a replay: what stands, as text, so that whatever was put there comes out as it is. Null is the empty text."""

from __future__ import annotations

from typing import Any, NamedTuple

import polars as pl

from carbon_bank.audit.replay import AWARD, POPULATION, POSTING, REVIEW, TOTAL, Compared
from carbon_bank.foundation.columns import fetch_columns
from carbon_bank.foundation.database import ReadSession

FIRST_ID, LAST_ID = -(2**63), 2**63 - 1
_OF = "settlement_id = %(settlement_id)s"
_BETWEEN = f"{_OF} AND household_id BETWEEN %(first_id)s AND %(last_id)s"


def _texts(table: Compared) -> str:
    listed = [f"coalesce({name}::text, '') AS {name}" for name in table.schema if name != "household_id"]
    return ", ".join(["household_id", *listed] if "household_id" in table.schema else listed)


_AWARDS = f"SELECT {_texts(AWARD)} FROM award WHERE {_BETWEEN}"
_POSTINGS = f"SELECT {_texts(POSTING)} FROM posting WHERE kind = 'award' AND {_BETWEEN}"
_TOTALS = f"SELECT {_texts(TOTAL)} FROM settlement_total WHERE {_OF}"
_POPULATION = f"SELECT {_texts(POPULATION)} FROM settlement_population WHERE {_OF}"
_DECISIONS = f"""
    SELECT household_id, coalesce(commodity, '') AS commodity,
           coalesce(kept.decision, '') AS decision, coalesce(kept.by, '') AS by, coalesce(kept.at::text, '') AS at,
           coalesce(kept.reason, '') AS reason,
           coalesce(substr(told.act, 7), '') AS trail_decision, coalesce(told.by, '') AS trail_by,
           coalesce(told.at::text, '') AS trail_at, coalesce(told.reason, '') AS trail_reason
    FROM (SELECT household_id, commodity FROM award WHERE {_BETWEEN} AND review <> 'clear') AS reviewed
    FULL JOIN (SELECT household_id, commodity, decision, by, at, reason FROM award_review WHERE {_BETWEEN}) AS kept
         USING (household_id, commodity)
    LEFT JOIN LATERAL (
        SELECT act, by, at, reason FROM trail
        WHERE subject = format('award:%%s-%%s-%%s', %(settlement_id)s::bigint, household_id, commodity)
          AND act IN ('award.released', 'award.rejected')
        ORDER BY id LIMIT 1
    ) AS told ON true
"""
"""Of each award that was or is in review: what is kept with it, and what the trail tells (`award.released`)."""


class StoredText(NamedTuple):
    """A policy as it is stored: its text, and what is said of it beside."""

    digest: str
    name: str
    version: str
    text: str


async def as_of_one_moment(session: ReadSession) -> None:
    """All that follows in this transaction sees the same state of the database, whatever others commit meanwhile."""
    await session.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def awards(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    return await fetch_columns(session, _AWARDS, _range(settlement_id, first_id, last_id), AWARD.schema)


async def postings(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    return await fetch_columns(session, _POSTINGS, _range(settlement_id, first_id, last_id), POSTING.schema)


async def decisions(session: ReadSession, settlement_id: int, first_id: int, last_id: int) -> pl.DataFrame:
    schema = REVIEW.schema | {f"trail_{name}": pl.String for name in REVIEW.columns}
    return await fetch_columns(session, _DECISIONS, _range(settlement_id, first_id, last_id), schema)


async def totals(session: ReadSession, settlement_id: int) -> pl.DataFrame:
    return await fetch_columns(session, _TOTALS, {"settlement_id": settlement_id}, TOTAL.schema)


async def population(session: ReadSession, settlement_id: int) -> pl.DataFrame:
    return await fetch_columns(session, _POPULATION, {"settlement_id": settlement_id}, POPULATION.schema)


async def policy(session: ReadSession, policy_id: int) -> StoredText | None:
    query = "SELECT digest, name, version, text FROM policy WHERE id = :policy_id"
    found = (await session.sql(query, {"policy_id": policy_id})).mappings().one_or_none()
    return None if found is None else StoredText(**found)


async def told(session: ReadSession, settlement_id: int) -> dict[str, Any]:
    """The facts that the trail has about a settlement, of the acts that asked for it and computed it."""
    query = """
        SELECT facts FROM trail
        WHERE subject = :subject AND act IN ('settlement.requested', 'settlement.computed') ORDER BY id DESC
    """
    rows = await session.sql(query, {"subject": f"settlement:{settlement_id}"})
    return {name: value for facts in rows.scalars() for name, value in facts.items()}


def _range(settlement_id: int, first_id: int, last_id: int) -> dict[str, int]:
    return {"settlement_id": settlement_id, "first_id": first_id, "last_id": last_id}
