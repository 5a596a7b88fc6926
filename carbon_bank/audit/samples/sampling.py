"""Samples that anybody can draw again: the same awards, root and nonce give the same sample, in any language, in a hundred years.

The seed is a hash of the public log's root, which the bank cannot choose to suit it, and of the auditor's nonce, which it did not
know. Chance is SHA-256 in counter mode with rejection, and nothing else: no library's generator, which may change.

Source: docs/sampling.md (the recipe, with an example to recompute). Points are sampled as monetary units: AICPA, Audit Guide: Audit
Sampling (systematic selection with a random start; an item of an interval or more is always chosen).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

import polars as pl

from carbon_bank.foundation.errors import InvalidInput

RECIPE = "carbon-bank sample v1"
SIZE_MAX = 10_000
"""Nobody checks more awards by hand."""
ROOT_BYTES = 32
NONCE_MAX = 200
_NONCE = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{NONCE_MAX - 2}}}[\x21-\x7e])?")
KEY = ["household_id", "commodity"]


class Method(StrEnum):
    RANDOM = "random"
    STRATIFIED = "stratified"
    POINTS = "points"


class Strata(StrEnum):
    OUTCOME = "outcome"
    """Commodity and outcome."""
    DISTRICT = "district"


@dataclass(frozen=True)
class Asked:
    """What a sample is asked for by. strata: null but for `stratified`."""

    settlement_id: int
    method: Method
    size: int
    nonce: str
    root: bytes
    strata: Strata | None = None

    def seed_text(self, stratum: str | None = None) -> str:
        """What is hashed to the seed."""
        method = self.method.value if self.strata is None else f"{self.method.value} {self.strata.value}"
        lines = [
            RECIPE,
            f"root {self.root.hex()}",
            f"nonce {self.nonce}",
            f"settlement {self.settlement_id}",
            f"method {method}",
        ]
        if stratum is not None:
            lines.append(f"stratum {stratum}")
        return "".join(f"{line}\n" for line in lines)

    def seed(self, stratum: str | None = None) -> bytes:
        return hashlib.sha256(self.seed_text(stratum).encode()).digest()


@dataclass
class Draws:
    """Numbers by chance: block i is SHA-256 of the seed and i as eight bytes, the first i being 0."""

    seed: bytes
    blocks: int = 0

    def below(self, end: int) -> int:
        """A number from 0 up to, not including, `end`, each as likely as the others.

        A block is a number of 256 bits, the highest first. One from the last multiple of `end` on is passed over.
        """
        limit = 2**256 - 2**256 % end
        while True:
            block = hashlib.sha256(self.seed + self.blocks.to_bytes(8, "big")).digest()
            self.blocks += 1
            number = int.from_bytes(block, "big")
            if number < limit:
                return number % end


@dataclass(frozen=True)
class Stratum:
    name: str
    items: int
    points: int
    size: int


@dataclass(frozen=True)
class Chosen:
    """An award of the sample. place: its row among all of the population, from 0. hits: how many selection points fell on it."""

    place: int
    household_id: int
    commodity: str
    outcome: str
    review: str
    points: int
    stratum: str
    hits: int = 1


@dataclass(frozen=True)
class Sample:
    """interval: points from one selection to the next; null but for `points`. strata: null but for `stratified`."""

    asked: Asked
    items: int
    points: int
    rows: tuple[Chosen, ...]
    interval: Fraction | None = None
    strata: tuple[Stratum, ...] = field(default=())


def draw_sample(asked: Asked, population: pl.DataFrame) -> Sample:
    """Draw a sample of awards.

    Args:    population: `household_id, commodity, outcome, review, points` (those that the award pays), `stratum`; in any order.
    Raises:  InvalidInput `audit.sample_size` (422).
    """
    ordered = population.with_columns(pl.col("commodity").cast(pl.String)).sort(KEY)
    items, points = ordered.height, int(ordered["points"].sum())
    units, unit = (points, "points") if asked.method is Method.POINTS else (items, "awards")
    if not 1 <= asked.size <= min(units, SIZE_MAX):
        raise InvalidInput(
            "audit.sample_size",
            f"A sample of {asked.size} is asked for; of {units} {unit} it can have 1 to {min(units, SIZE_MAX)}.",
            {"units": units, "size_max": SIZE_MAX},
        )
    if asked.method is Method.POINTS:
        hits = by_points(asked.seed(), ordered["points"], asked.size)
        return Sample(asked, items, points, _rows(ordered, hits), Fraction(points, asked.size))
    if asked.method is Method.RANDOM:
        return Sample(
            asked, items, points, _rows(ordered, dict.fromkeys(at_random(asked.seed(), items, asked.size), 1))
        )
    return _stratified(asked, ordered, items, points)


def at_random(seed: bytes, items: int, size: int) -> list[int]:
    """Rows without replacement: a number below `items` is drawn again and again, and one that was drawn before is passed over."""
    draws, chosen = Draws(seed), dict[int, None]()
    while len(chosen) < size:
        chosen.setdefault(draws.below(items))
    return list(chosen)


def by_points(seed: bytes, points: pl.Series, size: int) -> dict[int, int]:
    """Systematic selection of points: each point of all is as likely as the others. Returns rows and how often each is hit.

    With T points in all, r is drawn below T. The selections are the points floor((r + k*T) / size) for k from 0 to size - 1,
    counted from 0 through the rows in order: the first row has the first of them. The interval is T / size.
    """
    upto = points.cum_sum()
    total = int(upto[-1])
    start = Draws(seed).below(total)
    selected = pl.Series([(start + k * total) // size for k in range(size)], dtype=pl.Int64)
    hits: dict[int, int] = {}
    for row in upto.search_sorted(selected, side="right").to_list():
        hits[row] = hits.get(row, 0) + 1
    return hits


def allocate(size: int, strata: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Shares of a sample in proportion to the items of each stratum, by the largest remainder; of equal ones the first name.

    Source: Hamilton's method. A share is never above its stratum, since the sample is not above the population.
    """
    items = sum(count for _, count in strata)
    shares = {name: size * count // items for name, count in strata}
    remainders = sorted(strata, key=lambda stratum: (-(size * stratum[1] % items), stratum[0]))
    for name, _ in remainders[: size - sum(shares.values())]:
        shares[name] += 1
    return shares


def _stratified(asked: Asked, ordered: pl.DataFrame, items: int, points: int) -> Sample:
    """Each stratum is drawn from by a seed of its own."""
    numbered = ordered.with_row_index("place")
    parts = {str(name): part for (name,), part in numbered.partition_by("stratum", as_dict=True).items()}
    names = sorted(parts)
    shares = allocate(asked.size, [(name, parts[name].height) for name in names])
    hits: dict[int, int] = {}
    for name in names:
        places = parts[name]["place"]
        chosen = at_random(asked.seed(name), len(places), shares[name])
        hits |= {int(places[row]): 1 for row in chosen}
    strata = tuple(Stratum(name, parts[name].height, int(parts[name]["points"].sum()), shares[name]) for name in names)
    return Sample(asked, items, points, _rows(ordered, hits), strata=strata)


def _rows(ordered: pl.DataFrame, hits: dict[int, int]) -> tuple[Chosen, ...]:
    """The rows of the sample, in the order of the population."""
    places = sorted(hits)
    found = ordered[places].select(*KEY, "outcome", "review", "points", "stratum").iter_rows(named=True)
    return tuple(Chosen(place=place, **row, hits=hits[place]) for place, row in zip(places, found, strict=True))


def read_root(text: str) -> bytes:
    """A root as it stands in a checkpoint (base64), or in hexadecimal. Raises: InvalidInput `audit.root` (422)."""
    try:
        root = bytes.fromhex(text) if re.fullmatch(r"[0-9a-fA-F]{64}", text) else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        root = b""
    if len(root) != ROOT_BYTES:
        raise InvalidInput(
            "audit.root",
            "The root is 32 bytes, in base64 as on the third line of a checkpoint, or 64 hexadecimal digits.",
        )
    return root


def check_nonce(nonce: str) -> str:
    """Raises: InvalidInput `audit.nonce` (422)."""
    if not _NONCE.fullmatch(nonce):
        raise InvalidInput(
            "audit.nonce",
            f"The nonce is a line of up to {NONCE_MAX} printable ASCII characters, with no space at either end. Throw dice, or use "
            "`openssl rand -hex 16`.",
        )
    return nonce
