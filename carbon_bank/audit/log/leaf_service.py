"""The entries of an act and of a journal, as they stand in the log: for the sealer, for whoever verifies, and for receipts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from carbon_bank.audit.log.canonical import canonical
from carbon_bank.audit.log.entries import (
    ACT_DOMAIN,
    POSTING_DOMAIN,
    Opening,
    act_entry,
    close_entry,
    commitment,
    leaf_key,
    posting_entries,
)
from carbon_bank.audit.log.evidence_service import Evidence, closes_of, evidence_of, public_of
from carbon_bank.audit.log.source_queries import LoggedAct, LoggedJournal
from carbon_bank.foundation.database import ReadSession


async def act_opening(
    session: ReadSession, secret: bytes, leaf: int, act: LoggedAct, evidence: Evidence | None = None
) -> Opening:
    """What the entry of an act commits to: its row in the trail, and what it stood for.

    Args: secret: of the log. evidence: of the act, where it was read already.
    """
    evidence = await evidence_of(session, act) if evidence is None else evidence
    record: dict[str, Any] = {"act": act.row} | ({"evidence": evidence} if evidence else {})
    return Opening(ACT_DOMAIN, leaf_key(secret, leaf), canonical(record).decode())


async def act_entries(
    session: ReadSession,
    secret: bytes,
    leaf: int,
    act: LoggedAct,
    evidence: Evidence | None = None,
    *,
    with_closes: bool = True,
) -> list[bytes]:
    """The entry of an act, and those of the months that it closed, from the leaf on. Args: as `act_opening`."""
    opening = await act_opening(session, secret, leaf, act, evidence)
    public = public_of(act.act, act.subject, act.facts)
    closes = await closes_of(session, act, opening.key) if with_closes else []
    return [
        act_entry(leaf, act.at, act.act, public, commitment(opening)),
        *(close_entry(leaf + part, act.at, told) for part, told in enumerate(closes, 1)),
    ]


def journal_entries(
    leaf: int, journal: LoggedJournal, sides: Iterable[tuple[int, str]], secrets: Mapping[int, bytes]
) -> Iterable[bytes]:
    """The entries of a journal from the leaf on, each made when it is asked for.

    Args: sides: households and their records. secrets: of those households.
    """
    committed = (
        commitment(posting_opening(secrets[household_id], place, record))
        for place, (household_id, record) in enumerate(sides, leaf)
    )
    return posting_entries(leaf, journal.at, journal.kind, journal.settlement_id, committed)


def posting_opening(secret: bytes, leaf: int, record: str) -> Opening:
    """What opens the entry of a household's side of a journal. Args: secret: of the household."""
    return Opening(POSTING_DOMAIN, leaf_key(secret, leaf), record)
