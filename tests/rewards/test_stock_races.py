"""Many clients at a stock that lies in places, with real commits: as many connections as clients, all let loose at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import psycopg
import pytest

from carbon_bank.foundation.database import Database, WriteSession
from carbon_bank.rewards import stock_queries
from tests.rewards.shop import Shop

CLIENTS = 32
ROUNDS = 5

Act = Callable[[WriteSession, int], Awaitable[bool]]


class LetGo(Exception):
    """Ends a transaction so that nothing of it stays."""


@pytest.fixture
async def clients(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, pool_size=CLIENTS)
    yield made
    await made.close()


async def keep(session: WriteSession, reward: int) -> bool:
    return await stock_queries.take(session, reward)


async def let_go(session: WriteSession, reward: int) -> bool:
    if await stock_queries.take(session, reward):
        raise LetGo
    return False


async def put_back(session: WriteSession, reward: int) -> bool:
    await stock_queries.put_back(session, reward)
    return True


async def count_on(session: WriteSession, reward: int) -> bool:
    """One more comes into stock, as `add_stock` does it."""
    await stock_queries.spread(session, reward, await stock_queries.lock(session, reward) + 1)
    return True


async def race(clients: Database, reward: int, acts: Sequence[Act]) -> Counter[str]:
    ready = asyncio.Barrier(len(acts))

    async def run(act: Act) -> str:
        try:
            async with clients.write() as session:
                await session.sql("SELECT 1")
                await ready.wait()
                done = await act(session, reward)
        except LetGo:
            return f"{act.__name__}: let go"
        return f"{act.__name__}: {'done' if done else 'none left'}"

    return Counter(await asyncio.gather(*map(run, acts)))


def left(owner: psycopg.Connection, reward: int) -> int:
    return int(
        owner.execute("SELECT sum(stock)::bigint FROM reward_stock WHERE reward_id = %s", [reward]).fetchall()[0][0]
    )


@pytest.mark.parametrize("stock", [1, 3, 11, 31, 40])
async def test_of_a_stock_never_more_is_given_than_there_is_and_all_there_is(
    shop: Shop, clients: Database, owner: psycopg.Connection, stock: int
) -> None:
    reward = await shop.reward("donation", stock=stock)
    served = min(stock, CLIENTS)
    outcomes = await race(clients, reward, [keep] * CLIENTS)
    assert outcomes == +Counter({"keep: done": served, "keep: none left": CLIENTS - served})
    assert left(owner, reward) == stock - served


async def test_what_one_lets_go_goes_to_one_who_waits(shop: Shop, clients: Database, owner: psycopg.Connection) -> None:
    for stock in range(1, ROUNDS + 1):
        reward = await shop.reward("donation", stock=stock)
        outcomes = await race(clients, reward, [let_go, keep] * (CLIENTS // 2))
        assert (outcomes["keep: done"], left(owner, reward)) == (stock, 0)


async def test_nothing_is_lost_while_some_take_some_put_back_and_some_comes_in(
    shop: Shop, clients: Database, owner: psycopg.Connection
) -> None:
    reward = await shop.reward("donation", stock=CLIENTS)
    assert (await race(clients, reward, [keep] * CLIENTS))["keep: done"] == CLIENTS
    there = 0
    for _ in range(ROUNDS):
        outcomes = await race(
            clients, reward, ([keep, keep, put_back, let_go] * CLIENTS)[: CLIENTS - 2] + [count_on] * 2
        )
        there += outcomes["put_back: done"] + outcomes["count_on: done"] - outcomes["keep: done"]
        assert left(owner, reward) == there
