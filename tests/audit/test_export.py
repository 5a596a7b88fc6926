"""The export package: recomputed and verified by programs that stand alone, and worth nothing once anything in it is changed."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg
import pyarrow.parquet as pq
import pytest

from carbon_bank.audit.export.columns import TABLES
from carbon_bank.audit.export.form import Table, Type
from carbon_bank.audit.export.service import FORMAT, SIGNATURE
from carbon_bank.audit.formats.note import sign_note
from carbon_bank.audit.log.keys import LogKeys
from carbon_bank.foundation.database import Database, parse_url, plain_url
from carbon_bank.identity import tokens
from tests.audit.log_reader import keys_in
from tests.audit.package_town import (
    FORMULA,
    NUMBERS,
    SCRIPTS,
    WORDS,
    Run,
    alone,
    eventful_settlement,
    here,
    unpack,
    write,
)
from tests.small_city import found_small_city


@dataclass(frozen=True)
class Made:
    """A package, unpacked; with the numbers in it, in another folder; and the keys that signed both."""

    folder: Path
    numbered: Path
    keys: LogKeys

    @property
    def vkey(self) -> str:
        return str(self.keys.verifying("here")[0])


@pytest.fixture(scope="module")
def made(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Made once: what is changed is changed in copies."""
    folder, name = tmp_path_factory.mktemp("package"), f"bank_package_{os.getpid()}"
    with psycopg.connect(plain_url(parse_url(server_url)), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield asyncio.run(_made(plain_url(parse_url(server_url), name), folder))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _made(url: str, folder: Path) -> Made:
    database = Database(url, 4)
    try:
        city = await found_small_city(database, tokens.load_keys(folder / "key.pem", "test", 15, may_make=True))
        number = await eventful_settlement(database, city, folder)
        plain = await write(database, city, number, folder)
        numbered = await write(database, city, number, folder, "numbered", "privacy_officer")
    finally:
        await database.close()
    return Made(unpack(plain), unpack(numbered), keys_in(folder))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return here(monkeypatch, capsys)


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Path:
    return shutil.copytree(made.folder, tmp_path / "copy")


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_package_is_verified_and_recomputed_by_programs_that_see_nothing_else(made: Made) -> None:
    done = alone(made.folder, "verify_package.py", ".", "--vkey", made.vkey)
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert [line.split()[0] for line in told] == [
        *("sums", "log", "acts", "policy", "awards", "postings", "readings", "proved")
    ]
    done = alone(made.folder, "recompute.py", "--package", ".")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "0 differences; 0 rows of periods that were not asked for" in done.stderr
    for act in ("policy-approved", "settlement-approved", "settlement-posted"):
        options = ["--vkey", made.vkey, "--opening", f"log/receipts/{act}.opening.json"]
        done = alone(made.folder, "verify_receipt.py", f"log/receipts/{act}.tlog-proof", *options)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "proved"), done.stderr
    assert alone(made.numbered, "verify_package.py", ".", "--vkey", made.vkey).returncode == 0
    assert {name: (made.folder / name).read_bytes() for name in ("verify_package.py", "recompute.py")} == {
        name: (SCRIPTS / name).read_bytes() for name in ("verify_package.py", "recompute.py")
    }


def test_it_tells_what_happened(made: Made) -> None:
    readings = rows(made.folder, "readings.csv")
    assert {each["reason"] for each in readings} == {"", "other", "corrected"}
    assert [each["revision"] for each in readings if not each["quantity"]] == ["2"], "one was taken back"
    awards = rows(made.folder, "awards.csv")
    assert {"clear", "released", "rejected"} <= {each["review"] for each in awards}
    shared = [each["findings_told"] for each in awards if "meter.shared" in each["findings"]]
    meters = {each["meter_id"] for each in rows(made.folder, "meters.csv")}
    assert shared and all(json.loads(each)[-1]["numbers"]["meter_id"] in meters for each in shared)
    reviews = rows(made.folder, "reviews.csv")
    assert sorted(each["decision"] for each in reviews) == ["rejected", "released", "released"]
    assert f"'{FORMULA}" in {each["reason"] for each in reviews}, "a cell that shows and does not run"
    assert f"'{FORMULA}" in {each["dwelling_type"] for each in rows(made.folder, "households.csv")}
    assert FORMULA in pl.read_parquet(made.folder / "parquet" / "households.parquet")["dwelling_type"].to_list()
    assert [each["amount"] for each in rows(made.folder, "lot_uses.csv")] == ["500"], "a debt was paid off"
    acts = [each["act"] for each in rows(made.folder, "trail.csv")]
    assert acts[:3] == ["policy.approved", "settlement.requested", "settlement.computed"]
    assert acts[-2:] == ["settlement.posted", "award.released"]


