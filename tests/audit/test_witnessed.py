"""The city's own log before a real witness: sealed, signed, witnessed, served."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg

from carbon_bank import worker
from carbon_bank.audit.formats.checkpoint import open_checkpoint
from carbon_bank.audit.verify.service import verify
from carbon_bank.audit.witnesses import service as witness_service
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER, Actor
from carbon_bank.trail.service import Act, record
from carbon_bank.webhooks.calling import Caller
from carbon_bank.worker.sealing import StoredLog
from tests.audit.log_reader import keys_in
from tests.audit.made_up import WITNESS
from tests.small_city import NOW, SmallCity
from tests.witness.places import made_witness, witness_at


async def test_a_sealed_checkpoint_is_witnessed_and_served_with_what_was_signed(
    database: Database, small_city: SmallCity, client: httpx.AsyncClient, owner: psycopg.Connection, tmp_path: Path
) -> None:
    keys = keys_in(tmp_path)
    await worker.seal_city(database, keys, small_city.city_id, "here")
    clerk = Actor("system:test", city_id=small_city.city_id)
    witness = made_witness(tmp_path, WITNESS, keys.signing("here")[0])
    post, log = worker.post_by(Caller(allow_loopback=True)), StoredLog(database, small_city.city_id)
    with witness_at(witness) as url:
        async with database.write() as session:
            await witness_service.add(session, clerk, clock.now(), vkey=str(WITNESS.verifier), url=url)
        for number in range(3):
            async with database.write() as session:
                record(session, Act.CITY_ADDED, by="test", at=NOW, subject=f"city:{number}", city_id=small_city.city_id)
            await worker.seal_city(database, keys, small_city.city_id, "here")
            assert await worker.request_cosignatures(database, post, small_city.city_id, log) == 1
            served = await client.get("/log/here/checkpoint")
            opened = open_checkpoint(served.content, keys.verifying("here"), [WITNESS.verifier], 1)
            assert opened.checkpoint.size == log_size(owner) and opened.witnessed_by
    async with database.read() as session:
        assert [each.promise async for each in verify(session, WORKER, keys.verifying) if each.faults] == []


def log_size(owner: psycopg.Connection) -> int:
    return int(owner.execute("SELECT max(size) FROM log_checkpoint").fetchall()[0][0])
