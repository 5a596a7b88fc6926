"""The outbox: a message is written in the transaction of the act that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.ids import uuid7
from carbon_bank.foundation.jobs import CALLS, enqueue
from carbon_bank.identity.permissions import Role
from carbon_bank.webhooks import queries
from carbon_bank.webhooks.events import MAY_SEE, Audience, Event, OfUtility, body_of
from carbon_bank.webhooks.tables import WebhookMessage

DELIVER_TASK = "webhooks.deliver"


async def emit(
    session: WriteSession, now: datetime, *, city_id: int, event: Event, audience: Audience, facts: Mapping[str, Any]
) -> int:
    """Write a message, and a delivery to each endpoint that it is for. Returns how many endpoints that is.

    Args: audience: a client's id, a role of the city, or `OfUtility`. facts: the `data` of the message: ids, states and counts;
          nothing personal, and nothing that the audience may not ask the API for.
    """
    assert not isinstance(audience, Role) or audience in MAY_SEE[event], f"{event} is not for a {audience}"
    message = WebhookMessage(
        city_id=city_id,
        public_id=public_id(now),
        event=event.value,
        for_role=audience.value if isinstance(audience, Role) else None,
        for_utility_id=audience.utility_id if isinstance(audience, OfUtility) else None,
        for_client_id=audience if isinstance(audience, int) else None,
        body=body_of(event, now, facts),
        created_at=now,
    )
    await queries.add_message(session, message)
    deliveries = await queries.fan_out(session, message)
    if deliveries:
        await ask_to_deliver(session, message.public_id)
    return deliveries


def public_id(now: datetime) -> str:
    """A new webhook-id."""
    return f"msg_{uuid7(now).hex}"


async def ask_to_deliver(session: WriteSession, reason: str, not_before: datetime | None = None) -> None:
    """Ask for the job that sends what is due. Args: reason: jobs of different ones may run side by side."""
    await enqueue(session, DELIVER_TASK, {}, lock=f"webhooks:{reason}", queue=CALLS, not_before=not_before)
