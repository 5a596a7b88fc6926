"""A bank that is loaded from a dump into a new server: by the page's own commands its log goes on, and nothing is left out of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from carbon_bank.audit.formats.merkle import consistency_proof, leaf_hash, verify_consistency
from carbon_bank.audit.formats.tiles import grow, hashes_from
from carbon_bank.audit.verify.service import verify
from carbon_bank.foundation import embedded
from carbon_bank.foundation.database import Database, parse_url, plain_url
from carbon_bank.foundation.errors import Conflict
from carbon_bank.identity.actor import WORKER
from tests.audit.log_reader import check_order, check_whole, entries, keys_in, notes, opened
from tests.audit.test_seal import seal
from tests.audit.test_seal_crash import more
from tests.crash.sealing import UNSEALED
from tests.small_city import SmallCity

PAGE = (Path(__file__).parents[2] / "docs" / "transparency-log.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"^```\w+ restoring (\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
RUN_ON = "DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
"""What takes a server's counter so far, transaction by transaction."""


class NewServer:
    """A PostgreSQL that has nothing in it. Args: folder: of its cluster; nobody else uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = embedded.start(folder, embedded.THROWAWAY | {"shared_buffers": "32MB"})
        self.server = embedded.get_server(folder / "postgres", cleanup_mode="stop")

    def database(self, name: str) -> str:
        return plain_url(parse_url(self.url), name)

    def take_dump(self, url: str) -> None:
        """Of a database elsewhere."""
        dump = self.folder / "bank.dump"
        subprocess.run([self.server.bin_path / "pg_dump", "--format=custom", "--file", dump, url], check=True)
        dump.chmod(0o644)

    def run(self, name: str, **variables: str) -> str:
        """What the page's commands of this name print, given by the user that PostgreSQL runs as."""
        socket = self.server.get_postmaster_info().socket_dir
        environment = {
            "PATH": f"{self.server.bin_path}:{os.environ['PATH']}",
            "PGHOST": str(socket),
            "PGUSER": "postgres",
        }
        return subprocess.run(
            ["sh", "-euc", BLOCKS[name]],
            cwd=self.folder,
            env=environment | {"PGDATA": str(self.server.pgdata)} | variables,
            user=self.server.system_user,
            check=True,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ).stdout


@pytest.fixture
def new_server() -> Iterator[NewServer]:
    folder = Path(tempfile.mkdtemp(prefix="carbon-bank-restored-"))
    try:
        made = NewServer(folder)
        yield made
        made.server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def bank_at(url: str) -> AsyncIterator[tuple[Database, psycopg.Connection]]:
    database = Database(url, 2)
    try:
        with psycopg.connect(url, autocommit=True) as owner:
            yield database, owner
    finally:
        await database.close()


async def refused(database: Database, city: SmallCity, folder: Path) -> tuple[str, dict[str, object]]:
    with pytest.raises(Conflict) as refusal:
        await seal(database, city, folder)
    return refusal.value.code, dict(refusal.value.facts)


async def check_goes_on(
    database: Database, owner: psycopg.Connection, city: SmallCity, folder: Path, served: list[bytes]
) -> None:
    """The log begins with each checkpoint that was served before the dump, and has all that the bank acknowledged since."""
    city_id, keys = city.city_id, keys_in(folder)
    assert notes(owner, city_id)[: len(served)] == served
    size = check_whole(owner, city_id, keys)
    check_order(owner, city_id)
    *_, last = opened(owner, city_id, keys)
    old = opened(owner, city_id, keys)[len(served) - 1]
    tiles = grow(0, {}, map(leaf_hash, entries(owner, city_id)))
    proof = consistency_proof(old.size, size, hashes_from(size, tiles.__getitem__))
    assert old.size < last.size == size
    verify_consistency(old.size, size, old.root, last.root, proof)
    assert owner.execute(UNSEALED, {"city": city_id}).fetchall() == [(0, 0, 0)]
    async with database.read() as session:
        assert [each async for each in verify(session, WORKER, keys.verifying) if each.faults] == []


async def test_a_dump_in_a_new_server_is_sealed_on_by_the_pages_commands(
    database: Database,
    small_city: SmallCity,
    owner: psycopg.Connection,
    database_url: str,
    new_server: NewServer,
    tmp_path: Path,
) -> None:
    owner.execute(RUN_ON)
    await more(database, small_city, 1)
    await seal(database, small_city, tmp_path)
    served = notes(owner, small_city.city_id)
    await more(database, small_city, 2)  # in the dump, and not in the log yet
    new_server.take_dump(database_url)
    epoch = new_server.run("load").splitlines()[-1]
    early_url = new_server.database("early")
    with psycopg.connect(new_server.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE early TEMPLATE bank")

    async with bank_at(early_url) as (early, early_owner):
        assert (await refused(early, small_city, tmp_path))[0] == "audit.restored", "its counter is far behind"
        await more(early, small_city, 3)  # taken all the same: two households' sides of a journal, and an act
        early_owner.execute(RUN_ON)
        early_owner.execute(RUN_ON)
        await more(early, small_city, 4)  # behind the log, since the counter has run on by itself
        left_out = await refused(early, small_city, tmp_path)
        assert left_out[0] == "audit.left_out" and (left_out[1]["acts"], left_out[1]["journals"]) == (1, 1)
        assert notes(early_owner, small_city.city_id) == served

    new_server.server.stop()
    new_server.run("move", epoch=epoch)
    new_server.server.start()
    async with bank_at(new_server.database("bank")) as (moved, moved_owner):
        assert moved_owner.execute("SELECT pg_current_xact_id()::text::bigint / 2^32 >= 1").fetchall() == [(True,)]
        await more(moved, small_city, 3)
        assert await seal(moved, small_city, tmp_path) == 2 * 3, "what waited in the dump, and what came"
        await check_goes_on(moved, moved_owner, small_city, tmp_path, served)

    async with bank_at(early_url) as (early, early_owner):
        assert await refused(early, small_city, tmp_path) == left_out, "the counter alone does not bring them back"
        early_owner.execute(BLOCKS["late"])
        assert await seal(early, small_city, tmp_path) == 3 * 3
        await check_goes_on(early, early_owner, small_city, tmp_path, served)
