"""What is to stand in the log: acts of the trail and journals, in the order in which their transactions were made.

No transaction that still runs is older than the snapshot's xmin; so behind it nothing can appear any more, and the order is final.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import polars as pl

from carbon_bank.audit.log.canonical import canonical
from carbon_bank.audit.log.entries import moment_text
from carbon_bank.audit.log.records import COMMODITIES, CONTRAS, KINDS, NO_DAY, NONE, POSTINGS, USES
from carbon_bank.foundation.columns import fetch_columns, place_of
from carbon_bank.foundation.database import ReadSession


@dataclass(frozen=True)
class Position:
    """How far acts and journals were taken: the transaction and the id of the last ones."""

    act_made_in: int
    act_id: int
    journal_made_in: int
    journal_id: UUID


START = Position(0, 0, 0, UUID(int=0))


class Horizon(NamedTuple):
    """How far this server has come."""

    before: int
    """The transaction before which nothing can appear any more."""
    server: int
    """Which server it is: a dump that is loaded elsewhere comes to another one, a physical copy stays the same."""


@dataclass(frozen=True)
class LoggedAct:
    """An act of the trail. `row`: without what is not there, `facts` in it as text, since any number may stand in them."""

    made_in: int
    id: int
    at: datetime
    act: str
    subject: str
    facts: dict[str, Any]
    row: dict[str, Any]


@dataclass(frozen=True)
class LoggedJournal:
    """A journal; `household_id` where it is one account's alone."""

    made_in: int
    id: UUID
    at: datetime
    kind: str
    settlement_id: int | None
    household_id: int | None
    record: str


Source = LoggedAct | LoggedJournal

ACT_ROW = "jsonb_strip_nulls(to_jsonb(trail) - 'facts' - 'at')"
JOURNAL_ROW = "jsonb_strip_nulls(to_jsonb(journal) - 'recorded_at')"
_ACTS = f"""
    SELECT made_in, 0 AS source, id AS act_id, NULL::uuid AS journal_id, at, act AS kind, subject, facts, facts::text AS facts_text,
           {ACT_ROW} AS row
    FROM trail"""
_JOURNALS = f"""
    SELECT made_in, 1 AS source, NULL::bigint AS act_id, id AS journal_id, recorded_at AS at, kind, NULL AS subject,
           NULL::jsonb AS facts, NULL AS facts_text, {JOURNAL_ROW} AS row
    FROM journal"""


def _word(values: pl.Enum, column: str) -> str:
    return f"coalesce({place_of(values, column)}, {len(values.categories) - 1})"


_POSTINGS = f"""
    SELECT j.place, p.household_id, p.seq, {_word(KINDS, "p.kind")} AS kind,
           {_word(CONTRAS, "coalesce(p.contra, '')")} AS contra, p.amount, p.available_after, p.held_after, p.debt_after,
           p.effective_on, p.recorded_at, coalesce(p.settlement_id, {NONE}) AS settlement_id,
           {_word(COMMODITIES, "coalesce(p.commodity, '')")} AS commodity, coalesce(p.hold_id, {NONE}) AS hold_id,
           coalesce(p.reverses, {NONE}) AS reverses, coalesce(p.restatement_id, {NONE}) AS restatement_id, p.forgiven,
           coalesce(l.granted, {NONE}) AS lot_granted, coalesce(l.expires_on, '{NO_DAY}') AS lot_expires_on,
           coalesce(h.points, {NONE}) AS held_points, coalesce(h.deadline_at, p.recorded_at) AS deadline_at
    FROM unnest(%(places)s::int[], %(journals)s::uuid[], %(households)s::bigint[]) AS j(place, id, household_id)
    JOIN posting p ON {{join}}
    LEFT JOIN lot l ON l.household_id = p.household_id AND l.lot_id = p.seq
    LEFT JOIN hold h ON h.household_id = p.household_id AND h.hold_id = p.seq
"""


async def horizon(session: ReadSession) -> Horizon:
    statement = (
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS before, system_identifier FROM pg_control_system()"
    )
    row = (await session.sql(statement)).one()
    return Horizon(int(row.before), row.system_identifier)


async def left_out(session: ReadSession, city_id: int, reached: Position) -> tuple[int, int]:
    """Acts and journals at or before a position that have no leaf. Reads the whole log."""
    statement = """
        SELECT (SELECT count(*) FROM trail t
                WHERE t.city_id = :city_id AND (t.made_in, t.id) <= (CAST(:act_made_in AS xid8), :act_id)
                  AND NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.act_id = t.id AND l.part = 0)) AS acts,
               (SELECT count(*) FROM journal j
                WHERE j.city_id = :city_id AND (j.made_in, j.id) <= (CAST(:journal_made_in AS xid8), CAST(:journal_id AS uuid))
                  AND NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.journal_id = j.id)
                  AND EXISTS (SELECT 1 FROM posting p WHERE p.journal_id = j.id)) AS journals
    """
    row = (await session.sql(statement, {"city_id": city_id} | _parameters(reached))).one()
    return row.acts, row.journals


