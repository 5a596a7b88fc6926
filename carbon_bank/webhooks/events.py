"""The closed list of events, who may be told of each, and the body of a message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from carbon_bank.foundation.errors import InvalidInput
from carbon_bank.identity.permissions import Role

BODY_BYTES_MAX = 20_000
"""The specification advises to stay below 20 kB: a message names things, and the API tells more of them."""


class Event(StrEnum):
    """Everything that is told, `subject.what_happened`, in alphabetical order."""

    IMPORT_FINISHED = "import.finished"
    REDEMPTION_CANCELLED = "redemption.cancelled"
    REDEMPTION_EXPIRED = "redemption.expired"
    REDEMPTION_REQUESTED = "redemption.requested"
    RESTATEMENT_DUE = "restatement.due"
    SETTLEMENT_POSTED = "settlement.posted"
    WEBHOOK_TEST = "webhook.test"


MAY_SEE: dict[Event, frozenset[Role]] = {
    Event.IMPORT_FINISHED: frozenset({Role.UTILITY}),
    Event.REDEMPTION_CANCELLED: frozenset({Role.PARTNER}),
    Event.REDEMPTION_EXPIRED: frozenset({Role.PARTNER}),
    Event.REDEMPTION_REQUESTED: frozenset({Role.PARTNER}),
    Event.RESTATEMENT_DUE: frozenset({Role.UTILITY}),
    Event.SETTLEMENT_POSTED: frozenset({Role.PARTNER, Role.UTILITY}),
    Event.WEBHOOK_TEST: frozenset({Role.PARTNER, Role.UTILITY}),
}


@dataclass(frozen=True)
class OfUtility:
    """All clients of one utility."""

    utility_id: int


Audience = int | Role | OfUtility
"""Who is told: one client (its id), all clients of a role in the city, or all clients of one utility."""


def subscribable(role: Role) -> list[Event]:
    """The events that a client of a role may ask for. A test comes to an endpoint whatever it asked for."""
    return [event for event in Event if role in MAY_SEE[event] and event is not Event.WEBHOOK_TEST]


def check_events(asked: list[str], role: Role) -> list[Event]:
    """The events, each once and in order, if a client of this role may see all of them.

    Raises: InvalidInput `webhooks.events` (422), naming those it may not see, or that do not exist: the answer is the same.
    """
    able = subscribable(role)
    strange = sorted(set(asked) - set(able))
    if strange or not asked:
        told = f"{', '.join(strange)}: no events for a {role}" if strange else "No event is named"
        raise InvalidInput(
            "webhooks.events",
            f"{told}. Choose among {', '.join(able)}.",
            {"refused": strange, "events": [event.value for event in able]},
        )
    return [event for event in able if event in asked]


def body_of(event: Event, at: datetime, facts: Mapping[str, Any]) -> str:
    """The body of a message, exactly as it is signed and sent. Source: Standard Webhooks, "Payload structure"."""
    timestamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    body = json.dumps(
        {"type": event.value, "timestamp": timestamp, "data": dict(facts)}, ensure_ascii=False, separators=(",", ":")
    )
    assert len(body.encode()) <= BODY_BYTES_MAX, f"a message of {event} has more than {BODY_BYTES_MAX} bytes"
    return body
