"""`carbon-bank audit replay`: a settlement computed once more from what it read, and compared with what stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console

from carbon_bank import worker
from carbon_bank.audit.replay import DIFFERENCE_SCHEMA, ROW, THERE
from carbon_bank.audit.replay_service import Part
from carbon_bank.cli.runtime import progress_bar, run
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.foundation.sheet import safe_cell, sheet_line
from carbon_bank.settings import Settings

EXIT_DIFFERENT = 1
SHOWN = 20


def replay(
    settlement: Annotated[int, typer.Option(min=1, max=2**63 - 1, help="Number of the settlement.")],
    out: Annotated[Path | None, typer.Option(help="Write all differences into this CSV file.")] = None,
) -> None:
    """Compute a settlement once more from what it read, and compare everything that stands of it. Exit 1 where it differs."""

    async def step(database: Database, settings: Settings) -> Told:
        told = Told(Console(highlight=False, soft_wrap=True), file)
        with progress_bar() as progress:
            task = progress.add_task("Replaying households", total=None)
            async for part in worker.replay(database, settlement, settings.chunk_households):
                told.tell(part)
                progress.advance(task, part.households)
        return told

    began = time.monotonic()
    with _file(out) as file:
        told = run(step)
    told.summarise(settlement, time.monotonic() - began, out)
    if told.differences:
        raise typer.Exit(EXIT_DIFFERENT)


class Told:
    """What was looked at, and the differences: the first of them printed, all of them in the file."""

    def __init__(self, console: Console, file: TextIO | None) -> None:
        self._console, self._file = console, file
        self.households = self.awards = self.differences = 0
        if file is not None:
            file.write(sheet_line(DIFFERENCE_SCHEMA.names()))

    def tell(self, part: Part) -> None:
        for row in part.differences.head(max(SHOWN - self.differences, 0)).iter_rows(named=True):
            self._console.print(_sentence(row), markup=False)
        if self._file is not None:
            for values in part.differences.iter_rows():
                self._file.write(sheet_line([_cell(value) for value in values]))
        self.households += part.households
        self.awards += part.awards
        self.differences += part.differences.height

    def summarise(self, settlement: int, seconds: float, out: Path | None) -> None:
        if self.differences > SHOWN:
            hint = "--out FILE.csv writes all" if out is None else f"all are in {out}"
            self._console.print(f"... and {self.differences - SHOWN:,} more; {hint}.", markup=False)
        verdict = f"{self.differences:,} differences" if self.differences else "no difference"
        looked_at = f"{self.awards:,} awards of {self.households:,} households recomputed in {seconds:.1f} s"
        self._console.print(f"Settlement {settlement}: {looked_at}, {verdict}.", markup=False)


def _sentence(row: dict[str, Any]) -> str:
    household = None if row["household_id"] is None else f"household {row['household_id']}"
    whose = ", ".join(part for part in (household, row["commodity"], row["row"]) if part is not None)
    stands, recomputed = (row[side] or "nothing" for side in ("stands", "recomputed"))
    if row["column"] == ROW:
        told = f"{row['table']} is {stands}{'' if recomputed == THERE else ', and should not be'}"
    else:
        told = f"{row['table']}.{row['column']}: {stands} stands, recomputed {recomputed}"
    return f"{whose}: {told}" if whose else told


def _cell(value: int | str | None) -> str:
    """A number below zero is no formula."""
    text = "" if value is None else str(value)
    return text if text.removeprefix("-").isdecimal() else safe_cell(text)


@contextmanager
def _file(path: Path | None) -> Iterator[TextIO | None]:
    """A file that is put into its place only when the replay came to its end."""
    if path is None:
        yield None
        return
    part = path.with_name(f"{path.name}.part")
    try:
        file = part.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidInput("audit.file", f"{path} cannot be written: {error.strerror}. Name another file.") from None
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
