"""Whole files into the registry, or nothing of them. Source: docs/registry.md."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from carbon_bank.foundation.csv_file import read_chunks
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput, NotFound, Refusal
from carbon_bank.registry.import_rows import COLUMNS, Kind
from carbon_bank.registry.import_service import FAULTS_MAX, Imported, import_rows
from tests.small_city import NOW, SYSTEM, SmallCity

Take = Callable[..., Awaitable[Imported]]

DISTRICTS = ["code,parent,name_en,name_ko", "inner,outer,Inner,안쪽", "outer,,Outer,", "east,north,East,"]
UTILITIES = ["code,name,commodities", "heat,Heat & Light,gas;electricity", "well,The Well,water"]
HOUSEHOLDS = ["household_number,district,dwelling_type,residents,joined_on", "cedar,north,house,4,2024-02-29"]
HOUSEHOLDS += ["dogwood,south,,,2024-03-01"]
METERS = ["utility,commodity,customer_number,meter_number,digits,calorific_value", "gas,gas,C-g,,6,11.861"]
METERS += ["elec,electricity,C-e,M1,,", "elec,electricity,C-e,M2,5,"]
TENURES = ["household_number,utility,commodity,customer_number,meter_number,starts_on,ends_on"]
TENURES += ["alder,elec,electricity,B-e,,2024-01-01,2024-02-01", "alder,elec,electricity,B-e,,2024-02-01,"]
FILES = {
    Kind.DISTRICTS: DISTRICTS,
    Kind.UTILITIES: UTILITIES,
    Kind.HOUSEHOLDS: HOUSEHOLDS,
    Kind.METERS: METERS,
    Kind.TENURES: TENURES,
}
TABLES = {kind: ["district", "utility", "household", "meter", "tenure"][place] for place, kind in enumerate(Kind)}


@pytest.fixture
def take(database: Database, small_city: SmallCity, tmp_path: Path) -> Take:
    """Take a file's lines into a city."""
    numbers = itertools.count()

    async def taken(kind: Kind, lines: list[str], city: str = "here") -> Imported:
        path = tmp_path / f"{next(numbers)}.csv"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        async with database.write() as session:
            return await import_rows(session, SYSTEM, NOW, city, kind, read_chunks(path, COLUMNS[kind]))

    return taken


async def faults(take: Take, kind: Kind, rows: list[str], header: str | None = None) -> list[tuple[str, str]]:
    """Where and why a file is refused."""
    with pytest.raises(InvalidInput) as refused:
        await take(kind, [header or FILES[kind][0], *rows])
    assert refused.value.code == "registry.import"
    assert refused.value.facts["faults"] >= len(refused.value.faults)
    return sorted((fault.where, fault.code) for fault in refused.value.faults)


def counts(owner: psycopg.Connection) -> list[int]:
    return [owner.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in TABLES.values()]


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_file_is_taken_and_the_same_file_again_changes_nothing(
    take: Take, kind: Kind, owner: psycopg.Connection
) -> None:
    lines = FILES[kind]
    rows = len(lines) - 1
    assert await take(kind, lines) == Imported(rows, rows)
    whole = f"SELECT * FROM {TABLES[kind]} ORDER BY id"
    before = owner.execute(whole).fetchall()
    assert await take(kind, lines) == Imported(rows, 0)
    assert await take(kind, [lines[0], *reversed(lines[1:])]) == Imported(rows, 0)
    assert owner.execute(whole).fetchall() == before
    acts = owner.execute("SELECT facts FROM trail WHERE act = 'registry.imported' ORDER BY id").fetchall()
    assert [facts for (facts,) in acts] == [{"kind": kind, "rows": rows, "added": n} for n in (rows, 0, 0)]


async def test_what_was_taken_is_what_was_sent(take: Take, owner: psycopg.Connection) -> None:
    for kind, lines in FILES.items():
        await take(kind, lines)
    districts = """SELECT district.code, district.name, above.code FROM district
        LEFT JOIN district AS above ON above.id = district.parent_id
        WHERE district.code IN ('inner', 'outer', 'east') ORDER BY 1"""
    assert owner.execute(districts).fetchall() == [
        ("east", {"en": "East"}, "north"),
        ("inner", {"en": "Inner", "ko": "안쪽"}, "outer"),
        ("outer", {"en": "Outer"}, None),
    ]
    utilities = "SELECT code, name, commodities FROM utility WHERE code IN ('heat', 'well') ORDER BY 1"
    assert owner.execute(utilities).fetchall() == [
        ("heat", "Heat & Light", ["electricity", "gas"]),
        ("well", "The Well", ["water"]),
    ]
    households = """SELECT number, dwelling_type, residents, joined_on::text, household_id IS NOT NULL
        FROM household LEFT JOIN account ON household_id = id WHERE number IN ('cedar', 'dogwood') ORDER BY 1"""
    assert owner.execute(households).fetchall() == [
        ("cedar", "house", 4, "2024-02-29", True),
        ("dogwood", None, None, "2024-03-01", True),
    ]
    meters = """SELECT customer_number, meter_number, digits, calorific_value::text
        FROM meter WHERE customer_number LIKE 'C-%' ORDER BY 1, 2"""
    assert owner.execute(meters).fetchall() == [
        ("C-e", "M1", None, None),
        ("C-e", "M2", 5, None),
        ("C-g", "", 6, "11.861"),
    ]
    tenures = """SELECT starts_on::text, ends_on::text, ended_at IS NOT NULL FROM tenure
        WHERE starts_on >= '2024-01-01' ORDER BY 1"""
    assert owner.execute(tenures).fetchall() == [("2024-01-01", "2024-02-01", True), ("2024-02-01", None, False)]


