"""Taking a package away: who may, what the trail says of it, and that the same settlement gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from carbon_bank import worker
from carbon_bank.audit.export import service as export_service
from carbon_bank.demo import city as generator
from carbon_bank.demo import stages
from carbon_bank.demo.city import build_city
from carbon_bank.demo.stages import Demo
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.clients import CAME_FROM
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Conflict
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.look_service import note_look
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.registry import enrol_service
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings
from carbon_bank.settlement import service
from carbon_bank.settlement.review_service import Decision
from carbon_bank.trail.service import Act
from tests.audit.log_reader import keys_in
from tests.audit.package_town import Run, decide, eventful_settlement, here, seal, unpack, write
from tests.ledger.books import without_triggers
from tests.settlement.test_posting import posting
from tests.settlement.town import found_town, reading, request, send, stored
from tests.small_city import NOW, SmallCity

WHY = {"reason": "audit of 2024"}
PROBLEM = "urn:carbon-bank:problem:"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return here(monkeypatch, capsys)


def proved(run: Run, folder: Path, vkey: str) -> None:
    code, told = run("verify_package", folder, "--vkey", vkey)
    assert code == 0, told
    code, told = run("recompute", "--package", folder)
    assert code == 0, told


async def test_the_same_settlement_gives_the_same_bytes_whatever_came_since(
    database: Database, small_city: SmallCity, tmp_path: Path
) -> None:
    number = await eventful_settlement(database, small_city, tmp_path)
    first = (await write(database, small_city, number, tmp_path, "first")).read_bytes()
    assert (await write(database, small_city, number, tmp_path, "second")).read_bytes() == first
    march = Period.parse("2024-03").first_month
    await send(database, small_city, "elec", [reading("t002", "electricity", march, 1, reason="rebilled")])
    async with database.write() as session:
        for number_of_home in ("new-1", "new-2"):
            home = await enrol_service.add_household(
                session,
                Actor("system:test", city_id=small_city.city_id),
                NOW,
                number=number_of_home,
                district="north",
                dwelling_type=None,
                residents=None,
                joined_on=date(2021, 1, 1),
            )
            assert home.id is not None
            await enrol_service.add_tenure(
                session,
                Actor("system:test", city_id=small_city.city_id),
                NOW,
                household_id=home.id,
                meter_id=small_city.meters["A-e"],
                starts_on=date(2021, 1, 1),
                ends_on=None,
            )
        exported = export_service.Exported("x", "0" * 64, {}, with_numbers=False)
        auditor = small_city.actors["auditor"]
        await export_service.record_export(session, auditor, NOW, number, "a test", exported)
        note_look(session, auditor, NOW, Act.AWARD_READ, f"settlement:{number}", None, rows=1)
    await seal(database, small_city, tmp_path)
    assert (await write(database, small_city, number, tmp_path, "third")).read_bytes() == first


@pytest.fixture
async def auditor(client: httpx.AsyncClient, small_city: SmallCity) -> AsyncIterator[httpx.AsyncClient]:
    yield small_city.as_(client, "auditor")


async def test_a_settlement_is_taken_once_it_is_posted_and_sealed_and_the_trail_says_so(
    database: Database,
    small_city: SmallCity,
    app: FastAPI,
    auditor: httpx.AsyncClient,
    owner: psycopg.Connection,
    tmp_path: Path,
) -> None:
    app.state.log_keys = keys_in(tmp_path)
    number = await posting(database, small_city)
    path = f"/v1/audit/settlements/{number}/export"
    answer = await auditor.get(path, params=WHY)
    assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}settlement.state")
    await worker.post(database, number, 5)
    answer = await auditor.get(path, params=WHY)
    assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}audit.not_sealed")
    assert answer.headers["retry-after"] == "60"
    await seal(database, small_city, tmp_path)
    assert [(await auditor.get(path, params=each)).status_code for each in ({}, {"reason": "no"})] == [422, 422]
    acts = "SELECT by, subject, reason, facts FROM trail WHERE act = 'audit.exported' ORDER BY id"
    assert owner.execute(acts).fetchall() == [], "whoever got nothing is not on the trail"

    answer = await auditor.get(path, params=WHY)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="export-here-{number}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == (await write(database, small_city, number, tmp_path)).read_bytes()
    numbered = await auditor.get(f"{path}/numbers", params=WHY)
    assert numbered.status_code == 403
    numbered = await auditor.get(f"{path}/numbers", params=WHY, headers=small_city.bearer("privacy_officer"))
    assert (numbered.status_code, b"numbers.csv" in numbered.content) == (200, True)
    assert b"/numbers.csv" not in answer.content
    by, subject = small_city.actors["auditor"].subject, f"settlement:{number}"
    first, second = owner.execute(acts).fetchall()
    assert first[:3] == (by, subject, WHY["reason"]) and second[0] == small_city.actors["privacy_officer"].subject
    assert (first[3]["with_numbers"], second[3]["with_numbers"]) == (False, True)
    sums = (unpack(tmp_path / "package.zip") / "SHA256SUMS").read_bytes()
    assert first[3]["sums_sha256"] == hashlib.sha256(sums).hexdigest()


async def test_the_address_of_the_staff_stands_in_the_folder_of_the_log_alone(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path
) -> None:
    came_from = CAME_FROM.set("203.0.113.9")
    number = await posting(database, small_city)
    CAME_FROM.reset(came_from)
    await worker.post(database, number, 5)
    await seal(database, small_city, tmp_path)
    folder = unpack(await write(database, small_city, number, tmp_path))
    files = [path for path in folder.rglob("*") if path.is_file()]
    having = {str(path.relative_to(folder)) for path in files if b"203.0.113.9" in path.read_bytes()}
    assert "log/acts.jsonl" in having and all(name.startswith("log/") for name in having)
    tiles = b"".join(data for (data,) in owner.execute("SELECT data FROM log_tile"))
    assert b"settlement.approved" in tiles and b"203.0.113.9" not in tiles


async def test_a_decision_after_posting_is_waited_for_until_it_is_sealed(
    database: Database, small_city: SmallCity, tmp_path: Path
) -> None:
    number = await eventful_settlement(database, small_city, tmp_path)
    held = next(each for each in await stored(database, number) if each["review"] == "held")
    await decide(database, small_city.actors["approver"], number, held, Decision.REJECTED, "not at home")
    with pytest.raises(Conflict) as refusal:
        await write(database, small_city, number, tmp_path)
    assert refusal.value.code == "audit.not_sealed"
    await seal(database, small_city, tmp_path)
    folder = unpack(await write(database, small_city, number, tmp_path))
    assert "not at home" in (folder / "reviews.csv").read_text()


async def test_leaves_of_who_was_erased_are_counted_and_the_rest_still_proved(
    database: Database, small_city: SmallCity, owner: psycopg.Connection, tmp_path: Path, run: Run
) -> None:
    number = await eventful_settlement(database, small_city, tmp_path)
    with without_triggers(owner):
        query = (
            "DELETE FROM log_secret WHERE household_id = (SELECT min(household_id) FROM posting WHERE kind = 'award')"
        )
        assert owner.execute(query).rowcount == 1
    folder = unpack(await write(database, small_city, number, tmp_path))
    vkey = str(keys_in(tmp_path).verifying("here")[0])
    code, told = run("verify_package", folder, "--vkey", vkey)
    assert code == 1 and "1 leaves cannot be opened" in told
    assert run("verify_package", folder, "--vkey", vkey, "--erased", "1")[0] == 0


QUARTERLY = """
policy: quarterly
version: "1"
title: {en: By quarters}
source: [a test]
effective_from: 2020-01-01
period_months: 3
anchor_month: 1
commodities: {electricity: {factor: "0.4"}, water: {factor: "0.3"}}
baseline: {method: same_months_mean, lookback_years: 2, newcomer: peer_mean, peer_min: 3}
reduction: {basis: BASIS, tiers: TIERS}
maintenance: {after: 1, points: POINTS}
STANDARD
household_points_max: 40
"""


def quarterly(basis: str) -> Policy:
    combined = basis == "combined_co2e"
    rungs = '[{from: "0.1", points_per_unit: "1/7"}]'
    tiers = f"{{combined: {rungs}}}" if combined else f"{{electricity: {rungs}, water: {rungs}}}"
    points = "{combined: 3}" if combined else "{electricity: 3, water: 2}"
    standard = "" if combined else 'standard_use: {share: "1/2", points: {water: 5}}'
    text = QUARTERLY.replace("BASIS", basis).replace("TIERS", tiers).replace("POINTS", points)
    return parse_policy(text.replace("STANDARD", standard))


def by_turns(household: int, commodity: str, month: int) -> int | None:
    """Less in the first quarter of 2024, by a household's own share, and a little less in the second."""
    year, month0 = divmod(month, 12)
    if year < 2024:
        return None if household == 3 and year < 2023 else 300 + 7 * household + month0
    return (300 + 7 * household) * (80 if month0 < 3 else 97 - household % 5) // 100


