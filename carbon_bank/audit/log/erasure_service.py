"""Making what the log has of a household meaningless: its secret goes, the tree stays whole."""

from __future__ import annotations

from datetime import datetime

from carbon_bank.audit.log import queries as log_queries
from carbon_bank.audit.log.service import RETRY_SECONDS
from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.errors import Conflict
from carbon_bank.identity.actor import Actor
from carbon_bank.ledger import service as ledger
from carbon_bank.registry import service as registry
from carbon_bank.trail.service import Act, record


async def forget(session: WriteSession, actor: Actor, now: datetime, household_id: int, reason: str) -> None:
    """Erase the secret from which the keys of a household's leaves are derived. It cannot be had back.

    The act is told in the trail and so in the log: a secret that is gone without it is a fault.

    Raises: NotFound `registry.unknown_household` (404); Conflict `audit.account_open`, `audit.not_sealed`, `audit.erased` (409).
    """
    household = await registry.get_household(session, actor, household_id)
    account = await ledger.get_account(session, household_id)
    if account.closed_at is None:
        raise Conflict(
            "audit.account_open",
            f"The account of household {household_id} is open, and its points would still move. Close it first.",
        )
    waiting = await log_queries.unsealed(session, household_id)
    if waiting:
        raise Conflict(
            "audit.not_sealed",
            f"{waiting} journals of household {household_id} are not in the log yet: within a minute or two they are. Ask again then.",
            {"journals": waiting, "retry_seconds": RETRY_SECONDS},
        )
    if not await log_queries.erase_secret(session, household_id):
        raise Conflict(
            "audit.erased",
            f"The log has nothing of household {household_id} that could be opened: it was forgotten before, or nothing ever moved "
            "its account. There is nothing to do.",
        )
    record(
        session,
        Act.LOG_HOUSEHOLD_FORGOTTEN,
        by=actor.subject,
        at=now,
        subject=f"household:{household_id}",
        city_id=household.city_id,
        reason=reason,
    )
