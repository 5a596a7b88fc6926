"""Sealing: what was committed becomes entries of the city's log, under a new checkpoint. All in the caller's one transaction.

Killed at any moment, nothing of a step stands, and the next one takes the same rows again: no signature leaves before what it signs
is stored. Of two sealers one works.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain

import polars as pl

from carbon_bank.audit.formats.checkpoint import Checkpoint, sign_checkpoint
from carbon_bank.audit.formats.merkle import leaf_hash, tree_root
from carbon_bank.audit.formats.note import SigningKey, VerifierKey, parse_note, verify_note
from carbon_bank.audit.formats.tiles import Tile, edge_tiles, grow, grow_bundles
from carbon_bank.audit.log import queries, source_queries
from carbon_bank.audit.log.evidence_service import Evidence, evidence_of
from carbon_bank.audit.log.leaf_service import act_entries, journal_entries
from carbon_bank.audit.log.records import posting_records
from carbon_bank.audit.log.restored_service import check_restored
from carbon_bank.audit.log.source_queries import START, LoggedAct, LoggedJournal, Position, Source
from carbon_bank.audit.log.tables import Log, LogCheckpoint
from carbon_bank.audit.log.tile_service import TileStore
from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict
from carbon_bank.foundation.meanwhile import meanwhile

SECRET_BYTES = 32
SOURCES_MAX = 500
"""Acts and journals that a step takes at most."""
BUCKETS_MAX = 4
"""Journals of many households that a step takes at most: each has some ten thousand."""


@dataclass(frozen=True)
class Sealed:
    """A new checkpoint: how many leaves it added, and how many the log has now."""

    added: int
    size: int


@dataclass
class _Growth:
    """What a step adds to a log, in order. `entries` are made when they are asked for; the rest is about each of them."""

    size: int
    entries: list[Iterable[bytes]] = field(default_factory=list)
    acts: list[int | None] = field(default_factory=list)
    parts: list[int | None] = field(default_factory=list)
    journals: list[str | None] = field(default_factory=list)
    households: list[int | None] = field(default_factory=list)

    @property
    def added(self) -> int:
        return len(self.acts)

    @property
    def next(self) -> int:
        return self.size + self.added

    def add_act(self, entries: Sequence[bytes], act_id: int) -> None:
        nothing = [None] * len(entries)
        self._add(entries, [act_id] * len(entries), list(range(len(entries))), nothing, nothing)

    def add_journal(self, entries: Iterable[bytes], journal_id: str, households: Sequence[int]) -> None:
        nothing = [None] * len(households)
        self._add(entries, nothing, nothing, [journal_id] * len(households), households)

    def _add(
        self,
        entries: Iterable[bytes],
        acts: Sequence[int | None],
        parts: Sequence[int | None],
        journals: Sequence[str | None],
        households: Sequence[int | None],
    ) -> None:
        self.entries.append(entries)
        self.acts += acts
        self.parts += parts
        self.journals += journals
        self.households += households

    def leaves(self, city_id: int) -> pl.DataFrame:
        """The rows of `log_leaf`."""
        return pl.DataFrame(
            {
                "city_id": pl.repeat(city_id, self.added, dtype=pl.Int64, eager=True),
                "leaf": pl.int_range(self.size, self.next, dtype=pl.Int64, eager=True),
                "act_id": pl.Series(self.acts, dtype=pl.Int64),
                "part": pl.Series(self.parts, dtype=pl.Int16),
                "journal_id": pl.Series(self.journals, dtype=pl.String),
                "household_id": pl.Series(self.households, dtype=pl.Int64),
            }
        )


async def seal(
    session: WriteSession,
    now: datetime,
    city_id: int,
    origin: str,
    keys: Sequence[SigningKey],
    former: Sequence[VerifierKey] = (),
) -> Sealed | None:
    """Seal the next acts and journals of a city; null when there are none that nothing can precede any more.

    Args:   origin: the log's name. keys: that sign, the log's own first; all are named `origin`. former: keys that
            signed once.
    Raises: Conflict `audit.sealing` (409) while somebody else seals; `audit.origin`, `audit.head`, `audit.restored`,
            `audit.left_out` (409), and then nothing is signed.
    """
    if not await queries.try_to_seal(session, city_id):
        raise Conflict("audit.sealing", f"The log {origin} is being sealed by another process. Wait for it.")
    log = await queries.find_log(session, city_id)
    log = log or await queries.add_log(session, city_id, origin, secrets.token_bytes(SECRET_BYTES), now)
    head = await queries.latest(session, city_id)
    store = TileStore(session, city_id)
    horizon = await source_queries.horizon(session)
    position, growth = _position(head), _Growth(head.size if head else 0)
    await _check_head(store, log, head, origin, [*(key.verifier for key in keys), *former])
    await check_restored(session, origin, head, position, horizon)

    while not growth.added:  # a journal that moved nothing makes none
        taken = _one_step(await source_queries.sources(session, city_id, position, horizon.before, SOURCES_MAX))
        if not taken:
            return None
        growth = await _grow(session, log, growth.size, taken)
        position = _moved(position, taken)
    await _store(session, store, growth, city_id)
    size = growth.next
    root = await store.with_hashes(size, lambda hash_at: tree_root(size, hash_at))
    note = sign_checkpoint(Checkpoint(origin, size, root), *keys)
    checkpoint = LogCheckpoint(
        city_id=city_id,
        size=size,
        root=root,
        note=bytes(note).decode(),
        act_made_in=str(position.act_made_in),
        act_id=position.act_id,
        journal_made_in=str(position.journal_made_in),
        journal_id=position.journal_id,
        sealed_at=now,
        server=horizon.server,
    )
    await queries.add_checkpoint(session, checkpoint)
    return Sealed(growth.added, size)


async def _check_head(
    store: TileStore,
    log: Log,
    head: LogCheckpoint | None,
    origin: str,
    keys: Sequence[VerifierKey],
) -> None:
    """Refuse to sign unless the last checkpoint is of this log, by one of its keys, over the tiles that are stored."""
    if log.origin != origin:
        raise Conflict(
            "audit.origin",
            f"The log is named {log.origin} for good, and CARBON_BANK_PUBLIC_URL would name it {origin}. Set it back.",
        )
    if head is None:
        return
    await store.fetch(edge_tiles(head.size))
    root = await store.with_hashes(head.size, lambda hash_at: tree_root(head.size, hash_at))
    note = parse_note(head.note.encode())
    if root != head.root or note.text != Checkpoint(origin, head.size, root).text or not verify_note(note, keys):
        raise Conflict(
            "audit.head",
            f"The last checkpoint of {origin}, of {head.size} leaves, does not hold: the stored tiles give another root, or none of "
            "the log's keys signed it. Nothing is signed. Put former keys back into the key file, or restore the log's tables, "
            "and run `carbon-bank audit verify`.",
            {"size": head.size},
        )


def _position(head: LogCheckpoint | None) -> Position:
    if head is None:
        return START
    return Position(int(head.act_made_in), head.act_id, int(head.journal_made_in), head.journal_id)


def _one_step(sources: Sequence[Source]) -> list[Source]:
    """As many as are sealed in one transaction: few of the large journals."""
    taken, buckets = [], 0
    for each in sources:
        buckets += isinstance(each, LoggedJournal) and each.household_id is None
        if buckets > BUCKETS_MAX:
            break
        taken.append(each)
    return taken


def _moved(after: Position, taken: Sequence[Source]) -> Position:
    acts = [each for each in taken if isinstance(each, LoggedAct)]
    journals = [each for each in taken if isinstance(each, LoggedJournal)]
    act = (acts[-1].made_in, acts[-1].id) if acts else (after.act_made_in, after.act_id)
    journal = (journals[-1].made_in, journals[-1].id) if journals else (after.journal_made_in, after.journal_id)
    return Position(*act, *journal)


async def _grow(session: WriteSession, log: Log, size: int, taken: Sequence[Source]) -> _Growth:
    """The entries of acts and journals, in their order."""
    journals = [each for each in taken if isinstance(each, LoggedJournal)]
    acts = [each for each in taken if isinstance(each, LoggedAct)]
    postings, uses = await source_queries.journal_postings(session, journals)
    records, (owned, evidence) = await meanwhile(
        partial(posting_records, [each.record for each in journals], postings, uses),
        _secrets_and_evidence(session, postings["household_id"].unique().to_list(), acts, size),
    )
    places, households, texts = (records[name].to_list() for name in ("place", "household_id", "record"))
    growth, place, first = _Growth(size), 0, 0
    for source in taken:
        if isinstance(source, LoggedAct):
            entries = await act_entries(session, log.secret, growth.next, source, evidence[source.id])
            growth.add_act(entries, source.id)
            continue
        end = bisect_right(places, place, first)  # a journal that moved nothing has no record
        if first < end:
            sides = zip(households[first:end], texts[first:end], strict=True)
            growth.add_journal(
                journal_entries(growth.next, source, sides, owned), str(source.id), households[first:end]
            )
        place, first = place + 1, end
    return growth


async def _secrets_and_evidence(
    session: WriteSession, household_ids: Sequence[int], acts: Sequence[LoggedAct], size: int
) -> tuple[dict[int, bytes], dict[int, Evidence]]:
    owned = await _secrets(session, household_ids, size)
    return owned, {each.id: await evidence_of(session, each) for each in acts}


async def _secrets(session: WriteSession, household_ids: Sequence[int], size: int) -> dict[int, bytes]:
    """The secrets of households, made where they have none (yet, or any more): for the leaves from `size` on."""
    there = await queries.secrets_of(session, household_ids)
    missing = [each for each in household_ids if each not in there]
    chance = secrets.token_bytes(
        SECRET_BYTES * len(missing)
    )  # in one go: asking the system for each took longer than sealing
    made = {each: chance[place * SECRET_BYTES : (place + 1) * SECRET_BYTES] for place, each in enumerate(missing)}
    await queries.add_secrets(session, made, size)
    return {household_id: each.secret for household_id, each in there.items()} | made


async def _store(session: WriteSession, store: TileStore, growth: _Growth, city_id: int) -> None:
    """Leaves, bundles and tiles; the store knows the tiles that changed afterwards."""
    edge = {tile: store.read(tile) for tile in edge_tiles(growth.size)}
    changed, _ = await meanwhile(partial(_changed, growth, edge), queries.add_leaves(session, growth.leaves(city_id)))
    await queries.put_tiles(session, city_id, changed)
    store.know(changed)


def _changed(growth: _Growth, edge: Mapping[Tile, bytes]) -> dict[Tile, bytes]:
    entries = list(chain.from_iterable(growth.entries))
    return grow_bundles(growth.size, edge, entries) | grow(growth.size, edge, map(leaf_hash, entries))
