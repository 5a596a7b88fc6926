"""Recording an act."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog

from carbon_bank.foundation.clients import CAME_FROM
from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.trail import queries
from carbon_bank.trail.queries import Wanted as Wanted
from carbon_bank.trail.tables import TrailEntry as TrailEntry

HOUSEHOLD = "household"
"""The role whose bearers act for themselves: where they came from is nobody's business."""
SHOWN_MAX = 100
"""Characters of a value that is told as it is; of a longer one its digest."""


class Act(StrEnum):
    """Everything that is recorded, `subject.action`, in alphabetical order."""

    ACCOUNT_CLOSED = "account.closed"
    ACCOUNT_READ = "account.read"
    ADJUSTMENT_APPROVED = "adjustment.approved"
    ADJUSTMENT_PREPARED = "adjustment.prepared"
    ADJUSTMENT_REJECTED = "adjustment.rejected"
    ADJUSTMENT_WITHDRAWN = "adjustment.withdrawn"
    AUDIT_EXPORTED = "audit.exported"
    AWARD_READ = "award.read"
    AWARD_REJECTED = "award.rejected"
    AWARD_RELEASED = "award.released"
    BUDGET_APPROVED = "budget.approved"
    BUDGET_PREPARED = "budget.prepared"
    CITY_ADDED = "city.added"
    CLIENT_ADDED = "client.added"
    DISTRICT_ADDED = "district.added"
    EXPLANATION_READ = "explanation.read"
    FINDINGS_READ = "findings.read"
    HOUSEHOLD_ADDED = "household.added"
    HOUSEHOLD_READ = "household.read"
    INBOX_PREFERENCE_SET = "inbox.preference_set"
    LOG_HOUSEHOLD_FORGOTTEN = "log.household_forgotten"
    METER_ADDED = "meter.added"
    METER_READ = "meter.read"
    OBJECTION_ANSWERED = "objection.answered"
    OBJECTION_RAISED = "objection.raised"
    OBJECTION_READ = "objection.read"
    OPENING_READ = "opening.read"
    PAYOUT_ACCOUNT_REMOVED = "payout.account_removed"
    PAYOUT_ACCOUNT_SET = "payout.account_set"
    PAYOUT_APPROVED = "payout.approved"
    PAYOUT_CHOSEN = "payout.chosen"
    PAYOUT_CLOSED = "payout.closed"
    PAYOUT_DOWNLOADED = "payout.downloaded"
    PAYOUT_PREPARED = "payout.prepared"
    PAYOUT_READ = "payout.read"
    PAYOUT_RETURNED = "payout.returned"
    PAYOUT_WITHDRAWN = "payout.withdrawn"
    PERSON_ADDED = "person.added"
    POLICY_APPROVED = "policy.approved"
    POLICY_COMPARED = "policy.compared"
    POLICY_DRAFTED = "policy.drafted"
    POLICY_PROPOSED = "policy.proposed"
    POLICY_REJECTED = "policy.rejected"
    POLICY_WITHDRAWN = "policy.withdrawn"
    QUARANTINE_DROPPED = "quarantine.dropped"
    QUARANTINE_RELEASED = "quarantine.released"
    READINGS_IMPORTED = "readings.imported"
    READINGS_IMPORT_CANCELLED = "readings.import_cancelled"
    READINGS_IMPORT_GIVEN_UP = "readings.import_given_up"
    READINGS_IMPORT_RESUMED = "readings.import_resumed"
    READINGS_MAPPING_SAVED = "readings.mapping_saved"
    READINGS_READ = "readings.read"
    READINGS_RECORDED = "readings.recorded"
    REDEMPTION_ACCEPTED = "redemption.accepted"
    REDEMPTION_CANCELLED = "redemption.cancelled"
    REDEMPTION_EXPIRED = "redemption.expired"
    REDEMPTION_FULFILLED = "redemption.fulfilled"
    REDEMPTION_READ = "redemption.read"
    REDEMPTION_REFUSED = "redemption.refused"
    REDEMPTION_REQUESTED = "redemption.requested"
    REDEMPTION_RETURNED = "redemption.returned"
    REGISTRY_IMPORTED = "registry.imported"
    RESTATEMENT_APPROVED = "restatement.approved"
    RESTATEMENT_COMPUTED = "restatement.computed"
    RESTATEMENT_POSTED = "restatement.posted"
    RESTATEMENT_REQUESTED = "restatement.requested"
    RESTATEMENT_WITHDRAWN = "restatement.withdrawn"
    REWARD_ACTIVATED = "reward.activated"
    REWARD_CHANGED = "reward.changed"
    REWARD_DRAFTED = "reward.drafted"
    REWARD_ENDED = "reward.ended"
    REWARD_STOCKED = "reward.stocked"
    REWARD_TERMS_APPROVED = "reward.terms_approved"
    REWARD_TERMS_PREPARED = "reward.terms_prepared"
    SETTLEMENT_APPROVED = "settlement.approved"
    SETTLEMENT_COMPUTED = "settlement.computed"
    SETTLEMENT_POSTED = "settlement.posted"
    SETTLEMENT_POSTING_STARTED = "settlement.posting_started"
    SETTLEMENT_REQUESTED = "settlement.requested"
    SETTLEMENT_WITHDRAWN = "settlement.withdrawn"
    TENURE_ADDED = "tenure.added"
    TENURE_ENDED = "tenure.ended"
    UTILITY_ADDED = "utility.added"
    VOUCHERS_ADDED = "vouchers.added"
    WEBHOOK_DELIVERY_REPLAYED = "webhook.delivery_replayed"
    WEBHOOK_ENDPOINT_ADDED = "webhook.endpoint_added"
    WEBHOOK_ENDPOINT_DISABLED = "webhook.endpoint_disabled"
    WEBHOOK_ENDPOINT_REMOVED = "webhook.endpoint_removed"
    WEBHOOK_ENDPOINT_TESTED = "webhook.endpoint_tested"
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated"  # noqa: S105  (an act, no secret)
    WITNESS_ADDED = "witness.added"
    WITNESS_REMOVED = "witness.removed"


def record(
    session: WriteSession,
    act: Act,
    *,
    by: str,
    at: datetime,
    subject: str,
    city_id: int | None = None,
    reason: str | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Record an act in the transaction that carries it out.

    Args: by: the actor's subject. subject: what it was done to, as `settlement:12`. facts: numbers and names, nothing personal.
    """
    bound = structlog.contextvars.get_contextvars()
    role = bound.get("role")
    session.add(
        TrailEntry(
            at=at,
            city_id=city_id,
            by=by,
            role=role,
            client=None if role == HOUSEHOLD else CAME_FROM.get(),
            act=act.value,
            subject=subject,
            reason=reason,
            request_id=bound.get("request_id"),
            facts=facts or {},
        )
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of an act that changes a thing: what is different, as it was `before` and is `after`.

    Numbers and short text are told as they are, all else by the SHA-256 of its JSON (sorted keys, no white space).
    """
    differs = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        "before": {name: _told(before[name]) for name in differs if name in before},
        "after": {name: _told(after[name]) for name in differs if name in after},
    }


def _told(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if not isinstance(value, dict | list) and len(str(value)) <= SHOWN_MAX:
        return str(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


async def listed(
    session: ReadSession, city_id: int, wanted: Wanted, before: int | None, limit: int
) -> Sequence[TrailEntry]:
    """The acts of a city, the newest first. Args: before: the id of the last one that was seen."""
    return await queries.listed(session, city_id, wanted, before, limit)
