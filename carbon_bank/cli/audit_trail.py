"""`carbon-bank audit trail`: who did what in a city."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from carbon_bank.audit import trail_service as service
from carbon_bank.cli.runtime import City, command_line_of, run
from carbon_bank.foundation.database import Database
from carbon_bank.registry import service as registry
from carbon_bank.settings import Settings
from carbon_bank.trail.service import TrailEntry, Wanted

DAY = ["%Y-%m-%d"]
ROWS_MAX = 10_000


def trail(
    city: City,
    act: Annotated[str | None, typer.Option(help="Only this act, as settlement.approved.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this, as settlement:12.")] = None,
    by: Annotated[str | None, typer.Option(help="Only what somebody did, as person:12.")] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=DAY, help="The first day, in the city.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=DAY, help="The last day, included.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=ROWS_MAX, help="Acts at most.")] = 100,
) -> None:
    """Who did what in a city, the newest first, a line for each act, by the city's clock."""
    wanted = Wanted(service.act_named(act), subject, by)
    days = (first.date() if first else None, last.date() if last else None)

    async def step(database: Database, settings: Settings) -> tuple[str, Sequence[TrailEntry]]:
        async with database.read() as session:
            place = await registry.find_city(session, city)
            actor = command_line_of(place.id)
            return place.time_zone, await service.acts(session, actor, wanted, days, None, limit)

    time_zone, rows = run(step)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    for row in rows:
        at = row.at.astimezone(ZoneInfo(time_zone))
        whose = f"{row.by}{f' ({row.role})' if row.role else ''}{f' from {row.client}' if row.client else ''}"
        facts = f"  {json.dumps(row.facts, ensure_ascii=False, sort_keys=True)}" if row.facts else ""
        reason = f"  because: {row.reason}" if row.reason else ""
        console.print(f"{row.id:>8}  {at:%Y-%m-%d %H:%M:%S}  {row.act}  {row.subject}  {whose}{reason}{facts}")
