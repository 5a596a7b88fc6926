"""Filling a pool with codes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict, Fault, InvalidInput
from carbon_bank.identity.actor import Actor
from carbon_bank.rewards import catalogue_queries, voucher_queries
from carbon_bank.rewards.catalogue_service import unknown
from carbon_bank.rewards.catalogue_tables import Reward
from carbon_bank.rewards.channels import Channel
from carbon_bank.rewards.voucher_file import FAULTS_MAX, VoucherFile
from carbon_bank.trail.service import Act, record


@dataclass(frozen=True)
class Added:
    """How many codes a file added. sha256: of the file."""

    vouchers: int
    sha256: str


async def open_pool(session: WriteSession, actor: Actor, reward_id: int) -> Reward:
    """Lock a pool that can be filled: of two files at once, the second one waits.

    Raises: NotFound `rewards.unknown_reward` (404); Conflict `rewards.no_pool`, `rewards.reward_state` (409).
    """
    reward = await catalogue_queries.lock(session, actor.of_city(), reward_id)
    if reward is None:
        raise unknown(reward_id)
    if reward.channel != Channel.VOUCHER_POOL:
        raise Conflict("rewards.no_pool", f"Reward {reward_id} is a {reward.channel}: only a voucher_pool has codes.")
    if reward.state == "ended":
        raise Conflict("rewards.reward_state", f"Reward {reward_id} has ended: nobody would get these codes.")
    return reward


async def add_vouchers(
    session: WriteSession, actor: Actor, now: datetime, reward: Reward, content: bytes, read: VoucherFile
) -> Added:
    """Add the codes of a file to a pool: all of them, or none.

    Raises: InvalidInput `rewards.vouchers` (422), with the lines that are wrong, twice in the file, or in the pool already.
    """
    reward_id = reward.id or 0
    known = await voucher_queries.known(session, reward_id, [each.code for each in read.vouchers])
    again = [each for each in read.vouchers if each.code in known]
    faults = [
        Fault(f"line {each.line}", "rewards.voucher_known", "The code is in the pool already.", each.code[:80])
        for each in again[:FAULTS_MAX]
    ]
    count = read.fault_count + len(again)
    if count or not read.vouchers:
        wrong = f"{count} lines are wrong, or hold codes that are there already" if count else "It holds no codes"
        raise InvalidInput(
            "rewards.vouchers",
            f"{wrong}. None was added: mend the file, and send it again.",
            {"lines": count, "vouchers": len(read.vouchers)},
            [*read.faults, *faults],
        )
    await voucher_queries.add(session, reward_id, read.vouchers, now)
    added = Added(len(read.vouchers), hashlib.sha256(content).hexdigest())
    facts = {"vouchers": added.vouchers, "sha256": added.sha256}
    subject = f"reward:{reward_id}"
    record(session, Act.VOUCHERS_ADDED, by=actor.subject, at=now, subject=subject, city_id=reward.city_id, facts=facts)
    return added
