"""After a household is forgotten the tree still verifies, and nobody can show what its leaves meant."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg

from carbon_bank import worker
from carbon_bank.audit.verify.service import verify
from carbon_bank.foundation.database import Database
from carbon_bank.identity.actor import WORKER
from tests.audit.log_reader import check_whole, entries, keys_in
from tests.ledger.books import grant, without_triggers
from tests.rewards.shop import Shop, problem
from tests.small_city import SmallCity

WHY = {"reason": "the household moved away and asked for it"}


async def faults(database: Database, folder: Path) -> list[tuple[str, list[tuple[int | None, str]]]]:
    async with database.read() as session:
        checks = verify(session, WORKER, keys_in(folder).verifying)
        return [(each.promise, each.faults) async for each in checks if each.faults]


async def test_what_is_forgotten_cannot_be_opened_and_the_tree_stays_whole(
    database: Database, client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    shop, home, keys = Shop(client, database, small_city), small_city.alder, keys_in(tmp_path)
    async with database.write() as session:
        await grant(session, [(home, "gas", 10), (small_city.birch, "gas", 20)])
    path = f"/v1/households/{home}/forgetting"
    assert problem(await shop.send("privacy_officer", "POST", path, WHY)) == (409, "audit.account_open")
    await shop.do("operator", f"/v1/households/{home}/closure", WHY, 200)
    early = await shop.send("privacy_officer", "POST", path, WHY)
    assert (problem(early), early.headers["retry-after"]) == ((409, "audit.not_sealed"), "60")
    await worker.seal_city(database, keys, small_city.city_id, "here")
    rows = owner.execute("SELECT leaf FROM log_leaf WHERE household_id = %s ORDER BY leaf", [home]).fetchall()
    leaves = [leaf for (leaf,) in rows]
    assert len(leaves) == 2, "the award, and what the closing gave up"
    opened = await shop.get("auditor", f"/v1/audit/leaves/{leaves[0]}/opening")
    assert opened["record"]["household"] == home
    before = entries(owner, small_city.city_id)

    assert (await shop.send(None, "POST", path, WHY)).status_code == 401
    assert (await shop.send("auditor", "POST", path, WHY)).status_code == 403
    assert (await shop.send("far_operator", "POST", path, WHY)).status_code == 403
    assert (await shop.send("privacy_officer", "POST", path, WHY)).status_code == 204
    assert problem(await shop.send("privacy_officer", "POST", path, WHY)) == (409, "audit.erased")
    for who, where in (("auditor", f"/v1/audit/leaves/{leaves[0]}"), ("alder", "/v1/me/postings/1")):
        assert problem(await shop.send(who, "GET", f"{where}/opening")) == (409, "audit.erased")
        assert (await shop.send(who, "GET", f"{where}/receipt")).status_code == 200, "that it is there is still proved"
    assert await faults(database, tmp_path) == [], "before that it was done is sealed"
    await worker.seal_city(database, keys, small_city.city_id, "here")
    assert entries(owner, small_city.city_id)[: len(before)] == before
    check_whole(owner, small_city.city_id, keys)
    assert await faults(database, tmp_path) == []
    other = owner.execute("SELECT leaf FROM log_leaf WHERE household_id = %s", [small_city.birch]).fetchall()[0][0]
    assert (await shop.get("auditor", f"/v1/audit/leaves/{other}/opening"))["record"]["household"] == small_city.birch


async def test_what_comes_after_it_is_opened_by_another_secret(
    database: Database, client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """An award that is posted late to a closed account: its leaf can be opened, those from before cannot."""
    shop, home, keys = Shop(client, database, small_city), small_city.alder, keys_in(tmp_path)
    async with database.write() as session:
        await grant(session, [(home, "gas", 10)])
    await shop.do("operator", f"/v1/households/{home}/closure", WHY, 200)
    await worker.seal_city(database, keys, small_city.city_id, "here")
    former = owner.execute("SELECT secret FROM log_secret WHERE household_id = %s", [home]).fetchall()
    assert (await shop.send("privacy_officer", "POST", f"/v1/households/{home}/forgetting", WHY)).status_code == 204
    async with database.write() as session:
        await grant(session, [(home, "water", 30)], settlement_id=2)
    await worker.seal_city(database, keys, small_city.city_id, "here")
    assert former != owner.execute("SELECT secret FROM log_secret WHERE household_id = %s", [home]).fetchall()
    rows = owner.execute("SELECT leaf FROM log_leaf WHERE household_id = %s ORDER BY leaf", [home]).fetchall()
    *old, (new,) = rows
    for (leaf,) in old:
        assert problem(await shop.send("auditor", "GET", f"/v1/audit/leaves/{leaf}/opening")) == (409, "audit.erased")
    assert (await shop.get("auditor", f"/v1/audit/leaves/{new}/opening"))["record"]["postings"][0]["amount"] == 30
    assert await faults(database, tmp_path) == []
    with without_triggers(owner):
        owner.execute("DELETE FROM trail WHERE act = 'log.household_forgotten'")
    assert len(await gone_without_act(database, tmp_path)) == len(old)


async def gone_without_act(database: Database, folder: Path) -> list[int | None]:
    """The households of whose secrets nobody said that they were erased, once for each leaf."""
    found = [each for _, rows in await faults(database, folder) for each in rows]
    return [household_id for household_id, fault in found if "no act says that it was erased" in fault]


async def test_an_act_says_so_of_what_was_sealed_before_it_and_of_nothing_later(
    database: Database, client: httpx.AsyncClient, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    """Whoever was forgotten once is no excuse for a secret that goes later, or for one that opens less than it did."""
    shop, home, keys = Shop(client, database, small_city), small_city.alder, keys_in(tmp_path)
    path = f"/v1/households/{home}/forgetting"
    async with database.write() as session:
        await grant(session, [(home, "gas", 10)])
    await shop.do("operator", f"/v1/households/{home}/closure", WHY, 200)
    await worker.seal_city(database, keys, small_city.city_id, "here")
    assert (await shop.send("privacy_officer", "POST", path, WHY)).status_code == 204
    async with database.write() as session:
        await grant(session, [(home, "water", 30)], settlement_id=2)
    await worker.seal_city(database, keys, small_city.city_id, "here")
    assert await faults(database, tmp_path) == []
    with without_triggers(owner):
        kept = owner.execute("SELECT from_leaf, secret FROM log_secret WHERE household_id = %s", [home]).fetchall()[0]
        owner.execute("UPDATE log_secret SET from_leaf = from_leaf + 1000 WHERE household_id = %s", [home])
        assert await gone_without_act(database, tmp_path) == [home]
        owner.execute("DELETE FROM log_secret WHERE household_id = %s", [home])
        assert await gone_without_act(database, tmp_path) == [home]
        owner.execute("INSERT INTO log_secret (household_id, from_leaf, secret) VALUES (%s, %s, %s)", [home, *kept])
    assert (await shop.send("privacy_officer", "POST", path, WHY)).status_code == 204, "forgotten once more"
    assert await faults(database, tmp_path) == []
    await worker.seal_city(database, keys, small_city.city_id, "here")
    assert await faults(database, tmp_path) == []
    assert problem(await shop.send("privacy_officer", "POST", path, WHY)) == (409, "audit.erased")


async def test_of_a_household_that_never_had_points_there_is_nothing_to_forget(
    database: Database, client: httpx.AsyncClient, small_city: SmallCity, tmp_path: Path
) -> None:
    shop, home = Shop(client, database, small_city), small_city.alder
    await shop.do("operator", f"/v1/households/{home}/closure", WHY, 200)
    await worker.seal_city(database, keys_in(tmp_path), small_city.city_id, "here")
    refused = await shop.send("privacy_officer", "POST", f"/v1/households/{home}/forgetting", WHY)
    assert problem(refused) == (409, "audit.erased") and "nothing ever moved" in refused.json()["detail"]
