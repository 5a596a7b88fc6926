"""A settlement is computed once more and compared: nothing where nobody touched it, and what was changed by its name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from sqlmodel import SQLModel

from carbon_bank import worker
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.settlement import post_service
from tests.audit.forged import (
    Difference,
    Row,
    approve,
    change_reading,
    gone,
    one,
    other,
    posted,
    replayed,
    too_many,
)
from tests.ledger.books import rows
from tests.settlement.test_explanation import COMPARING
from tests.settlement.test_streaks import QUARTERS, quarterly, settle
from tests.settlement.test_streaks import use as by_quarters
from tests.settlement.town import JULY_2024, found_town, reading, request, send
from tests.small_city import SmallCity

PAID = "review = 'clear' AND points > 0 AND commodity = 'electricity' AND tier IS NOT NULL"
ITS_LIFE = "when and by whom, which decides no point: the trail tells it"
BOOKS = "`carbon-bank ledger check` proves it"
KEYS: dict[str, tuple[str, ...]] = {
    "award": ("household_id", "commodity"),
    "award_review": ("household_id", "commodity"),
    "posting": ("household_id", "commodity"),
    "settlement_total": ("commodity", "outcome", "review"),
    "settlement_population": ("place",),
    "settlement": (),
    "policy": (),
}
"""The tables that a replay compares, and by what it knows their rows within a settlement."""
OUTSIDE: dict[str, dict[str, str]] = {
    "posting": dict.fromkeys(
        [
            "seq",
            "journal_id",
            "available_after",
            "held_after",
            "debt_after",
            "recorded_at",
            "hold_id",
            "reverses",
            "restatement_id",
            "forgiven",
        ],
        BOOKS,
    ),
    "settlement": dict.fromkeys(
        [
            "state",
            "prepared_by",
            "requested_at",
            "computed_to",
            "computed_at",
            "approved_by",
            "approved_at",
            "posted_to",
            "posted_at",
            "withdrawn_by",
            "withdrawn_reason",
        ],
        ITS_LIFE,
    )
    | {
        "id": "it is what is asked for",
        "city_id": "in another city nothing is recomputed, and every award is one too many",
        "as_of": "where it moves past a reading, the award of that reading differs",
    },
    "policy": {"id": "by which a settlement names it", "stored_at": ITS_LIFE, "stored_by": ITS_LIFE},
}
"""Columns that no replay compares, and why not."""


async def test_a_settlement_that_nobody_touched_is_the_same_again_whatever_came_later(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posted(database, small_city, owner, COMPARING)
    march = Period.parse("2024-03").first_month
    late = reading("t008", "electricity", march, 100, quality="corrected", reason="corrected")
    await send(database, small_city, "elec", [late])
    owner.execute(
        "UPDATE tenure SET ends_on = '2024-02-01', ended_at = now() WHERE household_id = %s", [small_city.alder]
    )
    for chunk in (5, 100):
        assert await replayed(database, number, chunk) == []
    parts = [part async for part in worker.replay(database, number, 7)]
    households = one(owner, "settlement")["households"]
    assert sum(part.households for part in parts) == households == 18
    assert [sum(part.awards for part in parts)] == [len(rows(owner, "SELECT 1 FROM award"))]


async def test_every_column_of_what_stands_is_compared(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    """Each is changed, named by a replay and nothing else is, and put back. Without a check it needs a reason in OUTSIDE."""
    number = await posted(database, small_city, owner, COMPARING)
    saver = one(owner, "award", PAID)
    conditions = {
        "award": PAID,
        "award_review": "decision = 'released'",
        "posting": f"household_id = {saver['household_id']} AND commodity = 'electricity'",
    }
    for table in KEYS:
        row, outside = one(owner, table, conditions.get(table, "true")), OUTSIDE.get(table, {})
        assert set(outside) <= set(row), "no longer there"
        for column in [each.name for each in SQLModel.metadata.tables[table].columns if each.name not in outside]:
            value = changed(table, column, row[column])
            with other(owner, table, row, **{column: value}):
                found = await replayed(database, number)
            assert found == expected(table, row, column, value), f"{table}.{column}"
    assert await replayed(database, number) == []


async def test_rows_that_are_missing_or_too_many_are_told(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posted(database, small_city, owner, COMPARING)
    paid, waiting = one(owner, "award", PAID), one(owner, "award", "review = 'held'")
    posting = one(owner, "posting", f"household_id = {paid['household_id']} AND commodity = 'electricity'")
    decided = one(owner, "award_review")
    stranger = waiting | {"household_id": small_city.far_household}
    unpaid = posting | {"household_id": waiting["household_id"], "seq": 99, "commodity": waiting["commodity"]}
    undecided = decided | {name: waiting[name] for name in ("household_id", "commodity")}
    for table, row in {
        "award": paid,
        "posting": posting,
        "award_review": decided,
        "settlement_total": one(owner, "settlement_total"),
        "settlement_population": one(owner, "settlement_population"),
    }.items():
        with gone(owner, table, row):
            assert await replayed(database, number) == [(*names(table, row), table, "row", "missing", "there")]
    rows_too_many = [
        ("award", stranger),
        ("award", paid | {"household_id": 2**62}),
        ("award", paid | {"commodity": "heat"}),
    ]
    for table, row in [*rows_too_many, ("posting", unpaid), ("award_review", undecided)]:
        with too_many(owner, table, row):
            assert await replayed(database, number) == [(*names(table, row), table, "row", "there", "missing")]
    owner.execute("DROP INDEX posting_award_key")
    with too_many(owner, "posting", posting | {"seq": 99}):
        assert await replayed(database, number) == [
            (*names("posting", posting), "posting", "row", "there 2 times", "there")
        ]


async def test_a_decision_that_was_turned_around_is_told_whichever_row_was_changed(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posted(database, small_city, owner)
    for was, now in (("released", "rejected"), ("rejected", "released"), ("released", "held"), ("held", "released")):
        award = one(owner, "award", f"review = '{was}'")
        with other(owner, "award", award, review=now):
            assert await replayed(database, number) == [(*names("award", award), "award", "review", now, was)]
    kept = one(owner, "award_review", "decision = 'rejected'")
    with other(owner, "award_review", kept, decision="released"):
        assert await replayed(database, number) == [
            (*names("award_review", kept), "award_review", "decision", "released", "rejected")
        ]


async def test_one_changed_reading_shows_its_household_and_no_other(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number = await posted(database, small_city, owner)
    award = one(owner, "award", PAID)
    change_reading(owner, award["household_id"], "electricity", date(2024, 3, 1), -10_000)
    of_award = [each for each in await replayed(database, number) if each[0] is not None]
    assert of_award[0] == (*names("award", award), "award", "usage", str(award["usage"]), str(award["usage"] - 10_000))
    assert {each[:3] for each in of_award} == {(*names("award", award), "award")}
    assert [each[3] for each in of_award] == ["usage", "avoided_g", "findings"], "no longer the same in all months"


async def test_a_policy_whose_text_was_changed_is_not_used(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    number, policy = await posted(database, small_city, owner), one(owner, "policy")
    text = policy["text"].replace("5000", "6000")
    digest = sha256(text.encode()).hexdigest()
    with other(owner, "policy", policy, text=text):
        assert await replayed(database, number) == [(None, None, "policy", "digest", policy["digest"], digest)]
    with other(owner, "policy", policy, text=text, digest=digest):  # then only the trail knows
        assert await replayed(database, number) == [(None, None, "settlement", "policy_id", digest, policy["digest"])]


async def test_runs_of_reductions_are_taken_as_the_settlement_before_left_them(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    town = await found_town(database, small_city, 4, ("2023-01", "2024-09"), by_quarters)
    *_, before, last = [await settle(database, small_city, each, quarterly()) for each in QUARTERS]
    assert await replayed(database, before) == await replayed(database, last) == []
    kept = {"household_id": town.households[-4], "commodity": "electricity"}
    with other(
        owner,
        "award",
        one(owner, "award", f"settlement_id = {before} AND household_id = {town.households[-4]}"),
        streak=1,
    ):
        assert [each[3] for each in await replayed(database, before)] == ["streak"]
        of_awards = [each for each in await replayed(database, last) if each[2] == "award"]
        assert [(*each[:2], each[3]) for each in of_awards] == [
            (*kept.values(), column) for column in ("outcome", "points", "streak")
        ]


async def test_a_settlement_is_replayed_once_it_is_computed_and_while_it_is_posted_what_stands_is_compared(
    database: Database, small_city: SmallCity, owner: psycopg.Connection
) -> None:
    await found_town(database, small_city, 8)
    number = await request(database, small_city.actors["operator"])
    with pytest.raises(Conflict, match="is requested; to replay it, it has to be computed"):
        await replayed(database, number)
    with pytest.raises(NotFound, match="There is no settlement 99"):
        await replayed(database, 99)
    await worker.compute(database, number, 100)
    assert await replayed(database, number) == []
    await approve(database, small_city, number)
    async with database.write() as session:
        bucket = await post_service.post_bucket(session, small_city.actors["operator"], JULY_2024, number, 2)
    assert bucket is not None
    assert await replayed(database, number) == []
    posting = one(owner, "posting")
    with other(owner, "posting", posting, amount=posting["amount"] + 1):
        assert [each[2:4] for each in await replayed(database, number)] == [("posting", "amount")]
    with other(owner, "settlement", one(owner, "settlement"), state="approved"):  # nothing may be posted yet
        told = {each[2:] for each in await replayed(database, number)}
        assert told == {("posting", "row", "there", "missing")}


def changed(table: str, column: str, value: Any) -> Any:
    """Another value, such as the checks of the table let through."""
    match value:
        case _ if (table, column) == ("award", "review"):
            return "held"
        case _ if column == "decision":
            return "rejected"
        case int() | Decimal():
            return value + 1000
        case datetime():
            return value + timedelta(seconds=1)
        case date():
            return value + timedelta(days=1)
        case list():
            return [*value, {"code": "usage.vacant"}]
        case _:
            return f"{value}x"


def expected(table: str, row: Row, column: str, value: Any) -> list[Difference]:
    """What a replay must say of one changed column, and nothing else."""
    before, after = (names(table, each) for each in (row, row | {column: value}))
    missing, there = (*before, table, "row", "missing", "there"), (*after, table, "row", "there", "missing")
    match table, column:
        case "settlement", "policy_id":
            return [(None, None, "policy", "row", "missing", "there")]
        case "policy", "digest":
            of_settlement = (None, None, "settlement", "policy_id", value, row["digest"])
            return [(None, None, "policy", "digest", value, row["digest"]), of_settlement]
        case "policy", "text":
            return [(None, None, "policy", "digest", row["digest"], sha256(value.encode()).hexdigest())]
        case _, "settlement_id" | "kind":  # a row of another settlement, or no award's posting
            return [missing]
        case _ if column in KEYS[table]:
            return sorted([missing, there], key=lambda each: (each[0] or 0, each[1] or ""))
    return [(*before, table, column, text(value), text(row[column]))]


def names(table: str, row: Row) -> tuple[Any, Any]:
    key = KEYS[table]
    return row["household_id"] if "household_id" in key else None, row["commodity"] if "commodity" in key else None


def text(value: Any) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}+00"
        case list():
            return json.dumps(value, sort_keys=True)
        case _:
            return str(value)
