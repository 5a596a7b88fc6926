"""Reading a city's log: its checkpoint, its tiles, receipts, and what opens an entry for whoever may know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from carbon_bank.audit.formats.note import parse_note
from carbon_bank.audit.formats.receipt import receipt_of
from carbon_bank.audit.formats.tiles import ENTRIES, TILE_WIDTH, Tile, edge_tiles, parse_path, split_bundle, width_of
from carbon_bank.audit.log import queries, source_queries
from carbon_bank.audit.log.entries import Opening
from carbon_bank.audit.log.leaf_service import act_opening, posting_opening
from carbon_bank.audit.log.records import posting_records
from carbon_bank.audit.log.tables import LogCheckpoint, LogLeaf
from carbon_bank.audit.log.tile_service import TileStore, narrowed, tiles_above
from carbon_bank.audit.witnesses.protocol import with_cosignatures
from carbon_bank.audit.witnesses.service import cosignature_lines
from carbon_bank.foundation.database import ReadSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.ledger.service import Posting
from carbon_bank.registry import service as registry
from carbon_bank.settlement import explain_service
from carbon_bank.settlement.award_id import AwardId

RETRY_SECONDS = 60
"""After which what waits for a posting to be sealed is asked for again: the worker seals every minute."""


async def checkpoint(session: ReadSession, city_code: str) -> LogCheckpoint:
    """The last checkpoint of a city's log. Raises: NotFound `registry.unknown_city`, `audit.no_log` (404)."""
    city = await registry.find_city(session, city_code)
    assert city.id is not None
    found = await queries.latest(session, city.id)
    if found is None:
        raise NotFound(
            "audit.no_log", f"Nothing is sealed in the log of '{city_code}' yet. Ask again in a minute or two."
        )
    return found


async def latest(session: ReadSession, city_id: int) -> LogCheckpoint | None:
    """The last checkpoint of a city's log, as the log signed it; null where nothing is sealed yet."""
    return await queries.latest(session, city_id)


async def served_checkpoint(session: ReadSession, city_code: str) -> bytes:
    """The last checkpoint with what witnesses signed under it. Raises: as `checkpoint` does."""
    head = await checkpoint(session, city_code)
    return with_cosignatures(head.note.encode(), await cosignature_lines(session, head.city_id, head.size))


async def stored_tile(session: ReadSession, city_id: int, wanted: Tile) -> bytes:
    """A tile that the log has. Raises: Unavailable `audit.tile_missing` (503)."""
    store = TileStore(session, city_id)
    await store.fetch([wanted])
    return store.read(wanted)


async def tile(session: ReadSession, city_code: str, path: str) -> tuple[bytes, bool]:
    """A tile or bundle by its path below the log's prefix, and whether it is full.

    Raises: InvalidInput `audit.tile_path` (422); NotFound `audit.no_tile` (404), and as `checkpoint` does.
    """
    wanted = parse_path(path)
    head = await checkpoint(session, city_code)
    stored = (await queries.tiles(session, head.city_id, [wanted])).get(wanted)
    if stored is None or stored.width < wanted.width:
        width = width_of(wanted.level, wanted.index, head.size)
        there = "nothing of it" if not width else "all of it" if width == TILE_WIDTH else f"it with .p/{width}"
        raise NotFound(
            "audit.no_tile",
            f"A log of {head.size} leaves has no {path}; it has {there}. Read the checkpoint first.",
            {"path": path, "size": head.size},
        )
    return narrowed(stored, wanted.width), wanted.width == TILE_WIDTH


async def receipt(session: ReadSession, leaf: LogLeaf) -> bytes:
    """The receipt of a leaf under the last checkpoint, with its entry as extra data."""
    head = await queries.latest(session, leaf.city_id)
    assert head is not None
    store = TileStore(session, leaf.city_id)
    await store.fetch([*edge_tiles(head.size), *tiles_above(leaf.leaf, head.size)])
    entry = (await entry_of(session, leaf.city_id, leaf.leaf)) or b""
    lines = await cosignature_lines(session, leaf.city_id, head.size)
    note = parse_note(with_cosignatures(head.note.encode(), lines))
    made = await store.with_hashes(head.size, lambda hash_at: receipt_of(leaf.leaf, head.size, hash_at, note, entry))
    return bytes(made)


