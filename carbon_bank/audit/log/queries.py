"""The log's own tables: its head, its tiles, its leaves, and the secrets that its keys are derived from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import polars as pl
from sqlmodel import col, func, select

from carbon_bank.audit.formats.tiles import Tile
from carbon_bank.audit.log.tables import Log, LogCheckpoint, LogLeaf, LogTile
from carbon_bank.foundation.database import ReadSession, WriteSession, driver

_SEALING = 0xCB_0006
"""The advisory lock of the sealer, with the city's id beside it."""


async def try_to_seal(session: WriteSession, city_id: int) -> bool:
    """Whether this transaction is the city's only sealer until it ends."""
    locked = await session.sql(
        "SELECT pg_try_advisory_xact_lock(:lock, :city_id)", {"lock": _SEALING, "city_id": city_id}
    )
    return bool(locked.scalar_one())


async def find_log(session: ReadSession, city_id: int) -> Log | None:
    return await session.get(Log, city_id)


async def add_log(session: WriteSession, city_id: int, origin: str, secret: bytes, now: datetime) -> Log:
    log = Log(city_id=city_id, origin=origin, secret=secret, begun_at=now)
    session.add(log)
    await session.flush()
    return log


async def latest(session: ReadSession, city_id: int) -> LogCheckpoint | None:
    """The last checkpoint that was signed."""
    statement = select(LogCheckpoint).where(LogCheckpoint.city_id == city_id)
    return (await session.exec(statement.order_by(col(LogCheckpoint.size).desc()).limit(1))).first()


async def checkpoints(session: ReadSession, city_id: int, above: int, upto: int) -> Sequence[LogCheckpoint]:
    """All that were ever signed of more than `above` and at most `upto` leaves, the smallest first."""
    statement = select(LogCheckpoint).where(
        LogCheckpoint.city_id == city_id, LogCheckpoint.size > above, LogCheckpoint.size <= upto
    )
    return (await session.exec(statement.order_by(col(LogCheckpoint.size)))).all()


async def add_checkpoint(session: WriteSession, checkpoint: LogCheckpoint) -> None:
    session.add(checkpoint)
    await session.flush()


async def tiles(session: ReadSession, city_id: int, wanted: Iterable[Tile]) -> dict[Tile, LogTile]:
    """Stored tiles by level and index, under the names that were asked for. One may be wider than what was asked for."""
    by_name = {(tile.level, tile.index): tile for tile in wanted}
    if not by_name:
        return {}
    statement = """
        SELECT level, place, width, data FROM unnest(CAST(:levels AS smallint[]), CAST(:places AS bigint[])) AS w(level, place)
        JOIN log_tile USING (level, place) WHERE city_id = :city_id
    """
    parameters = {
        "city_id": city_id,
        "levels": [level for level, _ in by_name],
        "places": [place for _, place in by_name],
    }
    rows = await session.sql(statement, parameters)
    return {
        by_name[row.level, row.place]: LogTile(
            city_id=city_id, level=row.level, place=row.place, width=row.width, data=bytes(row.data)
        )
        for row in rows
    }


async def put_tiles(session: WriteSession, city_id: int, changed: Mapping[Tile, bytes]) -> None:
    """Store tiles; one that is there already grows."""
    statement = """
        INSERT INTO log_tile (city_id, level, place, width, data) VALUES (%s, %s, %s, %s, %b)
        ON CONFLICT (city_id, level, place) DO UPDATE SET width = excluded.width, data = excluded.data
    """
    rows = [(city_id, tile.level, tile.index, tile.width, data) for tile, data in changed.items()]
    async with (await driver(session)).cursor() as cursor:
        await cursor.executemany(statement, rows)


class HouseholdSecret(NamedTuple):
    """What a household's keys are derived from, and the first leaf that it opens."""

    secret: bytes
    from_leaf: int

    def opens(self, leaf: int) -> bool:
        return leaf >= self.from_leaf


async def secrets_of(session: ReadSession, household_ids: Sequence[int]) -> dict[int, HouseholdSecret]:
    # One text: the driver walks through a list number by number, which takes longer than the query.
    listed = f"{{{','.join(map(str, household_ids))}}}"
    statement = "SELECT household_id, secret, from_leaf FROM log_secret WHERE household_id = ANY(%s::bigint[])"
    async with (await driver(session)).cursor(binary=True) as cursor:
        await cursor.execute(statement, [listed])
        return {key: HouseholdSecret(secret, first) for key, secret, first in await cursor.fetchall()}


async def add_secrets(session: WriteSession, secrets: Mapping[int, bytes], from_leaf: int) -> None:
    if not secrets:
        return
    async with (
        (await driver(session)).cursor() as cursor,
        cursor.copy("COPY log_secret (household_id, secret, from_leaf) FROM STDIN") as copy,
    ):
        lines = (f"{key}\t\\\\x{each.hex()}\t{from_leaf}\n" for key, each in secrets.items())
        await copy.write("".join(lines).encode())


async def erase_secret(session: WriteSession, household_id: int) -> bool:
    """Whether there was one."""
    done = await session.sql("DELETE FROM log_secret WHERE household_id = :id", {"id": household_id})
    return bool(done.rowcount)  # type: ignore[attr-defined]


async def unsealed(session: ReadSession, household_id: int) -> int:
    """How many journals moved a household's account and have no leaf yet."""
    statement = """
        SELECT count(DISTINCT p.journal_id) FROM posting p WHERE p.household_id = :id
          AND NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.household_id = p.household_id AND l.journal_id = p.journal_id)
    """
    return int((await session.sql(statement, {"id": household_id})).scalar_one())


async def add_leaves(session: WriteSession, leaves: pl.DataFrame) -> None:
    """COPY of `city_id, leaf, act_id, part, journal_id, household_id`."""
    buffer = leaves.write_csv(include_header=False, null_value="").encode()
    statement = "COPY log_leaf (city_id, leaf, act_id, part, journal_id, household_id) FROM STDIN (FORMAT csv)"
    async with (await driver(session)).cursor() as cursor, cursor.copy(statement) as copy:
        await copy.write(buffer)


async def leaf(session: ReadSession, city_id: int, place: int) -> LogLeaf | None:
    return await session.get(LogLeaf, (city_id, place))


async def leaf_of_posting(session: ReadSession, household_id: int, journal_id: UUID) -> LogLeaf | None:
    statement = select(LogLeaf).where(LogLeaf.household_id == household_id, LogLeaf.journal_id == journal_id)
    return (await session.exec(statement)).first()


async def leaf_of_act(session: ReadSession, act_id: int, part: int = 0) -> LogLeaf | None:
    return (await session.exec(select(LogLeaf).where(LogLeaf.act_id == act_id, LogLeaf.part == part))).first()


async def count_leaves(session: ReadSession, city_id: int) -> int:
    return (await session.exec(select(func.count()).select_from(LogLeaf).where(LogLeaf.city_id == city_id))).one()
