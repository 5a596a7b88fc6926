"""Sending webhooks: claim, send, record; many endpoints side by side."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Refusal
from carbon_bank.foundation.sealed import Sealer, load_sealer
from carbon_bank.settings import Settings
from carbon_bank.webhooks import delivery_service
from carbon_bank.webhooks.calling import Caller, NoAnswerError
from carbon_bank.webhooks.delivery_service import Claimed, Outcome

AT_ONCE_MAX = 32
LOOK_AGAIN_SECONDS = 1.0
"""While something is being sent: what was written meanwhile does not wait for the slowest."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Post:
    """What sending needs. now, chance: given by tests, so that nobody waits."""

    database: Database
    sealer: Sealer
    caller: Caller
    now: Callable[[], datetime] = clock.now
    chance: Callable[[], float] = field(default=random.random)


def sealer_of(settings: Settings) -> Sealer:
    """The keys that seal stored secrets."""
    file = settings.secrets_key_file or settings.data_dir / "secrets.key"
    return load_sealer(file, may_make=settings.secrets_key_file is None)


def caller_of(settings: Settings) -> Caller:
    return Caller(allow_loopback=settings.webhooks_allow_loopback)


async def deliver_webhooks(post: Post) -> int:
    """Send all that is due, and what becomes due meanwhile. Returns how many attempts that took."""
    sending: set[asyncio.Task[None]] = set()
    attempts = 0
    try:
        while True:
            claimed: list[Claimed] = []
            if len(sending) < AT_ONCE_MAX:
                async with post.database.write() as session:
                    claimed = await delivery_service.claim(session, post.now(), AT_ONCE_MAX - len(sending))
            attempts += len(claimed)
            sending |= {asyncio.create_task(_deliver(post, each)) for each in claimed}
            if not sending:
                return attempts
            _, sending = await asyncio.wait(sending, timeout=LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)


async def _deliver(post: Post, claimed: Claimed) -> None:
    try:
        outcome = await _send(post, claimed)
        async with post.database.write() as session:
            await delivery_service.record_outcome(session, post.now(), claimed, outcome, post.chance())
    except Exception:
        # Not recorded, so it is due again when its lease has passed; the others go on.
        log.exception("a webhook was not recorded", delivery_id=claimed.delivery_id)


async def _send(post: Post, claimed: Claimed) -> Outcome:
    try:
        headers = claimed.headers(post.sealer, post.now())
        answer = await post.caller.post(claimed.url, headers, claimed.body)
    except NoAnswerError as error:
        return Outcome(None, str(error))
    except Refusal as refusal:
        log.error("a webhook cannot be signed", delivery_id=claimed.delivery_id, code=refusal.code)
        return Outcome(None, "the bank could not sign it; its operators have to look into it")
    if 200 <= answer.status < 300:
        return Outcome(answer.status)
    return Outcome(answer.status, f"answered {answer.status}: {answer.excerpt}", answer.retry_after_seconds)
