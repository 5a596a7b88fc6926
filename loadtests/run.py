"""`scripts/loadtest`: a demo city in a folder of its own, a server over it, and Locust against that server for a while.

Everything is on 127.0.0.1, is this run's own, and ends with it.
"""

from __future__ import annotations

import asyncio
import atexit
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import polars as pl
import psycopg
import typer
from rich.console import Console
from rich.table import Table

from carbon_bank import schema
from carbon_bank.demo import stages
from carbon_bank.demo.city import METER_KEY, build_city
from carbon_bank.demo.stages import Demo
from carbon_bank.foundation import embedded
from carbon_bank.foundation.database import Database, parse_url, plain_url
from carbon_bank.settings import Settings

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "loadtests" / "results"
_SERVER_LOG = "loadtests/results/load_server.log"
LOGINS = 20
ARRIVALS_PER_SECOND = 5
STARTED_WITHIN_SECONDS = ENDED_WITHIN_SECONDS = 60

console = Console(highlight=False)


def run(
    seconds: Annotated[int, typer.Option(min=5, max=3600, help="How long the load lasts.")] = 30,
    users: Annotated[int, typer.Option(min=2, max=1000, help="Households and utilities at a time, 9 to 1.")] = 20,
    households: Annotated[int, typer.Option(min=100, max=100_000, help="Households of the city.")] = 300,
) -> None:
    """Run the load test; exit 1 where a request failed. Reports go to loadtests/results."""
    folder = Path(tempfile.mkdtemp(prefix="carbon-bank-load-"))
    # The embedded server stops when this process ends; registered before it, the folder goes after it.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = _database(folder)
    console.print(f"Filling a city of {households:,} households ...")
    demo = asyncio.run(_fill(url, folder, households))
    with _served(url, folder) as address:
        people = _let_households_in(address)
        file = folder / "cast.json"
        file.write_text(json.dumps({"households": people, "utilities": _utilities(demo)}), "utf-8")
        file.chmod(0o600)
        code = _locust(address, file, seconds, users)
    _show()
    raise typer.Exit(code)


def _database(folder: Path) -> str:
    maintenance = embedded.start(folder)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute("CREATE DATABASE load")
    url = plain_url(parse_url(maintenance), "load")
    schema.upgrade(url)
    return url


async def _fill(url: str, folder: Path, households: int) -> Demo:
    database = Database(url)
    try:
        demo = Demo(database, Settings(data_dir=folder), build_city(households))
        await stages.fill_registry(demo)
        await stages.let_people_in(demo)
        await stages.adopt_policy(demo)
        await stages.send_readings(demo)
        await stages.send_revisions(demo)
        for period in stages.PERIODS:
            await stages.settle(demo, period)
    finally:
        await database.close()
    return demo


@contextmanager
def _served(url: str, folder: Path) -> Iterator[str]:
    """The bank as a process of its own, as `carbon-bank serve` runs it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    own = {"DATABASE_URL": url, "DATA_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(port), "PUBLIC_URL": address}
    environment = os.environ | {f"CARBON_BANK_{name}": value for name, value in own.items()}
    command = [str(Path(sys.executable).parent / "carbon-bank"), "serve"]
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (ROOT / _SERVER_LOG).open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            _wait_until_ready(server, address)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def _wait_until_ready(server: subprocess.Popen[bytes], address: str) -> None:
    until = time.monotonic() + STARTED_WITHIN_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"{address}/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"The server was not ready at {address} within {STARTED_WITHIN_SECONDS} s; see {_SERVER_LOG}.")


def _let_households_in(address: str) -> list[dict[str, str]]:
    """Logins for some households, given by an operator over the API."""
    with httpx.Client(base_url=address, timeout=30) as client:
        form = {"grant_type": "password", "username": stages.OPERATOR, "password": stages.PASSWORD}
        token = client.post("/v1/token", data=form).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        found = client.get("/v1/households", params={"limit": LOGINS}).raise_for_status().json()["items"]
        people = [{"username": f"household-{each['id']}@load", "password": stages.PASSWORD} for each in found]
        for each, person in zip(found, people, strict=True):
            new = {"login": person["username"], "password": person["password"], "roles": ["household"]}
            client.post("/v1/people", json={**new, "household_id": each["id"]}).raise_for_status()
    return people


def _utilities(demo: Demo) -> list[dict[str, Any]]:
    """Each utility's client, and its meters with the last reading of each."""
    last = (
        demo.city.readings.sort("period_end")
        .group_by(METER_KEY, maintain_order=True)
        .agg(pl.col("unit").last(), last_start=pl.col("period_start").last(), last_end=pl.col("period_end").last())
    )
    return [
        {
            "client_id": client_id,
            "client_secret": secret,
            "meters": last.filter(pl.col("utility") == code).drop("utility").to_dicts(),
        }
        for code, (client_id, secret) in demo.clients.items()
    ]


def _locust(address: str, cast: Path, seconds: int, users: int) -> int:
    """Its exit code: 1 where a request failed."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    command += ["--host", address, "--users", str(users), "--spawn-rate", str(ARRIVALS_PER_SECOND)]
    command += ["--run-time", f"{seconds}s", "--stop-timeout", "10", "--exit-code-on-error", "1", "--only-summary"]
    command += ["--csv", str(RESULTS / "load"), "--html", str(RESULTS / "load.html")]
    console.print(f"{users} users at {address} for {seconds} s ...")
    environment = os.environ | {"CARBON_BANK_LOADTEST_CAST": str(cast)}
    with (RESULTS / "load_locust.log").open("wb") as log:
        ended = subprocess.run(
            command, env=environment, stdout=log, stderr=log, timeout=seconds + ENDED_WITHIN_SECONDS, check=False
        )
    return ended.returncode


def _show() -> None:
    table = Table("request", title="Load test (milliseconds)")
    columns = ("requests", "per second", "p50", "p95", "p99", "failures")
    for column in columns:
        table.add_column(column, justify="right")
    for row in _report("stats"):
        figures = (row["Request Count"], f"{float(row['Requests/s']):.1f}", row["50%"], row["95%"], row["99%"])
        table.add_row(row["Name"], *figures, row["Failure Count"])
    console.print(table)
    for row in _report("failures"):
        console.print(f"[red]{row['Occurrences']} x[/] {row['Name']}: {row['Error']}", markup=True)
    console.print("Reports: loadtests/results/load.html, loadtests/results/load_*.csv")


def _report(kind: str) -> list[dict[str, str]]:
    with (RESULTS / f"load_{kind}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    typer.run(run)
