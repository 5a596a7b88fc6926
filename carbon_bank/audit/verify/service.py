"""Verifying all of it: the books, what the settlements paid, and the log against the rows that it is about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from carbon_bank.audit.formats.note import VerifierKey
from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log import source_queries
from carbon_bank.audit.log.leaf_service import act_entries, journal_entries
from carbon_bank.audit.log.records import posting_records
from carbon_bank.audit.log.source_queries import LoggedAct, LoggedJournal
from carbon_bank.audit.log.tables import Log
from carbon_bank.audit.verify import queries as verify_queries
from carbon_bank.audit.verify.queries import LeafRow
from carbon_bank.audit.verify.tree_service import FAULTS_MAX, TreeCheck, tiles_of
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Refusal
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import check_service as ledger
from carbon_bank.ledger.check_service import Check
from carbon_bank.registry import service as registry
from carbon_bank.rewards import check_service as rewards

KeysOf = Callable[[str], Sequence[VerifierKey]]
"""The verifier keys of a city's log, by the city's code."""


@dataclass
class LogVerified:
    """What one log came to: leaves, of which so many cannot be opened any more, and what is wrong."""

    size: int = 0
    erased: int = 0
    tree: list[str] = field(default_factory=list)
    leaves: list[tuple[int | None, str]] = field(default_factory=list)

    def fault(self, household_id: int | None, fault: str) -> None:
        if len(self.leaves) < FAULTS_MAX:
            self.leaves.append((household_id, fault))


async def verify(
    session: ReadSession, actor: Actor, keys_of: KeysOf, *, with_closes: bool = True
) -> AsyncIterator[Check]:
    """Each thing that must hold, over all cities, as of one moment.

    Args: with_closes: whether the months that settlements closed are added up once more: all readings of their periods are read.
    """
    async for check in ledger.check_books(session):
        yield check
    async for check in rewards.check_rewards(session):
        yield check
    async for check in ledger.check_promises(session, verify_queries.CHECKS):
        yield check
    for city in await registry.list_cities(session, actor):
        assert city.id is not None
        log = await log_queries.find_log(session, city.id)
        if log is None:
            continue
        found = await verify_log(session, log, keys_of(city.code), with_closes=with_closes)
        name = f"the log of {city.code} ({found.size:,} leaves"
        name += f", {found.erased:,} of them erased)" if found.erased else ")"
        yield Check(f"{name}: its entries make its tiles and every checkpoint", [(None, fault) for fault in found.tree])
        yield Check(f"{name}: each entry is of the row that it is about", found.leaves)


async def verify_log(
    session: ReadSession, log: Log, keys: Sequence[VerifierKey], *, with_closes: bool = True
) -> LogVerified:
    """Make a log anew from its entries, and each entry anew from its row."""
    head = await log_queries.latest(session, log.city_id)
    tree = TreeCheck(session, log, head.size if head else 0, keys)
    found = LogVerified(size=tree.size)
    rows = _Rows(session, log, with_closes, await verify_queries.forgotten(session, log.city_id))
    async for first, entries in tree.entries():
        await rows.compare(found, first, entries)
    leaves, tiles = await verify_queries.counts(session, log.city_id)
    if leaves != tree.size:
        found.fault(None, f"{tree.size} leaves were signed, and rows tell of {leaves}")
    if tiles != tiles_of(tree.size):
        tree.faults.append(f"a log of {tree.size} leaves has {tiles_of(tree.size)} tiles, and {tiles} are stored")
    found.tree = tree.faults
    return found


class _Rows:
    """The rows behind a log's entries. `forgotten`: households, and before which leaf nothing of them is to be opened any more."""

    def __init__(self, session: ReadSession, log: Log, with_closes: bool, forgotten: Mapping[int, int]) -> None:
        self._session, self._log, self._with_closes, self._forgotten = session, log, with_closes, forgotten
        self._closes: dict[int, list[bytes]] = {}

    async def compare(self, found: LogVerified, first: int, entries: Sequence[bytes]) -> None:
        """Compare the entries from `first` on with what their rows would make."""
        rows = await verify_queries.leaf_rows(self._session, self._log.city_id, first, first + len(entries))
        about = {row.leaf: row for row in rows}
        acts = await source_queries.acts(self._session, [row.act_id for row in rows if row.act_id is not None])
        sides = await self._sides([row for row in rows if row.journal_id is not None])
        for leaf, entry in enumerate(entries, first):
            row = about.get(leaf)
            if row is None:
                found.fault(None, f"leaf {leaf}: no row tells what it is about")
            elif row.act_id is not None:
                await self._compare_act(found, row, acts.get(row.act_id), entry)
            else:
                self._compare_side(found, row, sides, entry)

    async def _compare_act(self, found: LogVerified, row: LeafRow, act: LoggedAct | None, entry: bytes) -> None:
        if act is None:
            found.fault(None, f"leaf {row.leaf}: act {row.act_id} is not in the trail")
        elif row.part == 0:
            if entry not in await self._made(row.leaf, act, with_closes=False):
                found.fault(
                    None,
                    f"leaf {row.leaf}: act {act.id} ({act.act} of {act.subject}), or what it stood for, was changed",
                )
        elif self._with_closes and row.part is not None:
            head = row.leaf - row.part
            if head not in self._closes:
                self._closes = {head: await self._made(head, act, with_closes=True)}
            closes = self._closes[head]
            if row.part >= len(closes) or closes[row.part] != entry:
                found.fault(
                    None,
                    f"leaf {row.leaf}: readings of a month that {act.subject} closed were changed: {entry.decode()}",
                )

    async def _made(self, leaf: int, act: LoggedAct, *, with_closes: bool) -> list[bytes]:
        """The entries that an act would make now; none where its rows are gone, or no longer make sense."""
        try:
            return await act_entries(self._session, self._log.secret, leaf, act, with_closes=with_closes)
        except (Refusal, ValueError, LookupError, TypeError, AttributeError):
            return []

    async def _sides(self, rows: Sequence[LeafRow]) -> _Sides:
        """What these households' sides of journals would be now, and the secrets that open them.

        Each journal is asked for as if it were of that one account alone: a settlement's has ten thousand and more, and all of it
        once more with each part of its leaves would come to much.
        """
        journals = await source_queries.journals(
            self._session, list({row.journal_id for row in rows if row.journal_id is not None})
        )
        there = [(row, journals[row.journal_id]) for row in rows if row.journal_id in journals]
        listed = [replace(journal, household_id=row.household_id) for row, journal in there]
        async with verify_queries.looking_up(self._session):
            postings, uses = await source_queries.journal_postings(self._session, listed)
        records = posting_records([each.record for each in listed], postings, uses)
        households = [row.household_id for row in rows if row.household_id is not None]
        secrets = await log_queries.secrets_of(self._session, households)
        of = {there[place][0].leaf: record for place, record in records.select("place", "record").iter_rows()}
        return _Sides(journals, of, secrets)

    def _compare_side(self, found: LogVerified, row: LeafRow, sides: _Sides, entry: bytes) -> None:
        assert row.journal_id is not None and row.household_id is not None
        household_id, journal, record = (
            row.household_id,
            sides.journals.get(row.journal_id),
            sides.records.get(row.leaf),
        )
        if journal is None or record is None:
            found.fault(household_id, f"leaf {row.leaf}: the journal {row.journal_id} has no posting of this household")
        elif (secret := sides.secrets.get(household_id)) is None or not secret.opens(row.leaf):
            found.erased += 1
            if row.leaf >= self._forgotten.get(household_id, 0):
                found.fault(
                    household_id, f"leaf {row.leaf}: the household's secret is gone, and no act says that it was erased"
                )
        else:
            (made,) = journal_entries(row.leaf, journal, [(household_id, record)], {household_id: secret.secret})
            if made != entry:
                found.fault(
                    household_id,
                    f"leaf {row.leaf}: the journal {row.journal_id} ({journal.kind}), its posting, lot, lot use or hold was changed",
                )


@dataclass(frozen=True)
class _Sides:
    journals: Mapping[UUID, LoggedJournal]
    records: Mapping[int, str]
    """By the leaf."""
    secrets: Mapping[int, log_queries.HouseholdSecret]


async def waiting(session: ReadSession) -> tuple[int, int]:
    """Acts and journals that no checkpoint covers yet."""
    return await verify_queries.waiting(session)