async def test_a_file_with_a_fault_is_refused_whole_with_every_fault_at_once(
    take: Take, owner: psycopg.Connection
) -> None:
    before = counts(owner)
    told = await faults(take, Kind.HOUSEHOLDS, ["cedar,north,,0,2024-02-30", "elm,north,,4,2024-01-01", ",,a b,,"])
    assert told == [
        ("line 2, column joined_on", "registry.form"),
        ("line 2, column residents", "registry.form"),
        ("line 4, column district", "registry.missing"),
        ("line 4, column dwelling_type", "registry.form"),
        ("line 4, column household_number", "registry.missing"),
        ("line 4, column joined_on", "registry.missing"),
    ]
    assert counts(owner) == before


FORMS: list[tuple[Kind, str, list[tuple[str, str]]]] = [
    (Kind.DISTRICTS, "a b,north,A,", [("code", "registry.form")]),
    (Kind.DISTRICTS, "a,n\0,A,", [("parent", "registry.form")]),
    (Kind.DISTRICTS, "a,,A\0,", [("name_en", "registry.form")]),
    (Kind.DISTRICTS, "a,a,A,", [("parent", "registry.district_circle")]),
    (Kind.DISTRICTS, "a,nowhere,A,", [("parent", "registry.unknown")]),
    (Kind.DISTRICTS, "north,,Another,", [("code", "registry.differs")]),
    (Kind.DISTRICTS, "north,south,North,", [("code", "registry.differs")]),
    (Kind.UTILITIES, "u,U,heat", [("commodities", "registry.form")]),
    (Kind.UTILITIES, "u,U,gas;", [("commodities", "registry.form")]),
    (Kind.UTILITIES, f"u,{'U' * 201},gas", [("name", "registry.form")]),
    (Kind.UTILITIES, "gas,gas,gas;water", [("code", "registry.differs")]),
    (Kind.HOUSEHOLDS, "cedar,nowhere,,,2024-01-01", [("district", "registry.unknown")]),
    (Kind.HOUSEHOLDS, "cedar,north,,,2024-1-1", [("joined_on", "registry.form")]),
    (Kind.HOUSEHOLDS, "cedar,north,,,0001-01-01", [("joined_on", "registry.form")]),
    (Kind.HOUSEHOLDS, "cedar ,north,,,2024-01-01", [("household_number", "registry.form")]),
    (Kind.HOUSEHOLDS, "cedar,north,,1.5,2024-01-01", [("residents", "registry.form")]),
    (Kind.HOUSEHOLDS, "alder,north,apartment,4,2023-01-01", [("household_number", "registry.differs")]),
    (Kind.METERS, "nobody,gas,C-g,,,", [("utility", "registry.unknown")]),
    (Kind.METERS, "elec,gas,C-g,,,", [("commodity", "registry.unknown")]),
    (Kind.METERS, "elec,heat,C-g,,,", [("commodity", "registry.form")]),
    (Kind.METERS, "elec,electricity,C-e,,,11.8", [("calorific_value", "registry.calorific_value")]),
    (Kind.METERS, "gas,gas,C-g,,,0", [("calorific_value", "registry.form")]),
    (Kind.METERS, "gas,gas,C-g,,13,", [("digits", "registry.form")]),
    (Kind.METERS, "gas,gas,A-g,,6,", [("utility", "registry.differs")]),
    (Kind.TENURES, "nobody,gas,gas,A-g,,2024-01-01,", [("household_number", "registry.unknown")]),
    (Kind.TENURES, "alder,gas,gas,Z-g,,2024-01-01,", [("customer_number", "registry.unknown")]),
    (Kind.TENURES, "alder,nobody,gas,A-g,,2024-01-01,", [("customer_number", "registry.unknown")]),
    (Kind.TENURES, "alder,gas,gas,B-g,,2024-01-01,2024-01-01", [("ends_on", "registry.tenure_order")]),
    (Kind.TENURES, "alder,gas,gas,B-g,,2024-01-01,2023-12-01", [("ends_on", "registry.tenure_order")]),
    (Kind.TENURES, "alder,gas,gas,B-g,,2024-13-01,", [("starts_on", "registry.form")]),
    (Kind.TENURES, "alder,gas,gas,A-g,,2024-01-01,", [("household_number", "registry.differs")]),
    (Kind.TENURES, "alder,gas,gas,A-g,,2023-01-01,2024-01-01", [("household_number", "registry.differs")]),
]


