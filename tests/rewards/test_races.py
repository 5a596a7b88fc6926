"""Clients at once, each with a transaction of its own."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg

from carbon_bank.ledger import check_service
from carbon_bank.rewards import stock_queries
from carbon_bank.rewards.check_service import check_rewards
from tests.rewards.shop import Shop, problem

CLIENTS = 16


async def check_books(shop: Shop) -> None:
    """Every promise of the ledger and the rewards holds."""
    async with shop.database.read() as session:
        assert [each.faults async for each in check_service.check_books(session) if each.faults] == []
        assert [each.faults async for each in check_rewards(session) if each.faults] == []


async def test_of_sixteen_clients_one_gets_the_last_item(shop: Shop, owner: psycopg.Connection) -> None:
    last = await shop.reward("partner", stock=1)
    await shop.grant(shop.city.birch, 1000)
    names = ["alder", "birch"] * (CLIENTS // 2)
    answers = await asyncio.gather(*(shop.ask(last, name=name) for name in names))
    won = [answer for answer in answers if answer.status_code == 201]
    lost = Counter(problem(answer) for answer in answers if answer.status_code != 201)
    assert (len(won), lost) == (1, {(409, "rewards.out_of_stock"): CLIENTS - 1})
    assert owner.execute("SELECT sum(stock) FROM reward_stock WHERE reward_id = %s", [last]).fetchone() == (0,)
    assert owner.execute("SELECT sum(held), sum(available) FROM account").fetchone() == (100, 1900)
    await check_books(shop)


async def test_of_sixteen_requests_under_one_key_one_takes_effect(shop: Shop, owner: psycopg.Connection) -> None:
    cause = await shop.reward("donation")
    answers = await asyncio.gather(*(shop.ask(cause, key="one") for _ in range(CLIENTS)))
    bodies = {answer.content for answer in answers if answer.status_code == 201}
    others = {problem(answer) for answer in answers if answer.status_code != 201}
    assert len(bodies) == 1 and others <= {(409, "ledger.key_in_use")}
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 409)
    assert owner.execute("SELECT count(*) FROM redemption").fetchone() == (1,)
    assert await shop.balance() == (900, 0)


async def test_a_limit_of_a_month_holds_against_clients_at_once(shop: Shop, owner: psycopg.Connection) -> None:
    twice = await shop.reward("partner", points=10, per_month_max=2)
    answers = await asyncio.gather(*(shop.ask(twice) for _ in range(CLIENTS)))
    assert Counter(answer.status_code for answer in answers) == {201: 2, 409: CLIENTS - 2}
    assert await shop.balance() == (980, 20)


async def test_each_voucher_goes_to_one_of_the_clients(shop: Shop, owner: psycopg.Connection) -> None:
    pool = await shop.reward("voucher_pool", points=10)
    codes = ("code\n" + "\n".join(f"C{number}" for number in range(CLIENTS))).encode()
    await shop.send("operator", "POST", f"/v1/rewards/{pool}/vouchers", content=codes)
    answers = await asyncio.gather(*(shop.ask(pool) for _ in range(CLIENTS)))
    assert [answer.status_code for answer in answers] == [201] * CLIENTS
    shown = [(await shop.own(answer.json()["id"]))["voucher"] for answer in answers]
    assert sorted(shown) == sorted(f"C{number}" for number in range(CLIENTS))


async def test_cancelling_and_confirming_at_once_has_one_winner(shop: Shop) -> None:
    card = await shop.reward("partner", points=10, stock=20)
    made = [(await shop.redeem(card))["id"] for _ in range(8)]
    acts = []
    for each in made:
        acts.append(shop.send("alder", "POST", f"/v1/me/redemptions/{each}/cancel"))
        acts.append(shop.send("partner", "POST", f"/v1/partner/redemptions/{each}/confirm", {}))
    answers = await asyncio.gather(*acts)
    for cancelled, confirmed in zip(answers[::2], answers[1::2], strict=True):
        assert sorted([cancelled.status_code, confirmed.status_code]) == [200, 409]
    kept = sum(answer.status_code == 200 for answer in answers[1::2])
    assert await shop.balance() == (1000 - 10 * kept, 0)
    assert (await shop.get("alder", f"/v1/rewards/{card}"))["stock"] == 20 - kept
    await check_books(shop)


async def test_nothing_is_taken_from_the_stock_of_a_reward_that_ended_meanwhile(shop: Shop) -> None:
    card = await shop.reward("partner", stock=5)
    async with shop.database.write() as session:
        await shop.do("operator", f"/v1/rewards/{card}/end", {})
        assert not await stock_queries.take(session, card)
        assert await stock_queries.left(session, [card]) == {card: 5}
