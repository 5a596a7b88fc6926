"""Many small broken files for each format: whatever the bytes, nothing but readings or a refusal may come of them.

    scripts/fuzz [--inputs N] [--seed S] [FORMAT...]

Good files are changed byte by byte, cut, doubled and mixed, or stay whole and only say something else, the same way for the
same seed. Prints for each format how many were read and refused, by code, the time, and the largest growth of memory. An input
that raises anything else is written beside the others that did, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import gzip
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import polars as pl

from carbon_bank.foundation.errors import Refusal
from carbon_bank.readings.formats import csv_format, known
from carbon_bank.readings.formats.mapping import parse_mapping
from carbon_bank.readings.formats.options import Options
from carbon_bank.readings.formats.source import Source
from tests.readings.formats.feeds import (
    HOUR,
    POINT,
    block,
    entry,
    feed,
    meter_reading,
    reading,
    reading_type,
    usage_point,
)
from tests.readings.formats.test_plain import HEADER, ROW, VALUES, lines_of, parquet, table

EXAMPLES = sorted((Path(csv_format.__file__).parent / "examples").glob("*.yaml"))
MAPPINGS = [None, "xcel-bills", "energycontrol-water"]
"""Those of the good CSV."""
BILLS = b'Bill Date,Electric Usage (kWh),Gas Usage (Therms)\n"09/24/2025","450","12"\n"08/26/2025","520","13"\n07/25/2025,6,1\n'


def by_tariffs() -> bytes:
    """A day of two tariffs with its clock, its quality, a block that was restated, and bills."""
    clock = {"dstEndRule": "B40E2000", "dstOffset": HOUR, "dstStartRule": "360E2000", "tzOffset": -5 * HOUR}
    zone = entry("LocalTimeParameters", "LocalTimeParameters/1", "".join(f"<{k}>{v}</{k}>" for k, v in clock.items()))
    parts = [reading(HOUR * (5 + hour), HOUR, hour, 17, tou) for hour in range(24) for tou in (1, 2)]
    return feed(
        usage_point("0", POINT, "https://utility.test/espi/LocalTimeParameters/1"), zone,
        meter_reading(), reading_type(1, powerOfTenMultiplier=-3, flowDirection=1, kind=12, commodity=1, tou=0),
        block(*parts), block(*parts[:2], number=2, updated="2026-02-01T00:00:00Z"),
        meter_reading(2, 2), reading_type(2, accumulationBehaviour=4, defaultQuality=8),
        block(reading(HOUR * 53, 30 * 24 * HOUR, 70), reading(HOUR * 29, 24 * HOUR, 3), meter=2),
    ).encode()  # fmt: skip


GOOD: dict[str, list[bytes]] = {
    "csv": [
        table(HEADER, VALUES, [*VALUES[:4], '1"2', "m3"], VALUES),
        BILLS,
        "Datum;Zeit;Zählerstand\n29.10.22;11:39;381,000\n".encode(),
    ],
    "ndjson": [lines_of(ROW, {**ROW, "quantity": 12}, {**ROW, "unit": None})],
    "parquet": [parquet(pl.DataFrame([ROW, ROW]))],
    "espi": [
        by_tariffs(),
        feed(
            usage_point(), meter_reading(), reading_type(), block(*(reading(HOUR * hour) for hour in range(5)))
        ).encode(),
        feed(usage_point("1"), meter_reading(), reading_type(uom=169), block(reading(0, 24 * HOUR, 7, 8))).encode(),
    ],
}
MIBIBYTE = 1024
PLACES = {
    "csv": re.compile(rb"""(?<=[,;\n"])[^,;\r\n"]+"""),
    "ndjson": re.compile(rb"""(?<=": )("[^"]*"|[0-9.]+)"""),
    "espi": re.compile(rb"""(?<=>)[^<>]+(?=</)|(?<=href=")[^"]*|(?<=rel=")[^"]*"""),
}
"""Where the values of a format stand. Parquet's are packed."""
WHOLE_SHARE = 0.7
NUMBERS = [
    *map(str, (0, 1, 2, 3, 4, 7, 8, 9, 12, 14, 17, 19, 31, 37, 42, 58, 72, 132, 134, 169, -1, -9, -10, 13, 2**31, 2**15)),
    "-32769", "007", "1.5", "1e3", "1e400", "nan",
]  # fmt: skip
OTHERS = [
    *NUMBERS, *(str(HOUR * each) for each in (0, 1, 2, 4, 5, 23, 24, 25, 48, 720)), "9" * 11, "9" * 20, "9" * 28, "-" + "9" * 26,
    "2026-03-01", "2026-02-30", "0001-01-01", "9999-12-31", "2026-03-01T00:00:00Z", "1.000,5", "peak", "\u0663", "x" * 1001, " ",
    "360E2000", "B40E2000", "FFFFFFFF", "self", "related", "up", "yes", "m3", "kWh", "gas", "estimated", "null", "[]", '""',
]  # fmt: skip
"""What may stand in a value: codes, durations, moments, multipliers, words, and what is none of these."""


def changed(random: Random, good: list[bytes]) -> bytes:
    """One of the good files, broken in a few places."""
    content = bytearray(random.choice(good))
    for _ in range(random.choice([1, 1, 2, 4, 12])):
        place, kind = random.randrange(len(content) + 1), random.random()
        if kind < 0.35 and place < len(content):
            content[place] = random.randrange(256)
        elif kind < 0.5:
            del content[place : place + random.randint(1, 40)]
        elif kind < 0.7:
            other = random.randrange(len(content) + 1)
            content[place:place] = content[other : other + random.randint(1, 200)]
        elif kind < 0.85:
            content[place:place] = random.choice(
                [b"\0", b"\n", b'"', b",", b";", b"<", b"&", b"\xff", b"9" * 40, b"-", b"e9"]
            )
        else:
            content[place:place] = random.choice(good)[: random.randint(0, 400)]
    return gzip.compress(bytes(content)) if random.random() < 0.02 else bytes(content)


def said_otherwise(random: Random, form: str, content: bytes) -> bytes:
    """A good file, as whole as it was, with other values in a few places."""
    for _ in range(random.choice([1, 1, 2, 3, 8])):
        places = list(PLACES[form].finditer(content))
        place = random.choice(places)
        new = random.choice(places)[0] if random.random() < 0.4 else random.choice(OTHERS).encode()
        content = content[: place.start()] + new + content[place.end() :]
    return content


def options_of(random: Random, form: str, good: int) -> Options:
    mapping = random.choice([None, *EXAMPLES]) if form == "csv" else None
    if form == "csv" and random.random() < WHOLE_SHARE:
        mapping = next((each for each in EXAMPLES if each.stem == MAPPINGS[good]), None)
    return Options(
        random.choice(["UTC", "Asia/Seoul", "America/New_York"]),
        random.random() < 0.3,
        "month" if random.random() < 0.3 else "day",
        None if mapping is None else parse_mapping(mapping.read_text("utf-8")),
    )


def fuzz(form: str, inputs: int, seed: int, folder: Path) -> tuple[Counter[str], list[Path]]:
    """What came of so many inputs, and the files that raised something else than a refusal."""
    random, outcomes, bad = Random(f"{form} {seed}"), Counter[str](), []
    path = folder / f"{form}.input"
    for number in range(inputs):
        is_whole = form in PLACES and random.random() < WHOLE_SHARE
        good = random.randrange(len(GOOD[form]))
        path.write_bytes(said_otherwise(random, form, GOOD[form][good]) if is_whole else changed(random, GOOD[form]))
        options = options_of(random, form, good)
        try:
            codes = [code for chunk in known.read(Source(path, "input"), form, options) for code in chunk.rows["code"]]
            outcomes["read" if None in codes else "read, each row refused" if codes else "read, no rows"] += 1
        except Refusal as refusal:
            outcomes[refusal.code] += 1
        except Exception as error:
            kept = folder / f"{form}-{seed}-{number}"
            kept.write_bytes(path.read_bytes())
            bad.append(kept)
            print(f"{kept}: {options}: {type(error).__name__}: {error}")
    return outcomes, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=", ".join(GOOD))
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder, failed = Path(tempfile.mkdtemp(prefix="carbon-bank-fuzz-")), 0
    for form in asked.formats or GOOD:
        fuzz(form, min(200, asked.inputs), asked.seed + 1, folder)  # so that caches are warm when memory is measured
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        outcomes, bad = fuzz(form, asked.inputs, asked.seed, folder)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // MIBIBYTE
        seconds, failed = time.perf_counter() - began, failed + len(bad)
        print(f"{form}: {asked.inputs:,} inputs in {seconds:.0f} s, {len(bad)} bad, memory grew by {grown} MiB at most")
        print("  " + ", ".join(f"{count:,} {code}" for code, count in outcomes.most_common()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
