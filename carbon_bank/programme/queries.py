"""All SQL of the programme."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession
from carbon_bank.programme.tables import StoredPolicy


async def policy_by_digest(session: ReadSession, digest: str) -> StoredPolicy | None:
    return (await session.exec(select(StoredPolicy).where(col(StoredPolicy.digest) == digest))).one_or_none()


async def policy_by_id(session: ReadSession, policy_id: int) -> StoredPolicy | None:
    return (await session.exec(select(StoredPolicy).where(col(StoredPolicy.id) == policy_id))).one_or_none()


async def digests(session: ReadSession, policy_ids: Collection[int]) -> Sequence[tuple[int | None, str]]:
    statement = select(StoredPolicy.id, StoredPolicy.digest).where(col(StoredPolicy.id).in_(policy_ids))
    return (await session.exec(statement)).all()