def test_it_tells_nobody_s_number_name_or_login(made: Made) -> None:
    customers = {f"t{each:03d}" for each in range(23)} | {f"{who}-{what}" for who in "AB" for what in "egw"}
    personal = [*NUMBERS.values(), *customers, WORDS, "here.test", "alder", "birch", "-client"]
    found = re.compile("|".join(rf"(?<![\w-]){re.escape(each)}(?![\w-])" for each in personal))
    read = 0
    for path in sorted(made.folder.rglob("*")):
        if path.is_file():
            text = (
                pl.read_parquet(path).write_csv() if path.suffix == ".parquet" else path.read_bytes().decode("latin-1")
            )
            assert found.findall(text) == [], path
            read += 1
    assert read > 50
    told = rows(made.numbered, "numbers.csv")
    assert {NUMBERS["household"], NUMBERS["customer"], "t000"} <= {each["number"] for each in told}
    assert NUMBERS["meter"] in {each["meter_number"] for each in told}
    same = {"README.md", "dictionary.md", "settlement.json", "numbers.csv", "SHA256SUMS", SIGNATURE}
    for path in made.folder.rglob("*"):
        name = path.relative_to(made.folder)
        if path.is_file() and str(name) not in same:
            assert (made.numbered / name).read_bytes() == path.read_bytes()


