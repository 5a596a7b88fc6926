"""`carbon-bank serve` and `carbon-bank work`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

import typer
import uvicorn

from carbon_bank import main, worker
from carbon_bank.cli.runtime import database_url, open_database, require_current, settings_and_logs

Host = Annotated[str | None, typer.Option(help="Address to listen on. Left out: CARBON_BANK_HOST.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on. Left out: CARBON_BANK_PORT.")]


def serve(host: Host = None, port: Port = None) -> None:
    """Serve the API, and work the background jobs beside it."""
    settings = settings_and_logs(host=host, port=port)
    url = database_url(settings)
    require_current(url)
    app = main.create_app(settings, url)
    print(f"Carbon Bank on http://{settings.host}:{settings.port} (its API: /docs). Stop it with Ctrl-C.", flush=True)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        log_config=None,  # its lines go the way of all others: no values of rows in a trace
        access_log=False,
        proxy_headers=False,
    )


def work() -> None:
    """Work the background jobs in a process of its own."""
    settings = settings_and_logs()

    async def until_stopped() -> None:
        async with open_database(settings) as database:
            await worker.work(database, settings)

    with suppress(KeyboardInterrupt):
        asyncio.run(until_stopped())
