#!/usr/bin/env python
"""Is all that an export package tells in the city's log? Answered from the unpacked package, without the bank or a connection.

    python scripts/verify_package.py DIR --vkey NAME+ID+KEY [--erased N]

Needs Python 3.11, the package `cryptography`, and verify_receipt.py beside it; nothing of the bank. Have the log's verifier key
(`--vkey`, several while keys change) from someone you trust, not from where the package came from. Each line that it prints
was proved by:

    sums       check_sums       every file is of its sum in SHA256SUMS, and the log's key signed that
    log        Tree             the tiles lead to the root of the signed checkpoint; every leaf below is compared with them
    acts       check_acts       each act's entry is in the tree and commits to the act, which is the row of trail.csv
    policy     check_policy     policy.yaml is the text that was approved, settlement.json the settlement
    awards     check_awards     awards.csv is what was approved; what was decided on held ones is what the log has
    postings   check_postings   each household's postings are what its leaf commits to; each paid award was posted, once
    readings   check_readings   the readings that end in the period are those, and all those, that were closed
    erased     check_postings   leaves that nobody can open any more; --erased N accepts as many

It reads the large files line by line. Exit code: 0 proved, 1 not proved, 2 something that cannot be read.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import hmac
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))  # also where Python is told to leave it out (-I)
sys.dont_write_bytecode = True  # the folder stays as it was signed

from verify_receipt import (  # noqa: E402
    Checkpoint,
    Key,
    UnprovedError,
    UnreadableError,
    canonical,
    open_checkpoint,
    read_json,
    read_note,
)

FORMAT = "carbon-bank/export/v1"
SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.note"
ACT, POSTING, READING = "carbon-bank/act/v1", "carbon-bank/posting/v1", b"carbon-bank/reading/v1\n"
TILE, SHOWN = 256, 200
AWARDS_TOGETHER = 1000
PAID = ("clear", "released")
WHOLE = ("amount", "available_after", "debt_after", "forgiven", "held_after", "seq")
WHOLE_OR_NOT = ("hold_id", "restatement_id", "reverses", "settlement_id")
WORDS = ("commodity", "contra", "effective_on", "kind", "recorded_at")


def same(what: str, told: Any, found: Any) -> None:
    if told != found:
        raise UnprovedError(f"{what}: the package has {shown(told)}, the log {shown(found)}")


def shown(value: Any) -> str:
    return text if len(text := repr(value)) <= SHOWN else f"{text[:SHOWN]}..."


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def root_of(row: list[bytes]) -> bytes:
    """RFC 6962 section 2.1: pair by pair, the odd one going up as it is."""
    if not row:
        return hashlib.sha256(b"").digest()
    while len(row) > 1:
        odd = row[len(row) & ~1 :]
        row = [node(left, right) for left, right in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


def compact(value: Any) -> str:
    """RFC 8785, for whole numbers and text under keys of ASCII: quicker than `canonical`."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def commitment(key: str, domain: str, record: str) -> str:
    return hmac.digest(bytes.fromhex(key), f"{domain}\n{record}".encode(), "sha256").hex()


