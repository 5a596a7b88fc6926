"""The part of an export package that proves: the settlement's leaves, what opens them, and the tiles from there to the root."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import polars as pl

from carbon_bank.audit.export import columns, queries
from carbon_bank.audit.export.files import Package
from carbon_bank.audit.export.scope_service import Scope, Sealed
from carbon_bank.audit.export.tables_service import Writer, with_pseudonyms
from carbon_bank.audit.formats.note import parse_note
from carbon_bank.audit.formats.receipt import receipt_of
from carbon_bank.audit.formats.tiles import ENTRIES, TILE_WIDTH, Tile, edge_tiles, split_bundle
from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log import source_queries
from carbon_bank.audit.log.canonical import canonical, parse_canonical
from carbon_bank.audit.log.entries import leaf_key
from carbon_bank.audit.log.leaf_service import act_opening
from carbon_bank.audit.log.records import NO_DAY, NONE
from carbon_bank.audit.log.source_queries import LoggedJournal
from carbon_bank.audit.log.tables import LogTile
from carbon_bank.audit.log.tile_service import TileStore, narrowed, tile_missing, tiles_above
from carbon_bank.foundation.database import ReadSession
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.trail.service import Act

JOURNALS_TOGETHER = 4
"""Journals that are read at a time: each has some ten thousand households."""
TILES_TOGETHER = 256
WITH_RECEIPTS = (Act.POLICY_APPROVED, Act.SETTLEMENT_APPROVED, Act.SETTLEMENT_POSTED)
"""Acts that get a receipt of their own, for tools that know no packages."""


async def write_postings(session: ReadSession, writer: Writer) -> set[int]:
    """Journals, postings, lots and leaves, in the order of the log. Returns the tiles of leaves' hashes that they lie in."""
    scope, places = writer.scope, set()
    for at in range(0, len(scope.journals), JOURNALS_TOGETHER):
        ids = scope.journals[at : at + JOURNALS_TOGETHER]
        found = await source_queries.journals(session, ids)
        journals = [found[each] for each in ids]
        postings, uses = await source_queries.journal_postings(session, journals)
        order = ["place", "household_id", "seq"]
        named = writer.pseudonyms.households(postings["household_id"])
        rows = with_pseudonyms(_postings(postings.sort(order), journals), named)
        await writer.write(columns.JOURNALS, _journals(journals))
        await writer.write(columns.POSTINGS, rows)
        await writer.write(columns.LOTS, rows.filter(pl.col("granted").is_not_null()))
        await writer.write(columns.LOT_USES, with_pseudonyms(uses.sort([*order, "lot_id"]), named))
        for place, journal_id in enumerate(ids):
            households = postings.filter(pl.col("place") == place)["household_id"].unique().sort().to_list()
            leaves = await _leaves(session, writer, journal_id, households)
            places |= set((leaves["leaf"] // TILE_WIDTH).to_list())
            await writer.write(columns.LEAVES, leaves)
    return places


def _journals(journals: Sequence[LoggedJournal]) -> pl.DataFrame:
    told = [parse_canonical(each.record.encode()) for each in journals]
    rows = [each | {"journal_id": each["id"], "recorded_at": _moment(each["recorded_at"])} for each in told]
    return pl.DataFrame(rows, schema=columns.JOURNALS.schema)


def _postings(postings: pl.DataFrame, journals: Sequence[LoggedJournal]) -> pl.DataFrame:
    """The columns of the files: with the journal's id, and nulls for numbers, days and words that are not there."""
    numbers = ("settlement_id", "hold_id", "reverses", "restatement_id")
    ids = pl.Series([str(each.id) for each in journals], dtype=pl.String)
    return postings.with_columns(
        *(pl.when(pl.col(name) != NONE).then(name).alias(name) for name in numbers),
        *(pl.col(name).cast(pl.String).replace("", None).alias(name) for name in ("kind", "contra", "commodity")),
        journal_id=ids.gather(postings["place"]),
        granted=pl.when(pl.col("lot_granted") != NONE).then("lot_granted"),
        expires_on=pl.when(pl.col("lot_expires_on").cast(pl.String) != NO_DAY).then("lot_expires_on"),
    )


async def _leaves(session: ReadSession, writer: Writer, journal_id: UUID, households: Sequence[int]) -> pl.DataFrame:
    """The leaves of a journal, by household: what stands in the log, and the key to it where there still is one."""
    scope = writer.scope
    places = await queries.leaves_of(session, journal_id, households)
    secrets = await log_queries.secrets_of(session, households)
    entries = await _entries(session, scope.plan.city_id, places.values())

    def rows() -> list[tuple[Any, ...]]:
        return [
            (
                leaf := places[each],
                str(journal_id),
                writer.pseudonyms.household(each),
                json.loads(entries[leaf])["commitment"],
                leaf_key(secrets[each].secret, leaf).hex() if each in secrets and secrets[each].opens(leaf) else None,
            )
            for each in households
        ]

    return pl.DataFrame(await asyncio.to_thread(rows), schema=columns.LEAVES.schema, orient="row")


async def _entries(session: ReadSession, city_id: int, leaves: Iterable[int]) -> dict[int, bytes]:
    """The entries of some leaves, as they stand in the log."""
    wanted = sorted({leaf // TILE_WIDTH for leaf in leaves})
    stored = await _stored(session, city_id, [Tile(ENTRIES, place) for place in wanted])
    return {
        tile.index * TILE_WIDTH + at: entry
        for tile, bundle in stored.items()
        for at, entry in enumerate(split_bundle(bundle.data, bundle.width))
    }


async def _stored(session: ReadSession, city_id: int, wanted: Sequence[Tile]) -> dict[Tile, LogTile]:
    """Raises: Unavailable `audit.tile_missing` (503)."""
    stored = await log_queries.tiles(session, city_id, wanted)
    for tile in wanted:
        if tile not in stored:
            raise tile_missing(tile)
    return stored


async def write_acts(session: ReadSession, writer: Writer, package: Package) -> None:
    """The acts and closed months with what opens them, and the trail as a table."""
    scope = writer.scope
    logged = await source_queries.acts(session, [each.id for each in scope.acts])
    lines, trail = [], []
    for act in scope.acts:
        entries = await _entries(session, scope.plan.city_id, range(act.leaf, act.last_leaf + 1))
        opening = await act_opening(session, scope.log.secret, act.leaf, logged[act.id])
        opened = opening.told()
        lines.append({"leaf": act.leaf, "entry": entries[act.leaf].decode(), **opened})
        lines += [{"leaf": leaf, "entry": entries[leaf].decode()} for leaf in range(act.leaf + 1, act.last_leaf + 1)]
        trail.append(_told(scope, act, opened["record"]["act"]))
        if act.act in WITH_RECEIPTS:
            name = f"log/receipts/{act.act.replace('.', '-')}"
            package.add(f"{name}.opening.json", canonical(opened) + b"\n")
            package.add(f"{name}.tlog-proof", await _receipt(session, scope, act, entries[act.leaf]))
    package.add("log/acts.jsonl", b"".join(canonical(line) + b"\n" for line in lines))
    await writer.write(columns.TRAIL, pl.DataFrame(trail, schema=columns.TRAIL.schema))


def _told(scope: Scope, act: Sealed, row: dict[str, Any]) -> dict[str, Any]:
    """An act as a row of the trail: an award's subject names its household by the pseudonym."""
    kind, _, name = row["subject"].partition(":")
    if kind == "award":
        award = AwardId.parse(name)
        pseudonym = scope.pseudonyms.household(award.household_id)
        row = row | {"subject": f"award:{award.settlement_id}-{pseudonym}-{award.commodity}"}
    return row | {"leaf": act.leaf, "at": _moment(row["at"])}


async def _receipt(session: ReadSession, scope: Scope, act: Sealed, entry: bytes) -> bytes:
    size, store = scope.checkpoint.size, TileStore(session, scope.plan.city_id)
    await store.fetch([*edge_tiles(size), *tiles_above(act.leaf, size)])
    note = parse_note(scope.checkpoint.note.encode())
    return bytes(await store.with_hashes(size, lambda hash_at: receipt_of(act.leaf, size, hash_at, note, entry)))


async def write_tiles(session: ReadSession, scope: Scope, package: Package, places: set[int]) -> None:
    """The checkpoint, and the tiles that lead from all leaves to its root. Args: places: of the tiles of leaves' hashes."""
    size = scope.checkpoint.size
    of_acts = {leaf // TILE_WIDTH for act in scope.acts for leaf in range(act.leaf, act.last_leaf + 1)}
    wanted = {tile for tile in edge_tiles(size) if tile.level != ENTRIES}
    for place in places | of_acts:
        wanted.update(tiles_above(place * TILE_WIDTH, size))
    package.add("log/checkpoint", scope.checkpoint.note.encode())
    ordered = sorted(wanted)
    for at in range(0, len(ordered), TILES_TOGETHER):
        some = ordered[at : at + TILES_TOGETHER]
        stored = await _stored(session, scope.plan.city_id, some)
        for tile in some:
            package.add(f"log/{tile.path}", narrowed(stored[tile], tile.width))


def _moment(text: str) -> Any:
    return pl.Series([text]).str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC").item()
