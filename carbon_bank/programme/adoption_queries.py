"""All SQL about the life of policies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.programme.adoption import AdoptionState
from carbon_bank.programme.tables import PolicyAdoption, StoredPolicy

_WITH_TEXT = select(PolicyAdoption, StoredPolicy).join(
    StoredPolicy, col(StoredPolicy.id) == col(PolicyAdoption.policy_id)
)
_ADOPTIONS = 2 << 48
"""Advisory locks of adoptions: apart from those of moments, which begin at 1 << 48."""


async def lock_adoptions(session: WriteSession, city_id: int) -> None:
    """One person at a time approves in a city, so that each sees what the other did."""
    await session.sql("SELECT pg_advisory_xact_lock(:key)", {"key": _ADOPTIONS + city_id})


async def adoption(session: ReadSession, adoption_id: int) -> tuple[PolicyAdoption, StoredPolicy] | None:
    statement = _WITH_TEXT.where(col(PolicyAdoption.id) == adoption_id)
    return (await session.exec(statement)).one_or_none()


async def locked(session: WriteSession, adoption_id: int) -> PolicyAdoption | None:
    statement = select(PolicyAdoption).where(col(PolicyAdoption.id) == adoption_id).with_for_update()
    return (await session.exec(statement.execution_options(populate_existing=True))).one_or_none()


async def adoptions(
    session: ReadSession, city_id: int, before: int | None, limit: int
) -> Sequence[tuple[PolicyAdoption, StoredPolicy]]:
    statement = _WITH_TEXT.where(col(PolicyAdoption.city_id) == city_id)
    if before is not None:
        statement = statement.where(col(PolicyAdoption.id) < before)
    return (await session.exec(statement.order_by(col(PolicyAdoption.id).desc()).limit(limit))).all()


async def approved(session: ReadSession, city_id: int) -> Sequence[tuple[PolicyAdoption, StoredPolicy]]:
    """The approved ones, by the day from which they are active."""
    statement = _WITH_TEXT.where(
        col(PolicyAdoption.city_id) == city_id, col(PolicyAdoption.state) == AdoptionState.APPROVED.value
    )
    return (await session.exec(statement.order_by(col(PolicyAdoption.active_from)))).all()


async def in_force(session: ReadSession, city_id: int, day: date) -> StoredPolicy | None:
    """The policy of the latest approved adoption that is active on a day."""
    statement = (
        select(StoredPolicy)
        .join(PolicyAdoption, col(PolicyAdoption.policy_id) == col(StoredPolicy.id))
        .where(col(PolicyAdoption.city_id) == city_id, col(PolicyAdoption.state) == AdoptionState.APPROVED.value)
        .where(col(PolicyAdoption.active_from) <= day)
        .order_by(col(PolicyAdoption.active_from).desc())
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()


async def approved_text(session: ReadSession, digest: str) -> str | None:
    """A policy's text, if a city ever approved it."""
    statement = (
        select(StoredPolicy.text)
        .join(PolicyAdoption, col(PolicyAdoption.policy_id) == col(StoredPolicy.id))
        .where(col(StoredPolicy.digest) == digest, col(PolicyAdoption.approved_at).is_not(None))
        .limit(1)
    )
    return (await session.exec(statement)).one_or_none()
