"""`carbon-bank audit sample`: draw a sample into working papers, and evaluate them once they are filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from carbon_bank.audit.findings import scope_service as scopes
from carbon_bank.audit.samples import service
from carbon_bank.audit.samples.result import Result, evaluate
from carbon_bank.audit.samples.sampling import Method, Sample, Strata
from carbon_bank.audit.samples.sheet import rounded, sample_csv, sample_page
from carbon_bank.cli.runtime import command_line_of, run
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.settings import Settings

DIFFERENCES_SHOWN = 20
EXIT_BEYOND = 1


def sample(
    settlement: Annotated[int | None, typer.Option(help="Number of the settlement.")] = None,
    nonce: Annotated[str | None, typer.Option(help="The auditor's own: dice, or `openssl rand -hex 16`.")] = None,
    method: Annotated[Method, typer.Option(help="Which sample.")] = Method.POINTS,
    size: Annotated[int | None, typer.Option(help="Selections.")] = None,
    root: Annotated[
        str | None,
        typer.Option(help="Root of the city's log: base64 as in a checkpoint, or hexadecimal. Left out: the last one."),
    ] = None,
    strata: Annotated[Strata, typer.Option(help="For `stratified`.")] = Strata.OUTCOME,
    out: Annotated[Path | None, typer.Option(help="CSV to write; a sheet (.md) is written beside it.")] = None,
    filled: Annotated[
        Path | None, typer.Option("--evaluate", exists=True, dir_okay=False, help="A CSV that is filled in, instead.")
    ] = None,
    tolerable: Annotated[
        int | None, typer.Option(min=0, help="With --evaluate: exit 1 if more points may be wrong.")
    ] = None,
) -> None:
    """Draw a sample of a settlement's awards that anybody can draw again; or evaluate one that was checked."""
    if filled is not None:
        _evaluate(filled, tolerable)
        return
    if settlement is None or nonce is None or size is None or out is None:
        raise InvalidInput("audit.sample_asked", "Say --settlement, --nonce, --size and --out; or --evaluate FILE.")
    if out.suffix != ".csv":
        raise InvalidInput("audit.file", f"Working papers are written as .csv, not as '{out.name}'.")
    chosen_strata = strata if method is Method.STRATIFIED else None

    async def step(database: Database, settings: Settings) -> Sample:
        async with database.read() as session:
            actor = command_line_of(await scopes.city_of(session, settlement))
            return await service.sample(
                session, actor, settlement, method=method, size=size, nonce=nonce, root=root, strata=chosen_strata
            )

    drawn = run(step)
    page = out.with_suffix(".md")
    out.write_text("".join(sample_csv(drawn)), "utf-8", newline="")
    page.write_text(sample_page(drawn, out.name), "utf-8")
    print(
        f"{len(drawn.rows)} of {drawn.items:,} awards, which pay {drawn.points:,} points, are in {out}; how they were drawn, in {page}."
    )


def _evaluate(filled: Path, tolerable: int | None) -> None:
    result = evaluate(filled.read_bytes())
    for line in _told(result):
        print(line)
    worst = result.upper_limit if result.method is Method.POINTS else result.too_many + result.too_few
    if tolerable is not None and (worst is None or worst > tolerable):
        print(f"This is beyond the tolerable {tolerable:,} points.")
        raise typer.Exit(EXIT_BEYOND)


def _told(result: Result) -> list[str]:
    told = [
        f"Checked: {result.checked} of {result.items:,} awards, which pay {result.points:,} points, by {result.method}.",
        f"Differences: {len(result.differences)}.",
        *(
            f"  award {row.award}: {row.points} points, agreed {row.agreed}, difference {row.difference:+}"
            for row in result.differences[:DIFFERENCES_SHOWN]
        ),
        f"Projected to all: {rounded(result.too_many)} points too many, {rounded(result.too_few)} too few.",
    ]
    if result.items_not_covered:
        told.append(f"Not covered: {result.items_not_covered:,} awards of strata without a row in the sample.")
    if result.basic_precision is not None:
        told.append(f"Basic precision: {rounded(result.basic_precision)} points (3.00 intervals, 95 %).")
    if result.upper_limit is not None and result.allowance is not None:
        told.append(f"Incremental allowance: {rounded(result.allowance)} points.")
        told.append(f"At 95 %: no more than {rounded(result.upper_limit)} points are too many.")
    elif result.method is Method.POINTS:
        told.append("More than 20 awards got too many: no limit is given. Look at all of them.")
    return told
