"""What is told of an act, and the evidence that goes into the log with it: digests of the rows it stood for, months it closed.

It is read when the act is sealed, and again by whoever verifies: so it holds only what is never changed after the act.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from carbon_bank.audit.log import evidence_queries as queries
from carbon_bank.audit.log.canonical import INTEGER_MAX
from carbon_bank.audit.log.closes import MonthClosed, keys_of_readings
from carbon_bank.audit.log.source_queries import LoggedAct
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import ReadSession
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.trail.service import Act

Evidence = dict[str, Any]

METERS_TOGETHER = 100_000
"""Meters whose readings are committed to in one statement: what PostgreSQL has to hold of them stays small."""
APPROVED = (
    *("id", "city_id", "policy_id", "period", "first_month", "months", "prepared_by", "requested_at", "as_of"),
    *("households", "computed_to", "computed_at", "approved_by", "approved_at"),
)
"""What of a settlement stands for good once it is approved."""
ADOPTED = (
    *("id", "city_id", "policy_id", "active_from", "drafted_by", "drafted_at", "proposed_by", "proposed_at"),
    *("approved_by", "approved_at"),
)
"""What of a policy's adoption stands for good once it is approved."""
TOLD_CHARACTERS_MAX = 1000
"""Of a text that an entry tells: six bytes each at most, so that all of them together fit into one."""
_COUNTS = ("rows", "accepted", "duplicate", "revised", "refused", "quarantined")

PUBLIC: dict[str, tuple[str, ...]] = {
    Act.BUDGET_APPROVED: ("points", "starts_on", "ends_on"),
    Act.POLICY_APPROVED: ("policy", "policy_digest", "active_from"),
    Act.READINGS_IMPORTED: _COUNTS,
    Act.READINGS_RECORDED: _COUNTS,
    Act.RESTATEMENT_APPROVED: ("awards", "up", "down"),
    Act.RESTATEMENT_POSTED: ("postings", "points"),
    Act.SETTLEMENT_APPROVED: ("awards_to_post", "points_to_post"),
    Act.SETTLEMENT_COMPUTED: ("awards", "households"),
    Act.SETTLEMENT_POSTED: ("postings", "points"),
    Act.SETTLEMENT_WITHDRAWN: (),
}
"""Acts whose subject and these of their facts are told: none is about a household. Of the rest, only that they happened."""


def public_of(act: str, subject: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What an entry tells of an act beside its time and name. What no entry can hold is left out: it is committed to anyway."""
    if act not in PUBLIC:
        return {}
    named = {"subject": subject} | {name: facts.get(name) for name in PUBLIC[act]}
    return {name: value for name, value in named.items() if _can_be_told(value)}


def _can_be_told(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= TOLD_CHARACTERS_MAX
    return isinstance(value, int) and abs(value) <= INTEGER_MAX


async def evidence_of(session: ReadSession, act: LoggedAct) -> Evidence:
    """What an act stood for; empty where there is nothing beside its row in the trail."""
    of_act = EVIDENCE.get(act.act)
    return {} if of_act is None else await of_act(session, act.subject)


async def closes_of(session: ReadSession, act: LoggedAct, key: bytes) -> list[dict[str, Any]]:
    """The months that an act closed, by utility, commodity and month: what an entry tells of each.

    Args: key: of 32 bytes, of the commitments to the readings.
    """
    if act.act != Act.SETTLEMENT_POSTED:
        return []
    settlement = await queries.row(session, "settlement", _number(act.subject))
    period, city_id = Period(settlement["first_month"], settlement["months"]), settlement["city_id"]
    days, as_of = (period.first_day, period.end_day), datetime.fromisoformat(settlement["as_of"])
    keys = keys_of_readings(key)
    closed: dict[tuple[str, str, date], MonthClosed] = {}
    after = 0
    while (last := await queries.last_meter(session, city_id, after, METERS_TOGETHER)) is not None:
        for part in await queries.months_of_meters(session, city_id, (after, last), days, as_of, keys):
            month = closed.setdefault((part.utility, part.commodity, part.month), MonthClosed())
            month.add(part.rows, part.meters, part.quantity, part.commitments)
        after = last
    return [month.told(settlement["id"], *which) for which, month in sorted(closed.items())]


async def _of_batch(session: ReadSession, subject: str) -> Evidence:
    batch_id = _number(subject)
    rows, digest = await queries.batch_digest(session, batch_id)
    batch = await queries.row(session, "reading_batch", batch_id)
    return {"batch": batch, "readings": rows, "readings_sha256": digest}


async def _of_policy(session: ReadSession, subject: str) -> Evidence:
    adoption = await queries.row(session, "policy_adoption", _number(subject))
    policy = await queries.row(session, "policy", int(adoption.get("policy_id", 0)))
    return {"adoption": _only(adoption, ADOPTED), "policy": policy}


async def _of_approval(session: ReadSession, subject: str) -> Evidence:
    settlement_id = _number(subject)
    settlement = await queries.row(session, "settlement", settlement_id)
    awards, digest = await queries.award_digest(session, settlement_id)
    return {
        "settlement": _only(settlement, APPROVED),
        "policy": await queries.row(session, "policy", int(settlement.get("policy_id", 0))),
        "awards": awards,
        "awards_sha256": digest,
        "totals_sha256": await queries.table_digest(session, "settlement_total", settlement_id),
        "population_sha256": await queries.table_digest(session, "settlement_population", settlement_id),
    }


async def _of_settlement(session: ReadSession, subject: str) -> Evidence:
    """The whole row: a settlement that is posted or withdrawn is done."""
    return {"settlement": await queries.row(session, "settlement", _number(subject))}


async def _of_review(session: ReadSession, subject: str) -> Evidence:
    award = AwardId.parse(subject.partition(":")[2])
    return {"review": await queries.award_review(session, award)}


EVIDENCE: dict[str, Callable[[ReadSession, str], Awaitable[Evidence]]] = {
    Act.AWARD_REJECTED: _of_review,
    Act.AWARD_RELEASED: _of_review,
    Act.POLICY_APPROVED: _of_policy,
    Act.READINGS_RECORDED: _of_batch,
    Act.SETTLEMENT_APPROVED: _of_approval,
    Act.SETTLEMENT_POSTED: _of_settlement,
    Act.SETTLEMENT_WITHDRAWN: _of_settlement,
}


def _number(subject: str) -> int:
    return int(subject.rpartition(":")[2])


def _only(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}
