"""`carbon-bank demo`: a whole city, filled, settled and served, from nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import psycopg
import typer
import uvicorn
from rich.console import Console
from rich.table import Table

from carbon_bank import main, schema
from carbon_bank.cli.settlement import totals_table
from carbon_bank.demo import log, rewards, stages
from carbon_bank.demo.city import CODE, DemoCity, build_city
from carbon_bank.demo.stages import Demo, StageFailed
from carbon_bank.demo.visit import visit_as_household
from carbon_bank.foundation import embedded, logs
from carbon_bank.foundation.database import Database, parse_url, plain_url
from carbon_bank.settings import Settings, read_settings
from carbon_bank.settlement import service as settlement

DATABASE = "carbon_bank_demo"
EXIT_FAILED = 1

T = TypeVar("T")

console = Console(highlight=False)


def demo(
    households: Annotated[int, typer.Option(min=100, max=1_000_000, help="Households of the demo city.")] = 2000,
    check: Annotated[
        bool, typer.Option("--check", help="Do everything and print the summary, but do not serve.")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Port to serve on. Left out: CARBON_BANK_PORT.")] = None,
) -> None:
    """Make a demo city anew, settle three half-years, print what came of it, and serve it."""
    settings = read_settings(port=port)
    if "public_url" not in settings.model_fields_set:  # the log's name is where it is served
        settings = settings.model_copy(update={"public_url": f"http://{settings.host}:{settings.port}"})
    settings = log.own_keys(settings)
    logs.configure(settings.log_format, "warning")
    began = time.perf_counter()
    try:
        url = _stage("database", "started and migrated", lambda: _fresh_database(settings))
        city = _stage("city", f"{households:,} households x 30 months made up", lambda: build_city(households))
        made = asyncio.run(_fill(settings, url, city))
    except StageFailed as failed:
        console.print(f"[bold red]The check of this stage does not hold:[/] {failed}")
        raise typer.Exit(EXIT_FAILED) from None
    console.print(f"[bold]Everything checked in {time.perf_counter() - began:.1f} s.[/]\n")
    if not check:
        _serve(settings, url, made)


def _fresh_database(settings: Settings) -> str:
    """A database of the demo's own on the embedded server; what a demo before left is dropped."""
    maintenance = embedded.start(settings.data_dir / "demo")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
    url = plain_url(parse_url(maintenance), DATABASE)
    schema.upgrade(url)
    return url


async def _fill(settings: Settings, url: str, city: DemoCity) -> Demo:
    database = Database(url, settings.pool_size)
    made = Demo(database, settings, city)
    try:
        await _step("registry", made, stages.fill_registry)
        await _step("people", made, stages.let_people_in)
        await _step("policy", made, stages.adopt_policy)
        await _step("readings", made, stages.send_readings)
        await _step("revisions", made, stages.send_revisions)
        for period in stages.PERIODS:
            await _step(f"settle {period}", made, partial(stages.settle, period=period))
        await _step("household", made, stages.choose_household)
        await _step("visit", made, partial(visit_as_household, url=url))
        await _step("rewards", made, rewards.open_rewards)
        await _step("redemptions", made, rewards.spend_points)
        await _step("log", made, log.seal_log)
        await _print_summary(made)
    finally:
        await database.close()
    return made


def _stage(name: str, told: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = work()
    _print_stage(name, began, told)
    return result


async def _step(name: str, made: Demo, work: Callable[[Demo], Awaitable[str]]) -> None:
    began = time.perf_counter()
    told = await work(made)
    _print_stage(name, began, told)


def _print_stage(name: str, began: float, told: str) -> None:
    console.print(f"[green]ok[/] {name:<16} {time.perf_counter() - began:6.1f} s  {told}", soft_wrap=True)


async def _print_summary(made: Demo) -> None:
    period = stages.PERIODS[-1]
    async with made.database.read() as session:
        totals = list(await settlement.totals_of(session, made.settlements[period]))
    console.print(f"\n[bold]Settlement of {period} under {stages.POLICY}[/]")
    console.print(totals_table(totals))
    table = Table("district")
    districts = await stages.by_district(made, period)
    for name in districts.columns[1:]:
        table.add_column(name if name == "households paid" else f"{name} points", justify="right")
    for row in districts.iter_rows():
        table.add_row(row[0], *(f"{number:,}" for number in row[1:]))
    console.print(table)


def _serve(settings: Settings, url: str, made: Demo) -> None:
    address = f"http://{settings.host}:{settings.port}"
    app = main.create_app(settings, url)
    console.print(
        f"[bold]The bank is served at {address}[/] (its API: {address}/docs). Stop it with Ctrl-C.\n", soft_wrap=True
    )
    # Plain lines, so that no terminal is too narrow to copy a secret from.
    print(f"{'who':<22}{'login or client id':<24}password or secret")
    for who, login in (
        (f"household {made.household_number}", stages.HOUSEHOLD),
        ("operator", stages.OPERATOR),
        ("approver", stages.APPROVER),
        ("auditor", stages.AUDITOR),
        ("admin", stages.ADMIN),
    ):
        print(f"{who:<22}{login:<24}{stages.PASSWORD}")
    for code, (client_id, secret) in made.clients.items():
        who = code if code == "partner" else f"utility {code}"
        print(f"{who:<22}{client_id:<24}{secret}")
    print(f"\nlog                   {address}/log/{CODE}/checkpoint\nits verifier key      {made.log_key}")
    print(
        f"\nTry: curl -s {address}/v1/token -d grant_type=password -d username={stages.HOUSEHOLD} "
        f"-d password={stages.PASSWORD}\n",
        flush=True,
    )
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", access_log=False, proxy_headers=False)
