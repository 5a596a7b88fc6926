"""Asking the witnesses of a city's log: read who, ask outside of any transaction, record each one's outcome by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from carbon_bank.audit.formats.note import Signature
from carbon_bank.audit.witnesses import service as witness_service
from carbon_bank.audit.witnesses.protocol import REQUEST_BYTES_MAX
from carbon_bank.audit.witnesses.service import Answered, Asked, Post, Sealed, SealedLog
from carbon_bank.foundation import clock
from carbon_bank.foundation.database import Database
from carbon_bank.foundation.errors import Refusal, Unavailable
from carbon_bank.webhooks.calling import Caller, NoAnswerError

ANSWER_CHARACTERS = 20_000
"""Room for the lines of several keys of other types, which are long."""
DOUBTS = {"audit.witness_ahead", "audit.witness_refused"}
"""Answers that somebody has to look into: the witness may be right."""

Now = Callable[[], datetime]

log = structlog.get_logger()


def post_by(caller: Caller) -> Post:
    """How a request reaches a witness: as webhooks go, to public addresses only, without redirects and proxies."""
    calling = replace(
        caller,
        user_agent="Carbon-Bank-Log/1",
        content_type="text/plain; charset=utf-8",
        excerpt_characters=ANSWER_CHARACTERS,
    )

    async def post(url: str, body: bytes) -> Answered:
        assert len(body) <= REQUEST_BYTES_MAX
        try:
            answer = await calling.post(url, {}, body)
        except NoAnswerError as error:
            raise Unavailable("audit.witness_silent", str(error)) from None
        return Answered(answer.status, answer.excerpt.encode())

    return post


async def request_cosignatures(
    database: Database, post: Post, city_id: int, sealed_log: SealedLog, now: Now = clock.now
) -> int:
    """Ask each witness of a city that has not signed its latest checkpoint. Returns how many did now.

    One that is down is asked again with the next checkpoint, or as the look comes round; nothing else waits for it.
    """
    latest = await sealed_log.latest()
    if latest is None:
        return 0
    sealed = Sealed(*latest)
    async with database.read() as session:
        asked = await witness_service.to_ask(session, city_id, sealed.size)

    async def ask(each: Asked) -> bool:
        outcome = await _outcome(post, city_id, sealed_log, sealed, each, now)
        async with database.write() as session:
            await witness_service.record_outcome(session, now(), city_id, sealed.size, each, outcome)
        return isinstance(outcome, Signature)

    outcomes = await asyncio.gather(*map(ask, asked), return_exceptions=True)
    for each in outcomes:
        if isinstance(each, BaseException):  # the others have been recorded
            raise each
    return sum(each is True for each in outcomes)


async def _outcome(
    post: Post, city_id: int, sealed_log: SealedLog, sealed: Sealed, asked: Asked, now: Now
) -> Signature | Refusal:
    try:
        return await witness_service.request_cosignature(asked, sealed_log, sealed, post, int(now().timestamp()))
    except Refusal as refusal:
        tell = log.error if refusal.code in DOUBTS else log.warning
        tell(
            "a witness did not sign", city_id=city_id, witness=asked.key.name, size=sealed.size, reason=refusal.message
        )
        return refusal


async def look_after_cosignatures(database: Database, post: Post, log_of: Callable[[int], SealedLog]) -> None:
    """What comes round by itself: witnesses that were down when a checkpoint was sealed are asked again."""
    async with database.read() as session:
        cities = await witness_service.cities_with_witnesses(session)
    for city_id in cities:
        await request_cosignatures(database, post, city_id, log_of(city_id))
