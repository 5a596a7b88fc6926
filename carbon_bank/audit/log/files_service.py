"""The log as files, in the paths under which it is served: a mirror that needs no database."""

from __future__ import annotations

import os
from pathlib import Path

from carbon_bank.audit.formats.checkpoint import parse_checkpoint
from carbon_bank.audit.formats.note import parse_note
from carbon_bank.audit.formats.tiles import changed_tiles
from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log import service as log_service
from carbon_bank.audit.log.tile_service import narrowed, tile_missing
from carbon_bank.foundation.database import ReadSession

TILES_TOGETHER = 256


async def write_files(session: ReadSession, city_code: str, folder: Path) -> tuple[int, int]:
    """Write what a folder lacks of a log. Returns how many files were written, and the size of the log.

    The checkpoint comes last, and each file appears whole: whoever reads meanwhile sees a log that holds. Killed, it is begun again.
    """
    head = await log_service.checkpoint(session, city_code)
    wanted = [tile for tile in changed_tiles(0, head.size) if not (folder / tile.path).exists()]
    for first in range(0, len(wanted), TILES_TOGETHER):
        some = wanted[first : first + TILES_TOGETHER]
        stored = await log_queries.tiles(session, head.city_id, some)
        for tile in some:
            if tile not in stored:
                raise tile_missing(tile)
            _put(folder / tile.path, narrowed(stored[tile], tile.width))
    there = folder / "checkpoint"
    newer = not there.exists() or parse_checkpoint(parse_note(there.read_bytes()).text).size < head.size
    if newer:
        _put(there, await log_service.served_checkpoint(session, city_code))
    return len(wanted) + newer, head.size


def _put(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    partial.write_bytes(data)
    partial.replace(file)
