"""Three years of real water bills of Santa Monica through the whole bank: what `simulate` says of them, the ledger holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import pytest
import typer
from fastapi import FastAPI
from typer.testing import CliRunner

from carbon_bank import worker
from carbon_bank.cli.simulate import simulate
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.identity import tokens
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.programme.policy import load_shipped, parse_policy
from carbon_bank.registry import enrol_service, import_service
from carbon_bank.registry import service as registry
from carbon_bank.registry.import_rows import COLUMNS, Kind
from carbon_bank.settlement import service
from tests.settlement.town import adopt, text_frame

SYSTEM = Actor("system:test")
PERIOD = Period.parse("2016-H1")
# Settlements take a policy only for periods from its effective_from on, and the shipped one begins with 2024. These bills are
# older, so both sides settle them by the same text with an earlier first day; nothing else in it differs.
SHIPPED = load_shipped("korea-carbon-point@2024")
POLICY = parse_policy(SHIPPED.text.replace("effective_from: 2024-01-01", "effective_from: 2014-01-01"))
BATCH = 1000

Row = dict[str, Any]


@dataclass(frozen=True)
class Bank:
    """The ids that the journey needs."""

    city_id: int
    utility: Actor
    households: dict[int, str]


@pytest.fixture
def bills(shared_data: Path) -> pl.DataFrame:
    return pl.read_csv(shared_data / "santa-monica" / "water-readings.csv.gz", infer_schema=False)


async def found_city(database: Database, bills: pl.DataFrame) -> Bank:
    """Who held which meter is what `simulate` takes without a file of households: from its first bill to its last."""
    held = bills.group_by("household_id", "meter_id").agg(
        starts_on=pl.col("period_start").min(), ends_on=pl.col("period_end").max()
    )
    meters = [
        {
            "utility": "water-works",
            "commodity": "water",
            "customer_number": row["household_id"],
            "meter_number": row["meter_id"],
            "household_number": row["household_id"],
            "starts_on": row["starts_on"],
            "ends_on": row["ends_on"],
        }
        for row in held.sort("household_id", "meter_id").iter_rows(named=True)
    ]
    numbers = bills["household_id"].unique().sort().to_list()
    home = {"district": "all", "joined_on": "2014-01-01"}
    files: dict[Kind, list[dict[str, str]]] = {
        Kind.DISTRICTS: [{"code": "all", "name_en": "Santa Monica"}],
        Kind.UTILITIES: [{"code": "water-works", "name": "Water Resources", "commodities": "water"}],
        Kind.HOUSEHOLDS: [home | {"household_number": number} for number in numbers],
        Kind.METERS: meters,
        Kind.TENURES: meters,
    }
    code, now = "santa-monica", clock.now()
    async with database.write() as session:
        name = {"en": "Santa Monica"}
        city = await enrol_service.add_city(
            session, SYSTEM, now, code=code, name=name, time_zone="America/Los_Angeles", currency="USD"
        )
        for kind, rows in files.items():
            frame = text_frame(rows, list(COLUMNS[kind]))
            taken = await import_service.import_rows(session, SYSTEM, now, code, kind, [frame])
            assert taken.added == len(rows)
    assert city.id is not None
    async with database.read() as session:
        place = await registry.find_utility(session, code, "water-works")
        known = await registry.list_households(session, Actor("system:test", city_id=city.id), None, 0, 10_000)
    assert len(known) == len(numbers) == 4792
    utility = Actor("client:1", frozenset({Role.UTILITY}), city.id, utility_id=place.utility_id)
    return Bank(city.id, utility, {each.id: each.number for each in known if each.id is not None})


async def push(client: httpx.AsyncClient, app: FastAPI, bank: Bank, bills: pl.DataFrame) -> int:
    """Send every bill as the utility does. Returns how many were accepted."""
    headers = {"Authorization": f"Bearer {tokens.issue(app.state.keys, bank.utility, clock.now())}"}
    columns = ["commodity", "meter_number", "period_start", "period_end", "quantity", "unit", "quality"]
    sent = bills.rename({"meter_id": "meter_number"}).select(*columns, customer_number="household_id")
    accepted = 0
    for batch in sent.iter_slices(BATCH):
        answer = await client.post("/v1/readings", json={"readings": batch.to_dicts()}, headers=headers)
        assert answer.status_code == 200, answer.text[:1000]
        accepted += answer.json()["accepted"]
    return accepted


async def settle(database: Database, bank: Bank) -> int:
    """From request to posting, by an operator and an approver."""
    operator, approver = (Actor(f"person:{number}", city_id=bank.city_id) for number in (1, 2))
    now = clock.now()
    await adopt(database, bank.city_id, POLICY)
    async with database.write() as session:
        made = await service.request_settlement(session, operator, now, period=PERIOD, in_background=False)
    assert made.id is not None
    await worker.compute(database, made.id, 1000)
    async with database.write() as session:
        await service.approve(session, approver, now, made.id)
        await service.start_posting(session, operator, now, made.id, in_background=False)
    await worker.post(database, made.id, 500)
    return made.id


def simulated(shared_data: Path, folder: Path) -> Iterator[Row]:
    """What `carbon-bank simulate` gives for the same readings."""
    text = folder / "policy.yaml"
    text.write_text(POLICY.text, encoding="utf-8")
    app = typer.Typer()
    app.command()(simulate)
    readings = shared_data / "santa-monica" / "water-readings.csv.gz"
    arguments = ["--policy", str(text), "--readings", str(readings), "--periods", str(PERIOD)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    yield from csv.DictReader(io.StringIO(result.stdout))


def strangers_to(period: Period, bills: pl.DataFrame) -> set[str]:
    """Households whose last bill ends before a period, or whose first begins behind it."""
    reach = bills.group_by("household_id").agg(pl.col("period_start").min(), pl.col("period_end").max())
    outside = (pl.col("period_end") <= str(period.first_day)) | (pl.col("period_start") >= str(period.end_day))
    return set(reach.filter(outside)["household_id"])


def number(text: str) -> int | None:
    return int(text) if text else None


async def test_real_water_bills_become_the_points_that_simulate_says(
    client: httpx.AsyncClient,
    app: FastAPI,
    database: Database,
    owner: psycopg.Connection,
    bills: pl.DataFrame,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    assert POLICY.effective_from == date(2014, 1, 1)
    assert POLICY.reduction == SHIPPED.reduction
    bank = await found_city(database, bills)
    assert await push(client, app, bank, bills) == bills.height == 50_680
    settlement = await settle(database, bank)

    expected = {row["household_id"]: row for row in simulated(shared_data, tmp_path)}
    async with database.read() as session:
        awards = await service.list_awards(session, settlement, None, 100_000)
    # simulate also lists those who held no meter in the half-year, as incomplete; the bank has no award of them.
    outside = strangers_to(PERIOD, bills)
    assert {bank.households[award.household_id] for award in awards} == set(expected) - outside
    assert (len(awards), len(expected)) == (4173, 4792)
    assert {(expected[each]["outcome"], expected[each]["usage"], expected[each]["points"]) for each in outside} == {
        ("incomplete", "", "0")
    }
    to_pay = {}
    for award in awards:
        told = expected[bank.households[award.household_id]]
        baseline = None
        if award.baseline_num is not None and award.baseline_den is not None:
            num, den = int(award.baseline_num), int(award.baseline_den)
            baseline = (2 * num + den) // (2 * den)
        assert award.commodity == told["commodity"] == "water"
        assert (award.outcome, baseline, award.usage, award.points, award.avoided_g) == (
            told["outcome"],
            number(told["baseline"]),
            number(told["usage"]),
            int(told["points"]),
            number(told["avoided_g_co2e"]),
        ), told
        codes = list(dict.fromkeys(finding["code"] for finding in award.findings))
        assert ";".join(codes) == told["findings"]
        held = any(finding["severity"] == "hold" for finding in award.findings)
        assert award.review == ("held" if held else "clear")
        if int(told["points"]) and not held:
            to_pay[award.household_id] = int(told["points"])
    assert {award.review for award in awards} == {"held", "clear"}

    posted = owner.execute("SELECT household_id, amount::int FROM posting WHERE settlement_id = %s", [settlement])
    assert dict(posted.fetchall()) == to_pay
    assert posted.rowcount == len(to_pay) > 100
    lots = owner.execute("SELECT household_id, granted::int FROM lot WHERE remaining = granted")
    assert dict(lots.fetchall()) == to_pay
    accounts = owner.execute("SELECT household_id, available::int FROM account WHERE available > 0")
    assert dict(accounts.fetchall()) == to_pay
    [(issued,)] = owner.execute("SELECT -sum(amount)::bigint FROM entry WHERE account = 'issuance'").fetchall()
    assert issued == sum(to_pay.values())
