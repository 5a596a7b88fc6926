"""Idempotency keys: the same request sent twice has one effect, and gets the first answer, byte for byte.

An answer is kept in the transaction of what it tells. A refusal is not kept: nothing happened, and it may be tried again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict, InvalidInput
from carbon_bank.ledger import answer_queries as queries
from carbon_bank.ledger.answer_tables import KeptAnswer

KEEP = timedelta(days=31)
RETRY_SECONDS = 1
_KEY = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")


@dataclass(frozen=True)
class Request:
    """A request under a key. `sha256`: of the method, the path and the body."""

    household_id: int
    key: str
    sha256: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


def request_of(household_id: int, key: str | None, method: str, path: str, body: bytes) -> Request:
    """Raises: InvalidInput `ledger.key_missing` (422)."""
    if key is None or not _KEY.fullmatch(key):
        raise InvalidInput(
            "ledger.key_missing",
            "Send the header Idempotency-Key: 1 to 200 printable characters, another one for each thing that you want, and "
            "the same one when you send the same request again.",
        )
    sent = b"\n".join([method.encode(), path.encode(), body])
    return Request(household_id, key, hashlib.sha256(sent).digest())


async def earlier_answer(session: WriteSession, request: Request) -> Answer | None:
    """Take the key until the transaction ends, and find what was answered under it before.

    Raises: Conflict `ledger.key_in_use` (409) while the first request is being worked; InvalidInput `ledger.key_reused` (422).
    """
    is_taken, kept = await queries.take_key(session, request.household_id, request.key)
    if not is_taken:
        raise Conflict(
            "ledger.key_in_use",
            f"A request with this Idempotency-Key is being worked. Send it again in {RETRY_SECONDS} second, with the same key.",
            {"retry_seconds": RETRY_SECONDS},
        )
    if kept is None:
        return None
    if kept.request_sha256 != request.sha256:
        raise InvalidInput(
            "ledger.key_reused",
            f"This Idempotency-Key was used for another request at {kept.recorded_at:%Y-%m-%d %H:%M} UTC. Send a new key with "
            "a new request, and the same key only with the same bytes.",
        )
    return Answer(kept.status, kept.body)


async def keep_answer(session: WriteSession, now: datetime, request: Request, answer: Answer) -> None:
    """Keep what is answered, so that it is answered again."""
    row = KeptAnswer(
        household_id=request.household_id,
        key=request.key,
        request_sha256=request.sha256,
        status=answer.status,
        body=answer.body,
        recorded_at=now,
    )
    await queries.add(session, row)


async def purge_answers(session: WriteSession, now: datetime, limit: int = 10_000) -> int:
    """Remove the next answers that were kept long enough. Returns how many."""
    return await queries.purge(session, now - KEEP, limit)
