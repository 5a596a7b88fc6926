"""`carbon-bank simulate`: the rules alone, on files, without a database.

Source: rules.md section 9.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from carbon_bank.cli.simulate_files import read_rows
from carbon_bank.cli.simulate_rows import HOUSEHOLD_COLUMNS, READING_COLUMNS, Judged, judge_households, judge_readings
from carbon_bank.cli.simulate_run import TOLD_SCHEMA, City, found_city, periods_to_settle, simulate_periods
from carbon_bank.foundation import clock
from carbon_bank.foundation.calendar import Period
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.programme.policy import Policy, load_policy, shipped_policies

FAULTS_SHOWN = 20
TABLE_ROWS_MAX = 1_000
TABLE_WIDTH = 160
FILE_MODE = 0o644
GRAMS_PER_TONNE = 1_000_000
EXIT_BAD_ROWS = 2
EXIT_BROKEN_PIPE = 141
"""What a shell reports of a program that wrote to a closed pipe."""


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    TABLE = "table"


def simulate(
    policy: Annotated[str, typer.Option(help=f"A shipped policy ({', '.join(shipped_policies())}) or a file.")],
    readings: Annotated[Path, typer.Option(help=f"CSV, also .gz, or Parquet with {', '.join(READING_COLUMNS)}.")],
    households: Annotated[
        Path | None, typer.Option(help=f"CSV, also .gz, or Parquet with {', '.join(HOUSEHOLD_COLUMNS)}.")
    ] = None,
    periods: Annotated[
        str | None,
        typer.Option(help="One period or a range, as in 2025-H1..2026-H1. Left out: all that readings reach."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; left out: standard output.")] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Left out: as the name after --out ends, else csv.")
    ] = None,
    skip_bad_rows: Annotated[
        Path | None, typer.Option(help="Write refused rows to this CSV file and go on without them.")
    ] = None,
) -> None:
    """Try a policy on past readings: what each household would have been awarded, and why."""
    began = time.perf_counter()
    chosen = load_policy(policy)
    target = _format(out, format_)
    _refuse_one_file_twice(Path(policy), readings, households, out, skip_bad_rows)
    judged, homes = read_judged(readings, households, skip_bad_rows)
    settled = periods_to_settle(chosen, periods, judged.rows)
    awards = _simulate(chosen, found_city(judged, homes), settled)
    with _quiet_when_nobody_reads():
        _write(awards, target, out)
    _summary(awards, judged, len(settled), time.perf_counter() - began)


def _format(out: Path | None, asked: Format | None) -> Format:
    ending = out.suffix.removeprefix(".").lower() if out else ""
    chosen = asked or (Format.PARQUET if ending == Format.PARQUET else Format.CSV)
    if chosen is Format.PARQUET and out is None:
        raise InvalidInput("simulate.format", "Parquet is not for a terminal or a pipe. Name a file with --out.")
    return chosen


def _refuse_one_file_twice(*paths: Path | None) -> None:
    """Nothing that is read or written may be overwritten by something else that is."""
    named = [path.resolve() for path in paths if path is not None]
    twice = {str(path) for path in named if named.count(path) > 1}
    if twice:
        raise InvalidInput("simulate.same_file", f"{', '.join(twice)} is named twice. Give every file its own name.")


def read_judged(readings: Path, households: Path | None, skip_to: Path | None) -> tuple[Judged, pl.DataFrame | None]:
    """The sound readings and households; exit 2 where a row is bad, unless bad rows go to a file of their own."""
    sent = {readings: read_rows(readings, READING_COLUMNS)}
    judged = {readings: judge_readings(sent[readings], clock.now().date())}
    if households is not None:
        sent[households] = read_rows(households, HOUSEHOLD_COLUMNS[:1])
        judged[households] = judge_households(sent[households])
    if skip_to is not None:
        refused = [_as_sent(path, sent[path], each.faults) for path, each in judged.items()]
        _store(skip_to, pl.concat(refused, how="diagonal").write_csv)
    elif any(each.faults.height for each in judged.values()):
        _tell_faults({path: each.faults for path, each in judged.items()})
        raise typer.Exit(EXIT_BAD_ROWS)
    return judged[readings], judged[households].rows if households is not None else None


def _as_sent(path: Path, sent: pl.DataFrame, faults: pl.DataFrame) -> pl.DataFrame:
    """The refused rows in the columns in which they came, and what was wrong with each."""
    why = faults.drop("value")
    told = sent.drop("file", *why.columns[1:], strict=False).join(why, on="line", maintain_order="right")
    return told.select(pl.exclude("line", *why.columns[1:]), *why.columns, file=pl.lit(path.name))


def _tell_faults(faults: dict[Path, pl.DataFrame]) -> None:
    shown = 0
    for path, each in faults.items():
        for line, column, value, _, reason in each.head(FAULTS_SHOWN - shown).iter_rows():
            told = "" if value is None else f" '{value[:80]}'"
            print(f"{path} line {line}, column {column}{told}: {reason}", file=sys.stderr)
        shown = min(FAULTS_SHOWN, shown + each.height)
    total = sum(each.height for each in faults.values())
    more = f" The first {shown} are shown." if total > shown else ""
    rows = "1 row is" if total == 1 else f"{total} rows are"
    print(f"{rows} refused.{more} Mend them, or go on without them: --skip-bad-rows FILE.", file=sys.stderr)


def _simulate(policy: Policy, city: City, periods: list[Period]) -> pl.DataFrame:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Settling", total=len(periods) * city.chunks)
        awards = list(simulate_periods(policy, city, periods, lambda: progress.advance(task)))
    return pl.concat([TOLD_SCHEMA.to_frame(), *awards])


def _write(awards: pl.DataFrame, format_: Format, out: Path | None) -> None:
    if format_ is Format.TABLE:
        is_terminal = out is None and sys.stdout.isatty()
        console = Console(file=None if out is None else StringIO(), width=None if is_terminal else TABLE_WIDTH)
        console.print(_table(awards))
        if out is not None and isinstance(console.file, StringIO):
            text = console.file.getvalue().encode()
            _store(out, lambda file: file.write(text))
    elif out is not None:
        _store(out, awards.write_parquet if format_ is Format.PARQUET else _without_empty_quotes(awards).write_csv)
    else:
        sys.stdout.write(_without_empty_quotes(awards).write_csv())
        sys.stdout.flush()


def _without_empty_quotes(awards: pl.DataFrame) -> pl.DataFrame:
    return awards.with_columns(pl.col("findings").replace("", None))


def _table(awards: pl.DataFrame) -> Table:
    left_out = awards.height - TABLE_ROWS_MAX
    table = Table(caption=f"and {left_out} rows more: write them to a file" if left_out > 0 else None)
    for name, dtype in awards.schema.items():
        table.add_column(name, justify="left" if dtype == pl.String else "right", overflow="fold")
    for row in awards.head(TABLE_ROWS_MAX).iter_rows():
        table.add_row(*("" if value is None else str(value) for value in row))
    return table


def _store(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file whole or not at all; what is there and is no file (a device, a pipe) is written to as it is."""
    path = path.resolve()
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as special:
                write(special)
            return
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            partial = Path(file.name)
            try:
                write(file)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        partial.chmod(FILE_MODE)
        partial.replace(path)
    except OSError as error:
        raise InvalidInput(
            "simulate.out", f"{path} cannot be written: {error.strerror}.", {"path": str(path)}
        ) from None


@contextmanager
def _quiet_when_nobody_reads() -> Iterator[None]:
    """Where the reader of standard output has gone (`| head`), stop without a word, as other programs do."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_BROKEN_PIPE) from None


def _summary(awards: pl.DataFrame, judged: Judged, periods: int, seconds: float) -> None:
    outcomes = awards.group_by("outcome").len().sort("outcome")
    counts = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.iter_rows())
    tonnes = Decimal(awards["avoided_g_co2e"].sum()) / GRAMS_PER_TONNE
    lines = [
        f"households {awards['household_id'].n_unique()}, periods {periods}, awards {awards.height}: {counts or 'none'}",
        f"points {awards['points'].sum()}, t CO2e avoided {tonnes:.3f} (use that rose counts against it)",
        f"readings {judged.rows.height}, duplicates dropped {judged.duplicates}, rows refused {judged.faults.height}",
        f"{seconds:.1f} s",
    ]
    print("\n".join(lines), file=sys.stderr)
