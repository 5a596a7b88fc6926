"""Endpoints: a client registers, tests and removes its own, and changes their secrets."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound, TooBusy
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Role
from carbon_bank.trail.service import Act, changes, record
from carbon_bank.webhooks import delivery_queries, queries
from carbon_bank.webhooks.events import Event, body_of, check_events
from carbon_bank.webhooks.service import ask_to_deliver, public_id
from carbon_bank.webhooks.signatures import SECRET_BYTES, secret_text
from carbon_bank.webhooks.tables import WebhookDelivery, WebhookMessage
from carbon_bank.webhooks.tables import WebhookEndpoint as WebhookEndpoint

ENDPOINTS_MAX = 10
"""Of one client: each costs a request for each message."""
FORMER_SECRET_SIGNS = timedelta(hours=24)
TEST_AGAIN_SECONDS = 30


def context_of(client_id: int) -> str:
    """What the secrets of a client's endpoints are sealed for."""
    return f"webhook_endpoint of client:{client_id}"


async def register(
    session: WriteSession, actor: Actor, now: datetime, sealer: Sealer, *, url: str, events: list[str]
) -> tuple[WebhookEndpoint, str]:
    """Register an endpoint. Returns it and its secret, which nobody can read again.

    Args: url: already found to be one that a webhook may go to (`targets`).

    Raises: InvalidInput `webhooks.events` (422); Conflict `webhooks.endpoints_max`, `webhooks.endpoint_exists` (409).
    """
    client_id = actor.of_client()
    role = Role(next(iter(actor.roles)))
    chosen = check_events(events, role)
    await queries.lock_client(session, client_id)
    live = await queries.live_of_client(session, client_id)
    same = next((each for each in live if each.url == url), None)
    if same is not None:
        raise Conflict(
            "webhooks.endpoint_exists",
            f"Endpoint {same.id} has this address already. Remove it first, or rotate its secret.",
            {"id": same.id},
        )
    if len(live) >= ENDPOINTS_MAX:
        raise Conflict(
            "webhooks.endpoints_max",
            f"This client has {len(live)} endpoints, and at most {ENDPOINTS_MAX} are kept. Remove one first.",
            {"endpoints": len(live), "endpoints_max": ENDPOINTS_MAX},
        )
    secret = secret_text(secrets.token_bytes(SECRET_BYTES))
    endpoint = WebhookEndpoint(
        city_id=actor.of_city(),
        client_id=client_id,
        role=role.value,
        utility_id=actor.utility_id,
        url=url,
        events=[event.value for event in chosen],
        secret=sealer.seal(secret, context_of(client_id)),
        created_at=now,
    )
    session.add(endpoint)
    await session.flush()
    _record(session, Act.WEBHOOK_ENDPOINT_ADDED, actor, now, endpoint, after=_told(endpoint))
    return endpoint, secret


async def listed(session: ReadSession, actor: Actor, after: int, limit: int) -> Sequence[WebhookEndpoint]:
    """A client sees its own, city staff and auditors those of their city."""
    return await queries.listed(session, actor.of_city(), actor.client_id, after, limit)


async def remove(session: WriteSession, actor: Actor, now: datetime, endpoint_id: int) -> WebhookEndpoint:
    """Remove an endpoint and its secrets. What still waits for it is not sent any more.

    Raises: NotFound `webhooks.unknown_endpoint` (404); Conflict `webhooks.endpoint_removed` (409).
    """
    endpoint = await _own(session, actor, endpoint_id)
    endpoint.removed_at, endpoint.secret, endpoint.former_secret, endpoint.former_until = now, None, None, None
    session.add(endpoint)
    await delivery_queries.end_waiting(session, now, endpoint_id, "the endpoint was removed")
    _record(session, Act.WEBHOOK_ENDPOINT_REMOVED, actor, now, endpoint, before=_told(endpoint))
    return endpoint


