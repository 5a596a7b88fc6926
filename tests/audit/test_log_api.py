"""The log over HTTP: what everybody reads, and what a household or an auditor gets of its leaves."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest

from carbon_bank import worker
from carbon_bank.audit.formats.checkpoint import open_checkpoint
from carbon_bank.audit.formats.merkle import leaf_hash
from carbon_bank.audit.formats.receipt import parse_receipt, verify_receipt
from carbon_bank.audit.formats.tiles import bundle
from carbon_bank.audit.log.canonical import commit
from carbon_bank.foundation.database import Database
from carbon_bank.trail.service import Act, record
from tests.audit.log_reader import entries, keys_in
from tests.ledger.books import grant
from tests.rewards.shop import Shop, problem
from tests.settlement.test_posting import posting
from tests.small_city import NOW, SmallCity

FOR_GOOD = "public, max-age=31536000, immutable"
NO_TILES = (
    *(
        "",
        "0",
        "0/0",
        "0/00",
        "0/0000",
        "0/x000/001",
        "00/000",
        "64/000",
        "-1/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
    ),
    *(
        "0/000.p/",
        "0/000/",
        "entries",
        "Entries/000",
        "0/001/000",
        "0/x001",
        "0/%D9%A1%D9%A1%D9%A1",
        "%2E%2E/checkpoint",
    ),
)


@pytest.fixture
async def log(database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path) -> list[bytes]:
    """The entries of a log of 600 leaves in the city `here`; `there` has none."""
    async with database.write() as session:
        await grant(session, [(small_city.alder, "gas", 10), (small_city.birch, "gas", 20)])
        for number in range(600):
            record(session, Act.CITY_ADDED, by="test", at=NOW, subject=f"city:{number}", city_id=small_city.city_id)
    await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here")
    return entries(owner, small_city.city_id)


async def test_everybody_reads_the_checkpoint_and_asks_for_it_each_time(
    client: httpx.AsyncClient, log: list[bytes], tmp_path: Path
) -> None:
    answer = await client.get("/log/here/checkpoint")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.headers["cache-control"] == "no-cache"
    assert open_checkpoint(answer.content, keys_in(tmp_path).verifying("here")).checkpoint.size == len(log)
    for path, refused in [
        ("/log/there/checkpoint", (404, "audit.no_log")),
        ("/log/there/tile/0/000", (404, "audit.no_log")),
        ("/log/nowhere/checkpoint", (404, "registry.unknown_city")),
        ("/log/nowhere/tile/0/000", (404, "registry.unknown_city")),
        ("/log/No%20City/checkpoint", (422, "http.invalid")),
    ]:
        answer = await client.get(path)
        assert problem(answer) == refused
        assert answer.headers["cache-control"] == "no-store", "what is not there yet is there in a minute"


async def test_a_tile_has_one_path_and_what_it_was_before_has_another(
    client: httpx.AsyncClient, log: list[bytes]
) -> None:
    hashes, last = [leaf_hash(each) for each in log], len(log) - 512
    full, edge = (await client.get("/log/here/tile/0/000")), (await client.get(f"/log/here/tile/0/002.p/{last}"))
    for answer, content in ((full, hashes[:256]), (edge, hashes[512:])):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
        assert (answer.headers["cache-control"], answer.content) == (FOR_GOOD, b"".join(content))
    for width in (1, last - 1):
        narrow = await client.get(f"/log/here/tile/0/002.p/{width}")
        assert (narrow.content, narrow.headers["cache-control"]) == (edge.content[: width * 32], FOR_GOOD)
        narrow = await client.get(f"/log/here/tile/entries/002.p/{width}")
        assert narrow.content == bundle(log[512 : 512 + width])
    assert (await client.get("/log/here/tile/0/000.p/255")).content == full.content[: 255 * 32], "of a full one, too"
    assert (await client.get("/log/here/tile/1/000.p/2")).status_code == 200
    for path in (
        f"0/002.p/{last + 1}",
        "0/002",
        "0/003",
        "0/003.p/1",
        "1/000",
        "1/000.p/3",
        "2/000.p/1",
        "entries/x001/000",
    ):
        assert problem(await client.get(f"/log/here/tile/{path}")) == (404, "audit.no_tile"), path


async def test_a_path_that_names_no_tile_is_refused(client: httpx.AsyncClient) -> None:
    for path in NO_TILES:
        assert problem(await client.get(f"/log/here/tile/{path}")) == (422, "audit.tile_path"), path


async def test_a_newline_behind_a_path_names_another_one(client: httpx.AsyncClient, log: list[bytes]) -> None:
    for path in ("checkpoint", "tile/0/000", "tile/0/000.p/8", "tile/entries/000"):
        assert (await client.get(f"/log/here/{path}")).status_code == 200
        assert problem(await client.get(f"/log/here/{path}%0A")) == (404, "http.not_found"), path
    assert problem(await client.get("/log/here%0A/tile/0/000")) == (422, "http.invalid")
    assert problem(await client.get("/log/here/tile/0%0A/000")) == (404, "http.not_found")


async def test_only_the_head_of_a_file_is_asked_for_and_nothing_is_written(
    client: httpx.AsyncClient, log: list[bytes]
) -> None:
    for path in ("checkpoint", "tile/0/000", "tile/entries/001", "tile/0/003"):
        whole, head = await client.get(f"/log/here/{path}"), await client.head(f"/log/here/{path}")
        assert (head.status_code, head.content) == (whole.status_code, b"")
        for name in ("content-type", "content-length", "cache-control"):
            assert head.headers[name] == whole.headers[name], (path, name)
        assert problem(await client.post(f"/log/here/{path}")) == (405, "http.method")


async def test_a_household_gets_receipts_of_its_own_postings_and_an_auditor_of_the_citys_leaves(
    client: httpx.AsyncClient,
    database: Database,
    small_city: SmallCity,
    log: list[bytes],
    owner: psycopg.Connection,
    tmp_path: Path,
) -> None:
    shop, keys = Shop(client, database, small_city), keys_in(tmp_path).verifying("here")
    found = owner.execute("SELECT household_id, leaf FROM log_leaf WHERE household_id IS NOT NULL").fetchall()
    leaves = dict(found)
    for who, household_id, paths in [
        ("alder", small_city.alder, "/v1/me/postings/1"),
        ("birch", small_city.birch, "/v1/me/postings/1"),
        ("auditor", small_city.birch, f"/v1/audit/leaves/{leaves[small_city.birch]}"),
    ]:
        leaf = leaves[household_id]
        receipt = await shop.send(who, "GET", f"{paths}/receipt")
        assert (receipt.status_code, receipt.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert receipt.headers["cache-control"] == "no-store"
        assert ".tlog-proof" in receipt.headers["content-disposition"]
        proof = parse_receipt(receipt.content)
        assert (proof.index, proof.extra) == (leaf, log[leaf])
        assert verify_receipt(proof, log[leaf], keys).checkpoint.size == len(log)
        answer = await shop.send(who, "GET", f"{paths}/opening")
        assert answer.headers["cache-control"] == "no-store"
        opened = answer.json()
        assert opened["record"]["household"] == household_id
        assert commit(bytes.fromhex(opened["key"]), opened["domain"], opened["record"]).hex().encode() in log[leaf]

    looked = await shop.get("auditor", "/v1/audit/trail", params={"act": "opening.read"})
    birchs = (f"household:{small_city.birch}", {"leaf": leaves[small_city.birch]})
    assert [(each["subject"], each["facts"]) for each in looked["items"]] == [birchs]
    for what in ("receipt", "opening"):
        for path in ("/v1/me/postings/1", f"/v1/audit/leaves/{leaves[small_city.alder]}"):
            assert problem(await shop.send(None, "GET", f"{path}/{what}")) == (401, "identity.no_token")
        for who in ("far_household", "far_auditor"):
            own = "/v1/me/postings/1" if who == "far_household" else f"/v1/audit/leaves/{leaves[small_city.alder]}"
            expected = "ledger.unknown_posting" if who == "far_household" else "audit.no_leaf"
            assert problem(await shop.send(who, "GET", f"{own}/{what}")) == (404, expected)
        assert problem(await shop.send("alder", "GET", f"/v1/me/postings/2/{what}")) == (404, "ledger.unknown_posting")
        assert problem(await shop.send("auditor", "GET", f"/v1/audit/leaves/{len(log)}/{what}")) == (
            404,
            "audit.no_leaf",
        )
        for who in ("alder", "operator"):
            refused = await shop.send(who, "GET", f"/v1/audit/leaves/{leaves[small_city.alder]}/{what}")
            assert problem(refused) == (403, "identity.forbidden")


async def test_a_posting_that_is_not_sealed_says_when_to_ask_again(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, log: list[bytes]
) -> None:
    shop = Shop(client, database, small_city)
    async with database.write() as session:
        await grant(session, [(small_city.alder, "water", 30)], settlement_id=2)
    for what in ("receipt", "opening"):
        answer = await shop.send("alder", "GET", f"/v1/me/postings/2/{what}")
        assert problem(answer) == (409, "audit.not_sealed")
        assert answer.headers["retry-after"] == "60"


async def test_a_months_close_has_a_receipt_and_nothing_to_open(
    client: httpx.AsyncClient, database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    shop = Shop(client, database, small_city)
    await worker.post(database, await posting(database, small_city), 100)
    await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here")
    ((leaf, posted),) = owner.execute(
        "SELECT leaf, leaf - part FROM log_leaf WHERE part > 0 ORDER BY leaf LIMIT 1"
    ).fetchall()
    path = f"/v1/audit/leaves/{leaf}"
    assert (await shop.get("auditor", path))["entry"]["type"] == "close"
    receipt = parse_receipt((await shop.send("auditor", "GET", f"{path}/receipt")).content)
    assert receipt.extra == entries(owner, small_city.city_id)[leaf]
    verify_receipt(receipt, receipt.extra, keys_in(tmp_path).verifying("here"))
    assert problem(await shop.send("auditor", "GET", f"{path}/opening")) == (404, "audit.nothing_to_open")
    act = await shop.get("auditor", f"/v1/audit/leaves/{posted}/opening")
    assert act["record"]["act"]["act"] == "settlement.posted"
