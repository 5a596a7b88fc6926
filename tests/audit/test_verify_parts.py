"""A journal whose households lie in several parts of the log is verified part by part, and no part of it twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.formats.tiles import TILE_WIDTH
from carbon_bank.audit.log import source_queries
from carbon_bank.audit.log.queries import find_log
from carbon_bank.audit.log.source_queries import LoggedJournal
from carbon_bank.audit.verify import service as verify_service
from carbon_bank.audit.verify import tree_service
from carbon_bank.foundation.database import Database, ReadSession
from tests.audit.log_reader import keys_in
from tests.ledger.books import found_accounts, grant, without_triggers

HOUSEHOLDS = 2 * TILE_WIDTH + 10


async def faults(database: Database, city_id: int, folder: Path) -> list[tuple[int | None, str]]:
    async with database.read() as session:
        log = await find_log(session, city_id)
        assert log is not None
        found = await verify_service.verify_log(session, log, keys_in(folder).verifying("here"))
        assert (found.size, found.tree) == (HOUSEHOLDS, [])
        return found.leaves


async def test_each_part_of_a_log_reads_its_own_postings_alone(
    database: Database, owner: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = found_accounts(owner, HOUSEHOLDS)
    ((city_id,),) = owner.execute("SELECT id FROM city").fetchall()
    async with database.write() as session:
        await grant(session, [(home, commodity, 10) for home in homes for commodity in ("gas", "water")])
    assert await worker.seal_city(database, keys_in(tmp_path), city_id, "here") == HOUSEHOLDS
    monkeypatch.setattr(tree_service, "BUNDLES_TOGETHER", 1)
    ask, read = source_queries.journal_postings, []

    async def listening(session: ReadSession, journals: Sequence[LoggedJournal]) -> tuple[pl.DataFrame, pl.DataFrame]:
        postings, uses = await ask(session, journals)
        read.append(postings.height)
        return postings, uses

    monkeypatch.setattr(source_queries, "journal_postings", listening)
    assert await faults(database, city_id, tmp_path) == []
    assert read == [2 * TILE_WIDTH, 2 * TILE_WIDTH, 20], "two of each household, once"

    with without_triggers(owner):
        owner.execute(
            "UPDATE posting SET effective_on = effective_on + 1 WHERE household_id = %s AND seq = 2", [homes[-1]]
        )
    ((home, fault),) = await faults(database, city_id, tmp_path)
    assert home == homes[-1] and fault.startswith(f"leaf {HOUSEHOLDS - 1}: ")