@pytest.mark.parametrize("basis", ["per_commodity", "combined_co2e"])
async def test_runs_peers_and_sums_of_commodities_are_recomputed_from_a_package(
    database: Database, small_city: SmallCity, tmp_path: Path, run: Run, basis: str
) -> None:
    moved_in = {4: "2023-11-15", 5: "2023-12-01"}
    await found_town(database, small_city, 12, use=by_turns, moved_in=moved_in)
    later = datetime(2024, 11, 1, tzinfo=UTC)
    for period in ("2024-Q1", "2024-Q2"):
        number = await request(database, small_city.actors["operator"], quarterly(basis), Period.parse(period), later)
        await worker.compute(database, number, 5)
        async with database.write() as session:
            await service.approve(session, small_city.actors["approver"], later, number)
            await service.start_posting(session, small_city.actors["operator"], later, number, in_background=False)
        await worker.post(database, number, 100)
    await seal(database, small_city, tmp_path)
    folder = unpack(await write(database, small_city, number, tmp_path))
    proved(run, folder, str(keys_in(tmp_path).verifying("here")[0]))
    awards = (folder / "awards.csv").read_text()
    assert "maintenance" in awards and "baseline.peer" in awards
    assert (folder / "streaks.csv").read_text().count("\n") > 5
    (folder / "streaks.csv").write_text("household_id,commodity,streak\n")
    assert run("recompute", "--package", folder)[0] == 1, "without the runs there is no maintenance"


async def test_the_demo_city_is_proved_and_recomputed(
    database: Database, settings: Settings, tmp_path: Path, run: Run
) -> None:
    demo = Demo(database, settings, build_city(300))
    for stage in (stages.fill_registry, stages.let_people_in, stages.adopt_policy, stages.send_readings):
        await stage(demo)
    await stages.send_revisions(demo)
    for period in stages.PERIODS[:2]:
        await stages.settle(demo, period)
    async with database.read() as session:
        city = await registry.find_city(session, generator.CODE)
    assert city.id is not None
    await worker.seal_city(database, keys_in(tmp_path), city.id, generator.CODE)
    path = tmp_path / "demo.zip"
    async with database.read() as session:
        auditor = Actor("person:1", city_id=city.id)
        number = demo.settlements[stages.PERIODS[1]]
        await export_service.write_package(session, auditor, number, keys_in(tmp_path).signing, path)
    folder = unpack(path)
    proved(run, folder, str(keys_in(tmp_path).verifying(generator.CODE)[0]))
    text = "".join(each.read_text() for each in folder.rglob("*.csv"))
    assert not any(number in text for number in demo.city.households["household_number"])
    assert not any(number in text for number in demo.city.meters["customer_number"])