class Files:
    """The unpacked package. Rows of its tables come one by one: the largest have millions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise UnreadableError(f"{name}: {error.strerror or error}") from None

    def rows(self, name: str, *columns: str) -> Iterator[tuple[str, ...]]:
        """Some columns (at least two) of a table, line by line."""
        try:
            with (self.folder / name).open(encoding="utf-8", newline="") as file:
                reader = csv.reader(file, strict=True)
                header = next(reader, [])
                if not set(columns) <= set(header):
                    raise UnreadableError(f"{name} lacks a column of {', '.join(columns)}; unpack the package again")
                pick = itemgetter(*map(header.index, columns))
                for row in reader:
                    if len(row) != len(header):
                        raise UnreadableError(f"{name} line {reader.line_num}: {len(row)} values, not {len(header)}")
                    yield pick(row)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UnreadableError(f"{name}: {error}") from None

    def table(self, name: str, *columns: str) -> list[dict[str, str]]:
        return [dict(zip(columns, row, strict=True)) for row in self.rows(name, *columns)]


def check_sums(files: Files, keys: list[Key]) -> int:
    """SHA256SUMS under the log's signature, and each file of the folder in it."""
    sums, (text, signatures) = files.read(SUMS), read_note(files.read(SIGNATURE))
    lines = text.splitlines()
    by = {key for key in keys for name, key_id, _ in signatures if (key.name, key.id) == (name, key_id)}
    wrong = [
        name
        for name, key_id, signature in signatures
        for key in by
        if (key.name, key.id) == (name, key_id) and not key.verifies(text.encode(), signature)
    ]
    if wrong or not by:
        raise UnprovedError(f"{SIGNATURE} is not signed by the key that was given: this is not what the bank signed")
    if lines[0] != FORMAT or len(lines) != 3 or lines[1] not in {key.name for key in by}:
        raise UnprovedError(f"{SIGNATURE} is the signature of something else")
    same(f"digest of {SUMS}", hashlib.sha256(sums).hexdigest(), lines[2])
    told = dict(reversed(line.split("  ", 1)) for line in sums.decode().splitlines())
    there = {path.relative_to(files.folder).as_posix() for path in files.folder.rglob("*") if path.is_file()}
    there -= {SUMS, SIGNATURE}
    if there != set(told):
        raise UnprovedError(f"files that should not be there, or are missing: {', '.join(sorted(there ^ set(told)))}")
    for name, digest in told.items():
        with (files.folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise UnprovedError(f"{name} was changed: it has not the sum that was signed")
    return len(told)


class Tree:
    """The log's tree as far as the package has tiles of it, each compared with the one above, up to the signed root.

    Source: C2SP tlog-tiles; RFC 6962 section 2.1.
    """

    def __init__(self, files: Files, checkpoint: Checkpoint) -> None:
        self.files, self.size = files, checkpoint.size
        self.trusted: dict[tuple[int, int], list[bytes]] = {}
        parts, start = [], 0
        for level in range(self.size.bit_length() - 1, -1, -1):
            if self.size >> level & 1:
                parts.append(self.subtree(level, start >> level))
                start += 1 << level
        root = parts.pop()
        for left in reversed(parts):
            root = node(left, root)
        if root != checkpoint.root:
            raise UnprovedError("the tiles do not lead to the root that was signed")

    def width(self, level: int, number: int) -> int:
        return min(TILE, (self.size >> 8 * level) - number * TILE)

    def subtree(self, level: int, index: int) -> bytes:
        """Of the tree's edge: that is compared with the root as a whole, so its tiles need no other above them."""
        tile_level, height = divmod(level, 8)
        number, place = divmod(index << height, TILE)
        hashes = self.trusted.setdefault((tile_level, number), self.read(tile_level, number))
        return root_of(hashes[place : place + (1 << height)])

    def read(self, level: int, number: int) -> list[bytes]:
        digits = str(number).zfill(-(-len(str(number)) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        width = self.width(level, number)
        name = "/".join([*(f"x{each}" for each in groups[:-1]), groups[-1]]) + ("" if width == TILE else f".p/{width}")
        data = self.files.read(f"log/tile/{level}/{name}")
        if len(data) != 32 * width:
            raise UnreadableError(f"log/tile/{level}/{name} has not {width} hashes")
        return [data[at : at + 32] for at in range(0, len(data), 32)]

    def hashes(self, level: int, number: int) -> list[bytes]:
        """A tile that leads to the root."""
        if (level, number) not in self.trusted:
            found = self.read(level, number)
            if root_of(found) != self.hashes(level + 1, number // TILE)[number % TILE]:
                raise UnprovedError(f"tile {number} of level {level} does not lead to the root that was signed")
            self.trusted[level, number] = found
        return self.trusted[level, number]

    def check(self, leaf: int, entry: bytes) -> None:
        if not 0 <= leaf < self.size or self.hashes(0, leaf // TILE)[leaf % TILE] != leaf_hash(entry):
            raise UnprovedError(f"leaf {leaf} of the log is another entry than the package tells")


class Opened(NamedTuple):
    """An act: its place, what everybody is told, the key of its commitment, and what that is to."""

    leaf: int
    entry: dict[str, Any]
    key: str
    record: dict[str, Any]


class Log(NamedTuple):
    """What the acts came to. `ids`: the bank's numbers, by pseudonym."""

    acts: dict[str, list[Opened]]
    closes: list[dict[str, Any]]
    ids: dict[str, int]

    def the(self, act: str) -> Opened:
        if len(self.acts[act]) != 1:
            raise UnprovedError(f"the package has {len(self.acts[act])} acts {act}, not one")
        return self.acts[act][0]


def check_acts(files: Files, tree: Tree) -> Log:
    """log/acts.jsonl against the tree, and trail.csv against it."""
    ids = {pseudonym: int(number) for pseudonym, number in files.rows("log/ids.csv", "pseudonym", "id")}
    log, told = Log(defaultdict(list), [], ids), []
    for line in (files.folder / "log/acts.jsonl").read_bytes().splitlines():
        given = read_json(line, "a line of log/acts.jsonl")
        leaf, entry = given["leaf"], read_json(given["entry"].encode(), "an entry")
        tree.check(leaf, given["entry"].encode())
        same(f"place of leaf {leaf}", leaf, entry["seq"])
        if entry["type"] == "close":
            log.closes.append(entry)
            continue
        record = given["record"]
        same(f"domain of leaf {leaf}", given["domain"], ACT)
        same(f"commitment of leaf {leaf}", commitment(given["key"], ACT, canonical(record)), entry["commitment"])
        same(f"name of leaf {leaf}", record["act"]["act"], entry["act"])
        log.acts[entry["act"]].append(Opened(leaf, entry, given["key"], record))
        told.append((leaf, record["act"]))
    check_trail(files, told, ids)
    return log


def check_trail(files: Files, told: list[tuple[int, dict[str, Any]]], ids: dict[str, int]) -> None:
    columns = ("leaf", "at", "by", "act", "subject", "reason", "facts")
    names = {number: pseudonym for pseudonym, number in ids.items() if pseudonym[0] == "h"}

    def hidden(subject: str) -> str:
        found = re.fullmatch(r"award:(\d+)-(\d+)-(\w+)", subject)
        return f"award:{found[1]}-{names.get(int(found[2]))}-{found[3]}" if found else subject

    expected = [
        [str(leaf), row["at"], row["by"], row["act"], hidden(row["subject"]), safe(row.get("reason", "")), row["facts"]]
        for leaf, row in told
    ]
    same("trail.csv", [list(row) for row in files.rows("trail.csv", *columns)], expected)


def safe(text: str) -> str:
    """As the package writes what a spreadsheet would run."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text


def check_policy(files: Files, log: Log) -> str:
    """The texts of policy.yaml and settlement.json against what was approved."""
    approved = log.the("settlement.approved").record["evidence"]
    policy, row = approved["policy"], approved["settlement"]
    text = files.read("policy.yaml")
    same("policy.yaml", text.decode(), policy["text"])
    same("digest of policy.yaml", hashlib.sha256(text).hexdigest(), policy["digest"])
    adopted = log.the("policy.approved").record["evidence"]["policy"]
    same("policy that was adopted", adopted["digest"], policy["digest"])
    told = read_json(files.read("settlement.json"), "settlement.json")["settlement"]
    for name in ("id", "period", "months", "households", "prepared_by", "approved_by"):
        same(f"{name} of the settlement", told[name], row[name])
    year, place = divmod(row["first_month"], 12)
    same("first month of the settlement", told["first_month"], f"{year}-{place + 1:02d}")
    for name in ("as_of", "computed_at", "approved_at"):
        same(f"{name} of the settlement", instant(told[name]), instant(row[name]))
    done = log.the("settlement.posted").record["evidence"]["settlement"]
    same(
        "end of the settlement",
        (told["state"], instant(told["posted_at"])),
        (done["state"], instant(done["posted_at"])),
    )
    for act in ("settlement.approved", "settlement.posted"):
        same("subject of an act", log.the(act).entry["public"]["subject"], f"settlement:{row['id']}")
    return f"{policy['name']}@{policy['version']}"


def instant(text: str) -> str:
    """A moment as PostgreSQL writes it in UTC, whether it comes with Z or +00:00: 2026-01-31 23:59:59.5+00."""
    day, _, clock = text.removesuffix("Z").removesuffix("+00:00").partition("T")
    return f"{day} {clock.rstrip('0').rstrip('.') if '.' in clock else clock}+00"


AWARD_COLUMNS = ("household_id", "commodity", "outcome", "usage", "baseline_num", "baseline_den", "points", "avoided_g",
                 "tier", "streak", "findings_told", "review")  # fmt: skip


def check_awards(files: Files, log: Log) -> tuple[int, dict[tuple[str, str], int]]:
    """awards.csv against what was approved. Returns how many there are, and what is to be paid by household and commodity."""
    reviews: dict[tuple[str, str], str] = {}
    due: dict[tuple[str, str], int] = {}
    totals: Counter[tuple[str, ...]] = Counter()
    digests, count, reached = [], 0, -1
    of_piece = groupby(files.rows("awards.csv", *AWARD_COLUMNS), key=lambda row: log.ids[row[0]] // AWARDS_TOGETHER)
    for piece, rows in of_piece:
        if piece <= reached:
            raise UnprovedError("awards.csv is not in the order of log/ids.csv")
        reached, lines = piece, []
        for row in rows:
            household, commodity, outcome, *_, points, avoided, _, _, _, review = row
            lines.append((log.ids[household], commodity, award_line(row, log.ids)))
            of = (commodity, outcome, "clear" if review == "clear" else "held")
            totals.update({(*of, "awards"): 1, (*of, "points"): int(points), (*of, "avoided_g"): int(avoided or 0)})
            if review != "clear":
                reviews[household, commodity] = review
            if review in PAID and int(points) > 0:
                due[household, commodity] = int(points)
        digests.append(hashlib.sha256("".join(line for *_, line in sorted(lines)).encode()).digest())
        count += len(lines)
    approved = log.the("settlement.approved").record["evidence"]
    same("number of awards", count, approved["awards"])
    same("digest of awards.csv", hashlib.sha256(b"".join(digests)).hexdigest(), approved["awards_sha256"])
    check_reviews(files, log, reviews)
    check_totals(files, totals)
    return count, due


def award_line(row: tuple[str, ...], ids: dict[str, int]) -> str:
    """An award as its digest in the log has it: with the bank's numbers of household and meter."""
    household, commodity, outcome, *numbers, findings, _ = row
    told = re.sub(r'"meter_id": "(m[0-9a-f]+)"', lambda found: f'"meter_id": {ids[found[1]]}', findings)
    return f'[{ids[household]},"{commodity}","{outcome}",{",".join(each or "null" for each in numbers)},{told}]\n'


def check_totals(files: Files, totals: dict[tuple[str, ...], int]) -> None:
    """What the awards add up to is what totals.csv says."""
    told = {
        (*row[:3], name): int(value)
        for row in files.rows("totals.csv", "commodity", "outcome", "review", "awards", "points", "avoided_g")
        for name, value in zip(("awards", "points", "avoided_g"), row[3:], strict=True)
    }
    if told != totals:
        raise UnprovedError("totals.csv is not what awards.csv adds up to")


def check_reviews(files: Files, log: Log, reviews: dict[tuple[str, str], str]) -> None:
    """What people decided: awards.csv, reviews.csv and the log say the same."""
    decided = {
        tuple(row[:3]): row[3:]
        for row in files.rows("reviews.csv", "household_id", "commodity", "decision", "by", "at", "reason")
    }
    same("decisions in awards.csv", {(*key, each) for key, each in reviews.items() if each != "held"}, set(decided))
    names = {number: pseudonym for pseudonym, number in log.ids.items() if pseudonym[0] == "h"}
    rows = [each.record["evidence"]["review"] for act in ("award.released", "award.rejected") for each in log.acts[act]]
    logged = {
        (names[row["household_id"]], row["commodity"], row["decision"]): (
            row["by"],
            instant(row["at"]),
            safe(row["reason"]),
        )
        for row in rows
    }
    same("reviews.csv", {key: (by, instant(at), why) for key, (by, at, why) in decided.items()}, logged)


class Following:
    """Rows of a table that stand in the order of another one: those of a key, once it is their turn."""

    def __init__(self, name: str, rows: Iterator[tuple[str, ...]], key: int) -> None:
        self.name, self.groups = name, groupby(rows, key=lambda row: row[:key])
        self.next = next(self.groups, None)

    def of(self, *key: str) -> list[tuple[str, ...]]:
        if self.next is None or self.next[0] != key:
            return []
        found = list(self.next[1])
        self.next = next(self.groups, None)
        return found

    def end(self) -> None:
        if self.next is not None:
            raise UnprovedError(
                f"{self.name} has rows that nothing in the log tells of, or not in order: {self.next[0]}"
            )


def check_postings(files: Files, tree: Tree, log: Log, due: dict[tuple[str, str], int]) -> tuple[int, int, int]:
    """Each leaf opens to its household's postings; they are what was due. Returns leaves, points, and leaves without a key."""
    columns = sorted((*WHOLE, *WHOLE_OR_NOT, *WORDS))
    journals = {row["journal_id"]: row for row in journals_of(files)}
    postings = Following("postings.csv", files.rows("postings.csv", "journal_id", "household_id", *columns), 2)
    lots = Following("lots.csv", files.rows("lots.csv", "household_id", "seq", "granted", "expires_on"), 2)
    uses = Following("lot_uses.csv", files.rows("lot_uses.csv", "household_id", "seq", "lot_id", "amount"), 2)
    posted, last = log.the("settlement.posted"), -1
    leaves = erased = points = 0
    closed: Counter[str] = Counter()
    for place, journal_id, household, committed, key in files.rows(
        "log/leaves.csv", "leaf", "journal_id", "household_id", "commitment", "key"
    ):
        leaf, journal = int(place), journals[journal_id]
        if leaf <= last:
            raise UnprovedError(f"log/leaves.csv has leaf {leaf} after leaf {last}")
        last, leaves = leaf, leaves + 1
        tree.check(leaf, entry_of(leaf, journal, committed))
        rows = [dict(zip(columns, row[2:], strict=True)) for row in postings.of(journal_id, household)]
        made = [posting_of(row, lots.of(household, row["seq"]), uses.of(household, row["seq"])) for row in rows]
        for each in made:
            if due.pop((household, each["commodity"]), None) != each["amount"]:
                raise UnprovedError(
                    f"posting {each['seq']} of {household} is not what its award is worth, or a second one"
                )
            points += each["amount"]
            closed.update({"postings": 1, "points": each["amount"]} if leaf < posted.leaf else {})
        record = compact({"household": log.ids[household], "journal": told_of(journal), "postings": made})
        if key and commitment(key, POSTING, record) != committed:
            raise UnprovedError(f"the postings of {household} are not what leaf {leaf} of the log commits to")
        erased += not key
    for each in (postings, lots, uses):
        each.end()
    if due:
        raise UnprovedError(f"awards that were not posted: {sorted(due)[:5]}")
    same("postings and points at the settlement's end", {name: closed[name] for name in ("postings", "points")},
         {name: posted.entry["public"][name] for name in ("postings", "points")})  # fmt: skip
    return leaves, points, erased


JOURNAL_COLUMNS = ("journal_id", "kind", "city_id", "settlement_id", "by", "recorded_at", "made_in")


def journals_of(files: Files) -> list[dict[str, str]]:
    return files.table("journals.csv", *JOURNAL_COLUMNS)


def told_of(journal: dict[str, str]) -> dict[str, Any]:
    """A journal as the log commits to it."""
    numbers = {name: int(journal[name]) for name in ("city_id", "settlement_id")}
    return (
        {name: journal[name] for name in ("kind", "by", "recorded_at", "made_in")}
        | numbers
        | {"id": journal["journal_id"]}
    )


def entry_of(leaf: int, journal: dict[str, str], committed: str) -> bytes:
    entry = {"v": 1, "type": "posting", "seq": leaf, "at": journal["recorded_at"], "kind": journal["kind"]}
    return compact(entry | {"settlement": int(journal["settlement_id"]), "commitment": committed}).encode()


def posting_of(row: dict[str, str], lots: list[tuple[str, ...]], uses: list[tuple[str, ...]]) -> dict[str, Any]:
    """A posting as the log commits to it: with the lot that it made and what it took from others. An award begins no hold."""
    made: dict[str, Any] = {name: row[name] or None for name in WORDS}
    made |= {name: int(row[name]) for name in WHOLE}
    made |= {name: int(row[name]) if row[name] else None for name in WHOLE_OR_NOT}
    if len(lots) > 1:
        raise UnprovedError(f"lots.csv has the lot of posting {row['seq']} of {lots[0][0]} twice")
    lot = [{"granted": int(granted), "expires_on": expires_on or None} for _, _, granted, expires_on in lots]
    return made | {
        "hold": None,
        "lot": lot[0] if lot else None,
        "uses": [[int(each[2]), int(each[3])] for each in uses],
    }


READING_COLUMNS = ("meter_id", "period_start", "period_end", "revision", "quantity", "quality", "recorded_at")
READINGS_TOGETHER = 256  # in one leaf of a month's tree


def check_readings(files: Files, log: Log) -> int:
    """The closes of the settlement's months against readings.csv. Returns how many readings were closed."""
    row = log.the("settlement.approved").record["evidence"]["settlement"]
    key = bytes.fromhex(log.the("settlement.posted").key)
    first, end = (
        f"{month // 12}-{month % 12 + 1:02d}-01" for month in (row["first_month"], row["first_month"] + row["months"])
    )
    meters = {meter: place for meter, *place in files.rows("meters.csv", "meter_id", "utility", "commodity")}
    found: dict[tuple[str, ...], bytearray] = defaultdict(bytearray)  # 32 bytes for each: there are millions
    quantities: Counter[tuple[str, ...]] = Counter()
    count = 0
    reached: tuple[Any, ...] = (-1,)
    for reading, revisions in groupby(files.rows("readings.csv", *READING_COLUMNS), key=lambda row: row[:3]):
        *_, last = revisions
        if (log.ids[reading[0]], *reading[1:]) <= reached:
            raise UnprovedError(f"readings.csv is not in order at {reading}")
        reached = (log.ids[reading[0]], *reading[1:])
        if not (first < reading[2] <= end and last[4]):
            continue
        of = (*meters[reading[0]], str(date.fromisoformat(reading[2]) - timedelta(days=1))[:7])
        found[of] += committed_reading(key, log.ids[reading[0]], last)
        quantities[of] += int(last[4])
        count += 1
    closes = {(each["utility"], each["commodity"], each["month"]): each for each in log.closes}
    same("utilities, commodities and months that were closed", sorted(found), sorted(closes))
    for of, joined in found.items():
        commitments = sorted(bytes(joined[at : at + 32]) for at in range(0, len(joined), 32))
        where = " of ".join(("readings", *of))
        same(f"number of {where}", len(commitments), closes[of]["rows"])
        together = (commitments[at : at + READINGS_TOGETHER] for at in range(0, len(commitments), READINGS_TOGETHER))
        same(
            f"root over the {where}",
            root_of([leaf_hash(b"".join(each)) for each in together]).hex(),
            closes[of]["root"],
        )
        same(f"sum of the {where}", str(quantities[of]), closes[of].get("quantity", str(quantities[of])))
    return count


def committed_reading(key: bytes, meter: int, row: tuple[str, ...]) -> bytes:
    """What the log has of a reading: HMAC over its line."""
    _, start, end, revision, quantity, quality, recorded_at = row
    line = f'[{meter},"{start}","{end}",{revision},{quantity},"{quality}","{instant(recorded_at)}"]'
    return hmac.digest(key, READING + line.encode(), "sha256")


def verify(arguments: argparse.Namespace) -> Iterator[str]:
    keys, files = [*map(Key.read, arguments.vkey)], Files(arguments.folder)
    yield f"sums      {check_sums(files, keys)} files are as the bank signed them"
    checkpoint = open_checkpoint(files.read("log/checkpoint"), keys, [], 0)
    tree = Tree(files, checkpoint)
    signed = ", ".join(key.id.hex() for key in checkpoint.signed_by)
    yield f"log       {checkpoint.origin}, {checkpoint.size} entries, signed with key {signed}"
    log = check_acts(files, tree)
    acts = sum(map(len, log.acts.values()))
    yield f"acts      {acts} acts and {len(log.closes)} closed months stand in the log as the package tells them"
    yield f"policy    {check_policy(files, log)} is the text that was approved"
    awards, due = check_awards(files, log)
    yield f"awards    {awards} are those that were approved"
    leaves, points, erased = check_postings(files, tree, log, due)
    yield f"postings  {leaves} leaves of {points} points stand in the log and open to what was due, once"
    yield f"readings  {check_readings(files, log)} of the period are all that were closed"
    if erased > arguments.erased:
        raise UnprovedError(
            f"{erased} leaves cannot be opened: their keys were erased, or left out. --erased {erased} accepts that"
        )
    if erased:
        yield f"erased    {erased} leaves cannot be opened any more"
    yield "proved"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the unpacked package")
    parser.add_argument("--vkey", action="append", required=True, help="verifier key of the log, name+id+key")
    parser.add_argument("--erased", type=int, default=0, help="how many leaves may have no key any more (0)")
    try:
        for line in verify(parser.parse_args()):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    except UnprovedError as error:
        sys.stderr.write(f"not proved: {error}\n")
        return 1
    except UnreadableError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return 2
    except (KeyError, ValueError, IndexError, TypeError, RecursionError) as error:
        sys.stderr.write(f"cannot be read: something is missing or not of its form ({type(error).__name__}: {error})\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
