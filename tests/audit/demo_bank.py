"""A small demo city that was filled, settled, posted and sealed, served over HTTP as anybody would reach it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import uvicorn

from carbon_bank import main
from carbon_bank.demo import log, rewards, stages
from carbon_bank.demo.city import DemoCity, build_city
from carbon_bank.demo.stages import Demo
from carbon_bank.foundation.database import Database
from carbon_bank.settings import Settings


@dataclass
class Bank:
    """Where it is served, the verifier key of its log, and what it was made of."""

    url: str
    key: str
    settings: Settings
    database_url: str
    city: DemoCity


@asynccontextmanager
async def serving_demo_city(
    settings: Settings, database_url: str, database: Database, households: int, *, with_rewards: bool = False
) -> AsyncIterator[Bank]:
    city = build_city(households)
    demo = Demo(database, log.own_keys(settings.model_copy(update={"chunk_households": 1000})), city)
    steps = [stages.fill_registry, stages.let_people_in, stages.adopt_policy, stages.send_readings]
    steps += [stages.send_revisions, *(partial(stages.settle, period=period) for period in stages.PERIODS)]
    steps += [stages.choose_household]
    if with_rewards:
        steps += [rewards.open_rewards, rewards.spend_points]
    for step in [*steps, log.seal_log]:
        await step(demo)
    app = main.create_app(demo.settings, database_url)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (it has no event to wait for)
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Bank(f"http://127.0.0.1:{port}", demo.log_key, demo.settings, database_url, city)
    finally:
        server.should_exit = True
        await serving
