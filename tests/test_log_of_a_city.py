"""The log of a demo city, served over HTTP, before programs that are not the bank's; and what it tells of persons: nothing."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.canonical import parse_canonical
from carbon_bank.audit.evidence_service import PUBLIC
from carbon_bank.demo import stages
from carbon_bank.foundation.database import Database
from carbon_bank.settings import Settings
from carbon_bank.trail.service import Act, record
from tests.audit.demo_bank import Bank, serving_demo_city
from tests.audit.log_reader import entries
from tests.small_city import NOW
from tests.test_verify_go import Go, go

__all__ = ["go"]  # the fixture: Go's verifier, built once

SCRIPT = Path(__file__).parent.parent / "scripts" / "verify_receipt.py"
KEYS_OF = {
    "act": {"v", "type", "seq", "at", "act", "commitment", "public"},
    "posting": {"v", "type", "seq", "at", "kind", "settlement", "commitment"},
    "close": {
        "v",
        "type",
        "seq",
        "at",
        "settlement",
        "utility",
        "commodity",
        "month",
        "rows",
        "root",
        "quantity",
        "unit",
    },
}
TELLING = 5
"""Shorter values occur by chance in digests and numbers."""


@pytest.fixture
async def bank(settings: Settings, database_url: str, database: Database) -> AsyncIterator[Bank]:
    async with serving_demo_city(settings, database_url, database, 150, with_rewards=True) as served:
        yield served


async def run(go: Go, *arguments: str | Path) -> tuple[int, str]:
    return await asyncio.to_thread(go, *arguments)


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
    code, told = await run(go, *log, "-old", tmp_path / "old", "-receipt", tmp_path / "posting.tlog-proof")
    assert code == 0, told
    size = len(entries(owner, city_id))
    assert str(size) in told and size > 300 + 150
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, SCRIPT, "posting.tlog-proof", "--vkey", bank.key, "--opening", "opening.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "proved"), done.stdout + done.stderr
    with psycopg.connect(bank.database_url, autocommit=True) as forger:
        forger.execute("SET session_replication_role = replica")
        forger.execute(
            "UPDATE log_tile SET data = set_byte(data, 70, get_byte(data, 70) # 1) WHERE level = -1 AND place = 1"
        )
    code, _ = await run(go, *log)
    assert code == 1, "a byte of an entry was changed"


async def test_no_entry_tells_of_a_person(bank: Bank, owner: psycopg.Connection) -> None:
    """Every value of the city's rows that belongs to somebody is looked for in every entry."""
    city_id = owner.execute("SELECT city_id FROM log").fetchall()[0][0]
    found = entries(owner, city_id)
    everything = b"\n".join(found).decode()
    personal = {
        *(value for (value,) in owner.execute("SELECT number FROM household").fetchall()),
        *(value for (value,) in owner.execute("SELECT customer_number FROM meter").fetchall()),
        *(value for (value,) in owner.execute("SELECT meter_number FROM meter").fetchall()),
        *(value for (value,) in owner.execute("SELECT login FROM person").fetchall()),
        *(value for (value,) in owner.execute("SELECT code FROM voucher").fetchall()),
        *(value for row in owner.execute("SELECT shown, sealed FROM payout_account").fetchall() for value in row),
        *(value for (value,) in owner.execute("SELECT email FROM inbox_preference WHERE email IS NOT NULL").fetchall()),
        *(
            str(value)
            for (value,) in owner.execute("SELECT quantity FROM reading WHERE quantity IS NOT NULL").fetchall()
        ),
        *(f"household:{value}" for (value,) in owner.execute("SELECT id FROM household").fetchall()),
        *(f"redemption:{value}" for (value,) in owner.execute("SELECT id FROM redemption").fetchall()),
    }
    told = [entry | {"public": entry.get("public", {}).get("subject")} for entry in map(parse_canonical, found)]
    searched = json.dumps(told)  # without the sums that are public, among which any number may occur
    words = set(re.findall(r"[\w:@.*-]+", searched)) | set(re.findall(r"\w+", searched))
    assert len(personal) > 1000
    assert {value for value in personal if len(value) >= TELLING and value in words} == set()
    for entry in map(parse_canonical, found):
        assert set(entry) <= KEYS_OF[entry["type"]], entry
        assert set(entry.get("public", {})) <= {"subject", *PUBLIC.get(entry.get("act", ""), ())}
    columns = bank.city.households["household_number"].to_list()
    assert columns and not any(number in everything for number in columns)
