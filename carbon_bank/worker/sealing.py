"""Sealing every city's log, step by step, each step a transaction of its own."""

from __future__ import annotations

import structlog

from carbon_bank.audit.formats.tiles import Tile
from carbon_bank.audit.log import seal_service
from carbon_bank.audit.log import service as log_service
from carbon_bank.audit.log.keys import LogKeys
from carbon_bank.audit.witnesses import service as witness_service
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Conflict, Refusal
from carbon_bank.identity.actor import WORKER
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

log = structlog.get_logger()


def log_keys_of(settings: Settings) -> LogKeys:
    folder = settings.log_keys_dir or settings.data_dir / "log-keys"
    return LogKeys(folder, settings.public_url, may_make=settings.log_keys_dir is None)


class StoredLog:
    """A city's log for those who ask its witnesses: each call reads in a transaction of its own."""

    def __init__(self, database: Database, city_id: int) -> None:
        self._database, self._city_id = database, city_id

    async def latest(self) -> tuple[int, bytes] | None:
        async with self._database.read() as session:
            head = await log_service.latest(session, self._city_id)
        return None if head is None else (head.size, head.note.encode())

    async def read_tile(self, tile: Tile) -> bytes:
        async with self._database.read() as session:
            return await log_service.stored_tile(session, self._city_id, tile)


async def seal_all(database: Database, keys: LogKeys) -> int:
    """Seal what waits, in all cities. Returns the leaves that were added.

    A city whose log cannot be sealed is told in the log of the program, and holds no other one up; what nobody foresaw is raised
    once all others are sealed.
    """
    async with database.read() as session:
        cities = await registry.list_cities(session, WORKER)
    added, unforeseen = 0, None
    for city in cities:
        assert city.id is not None
        try:
            added += await seal_city(database, keys, city.id, city.code)
        except Refusal as refusal:
            log.error("a log was not sealed", city=city.code, code=refusal.code, message=refusal.message)
        except Exception as error:  # an act that makes no sense, say
            log.error("a log was not sealed", city=city.code, error=type(error).__name__)
            unforeseen = unforeseen or error
    if unforeseen is not None:
        raise unforeseen
    return added


async def seal_city(database: Database, keys: LogKeys, city_id: int, city_code: str) -> int:
    """Seal what waits in one city. Returns the leaves that were added; none while another process seals it."""
    origin, signing, former = keys.origin(city_code), keys.signing(city_code), keys.former(city_code)
    added = 0
    while True:
        try:
            async with database.write() as session:
                sealed = await seal_service.seal(session, clock.now(), city_id, origin, signing, former)
                if sealed is not None:
                    await witness_service.ask_for_cosignatures(session, city_id)
        except Conflict as conflict:
            if conflict.code == "audit.sealing":
                return added
            raise
        if sealed is None:
            return added
        added += sealed.added
