"""The log of a demo city, served over HTTP, before programs that are not the bank's; and what it tells of persons: nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.formats.checkpoint import parse_checkpoint
from carbon_bank.audit.formats.note import VerifierKey, parse_note
from carbon_bank.audit.formats.receipt import parse_receipt
from carbon_bank.audit.log import erasure_service
from carbon_bank.audit.log.canonical import parse_canonical
from carbon_bank.audit.log.evidence_service import PUBLIC
from carbon_bank.audit.log.files_service import write_files
from carbon_bank.audit.verify.service import verify
from carbon_bank.demo import stages
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER, Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.settings import Settings
from carbon_bank.trail.service import Act, record
from tests.audit.demo_bank import Bank, serving_demo_city
from tests.audit.log_reader import entries
from tests.audit.personal import files_below, personal_values, told_of
from tests.small_city import NOW
from tests.test_verify_go import Go, go

__all__ = ["go"]  # the fixture: Go's verifier, built once

SCRIPT = Path(__file__).parent.parent / "scripts" / "verify_receipt.py"
ALWAYS = {"v", "type", "seq", "at"}
KEYS_OF = {
    "act": (ALWAYS | {"act", "commitment"}, {"public"}),
    "posting": (ALWAYS | {"kind", "commitment"}, {"settlement"}),
    "close": (ALWAYS | {"settlement", "utility", "commodity", "month", "rows", "root"}, {"quantity", "unit"}),
}
"""By type what every entry has, and what some have."""
SUBJECTS = {"adoption", "reading_batch", "settlement"}
"""What the acts that are told are about, in a demo city: no household."""


@pytest.fixture
async def bank(settings: Settings, database_url: str, database: Database) -> AsyncIterator[Bank]:
    async with serving_demo_city(settings, database_url, database, 150, with_rewards=True) as served:
        yield served


async def run(go: Go, *arguments: str | Path) -> tuple[int, str]:
    return await asyncio.to_thread(go, *arguments)


async def forget_its_household(database: Database, bank: Bank, owner: psycopg.Connection) -> None:
    """The account of the household that signs in is closed, what the log has of it is erased, and all that is sealed."""
    query = "SELECT city_id, household_id FROM person WHERE login = %s"
    ((city_id, household_id),) = owner.execute(query, [stages.HOUSEHOLD]).fetchall()
    keys, actor, now = worker.log_keys_of(bank.settings), Actor("system:test", city_id=city_id), clock.now()
    async with database.write() as session:
        await ledger.close_account(session, actor, now, now.date(), household_id, "moved away")
    await worker.seal_city(database, keys, city_id, "gwangju")
    async with database.write() as session:
        await erasure_service.forget(session, actor, now, household_id, "moved away and asked for it")
    await worker.seal_city(database, keys, city_id, "gwangju")


async def test_go_verifies_the_log_its_growth_and_a_households_receipt(
    go: Go, bank: Bank, database: Database, owner: psycopg.Connection, tmp_path: Path
) -> None:
    city_id = owner.execute("SELECT city_id FROM log").fetchall()[0][0]
    async with httpx.AsyncClient(base_url=bank.url) as client:
        old = (await client.get("/log/gwangju/checkpoint")).content
        (tmp_path / "old").write_bytes(old)
        for number in range(300):
            async with database.write() as session:
                record(session, Act.CITY_ADDED, by="test", at=NOW, subject=f"city:{number}", city_id=city_id)
        await worker.seal_city(database, worker.log_keys_of(bank.settings), city_id, "gwangju")
        form = {"grant_type": "password", "username": stages.HOUSEHOLD, "password": stages.PASSWORD}
        token = (await client.post("/v1/token", data=form)).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        seq = (await client.get("/v1/me/statement")).json()["lines"][0]["seq"]
        receipt = await client.get(f"/v1/me/postings/{seq}/receipt")
        opening = await client.get(f"/v1/me/postings/{seq}/opening")
        assert (receipt.status_code, opening.status_code) == (200, 200)
    (tmp_path / "posting.tlog-proof").write_bytes(receipt.content)
    (tmp_path / "opening.json").write_text(json.dumps(opening.json()))

    log = ("-log", f"{bank.url}/log/gwangju", "-vkey", bank.key)
    proofs = ("-old", tmp_path / "old", "-receipt", tmp_path / "posting.tlog-proof")
    before, size = parse_checkpoint(parse_note(old).text).size, len(entries(owner, city_id))
    code, told = await run(go, *log, *proofs)
    assert code == 0, told
    assert size == before + 300 and before > 150
    for line in (
        f"checkpoint  {size} entries, ",
        f"consistent  {size} entries begin with the older {before}\n",
        f"entries     {size}, with ",
        f"receipt     entry {parse_receipt(receipt.content).index} of {size}\n",
        "verified\n",
    ):
        assert line in told
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, SCRIPT, "posting.tlog-proof", "--vkey", bank.key, "--opening", "opening.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "proved"), done.stdout + done.stderr
    await forget_its_household(database, bank, owner)
    async with database.read() as session:
        assert [
            each async for each in verify(session, WORKER, lambda _: [VerifierKey.parse(bank.key)]) if each.faults
        ] == []
        await write_files(session, "gwangju", tmp_path / "mirror")
    for where in (log, ("-log", tmp_path / "mirror", "-vkey", bank.key)):
        code, told = await run(go, *where, *proofs)
        assert (code, told.splitlines()[-1]) == (0, "verified"), "the tree is whole, and the receipt proves"
    with psycopg.connect(bank.database_url, autocommit=True) as forger:
        forger.execute("SET session_replication_role = replica")
        forger.execute(
            "UPDATE log_tile SET data = set_byte(data, 70, get_byte(data, 70) # 1) WHERE level = -1 AND place = 1"
        )
    code, _ = await run(go, *log)
    assert code == 1, "a byte of an entry was changed"


async def test_no_file_of_the_log_tells_of_a_person(
    bank: Bank, database: Database, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """Every value of the city's rows that belongs to somebody is looked for in every bundle, tile and checkpoint."""
    personal = personal_values(owner, bank.city, bank.settings)
    assert len(personal) > 5000
    async with database.read() as session:
        await write_files(session, "gwangju", tmp_path / "mirror")
    files = files_below(tmp_path / "mirror")
    files += [note.encode() for (note,) in owner.execute("SELECT note FROM log_checkpoint").fetchall()]
    assert len(files) > 10
    city_id = owner.execute("SELECT city_id FROM log").fetchall()[0][0]
    public = [parse_canonical(entry).get("public", {}) for entry in entries(owner, city_id)]
    sums = {str(value) for told in public for value in told.values() if isinstance(value, int)}
    assert told_of(personal, files) <= sums, "a reading may have the number of a public sum, by chance"

    number, login = bank.city.households["household_number"][7], stages.HOUSEHOLD
    hashed = hashlib.sha256(number.encode())
    assert {number, login} <= personal
    for leak in (f'"{number}"'.encode(), hashed.hexdigest().encode(), hashed.digest()):
        assert told_of(personal, [leak]) == {number}, "it would be found"
    assert told_of(personal, [login.upper().encode()]) == {login}


async def test_an_entry_has_its_own_keys_and_tells_public_facts_alone(bank: Bank, owner: psycopg.Connection) -> None:
    city_id = owner.execute("SELECT city_id FROM log").fetchall()[0][0]
    found = [parse_canonical(entry) for entry in entries(owner, city_id)]
    assert {entry["type"] for entry in found} == set(KEYS_OF)
    query = "SELECT l.leaf, t.subject, t.facts FROM log_leaf l JOIN trail t ON t.id = l.act_id WHERE l.part = 0"
    acts = {leaf: (subject, facts) for leaf, subject, facts in owner.execute(query).fetchall()}
    for entry in found:
        always, sometimes = KEYS_OF[entry["type"]]
        assert always <= set(entry) <= always | sometimes, entry
        if entry["type"] != "act":
            continue
        subject, facts = acts[entry["seq"]]
        public = entry.get("public", {})
        assert bool(public) == (entry["act"] in PUBLIC)
        allowed = {"subject": subject} | {name: facts.get(name) for name in PUBLIC.get(entry["act"], ())}
        assert public.items() <= allowed.items()
        assert not public or public["subject"].partition(":")[0] in SUBJECTS
