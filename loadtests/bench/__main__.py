"""`python -m loadtests.bench NAME|all [--size N] [--rounds N]`: NAME is a key of `BENCHES`."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from loadtests.bench import harness, ingest, ingest_api, ledger, post, replay, rules, seal, settle
from loadtests.bench.harness import Bench

SIZE, SIZE_OF_ALL = 20_000, 5_000
BENCHES: dict[str, type[Bench]] = {
    "ingest": ingest.Ingest,
    "ingest-api": ingest_api.IngestApi,
    "settle": settle.Settle,
    "rules": rules.Rules,
    "post": post.Post,
    "replay": replay.Replay,
    "seal": seal.Seal,
    "ledger": ledger.Ledger,
    "ledger-alone": ledger.LedgerAlone,
    "ledger-at-once": ledger.LedgerAtOnce,
}


class Name(StrEnum):
    INGEST = "ingest"
    INGEST_API = "ingest-api"
    SETTLE = "settle"
    RULES = "rules"
    POST = "post"
    REPLAY = "replay"
    SEAL = "seal"
    LEDGER = "ledger"
    LEDGER_ALONE = "ledger-alone"
    LEDGER_AT_ONCE = "ledger-at-once"
    ALL = "all"


def run(
    name: Annotated[Name, typer.Argument(help="What to measure; `all` measures each at a small size.")],
    size: Annotated[int | None, typer.Option(min=100, help="Households. Left out: 20,000; for all 5,000.")] = None,
    rounds: Annotated[int, typer.Option(min=3, max=99, help="Ours and the limit in turns, so many times.")] = 3,
    results: Annotated[Path, typer.Option(help="Folder for the JSON files.")] = harness.RESULTS,
) -> None:
    """Measure, print a table and write JSON."""
    names = list(BENCHES) if name is Name.ALL else [name.value]
    households = size or (SIZE_OF_ALL if name is Name.ALL else SIZE)
    for each in names:
        figure = asyncio.run(harness.measure(each, BENCHES[each], households, rounds))
        harness.show(figure)
        harness.keep(figure, results)


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(run)
    app()