async def rotate(
    session: WriteSession, actor: Actor, now: datetime, sealer: Sealer, endpoint_id: int
) -> tuple[WebhookEndpoint, str]:
    """Give an endpoint a new secret. The one before signs too for 24 hours; one from before that ends at once.

    Raises: NotFound `webhooks.unknown_endpoint` (404); Conflict `webhooks.endpoint_removed` (409).
    """
    endpoint = await _own(session, actor, endpoint_id)
    secret = secret_text(secrets.token_bytes(SECRET_BYTES))
    endpoint.former_secret, endpoint.former_until = endpoint.secret, now + FORMER_SECRET_SIGNS
    endpoint.secret = sealer.seal(secret, context_of(endpoint.client_id))
    session.add(endpoint)
    _record(session, Act.WEBHOOK_SECRET_ROTATED, actor, now, endpoint)
    return endpoint, secret


async def send_test(session: WriteSession, actor: Actor, now: datetime, endpoint_id: int) -> WebhookDelivery:
    """Send `webhook.test` to an endpoint, whatever events it asked for.

    Raises: NotFound `webhooks.unknown_endpoint` (404); Conflict `webhooks.endpoint_removed`, `webhooks.endpoint_disabled` (409);
            TooBusy `webhooks.test_waiting` (429) while the test before has not come to an end.
    """
    endpoint = await _own(session, actor, endpoint_id)
    check_live(endpoint)
    if await delivery_queries.is_waiting(session, endpoint_id, Event.WEBHOOK_TEST):
        raise TooBusy(
            "webhooks.test_waiting",
            f"A test to endpoint {endpoint_id} is under way. See GET /v1/webhooks/deliveries for what came of it.",
            {"retry_seconds": TEST_AGAIN_SECONDS},
        )
    message = WebhookMessage(
        city_id=endpoint.city_id,
        public_id=public_id(now),
        event=Event.WEBHOOK_TEST.value,
        for_client_id=endpoint.client_id,
        body=body_of(Event.WEBHOOK_TEST, now, {"endpoint_id": endpoint_id}),
        created_at=now,
    )
    await queries.add_message(session, message)
    assert message.id is not None
    delivery = WebhookDelivery(
        message_id=message.id,
        endpoint_id=endpoint_id,
        city_id=endpoint.city_id,
        client_id=endpoint.client_id,
        next_at=now,
        created_at=now,
    )
    session.add(delivery)
    await session.flush()
    await ask_to_deliver(session, message.public_id)
    _record(session, Act.WEBHOOK_ENDPOINT_TESTED, actor, now, endpoint)
    return delivery


def check_live(endpoint: WebhookEndpoint) -> None:
    """Raises: Conflict `webhooks.endpoint_removed`, `webhooks.endpoint_disabled` (409)."""
    if endpoint.removed_at is not None:
        raise Conflict("webhooks.endpoint_removed", f"Endpoint {endpoint.id} was removed. Register it anew.")
    if endpoint.disabled_at is not None:
        raise Conflict(
            "webhooks.endpoint_disabled",
            f"Endpoint {endpoint.id} is disabled: {endpoint.disabled_reason}. Remove it and register it anew.",
            {"id": endpoint.id, "reason": endpoint.disabled_reason},
        )


async def _own(session: WriteSession, actor: Actor, endpoint_id: int) -> WebhookEndpoint:
    """A client's own endpoint, locked, if it is still there."""
    endpoint = await queries.lock(session, endpoint_id)
    if endpoint is None or endpoint.client_id != actor.of_client():
        raise NotFound("webhooks.unknown_endpoint", f"You have no endpoint {endpoint_id}.")
    if endpoint.removed_at is not None:
        check_live(endpoint)
    return endpoint


def _told(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """In lists, of which the trail keeps digests: an address may hold a password of the one who gave it."""
    return {"url": [endpoint.url], "events": endpoint.events}


def _record(
    session: WriteSession,
    act: Act,
    actor: Actor,
    now: datetime,
    endpoint: WebhookEndpoint,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    subject = f"webhook_endpoint:{endpoint.id}"
    facts: dict[str, Any] = {"events": endpoint.events}
    if before or after:
        facts |= changes(before or {}, after or {})
    record(session, act, by=actor.subject, at=now, subject=subject, city_id=endpoint.city_id, facts=facts)
