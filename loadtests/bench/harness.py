"""What every bench shares: a server of its own, turns with the limit, memory, the table and the JSON file.

A ratio of two medians would mix the noise of different minutes: the ratio is the median of each round's own ratio.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import ClassVar, Protocol

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from carbon_bank import schema
from carbon_bank.foundation import embedded
from carbon_bank.foundation.database import Database, parse_url, plain_url

RESULTS = Path(__file__).parent.parent / "results"
_SAMPLE_SECONDS = 0.01
_MEBIBYTE = 2**20

console = Console(highlight=False)


class Bench(Protocol):
    """One thing to measure. `ours` and `limit` are timed; what the other methods do is not."""

    unit: ClassVar[str]
    """What a row is, in the plural."""
    goal: ClassVar[str]
    by_speed: ClassVar[bool]
    """Whether the ratio is of speeds (more is better) or of times (less is better)."""

    def __init__(self, bank: Bank, households: int) -> None: ...

    async def fill(self) -> int:
        """Make what is measured, and return how many rows each side handles."""

    async def ours(self) -> None: ...

    async def before_limit(self) -> None:
        """What the limit is handed for nothing."""

    async def limit(self) -> None: ...

    async def reset(self) -> None:
        """Put everything back to where a round begins."""


@dataclass(frozen=True)
class Bank:
    """A migrated bank on a server of the bench's own: as the application sees it, and as its owner."""

    database: Database
    owner: psycopg.Connection
    folder: Path

    @contextmanager
    def unguarded(self) -> Iterator[psycopg.Connection]:
        """As a replica applies what was checked elsewhere: without triggers and foreign keys. For filling and resetting."""
        self.owner.execute("SET session_replication_role = replica")
        try:
            yield self.owner
        finally:
            self.owner.execute("SET session_replication_role = DEFAULT")

    def settle_down(self, *tables: str) -> None:
        """So that neither side pays for what came before: dead rows, statistics, dirty pages."""
        for table in tables:
            self.owner.execute(psycopg.sql.SQL("VACUUM ANALYZE {}").format(psycopg.sql.Identifier(table)))
        self.owner.execute("CHECKPOINT")


@dataclass
class Figure:
    """What came of a bench. Seconds by round; memory of this process, in MiB."""

    name: str
    households: int
    rows: int
    unit: str
    goal: str
    by_speed: bool
    ours_seconds: list[float] = field(default_factory=list)
    limit_seconds: list[float] = field(default_factory=list)
    memory_before_mib: float = 0
    memory_peak_mib: float = 0
    server: str = ""
    cores: int = os.cpu_count() or 0
    machine: str = platform.machine()
    python: str = platform.python_version()
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.ours_seconds, self.limit_seconds, strict=True)
        return [limit / ours if self.by_speed else ours / limit for ours, limit in pairs]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def rows_per_second(self) -> float:
        return self.rows / median(self.ours_seconds)


class _Memory:
    """The largest resident memory of this process while the block runs."""

    def __init__(self) -> None:
        self.before_mib = self.peak_mib = psutil.Process().memory_info().rss / _MEBIBYTE
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._over.wait(_SAMPLE_SECONDS):
            self.peak_mib = max(self.peak_mib, process.memory_info().rss / _MEBIBYTE)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


async def measure(name: str, kind: type[Bench], households: int, rounds: int) -> Figure:
    """Fill a fresh bank and let both sides take turns. A first turn of each, not counted, warms the caches."""
    with _fresh_bank() as bank:
        try:
            return await _measure(name, kind(bank, households), bank, households, rounds)
        finally:
            await bank.database.close()


async def _measure(name: str, bench: Bench, bank: Bank, households: int, rounds: int) -> Figure:
    began = time.perf_counter()
    rows = await bench.fill()
    console.print(f"{name}: {households:,} households filled in {time.perf_counter() - began:.0f} s")
    figure = Figure(name, households, rows, bench.unit, bench.goal, bench.by_speed)
    figure.server = str(bank.owner.execute("SHOW server_version").fetchone()[0])  # type: ignore[index]
    for turn in range(rounds + 1):
        with _Memory() as memory:
            ours = await _timed(bench.ours)
        await bench.before_limit()
        limit = await _timed(bench.limit)
        await bench.reset()
        console.print(f"{name}: {'warm-up' if turn == 0 else f'round {turn}'}: ours {ours:.2f} s, limit {limit:.2f} s")
        figure.memory_before_mib = figure.memory_before_mib or memory.before_mib
        figure.memory_peak_mib = max(figure.memory_peak_mib, memory.peak_mib)
        if turn:
            figure.ours_seconds.append(ours)
            figure.limit_seconds.append(limit)
    return figure


async def _timed(side: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await side()
    return time.perf_counter() - began


@contextmanager
def _fresh_bank() -> Iterator[Bank]:
    """With the settings of a real embedded bank: what is written is on disk when it is committed."""
    folder = Path(tempfile.mkdtemp(prefix="carbon-bank-bench-"))
    # The server stops when this process ends; registered before it, the folder goes after it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    maintenance = embedded.start(folder)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench")
    url = plain_url(parse_url(maintenance), "bench")
    schema.upgrade(url)
    with psycopg.connect(url, autocommit=True) as owner:
        yield Bank(Database(url), owner, folder)


def show(figure: Figure) -> None:
    table = Table(title=f"{figure.name}: {figure.households:,} households, {figure.rows:,} {figure.unit}")
    for column in ("ours", "limit", "ratio", "goal", f"{figure.unit} per second", "peak memory"):
        table.add_column(column, justify="right")
    kind = "of its speed" if figure.by_speed else "x its time"
    table.add_row(
        f"{median(figure.ours_seconds):.2f} s",
        f"{median(figure.limit_seconds):.2f} s",
        f"{figure.ratio:.2f} {kind}",
        figure.goal,
        f"{figure.rows_per_second:,.0f}",
        f"{figure.memory_peak_mib:,.0f} MiB",
    )
    console.print(table)


def keep(figure: Figure, folder: Path) -> Path:
    """Write the figure as JSON; an older one of the same name and size is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{figure.name}-{figure.households}.json"
    derived = {"ratios": figure.ratios, "ratio": figure.ratio, "rows_per_second": figure.rows_per_second}
    path.write_text(json.dumps(asdict(figure) | derived, indent=2) + "\n", "utf-8")
    console.print(f"Written to {path}\n", soft_wrap=True)
    return path
