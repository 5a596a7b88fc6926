"""Policies as a settlement needs them: the exact text on record, known by its digest."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.identity.actor import Actor
from carbon_bank.programme import queries
from carbon_bank.programme.policy import Policy, parse_policy
from carbon_bank.programme.tables import StoredPolicy


async def keep_policy(session: WriteSession, actor: Actor, now: datetime, policy: Policy) -> int:
    """Put a policy's text on record, once, and return its id."""
    stored = await queries.policy_by_digest(session, policy.digest)
    if stored is None:
        stored = StoredPolicy(
            digest=policy.digest,
            name=policy.policy,
            version=policy.version,
            text=policy.text,
            stored_at=now,
            stored_by=actor.subject,
        )
        try:
            async with session.begin_nested():
                session.add(stored)
        except IntegrityError:  # somebody else put the same text on record at the same time
            stored = await queries.policy_by_digest(session, policy.digest)
    assert stored is not None and stored.id is not None
    return stored.id


async def policy_on_record(session: ReadSession, policy_id: int) -> Policy:
    """The policy with an id that some row refers to."""
    stored = await queries.policy_by_id(session, policy_id)
    assert stored is not None, f"policy {policy_id} is referred to and not there"
    return parse_policy(stored.text)


async def digests(session: ReadSession, policy_ids: Collection[int]) -> dict[int, str]:
    """The digests of texts on record, by id."""
    return {key: digest for key, digest in await queries.digests(session, policy_ids) if key is not None}