async def sources(session: ReadSession, city_id: int, after: Position, before: int, limit: int) -> list[Source]:
    """The next acts and journals of a city, in order: by transaction, acts before journals, by id.

    Args: before: the transaction at which to stop (`Horizon`). limit: at most so many.
    """
    statement = f"""
        ({_ACTS} WHERE city_id = :city_id AND (made_in, id) > (CAST(:act_made_in AS xid8), :act_id)
                   AND made_in < CAST(:before AS xid8) ORDER BY made_in, id LIMIT :limit)
        UNION ALL
        ({_JOURNALS} WHERE city_id = :city_id AND (made_in, id) > (CAST(:journal_made_in AS xid8), CAST(:journal_id AS uuid))
                   AND made_in < CAST(:before AS xid8) ORDER BY made_in, id LIMIT :limit)
        ORDER BY made_in, source, act_id, journal_id LIMIT :limit
    """
    parameters = {"city_id": city_id, "before": str(before), "limit": limit} | _parameters(after)
    return [_source(row) for row in (await session.sql(statement, parameters)).mappings()]


def _parameters(position: Position) -> dict[str, Any]:
    return {
        "act_made_in": str(position.act_made_in),
        "act_id": position.act_id,
        "journal_made_in": str(position.journal_made_in),
        "journal_id": position.journal_id,
    }


async def acts(session: ReadSession, ids: Sequence[int]) -> dict[int, LoggedAct]:
    """Acts by their ids, of those that are there."""
    rows = (await session.sql(f"{_ACTS} WHERE id = ANY(:ids)", {"ids": list(ids)})).mappings()
    return {each.id: each for row in rows if isinstance(each := _source(row), LoggedAct)}


async def journals(session: ReadSession, ids: Sequence[UUID]) -> dict[UUID, LoggedJournal]:
    """Journals by their ids, of those that are there."""
    rows = (await session.sql(f"{_JOURNALS} WHERE id = ANY(:ids)", {"ids": list(ids)})).mappings()
    return {each.id: each for row in rows if isinstance(each := _source(row), LoggedJournal)}


def _source(row: Any) -> Source:
    made_in = int(row["made_in"])
    if row["source"] == 0:
        told = dict(row["row"]) | {"at": moment_text(row["at"]), "facts": row["facts_text"]}
        return LoggedAct(made_in, row["act_id"], row["at"], row["kind"], row["subject"], row["facts"], told)
    record = dict(row["row"]) | {"recorded_at": moment_text(row["at"])}
    return LoggedJournal(
        made_in,
        row["journal_id"],
        row["at"],
        row["kind"],
        record.get("settlement_id"),
        record.get("household_id"),
        canonical(record).decode(),
    )


async def journal_postings(
    session: ReadSession, journals: Sequence[LoggedJournal]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The postings of journals (POSTINGS) and what they took from lots (USES); `place` is that of the journal given."""
    found = [
        (await fetch_columns(session, query, listed, POSTINGS, by_key=True), await _uses(session, query, listed))
        for query, listed in _listed(journals)
    ]
    nothing = (pl.DataFrame(schema=dict(POSTINGS)), pl.DataFrame(schema=dict(USES)))
    postings, uses = zip(nothing, *found, strict=True)
    return pl.concat(postings), pl.concat(uses)


def _listed(journals: Sequence[LoggedJournal]) -> list[tuple[str, dict[str, Any]]]:
    """Queries for the postings of journals: by the account where there is one, else by the journals' blocks."""
    listed = []
    for of_one, join in (
        (True, "p.household_id = j.household_id AND p.journal_id = j.id"),
        (False, "p.journal_id = j.id"),
    ):
        chosen = [(place, each) for place, each in enumerate(journals) if (each.household_id is not None) is of_one]
        if chosen:
            parameters = {
                "places": [place for place, _ in chosen],
                "journals": [each.id for _, each in chosen],
                "households": [each.household_id for _, each in chosen],
            }
            listed.append((_POSTINGS.format(join=join), parameters))
    return listed


async def _uses(session: ReadSession, query: str, listed: dict[str, Any]) -> pl.DataFrame:
    statement = f"""
        SELECT made.place, made.household_id, made.seq, u.lot_id, u.amount FROM ({query}) AS made
        JOIN lot_use u ON u.household_id = made.household_id AND u.seq = made.seq
    """
    return await fetch_columns(session, statement, listed, USES, by_key=True)