async def test_each_fault_of_a_row_is_told_at_its_column(take: Take, owner: psycopg.Connection) -> None:
    before = counts(owner)
    for kind, row, told in FORMS:
        expected = [(f"line 2, column {column}", code) for column, code in told]
        assert await faults(take, kind, [row]) == expected, (kind, row)
    assert counts(owner) == before


async def test_the_same_thing_twice_in_a_file_is_refused_at_the_second(take: Take) -> None:
    for kind, column in (
        (Kind.DISTRICTS, "code"),
        (Kind.UTILITIES, "code"),
        (Kind.HOUSEHOLDS, "household_number"),
        (Kind.METERS, "customer_number"),
    ):
        first = FILES[kind][1]
        assert await faults(take, kind, [first, *FILES[kind][2:], first]) == [
            (f"line {len(FILES[kind]) + 1}, column {column}", "registry.twice")
        ]


async def test_tenures_of_a_household_and_meter_that_share_a_day_in_a_file_are_refused(take: Take) -> None:
    claim = "alder,elec,electricity,B-e,"
    for rows, lines in (
        ([f"{claim},2024-01-01,2024-02-01", f"{claim},2024-01-31,"], [3]),
        ([f"{claim},2024-01-31,", f"{claim},2024-01-01,2024-02-01"], [2]),
        ([f"{claim},2024-01-01,", f"{claim},2024-02-01,2024-03-01", f"{claim},2024-04-01,"], [3, 4]),
        ([f"{claim},2024-01-01,2024-02-01", f"{claim},2024-01-01,2024-02-01"], [3]),
    ):
        expected = [(f"line {line}, column starts_on", "registry.tenure_overlap") for line in lines]
        assert await faults(take, Kind.TENURES, rows) == expected
    birch = "birch,elec,electricity,A-e,,2024-01-01,"
    assert (await take(Kind.TENURES, [TENURES[0], f"{claim},2024-01-01,", birch])).added == 2


async def test_districts_that_lie_within_one_another_are_refused(take: Take) -> None:
    told = await faults(take, Kind.DISTRICTS, ["a,c,A,", "b,a,B,", "c,b,C,", "d,a,D,"])
    assert told == [(f"line {line}, column parent", "registry.district_circle") for line in (2, 3, 4)]


async def test_commodities_in_another_order_are_the_same_commodities(take: Take) -> None:
    await take(Kind.UTILITIES, UTILITIES)
    swapped = [UTILITIES[0], "heat,Heat & Light,electricity;gas"]
    assert await take(Kind.UTILITIES, swapped) == Imported(1, 0)


async def test_of_very_many_faults_the_first_are_told_and_all_are_counted(take: Take) -> None:
    with pytest.raises(InvalidInput) as refused:
        await take(Kind.HOUSEHOLDS, [HOUSEHOLDS[0], *["cedar,north,,,never"] * (FAULTS_MAX + 50)])
    assert len(refused.value.faults) == FAULTS_MAX
    assert refused.value.facts == {"kind": "households", "faults": FAULTS_MAX + 50}


async def test_a_file_goes_into_a_city_that_is_there_and_into_no_other(take: Take, owner: psycopg.Connection) -> None:
    with pytest.raises(NotFound, match=r"registry\.unknown_city"):
        await take(Kind.DISTRICTS, DISTRICTS, city="nowhere")
    await take(Kind.HOUSEHOLDS, HOUSEHOLDS, city="there")
    where = (
        "SELECT DISTINCT city.code FROM household JOIN city ON city.id = city_id WHERE number IN ('cedar', 'dogwood')"
    )
    assert owner.execute(where).fetchall() == [("there",)]
    assert await take(Kind.HOUSEHOLDS, HOUSEHOLDS) == Imported(2, 2), "numbers are a city's own"
    assert await faults(take, Kind.METERS, ["far,gas,C-g,,,"]) == [("line 2, column utility", "registry.unknown")]


async def test_a_file_with_a_header_alone_adds_nothing(take: Take) -> None:
    for kind, lines in FILES.items():
        assert await take(kind, lines[:1]) == Imported(0, 0)


async def test_of_two_files_at_once_that_claim_the_same_days_one_is_refused(
    take: Take, owner: psycopg.Connection
) -> None:
    claim = "alder,elec,electricity,B-e,"
    files = [[TENURES[0], f"{claim},2024-0{month}-01,"] for month in (1, 2, 3)]
    results = await asyncio.gather(*(take(Kind.TENURES, lines) for lines in files), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["Imported", "InvalidInput", "InvalidInput"]
    assert {each.code for each in results if isinstance(each, Refusal)} == {"registry.import"}
    assert owner.execute("SELECT count(*) FROM tenure WHERE starts_on >= '2024-01-01'").fetchall() == [(1,)]
