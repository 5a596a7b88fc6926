"""All SQL of deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.webhooks.tables import WebhookDelivery, WebhookEndpoint, WebhookMessage

_CLAIM = """
WITH busy AS (
    SELECT endpoint_id, count(*) AS sending FROM webhook_delivery WHERE leased_until > :now GROUP BY endpoint_id
), live AS MATERIALIZED (
    -- In random order: an endpoint with much to send is not served before the others each time.
    SELECT endpoint.id, :each - coalesce(busy.sending, 0) AS free
    FROM webhook_endpoint endpoint
        JOIN client ON client.id = endpoint.client_id
        LEFT JOIN busy ON busy.endpoint_id = endpoint.id
    WHERE endpoint.removed_at IS NULL AND endpoint.disabled_at IS NULL AND client.disabled_at IS NULL
        AND coalesce(busy.sending, 0) < :each
    ORDER BY random()
), due AS (
    SELECT first.id FROM live CROSS JOIN LATERAL (
        SELECT delivery.id FROM webhook_delivery delivery
        WHERE delivery.endpoint_id = live.id AND delivery.state = 'waiting' AND delivery.next_at <= :now
            AND (delivery.leased_until IS NULL OR delivery.leased_until <= :now)
        ORDER BY delivery.next_at LIMIT live.free FOR UPDATE SKIP LOCKED
    ) first
    LIMIT :limit
), leased AS (
    UPDATE webhook_delivery delivery SET leased_until = :until FROM due WHERE delivery.id = due.id
    RETURNING delivery.id, delivery.message_id, delivery.endpoint_id, delivery.attempts
)
SELECT leased.id, leased.endpoint_id, leased.attempts, endpoint.client_id, endpoint.url, endpoint.secret,
    CASE WHEN endpoint.former_until > :now THEN endpoint.former_secret END AS former_secret, message.public_id, message.body
FROM leased
    JOIN webhook_endpoint endpoint ON endpoint.id = leased.endpoint_id
    JOIN webhook_message message ON message.id = leased.message_id
"""


async def claim(
    session: WriteSession, now: datetime, until: datetime, limit: int, each: int
) -> Sequence[dict[str, Any]]:
    """Lease what is due, at most so many of one endpoint at a time (with those that are being sent). Nobody waits."""
    claimed = await session.sql(_CLAIM, {"now": now, "until": until, "limit": limit, "each": each})
    return [dict(row) for row in claimed.mappings()]


async def held(session: WriteSession, delivery_id: int, leased_until: datetime) -> WebhookDelivery | None:
    """A delivery, locked, if this very lease still stands."""
    query = select(WebhookDelivery).where(
        col(WebhookDelivery.id) == delivery_id, col(WebhookDelivery.leased_until) == leased_until
    )
    return (await session.exec(query.with_for_update())).one_or_none()


async def end_waiting(session: WriteSession, now: datetime, endpoint_id: int, why: str) -> int:
    """What still waits for an endpoint is dead. Returns how many."""
    ended = await session.sql(
        "UPDATE webhook_delivery SET state = 'dead', dead_at = :now, next_at = NULL, leased_until = NULL, last_error = :why "
        "WHERE endpoint_id = :endpoint_id AND state = 'waiting'",
        {"now": now, "why": why, "endpoint_id": endpoint_id},
    )
    return int(ended.rowcount)  # type: ignore[attr-defined]


async def listed(
    session: ReadSession, city_id: int, client_id: int | None, state: str | None, before: int | None, limit: int
) -> Sequence[tuple[WebhookDelivery, WebhookMessage, WebhookEndpoint]]:
    """The newest first, of a client or of all in the city."""
    query = (
        select(WebhookDelivery, WebhookMessage, WebhookEndpoint)
        .join(WebhookMessage, col(WebhookMessage.id) == col(WebhookDelivery.message_id))
        .join(WebhookEndpoint, col(WebhookEndpoint.id) == col(WebhookDelivery.endpoint_id))
        .where(col(WebhookDelivery.city_id) == city_id)
    )
    if client_id is not None:
        query = query.where(col(WebhookDelivery.client_id) == client_id)
    if state is not None:
        query = query.where(col(WebhookDelivery.state) == state)
    if before is not None:
        query = query.where(col(WebhookDelivery.id) < before)
    return (await session.exec(query.order_by(col(WebhookDelivery.id).desc()).limit(limit))).all()


async def find(session: ReadSession, delivery_id: int) -> WebhookDelivery | None:
    return (await session.exec(select(WebhookDelivery).where(col(WebhookDelivery.id) == delivery_id))).one_or_none()


async def lock(session: WriteSession, delivery_id: int) -> WebhookDelivery:
    query = select(WebhookDelivery).where(col(WebhookDelivery.id) == delivery_id).with_for_update()
    return (await session.exec(query.execution_options(populate_existing=True))).one()


async def message_of(session: ReadSession, delivery: WebhookDelivery) -> WebhookMessage:
    return (await session.exec(select(WebhookMessage).where(col(WebhookMessage.id) == delivery.message_id))).one()


async def is_waiting(session: ReadSession, endpoint_id: int, event: str) -> bool:
    """Whether a message of this event still waits for an endpoint."""
    query = (
        select(WebhookDelivery.id)
        .join(WebhookMessage, col(WebhookMessage.id) == col(WebhookDelivery.message_id))
        .where(
            col(WebhookDelivery.endpoint_id) == endpoint_id,
            col(WebhookDelivery.state) == "waiting",
            col(WebhookMessage.event) == event,
        )
    )
    return (await session.exec(query.limit(1))).first() is not None
