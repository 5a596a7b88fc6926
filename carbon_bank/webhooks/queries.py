"""All SQL of endpoints, messages and callbacks that came in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.webhooks.tables import WebhookEndpoint, WebhookMessage


async def lock_client(session: WriteSession, client_id: int) -> None:
    """Of two acts of a client on its endpoints at once, one waits."""
    await session.sql(
        "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))", {"key": f"webhook_endpoint {client_id}"}
    )


async def live_of_client(session: ReadSession, client_id: int) -> Sequence[WebhookEndpoint]:
    query = select(WebhookEndpoint).where(
        col(WebhookEndpoint.client_id) == client_id,
        col(WebhookEndpoint.removed_at).is_(None),
        col(WebhookEndpoint.disabled_at).is_(None),
    )
    return (await session.exec(query)).all()


async def listed(
    session: ReadSession, city_id: int, client_id: int | None, after: int, limit: int
) -> Sequence[WebhookEndpoint]:
    """Endpoints that were not removed, of a client or of all in the city."""
    query = select(WebhookEndpoint).where(
        col(WebhookEndpoint.city_id) == city_id,
        col(WebhookEndpoint.removed_at).is_(None),
        col(WebhookEndpoint.id) > after,
    )
    if client_id is not None:
        query = query.where(col(WebhookEndpoint.client_id) == client_id)
    return (await session.exec(query.order_by(col(WebhookEndpoint.id)).limit(limit))).all()


async def lock(session: WriteSession, endpoint_id: int) -> WebhookEndpoint | None:
    """An endpoint, locked: before its deliveries, always."""
    query = select(WebhookEndpoint).where(col(WebhookEndpoint.id) == endpoint_id)
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.exec(locked)).one_or_none()


async def add_message(session: WriteSession, message: WebhookMessage) -> None:
    session.add(message)
    await session.flush()


async def fan_out(session: WriteSession, message: WebhookMessage) -> int:
    """A delivery to each endpoint that the message is for. Returns how many."""
    made = await session.sql(
        """
        INSERT INTO webhook_delivery (message_id, endpoint_id, city_id, client_id, state, attempts, next_at, created_at)
        SELECT :message_id, id, city_id, client_id, 'waiting', 0, :at, :at
        FROM webhook_endpoint
        WHERE city_id = :city_id AND removed_at IS NULL AND disabled_at IS NULL AND :event = ANY (events)
            AND (client_id = :client_id OR role = :role OR utility_id = :utility_id)
        ORDER BY id FOR SHARE  -- an endpoint that is being removed or disabled is not told, and nothing waits for it
        """,
        {
            "message_id": message.id,
            "city_id": message.city_id,
            "event": message.event,
            "client_id": message.for_client_id,
            "role": message.for_role,
            "utility_id": message.for_utility_id,
            "at": message.created_at,
        },
    )
    return int(made.rowcount)  # type: ignore[attr-defined]


async def remember(session: WriteSession, client_id: int, webhook_id: str, at: datetime) -> bool:
    """Keep the id of a callback. False where it was there; of two at once, the second waits for the first."""
    kept = await session.sql(
        "INSERT INTO webhook_received (client_id, webhook_id, received_at) VALUES (:client_id, :webhook_id, :at) "
        "ON CONFLICT DO NOTHING",
        {"client_id": client_id, "webhook_id": webhook_id, "at": at},
    )
    return bool(kept.rowcount)  # type: ignore[attr-defined]
