"""A town with all that an export package has to tell: revisions, a debt, a shared meter, decisions; and its package, unpacked."""

from __future__ import annotations

import runpy
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from carbon_bank import worker
from carbon_bank.audit.export import service as export_service
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.units import Commodity
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import act_service
from carbon_bank.ledger.act_service import Context
from carbon_bank.registry import enrol_service
from carbon_bank.settlement import review_service, service
from carbon_bank.settlement.award_id import AwardId
from carbon_bank.settlement.review_service import Decision
from tests.audit.log_reader import keys_in
from tests.settlement.town import JULY_2024, found_town, reading, request, send, stored
from tests.small_city import NOW, SmallCity

LATER = datetime(2024, 7, 21, 3, 0, tzinfo=UTC)
SCRIPTS = Path(__file__).parent.parent.parent / "scripts"
FORMULA = '=HYPERLINK("x")'
NUMBERS = {"household": "GJ-00009001", "customer": "C-5550-31", "meter": "SN-778812"}
"""Of a household and its meter: such as no package may tell."""
WORDS = "=customer C-5550-31 phoned"
"""A utility's own words about a reading."""
MONTHS = {name: Period.parse(name).first_month for name in ("2022-03", "2023-05", "2024-02", "2024-03")}


async def eventful_settlement(database: Database, city: SmallCity, folder: Path) -> int:
    """A settlement that is posted and sealed, of a town to which much has happened."""
    town = await found_town(database, city)
    await strange_home(database, city)
    revised = [
        reading("t001", "electricity", MONTHS["2024-03"], 250, reason="other", reason_text=WORDS),
        reading("t001", "electricity", MONTHS["2022-03"], 333, reason="other", reason_text=WORDS),
        reading("t003", "electricity", MONTHS["2024-02"], 222, reason="corrected", quality="estimated"),
        reading("t004", "electricity", MONTHS["2023-05"], 0, reason="corrected", cancel="yes"),
    ]
    await send(database, city, "elec", revised)
    async with database.write() as session:
        context = Context(city.city_id, "person:1", JULY_2024, date(2024, 7, 20))
        await act_service.adjust(session, context, town.households[2 + 12], -500, None, 10_000)
    number = await request(database, city.actors["operator"])
    await worker.compute(database, number, 1000)
    held = [each for each in await stored(database, number) if each["review"] == "held" and each["points"] > 0]
    await decide(database, city.actors["operator"], number, held[0], Decision.RELEASED, FORMULA)
    await decide(database, city.actors["operator"], number, held[1], Decision.REJECTED, "the home stood empty")
    async with database.write() as session:
        await service.approve(session, city.actors["approver"], LATER, number)
        await service.start_posting(session, city.actors["operator"], LATER, number, in_background=False)
    await worker.post(database, number, 5)
    await decide(database, city.actors["approver"], number, held[2], Decision.RELEASED, "they were abroad")
    await seal(database, city, folder)
    return number


async def strange_home(database: Database, city: SmallCity) -> None:
    """A household whose dwelling would run in a spreadsheet, and a meter that another one claims as well."""
    here = Actor("system:test", city_id=city.city_id)
    async with database.write() as session:
        home = await enrol_service.add_household(
            session,
            here,
            NOW,
            number=NUMBERS["household"],
            district="north",
            dwelling_type=FORMULA,
            residents=None,
            joined_on=date(2021, 1, 1),
        )
        meter = await enrol_service.add_meter(
            session,
            here,
            NOW,
            utility="elec",
            commodity=Commodity.ELECTRICITY,
            customer_number=NUMBERS["customer"],
            meter_number=NUMBERS["meter"],
            digits=None,
            calorific_value=None,
        )
        assert home.id is not None and meter.id is not None
        for household_id, starts_on in ((home.id, date(2021, 1, 1)), (city.birch, date(2024, 2, 1))):
            await enrol_service.add_tenure(
                session, here, NOW, household_id=household_id, meter_id=meter.id, starts_on=starts_on, ends_on=None
            )
    months = range(Period.parse("2022-01").first_month, Period.parse("2024-06").first_month + 1)
    sent = [reading(NUMBERS["customer"], "electricity", month, 100 if month < 2024 * 12 else 70) for month in months]
    await send(database, city, "elec", sent)


async def decide(
    database: Database, actor: Actor, number: int, award: dict[str, object], decision: Decision, why: str
) -> None:
    award_id = AwardId(number, int(str(award["household_id"])), str(award["commodity"]))
    async with database.write() as session:
        await review_service.decide(session, actor, LATER, award_id, decision, why)


async def seal(database: Database, city: SmallCity, folder: Path) -> None:
    await worker.seal_city(database, keys_in(folder), city.city_id, "here")


async def write(
    database: Database, city: SmallCity, number: int, folder: Path, name: str = "package", who: str = "auditor"
) -> Path:
    """The package of a settlement as a file."""
    path = folder / f"{name}.zip"
    async with database.read() as session:
        await export_service.write_package(
            session, city.actors[who], number, keys_in(folder).signing, path, with_numbers=who == "privacy_officer"
        )
    return path


def unpack(path: Path) -> Path:
    """The folder that a package has in it."""
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.with_suffix(""))
    (folder,) = path.with_suffix("").iterdir()
    return folder


def alone(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of the package in a process of its own, which sees nothing but the folder."""
    command = [sys.executable, "-I", "-W", "error", script, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, encoding="utf-8")


Run = Callable[..., tuple[int, str]]


def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A script with arguments, in this process: a hundred changed packages need no hundred interpreters."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    mains = {name: runpy.run_path(str(SCRIPTS / f"{name}.py"))["main"] for name in ("verify_package", "recompute")}

    def run(script: str, *arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        code = mains[script]()
        told = capsys.readouterr()
        return code, told.out + told.err

    return run
