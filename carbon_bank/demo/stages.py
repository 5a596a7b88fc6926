"""The demo city through the real bank: each stage works by the same services as a real city, then checks what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from carbon_bank import worker
from carbon_bank.demo import city as generator
from carbon_bank.demo.city import DemoCity
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.identity import service as identity
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.ledger.service import Posted
from carbon_bank.programme import adoption_service
from carbon_bank.programme.policy import load_shipped
from carbon_bank.readings import service as readings
from carbon_bank.readings.intake import COLUMNS as READING_COLUMNS
from carbon_bank.readings.service import BATCH_ROWS_MAX
from carbon_bank.registry import enrol_service, import_service
from carbon_bank.registry import service as registry
from carbon_bank.registry.import_rows import COLUMNS, Kind
from carbon_bank.settings import Settings
from carbon_bank.settlement import service as settlement

POLICY = "korea-carbon-point@2024"
PERIODS = ("2025-H1", "2025-H2", "2026-H1")
PASSWORD = "carbon-bank-demo"  # noqa: S105  (of the demo's own database, made anew at every run)
OPERATOR, APPROVER, AUDITOR, ADMIN = "operator@demo", "approver@demo", "auditor@demo", "admin@demo"
HOUSEHOLD = "household@demo"
ACTOR = Actor("system:demo")


class StageFailed(Exception):
    """A stage's own check did not hold."""


@dataclass
class Demo:
    """What the stages hand on to each other."""

    database: Database
    settings: Settings
    city: DemoCity
    clients: dict[str, tuple[str, str]] = field(default_factory=dict)
    settlements: dict[str, int] = field(default_factory=dict)
    rewards: dict[str, int] = field(default_factory=dict)
    household_number: str = ""
    log_key: str = ""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise StageFailed(what)


async def fill_registry(demo: Demo) -> str:
    """City, districts, utilities, households, meters, tenures."""
    now = clock.now()
    async with demo.database.write() as session:
        await enrol_service.add_city(
            session,
            ACTOR,
            now,
            code=generator.CODE,
            name=generator.NAME,
            time_zone=generator.TIME_ZONE,
            currency=generator.CURRENCY,
        )
    for kind in Kind:
        frame = getattr(demo.city, kind.value)
        rows = _numbered(frame, list(COLUMNS[kind]))
        async with demo.database.write() as session:
            done = await import_service.import_rows(session, ACTOR, now, generator.CODE, kind, [rows])
        check(done.added == frame.height, f"{frame.height} {kind} were sent and {done.added} added")
    return f"{demo.city.households.height:,} households, {demo.city.meters.height:,} meters, {demo.city.tenures.height:,} tenures"


async def let_people_in(demo: Demo) -> str:
    """A person for each role of the city's staff, and a client for each utility."""
    staff = {OPERATOR: Role.OPERATOR, APPROVER: Role.APPROVER, AUDITOR: Role.AUDITOR, ADMIN: Role.ADMIN}
    async with demo.database.write() as session:
        city = await registry.find_city(session, generator.CODE)
        for login, role in staff.items():
            place = None if role is Role.ADMIN else city.id
            await identity.add_person(
                session, ACTOR, clock.now(), login=login, password=PASSWORD, roles=[role], city_id=place
            )
        for code in demo.city.utilities["code"]:
            supplier = await registry.find_utility(session, generator.CODE, code)
            client, secret = await identity.add_client(
                session, ACTOR, clock.now(), role=Role.UTILITY, city_id=supplier.city_id, utility_id=supplier.utility_id
            )
            demo.clients[code] = (client.client_id, secret)
    return f"{len(staff)} people, {len(demo.clients)} utilities' clients"


async def adopt_policy(demo: Demo) -> str:
    """The operator proposes the policy, the approver approves its digest."""
    policy = load_shipped(POLICY)
    first_day = Period.parse(PERIODS[0]).first_day
    async with demo.database.write() as session:
        operator = await identity.person_acting(session, OPERATOR)
        drafted = await adoption_service.draft_policy(session, operator, clock.now(), policy, first_day)
        assert drafted.id is not None
        await adoption_service.propose(session, operator, clock.now(), drafted.id)
    async with demo.database.write() as session:
        approver = await identity.person_acting(session, APPROVER)
        approved = await adoption_service.approve(session, approver, clock.now(), drafted.id, policy.digest)
    check(approved.approved_by != approved.proposed_by, "one person proposed and approved")
    return f"{policy.reference} active from {first_day}, digest {policy.digest[:16]}..."


async def send_readings(demo: Demo) -> str:
    """What the utilities send first: every row is accepted."""
    counts = await _send(demo, demo.city.readings)
    check(counts == {"accepted": demo.city.readings.height}, f"of {demo.city.readings.height} readings came {counts}")
    return f"{counts['accepted']:,} readings accepted"