async def entry_of(session: ReadSession, city_id: int, leaf: int) -> bytes | None:
    place, at = divmod(leaf, TILE_WIDTH)
    stored = (await queries.tiles(session, city_id, [wanted := Tile(ENTRIES, place)])).get(wanted)
    return None if stored is None or stored.width <= at else split_bundle(stored.data, stored.width)[at]


async def leaf_of_posting(session: ReadSession, household_id: int, seq: int) -> LogLeaf:
    """Where a posting stands in the log.

    Raises: NotFound `ledger.unknown_posting` (404); Conflict `audit.not_sealed` (409): try again in a minute.
    """
    posting = await ledger.get_posting(session, household_id, seq)
    found = await queries.leaf_of_posting(session, household_id, posting.journal_id)
    if found is None:
        raise Conflict(
            "audit.not_sealed",
            f"Posting {seq} is not in the log yet: it is sealed within a minute or two. Ask again then.",
            {"seq": seq, "retry_seconds": RETRY_SECONDS},
        )
    return found


async def leaves_of_award(session: ReadSession, actor: Actor, award_id: AwardId) -> list[tuple[int, int | None]]:
    """Where an award's postings stand in the log: the number of each, and its leaf; null while it is not sealed.

    Raises: NotFound `settlement.unknown_award` (404), also where the actor may not have it explained.
    """
    return await leaves_of(session, await explain_service.postings_of(session, actor, award_id))


async def leaves_of(session: ReadSession, postings: Sequence[Posting]) -> list[tuple[int, int | None]]:
    """As `leaves_of_award`, of postings that were read for whoever may see them."""
    leaves = [await queries.leaf_of_posting(session, each.household_id, each.journal_id) for each in postings]
    return [(each.seq, found.leaf if found else None) for each, found in zip(postings, leaves, strict=True)]


async def leaf(session: ReadSession, actor: Actor, place: int) -> tuple[LogLeaf, bytes]:
    """A leaf of the actor's city, and its entry. Raises: NotFound `audit.no_leaf` (404)."""
    found = await queries.leaf(session, actor.of_city(), place)
    entry = None if found is None else await entry_of(session, found.city_id, place)
    if found is None or entry is None:
        raise NotFound("audit.no_leaf", f"The log of this city has no leaf {place}. Its size stands in the checkpoint.")
    return found, entry


async def opening(session: ReadSession, leaf: LogLeaf) -> Opening:
    """What opens the commitment in an entry.

    Raises: NotFound `audit.nothing_to_open` (404) of a month's close; Conflict `audit.erased` (409).
    """
    if leaf.act_id is not None:
        return await _opening_of_act(session, leaf)
    assert leaf.household_id is not None and leaf.journal_id is not None
    secret = (await queries.secrets_of(session, [leaf.household_id])).get(leaf.household_id)
    if secret is None or not secret.opens(leaf.leaf):
        raise Conflict(
            "audit.erased", f"Leaf {leaf.leaf} cannot be opened any more: its household's secret was erased."
        )
    journal = (await source_queries.journals(session, [leaf.journal_id]))[leaf.journal_id]
    of_one = replace(journal, household_id=leaf.household_id)
    records = posting_records([journal.record], *await source_queries.journal_postings(session, [of_one]))
    return posting_opening(secret.secret, leaf.leaf, records["record"].item())


async def _opening_of_act(session: ReadSession, leaf: LogLeaf) -> Opening:
    assert leaf.act_id is not None
    log = await queries.find_log(session, leaf.city_id)
    act = (await source_queries.acts(session, [leaf.act_id])).get(leaf.act_id)
    if leaf.part or log is None or act is None:
        raise NotFound(
            "audit.nothing_to_open",
            f"Leaf {leaf.leaf} commits to nothing of its own: all that it is stands in its entry.",
        )
    return await act_opening(session, log.secret, leaf.leaf, act)
