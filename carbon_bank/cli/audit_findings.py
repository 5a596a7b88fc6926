"""`carbon-bank audit findings`: places to look at, in the terminal or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from carbon_bank import worker
from carbon_bank.audit.findings import scope_service as scopes
from carbon_bank.audit.findings import service
from carbon_bank.audit.findings.kinds import Found
from carbon_bank.audit.findings.scope_service import Scope
from carbon_bank.audit.findings.service import codes_of
from carbon_bank.audit.findings.sheet import report_csv, report_json
from carbon_bank.cli.runtime import command_line_of, run
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database, ReadSession
from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings

CASES_SHOWN = 3
FORMS = {".csv", ".json"}


def findings(
    settlement: Annotated[int | None, typer.Option(help="Its months and awards.")] = None,
    city: Annotated[str | None, typer.Option(help="Code of a city, with --from and --to.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="The first month, as 2026-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last month, included.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only this kind; may be given several times.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write, .csv or .json, with up to 100 cases of each kind.")
    ] = None,
) -> None:
    """Duplicates, shared meters and accounts, points without readings, outliers, odd hours, digits: places to look at."""
    if out is not None and out.suffix not in FORMS:
        raise InvalidInput("audit.file", f"A report is written as .csv or .json, not as '{out.name}'.")
    codes = codes_of(kind)

    async def step(database: Database, settings: Settings) -> tuple[Scope, list[Found]]:
        async with database.read() as session:
            await service.begin(session)
            scope = await _scope(session, settlement, city, first, last)
            sealer = worker.sealer_of(settings)
            return scope, [each async for each in service.report(session, scope, codes, sealer)]

    scope, report = run(step)
    if out is not None:
        text = report_json(scope.months, report) if out.suffix == ".json" else "".join(report_csv(report))
        out.write_text(text, "utf-8", newline="")
    _show(scope, report)
    if out is not None:
        print(f"The report is in {out}.")


async def _scope(
    session: ReadSession, settlement: int | None, city: str | None, first: str | None, last: str | None
) -> Scope:
    if settlement is not None and city is None and first is None and last is None:
        actor = command_line_of(await scopes.city_of(session, settlement))
        return await scopes.of_settlement(session, actor, clock.now(), settlement)
    if settlement is None and city is not None and first is not None and last is not None:
        place = await registry.find_city(session, city)
        return await scopes.of_months(session, command_line_of(place.id), first, last)
    raise InvalidInput(
        "audit.scope", "Say what the report is about: --settlement 12, or --city here --from 2026-01 --to 2026-06."
    )


def _show(scope: Scope, report: list[Found]) -> None:
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(f"Findings of {scope.months}")
    for each in report:
        mark = "LOOK" if each.is_alarm else "    "
        console.print(f"{mark} {each.kind.code:<26} {each.found:>7,} of {each.looked_at:>10,}  {each.kind.looks_for}")
        if each.passed_over:
            console.print(f"       passed over: {each.passed_over}")
        for case in each.cases[:CASES_SHOWN]:
            told = ", ".join(f"{name} {value}" for name, value in case.figures.items())
            console.print(f"       {case.link}  {told}")
    alarms = [each.kind.code.value for each in report if each.is_alarm]
    console.print(
        f"To be cleared up: {', '.join(alarms)}." if alarms else "Nothing of what an honest city has none of."
    )
