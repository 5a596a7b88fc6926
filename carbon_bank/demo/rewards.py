"""Rewards of the demo city: terms, a small catalogue, what some households asked for, and a payout run that is with the bank."""

from __future__ import annotations

from datetime import timedelta

from carbon_bank import worker
from carbon_bank.demo.stages import ACTOR, APPROVER, OPERATOR, Demo, check
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import WriteSession
from carbon_bank.identity import service as identity
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.ledger import check_service
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import service as registry
from carbon_bank.rewards import (
    catalogue_service,
    payout_account_service,
    payout_service,
    terms_service,
    voucher_service,
)
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.offer import Offer
from carbon_bank.rewards.redemption_service import Asked, redeem
from carbon_bank.rewards.terms_service import NewTerms
from carbon_bank.rewards.voucher_file import read_vouchers

POINT_VALUE = "2"
"""Won: "1 point = at most KRW 2"."""
PAYER = {"name": "Gwangju (demo)", "bank_code": "034", "number": "1107020123456"}
HOUSEHOLDS, POINTS, CODES = 60, 5000, 40
MIX = ("cash",) * 6 + ("market-voucher", "rubbish-bags", "transit-card", "city-trees")
"""Most take money, as in Gyeongnam in 2023 (91%); here fewer, so that every channel is seen."""
OFFERS = {
    "cash": Offer(
        Channel.BANK_TRANSFER,
        {"en": "Money to your account", "ko": "현금"},
        points_least=1000,
        points_most=1_000_000,
        points_step=100,
    ),
    "city-trees": Offer(
        Channel.DONATION,
        {"en": "Trees for the city", "ko": "도시숲 기부"},
        points_least=100,
        points_most=1_000_000,
        points_step=100,
    ),
    "market-voucher": Offer(Channel.VOUCHER_POOL, {"en": "Market voucher", "ko": "전통시장 상품권"}, points=POINTS),
    "rubbish-bags": Offer(
        Channel.PICKUP,
        {"en": "Rubbish bags", "ko": "종량제봉투"},
        points=3000,
        stock=200,
        per_month_max=2,
        deadline_days=30,
    ),
    "transit-card": Offer(
        Channel.PARTNER, {"en": "Transit card", "ko": "교통카드"}, points=POINTS, stock=100, deadline_days=14
    ),
}


async def open_rewards(demo: Demo) -> str:
    """Terms by two people, a catalogue by the operator, and a partner's client that fulfils."""
    now = clock.now()
    async with demo.database.write() as session:
        operator = await identity.person_acting(session, OPERATOR)
        partner, secret = await identity.add_client(
            session, ACTOR, now, role=Role.PARTNER, city_id=operator.of_city(), utility_id=None
        )
        demo.clients["partner"] = (partner.client_id, secret)
        for code, offer in OFFERS.items():
            demo.rewards[code] = await _offer(session, operator, code, offer, partner.client_id)
        given = NewTerms(POINT_VALUE, 30, unclaimed_reward_id=demo.rewards["city-trees"], payer=PAYER)
        terms = await terms_service.prepare(session, operator, now, given)
    async with demo.database.write() as session:
        approver = await identity.person_acting(session, APPROVER)
        await terms_service.approve(session, approver, clock.now(), terms.id or 0)
    async with demo.database.write() as session:
        content = "code\n" + "\n".join(f"DEMO-{number:04d}" for number in range(CODES))
        pool = await voucher_service.open_pool(session, operator, demo.rewards["market-voucher"])
        read = read_vouchers(content.encode(), "codes.csv")
        await voucher_service.add_vouchers(session, operator, clock.now(), pool, content.encode(), read)
    return f"{len(OFFERS)} rewards, a point is worth {POINT_VALUE} won, {CODES} voucher codes"


async def _offer(session: WriteSession, operator: Actor, code: str, offer: Offer, partner: str) -> int:
    of_partner = offer.channel in {Channel.PARTNER, Channel.PICKUP}
    named = Offer(**{**vars(offer), "partner": partner if of_partner else None})
    row = await catalogue_service.draft(session, operator, clock.now(), code, named)
    await catalogue_service.activate(session, operator, clock.now(), row.id or 0)
    return row.id or 0


async def spend_points(demo: Demo) -> str:
    """Some households ask for rewards; what is to be paid in money goes into a run, which another person approves."""
    sealer = worker.sealer_of(demo.settings)
    async with demo.database.read() as session:
        operator = await identity.person_acting(session, OPERATOR)
        approver = await identity.person_acting(session, APPROVER)
        visitor = await registry.find_household(session, operator.of_city(), demo.household_number)
        ids = (await registry.household_ids(session, operator.of_city(), 0, 1_000_000)).to_list()
        points = await ledger.available_of(session, ids)
    rich = [each for each in sorted(points) if points[each] >= POINTS and each != visitor.id][:HOUSEHOLDS]
    check(bool(rich), f"no household has {POINTS} points")
    for at, household_id in enumerate(rich):
        code = MIX[at % len(MIX)]
        async with demo.database.write() as session:
            member = Actor("system:demo", city_id=operator.of_city(), household_id=household_id)
            if code == "cash":
                account = {"bank_code": "004", "number": f"{household_id:012d}"}
                await payout_account_service.put(
                    session, member, clock.now(), sealer, f"Member {household_id}", account, own_account=True
                )
            amount = POINTS if OFFERS[code].points is None else None
            asked = Asked(operator.of_city(), household_id, demo.rewards[code], amount, member.subject)
            await redeem(session, clock.now(), sealer, asked)
    async with demo.database.write() as session:
        pay_on = clock.now().date() + timedelta(days=7)
        run = await payout_service.prepare(session, operator, clock.now(), sealer, pay_on)
    async with demo.database.write() as session:
        await payout_service.approve(session, approver, clock.now(), run.id or 0, run.pain001_sha256)
    await _check_books(demo)
    return f"{len(rich)} redemptions; payout run {run.id}: {run.payments} payments, {run.total_minor:,} won"


async def _check_books(demo: Demo) -> None:
    async with demo.database.read() as session:
        broken = [each.promise async for each in check_service.check_books(session) if each.faults]
    check(not broken, f"the books do not hold: {broken}")