def frame(table: Table, folder: Path) -> pl.DataFrame:
    """A CSV file read by its dictionary."""
    texts = dict.fromkeys(table.schema, pl.String)
    read = pl.read_csv(folder / f"{table.name}.csv", schema=texts)
    moments = [pl.col(each.name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC")
               for each in table.columns if each.type is Type.MOMENT]  # fmt: skip
    days = [pl.col(each.name).str.to_date("%Y-%m-%d") for each in table.columns if each.type is Type.DAY]
    truths = [pl.col(each.name) == "true" for each in table.columns if each.type is Type.TRUTH]
    written = [pl.col(each.name).str.strip_prefix("'") for each in table.columns if each.is_written]
    return read.with_columns(*moments, *days, *truths, *written).cast(table.schema)  # type: ignore[arg-type]


@pytest.mark.parametrize("table", [table for table in TABLES if table.with_parquet], ids=lambda table: table.name)
def test_the_dictionary_the_csv_and_the_parquet_agree(made: Made, table: Table) -> None:
    told = frame(table, made.folder)
    parquet = pl.read_parquet(made.folder / "parquet" / f"{table.name}.parquet")
    assert parquet.schema == pl.Schema(table.schema)
    written = pq.ParquetFile(made.folder / "parquet" / f"{table.name}.parquet").metadata
    assert (written.created_by, written.metadata) == ("carbon-bank version 1 (build 0)", None), (
        "no version of a library"
    )
    assert told.equals(parquet)
    dictionary = (made.folder / "dictionary.md").read_text("utf-8")
    described = dictionary.split(f"## {table.name}.csv\n")[1].split("\n## ")[0]
    assert f"\n{told.height:,} rows.\n" in described
    assert re.findall(r"^\| `(\w+)` ", described, re.MULTILINE) == list(table.schema)


def test_a_byte_that_is_changed_in_any_file_is_found(made: Made, copy: Path, run: Run) -> None:
    assert run("verify_package", copy, "--vkey", made.vkey)[0] == 0
    for path in sorted(copy.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            path.write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
            code, told = run("verify_package", copy, "--vkey", made.vkey)
            assert code in {1, 2} and "\nproved\n" not in told, path
            path.write_bytes(data)
    (copy / "more.csv").write_text("a\n")
    assert "more.csv" in run("verify_package", copy, "--vkey", made.vkey)[1]
    (copy / "more.csv").unlink()
    (copy / "lots.csv").unlink()
    assert run("verify_package", copy, "--vkey", made.vkey)[0] == 1
    other = str(keys_in(copy.parent / "other").signing("here")[0].verifier)
    assert run("verify_package", made.folder, "--vkey", other)[0] == 1
    assert run("verify_package", made.folder, "--vkey", other, "--vkey", made.vkey)[0] == 0


Row = dict[str, str]
Edit = Callable[[list[Row]], Sequence[Row] | None]


def change(folder: Path, name: str, edit: Edit) -> None:
    """A table with some of its rows changed."""
    there = rows(folder, name)
    header = list(there[0])
    kept = edit(there) or there
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)


def sign_again(folder: Path, keys: LogKeys) -> None:
    """As a bank would that lies: sums of the changed files, under its own signature."""
    there = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("SHA256SUMS"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n" for path in there]
    (folder / "SHA256SUMS").write_text("".join(lines))
    digest, key = hashlib.sha256("".join(lines).encode()).hexdigest(), keys.signing("here")[0]
    (folder / SIGNATURE).write_bytes(bytes(sign_note(f"{FORMAT}\n{key.name}\n{digest}\n", key)))


def put(column: str, value: str | Callable[[str], str], **where: str) -> Edit:
    """A value changed in the first row that has some others."""

    def edit(there: list[Row]) -> None:
        row = next(each for each in there if all(re.fullmatch(like, each[name]) for name, like in where.items()))
        row[column] = value(row[column]) if callable(value) else value

    return edit


def more(text: str) -> str:
    return str(int(text) + 1)


def flipped(text: str) -> str:
    return f"{text[:-1]}{'1' if text[-1] == '0' else '0'}"


PAID = {"review": "clear", "points": "[1-9].*"}
BY_LOG: list[tuple[str, Edit]] = [
    ("readings.csv", put("quantity", more, period_start="2024-03-01", quantity=".+")),
    ("readings.csv", put("quality", "estimated", period_start="2024-03-01", quality="actual")),
    ("readings.csv", put("recorded_at", "2024-01-01T00:00:00.000000Z", period_start="2024-03-01", quantity=".+")),
    ("readings.csv", lambda there: [each for each in there if each["period_start"] != "2024-06-01"]),
    ("readings.csv", lambda there: there[::-1]),
    ("meters.csv", lambda there: [*there[:-1], there[-1] | {"utility": "water"}]),
    ("awards.csv", put("points", more, **PAID)),
    ("awards.csv", put("baseline_num", more, **PAID)),
    ("awards.csv", put("findings_told", "[]", findings=".+")),
    ("awards.csv", put("review", "released", review="rejected")),
    ("awards.csv", put("review", "rejected", **PAID)),
    ("awards.csv", lambda there: there[:-1]),
    ("reviews.csv", put("reason", "it was fine", decision="rejected")),
    ("reviews.csv", put("by", "person:99")),
    ("totals.csv", put("points", more)),
    ("postings.csv", put("amount", more)),
    ("postings.csv", put("available_after", more)),
    ("postings.csv", put("effective_on", "2024-06-29")),
    ("postings.csv", put("commodity", "gas", commodity="water")),
    ("postings.csv", lambda there: there[1:]),
    ("postings.csv", lambda there: [*there, there[-1]]),
    ("postings.csv", lambda there: [*there, there[-1] | {"seq": "99", "commodity": "gas"}]),
    ("lots.csv", put("expires_on", "2099-12-31")),
    ("lots.csv", lambda there: there[1:]),
    ("lots.csv", lambda there: [*there, there[-1]]),
    ("lot_uses.csv", put("amount", more)),
    ("journals.csv", put("by", "person:99")),
    ("journals.csv", put("recorded_at", flipped)),
    ("trail.csv", put("by", "person:99")),
    ("trail.csv", lambda there: there[1:]),
    ("log/leaves.csv", put("key", flipped)),
    ("log/leaves.csv", put("key", "")),
    ("log/leaves.csv", put("commitment", flipped)),
    ("log/leaves.csv", put("leaf", more)),
    ("log/leaves.csv", lambda there: there[1:]),
    ("log/ids.csv", put("id", lambda _: "77", pseudonym="h.*")),
    ("log/ids.csv", lambda there: [*there[:-1], there[-1] | {"id": "77"}]),
]
"""What a bank might change and sign again, and what it committed to in its log tells otherwise."""


@pytest.mark.parametrize("case", range(len(BY_LOG)), ids=lambda case: f"{BY_LOG[case][0]}-{case}")
def test_what_a_bank_changed_and_signed_again_is_found_by_its_log(made: Made, copy: Path, run: Run, case: int) -> None:
    name, edit = BY_LOG[case]
    change(copy, name, edit)
    sign_again(copy, made.keys)
    code, told = run("verify_package", copy, "--vkey", made.vkey)
    assert code in {1, 2} and "\nproved\n" not in told and told.startswith("sums"), told
    assert "TypeError" not in told and "IndexError" not in told, told


def test_what_a_bank_changed_in_the_proofs_themselves_is_found(made: Made, tmp_path: Path, run: Run) -> None:
    tile = next(made.folder.glob("log/tile/0/*.p/*")).relative_to(made.folder)
    acts = "log/acts.jsonl"
    for place, (name, old, new) in enumerate(
        [
            (str(tile), None, None),
            ("log/checkpoint", None, None),
            (acts, b'"key":"', b'"key":"00'),
            (acts, b'"domain":"carbon-bank/act/v1"', b'"domain":"carbon-bank/act/v2"'),
            (acts, b"they were abroad", b"they were at home"),
            (acts, b'\\"rows\\":', b'\\"rows\\":1'),
            ("policy.yaml", b"points: 15000", b"points: 25000"),
            ("settlement.json", b'"prepared_by": "person:1"', b'"prepared_by": "person:3"'),
            ("settlement.json", b'"as_of": "20', b'"as_of": "21'),
        ]
    ):
        copy = shutil.copytree(made.folder, tmp_path / str(place))
        data = (copy / name).read_bytes()
        assert old is None or old in data, (name, old)
        wrong = (
            data[:40] + bytes([data[40] ^ 1]) + data[41:] if old is None or new is None else data.replace(old, new, 1)
        )
        (copy / name).write_bytes(wrong)
        sign_again(copy, made.keys)
        code, told = run("verify_package", copy, "--vkey", made.vkey)
        assert code in {1, 2} and told.startswith("sums") and "\nproved\n" not in told, (name, told)


BY_RULES: list[tuple[str, Edit]] = [
    ("readings.csv", put("quantity", "1", period_start="2022-03-01", commodity="electricity")),
    ("readings.csv", put("revision", "3", revision="1", period_start="2024-03-01", quantity="300000|2.*")),
    ("tenures.csv", put("starts_on", "2024-05-01", starts_on="2021.*")),
    ("tenures.csv", lambda there: there[:-1]),
    ("awards.csv", put("points", more, **PAID)),
    ("awards.csv", put("tier", more, **PAID)),
    ("awards.csv", put("streak", more, **PAID)),
    ("awards.csv", put("baseline_den", more, **PAID)),
    ("awards.csv", put("findings", "usage.scaled", findings="")),
    ("awards.csv", lambda there: there[:-1]),
]


@pytest.mark.parametrize("case", range(len(BY_RULES)), ids=lambda case: f"{BY_RULES[case][0]}-{case}")
def test_what_does_not_follow_from_the_rules_is_found_by_recomputing(copy: Path, run: Run, case: int) -> None:
    name, edit = BY_RULES[case]
    change(copy, name, edit)
    code, told = run("recompute", "--package", copy)
    assert code in {1, 2}, told