async def send_revisions(demo: Demo) -> str:
    """What they put right afterwards, and a batch sent twice by mistake: revisions and duplicates."""
    counts = await _send(demo, demo.city.revisions)
    check(counts == {"revised": demo.city.revisions.height}, f"of {demo.city.revisions.height} revisions came {counts}")
    again = await _send(demo, demo.city.revisions)
    check(again == {"duplicate": demo.city.revisions.height}, f"sent twice, they came to {again}")
    return f"{counts['revised']:,} revised; sent twice, {again['duplicate']:,} duplicates"


async def settle(demo: Demo, period: str) -> str:
    """Compute, approve by another person, post; and post once more, which changes nothing."""
    async with demo.database.write() as session:
        operator = await identity.person_acting(session, OPERATOR)
        made = await settlement.request_settlement(
            session,
            operator,
            clock.now(),
            period=Period.parse(period),
            in_background=False,
        )
    assert made.id is not None
    demo.settlements[period] = made.id
    await worker.compute(demo.database, made.id, demo.settings.chunk_households)
    async with demo.database.write() as session:
        approver = await identity.person_acting(session, APPROVER)
        await settlement.approve(session, approver, clock.now(), made.id)
    async with demo.database.write() as session:
        await settlement.start_posting(session, operator, clock.now(), made.id, in_background=False)
    posted = await worker.post(demo.database, made.id, demo.settings.bucket_households)
    again = await worker.post(demo.database, made.id, demo.settings.bucket_households)
    check(again == posted, f"posted twice, the ledger holds {again} in place of {posted}")
    await _check_totals(demo, made.id, posted)
    return f"{posted.postings:,} awards posted, {posted.points:,} points"


async def choose_household(demo: Demo) -> str:
    """A login for a household that earned points in the last period."""
    awards = await award_frame(demo, PERIODS[-1])
    earned = awards.filter(pl.col("points") > 0).group_by("household_id").agg(pl.col("points").sum(), pl.len())
    chosen = earned.sort("len", "points", "household_id", descending=[True, True, False])["household_id"]
    check(not chosen.is_empty(), "no household earned a point")
    async with demo.database.write() as session:
        city = await registry.find_city(session, generator.CODE)
        await identity.add_person(
            session,
            ACTOR,
            clock.now(),
            login=HOUSEHOLD,
            password=PASSWORD,
            roles=[Role.HOUSEHOLD],
            city_id=city.id,
            household_id=int(chosen[0]),
        )
        actor = Actor("system:demo", city_id=city.id)
        demo.household_number = (await registry.get_household(session, actor, int(chosen[0]))).number
    return f"household {demo.household_number}"


async def award_frame(demo: Demo, period: str) -> pl.DataFrame:
    """`household_id, commodity, outcome, points` of a settlement."""
    async with demo.database.read() as session:
        return await settlement.award_frame(session, demo.settlements[period])


async def by_district(demo: Demo, period: str) -> pl.DataFrame:
    """`district, electricity, gas, water` points, and `households` that got any, in the order of districts."""
    async with demo.database.read() as session:
        city = await registry.find_city(session, generator.CODE)
        assert city.id is not None
        districts = await registry.districts_of_households(session, city.id)
    awards = (await award_frame(demo, period)).join(districts, on="household_id")
    points = [
        pl.col("points").filter(pl.col("commodity") == name).sum().alias(name)
        for name in ("electricity", "gas", "water")
    ]
    paid = pl.col("household_id").filter(pl.col("points") > 0).n_unique().alias("households paid")
    return awards.group_by("district").agg(*points, paid).sort("district")


async def _check_totals(demo: Demo, settlement_id: int, posted: Posted) -> None:
    async with demo.database.read() as session:
        totals = await settlement.totals_of(session, settlement_id)
    clear = sum(total.points for total in totals if total.review == "clear")
    check(clear == posted.points, f"awards come to {clear} points and the ledger holds {posted.points}")


async def _send(demo: Demo, rows: pl.DataFrame) -> dict[str, int]:
    counts: dict[str, int] = {}
    for code in demo.city.utilities["code"]:
        async with demo.database.read() as session:
            place = await registry.find_utility(session, generator.CODE, code)
        for batch in _batches(rows.filter(pl.col("utility") == code)):
            async with demo.database.write() as session:
                result = await readings.record_readings(
                    session, ACTOR, clock.now(), place, batch, source="demo", mode="partial"
                )
            for status in set(result.statuses):
                counts[status] = counts.get(status, 0) + result.statuses.count(status)
    return counts


def _batches(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    # By month, as utilities bill, so that the demo's history grows as a real one does.
    for batch in rows.sort("period_start").iter_slices(BATCH_ROWS_MAX):
        yield _numbered(batch, [name for name in READING_COLUMNS if name in batch.columns])


def _numbered(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    text = [pl.when(pl.col(name) != "").then(name).alias(name) for name in columns]
    return frame.select(pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias("line"), *text)
