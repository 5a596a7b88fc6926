"""Deliveries: claimed, sent outside of any transaction (by the worker), and recorded; shown, and replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from carbon_bank.foundation.database import ReadSession, WriteSession
from carbon_bank.foundation.errors import Conflict, NotFound
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.identity.actor import Actor
from carbon_bank.trail.service import Act, record
from carbon_bank.webhooks import delivery_queries as queries
from carbon_bank.webhooks import queries as endpoint_queries
from carbon_bank.webhooks.endpoint_service import check_live, context_of
from carbon_bank.webhooks.retries import DeliveryState, next_attempt
from carbon_bank.webhooks.service import ask_to_deliver
from carbon_bank.webhooks.signatures import headers_of
from carbon_bank.webhooks.tables import WebhookDelivery, WebhookEndpoint, WebhookMessage

LEASE = timedelta(minutes=1)
"""Longer than an attempt can take. When it has passed, the worker is taken for dead and the delivery is due again."""
OF_ONE_ENDPOINT_MAX = 2
"""Deliveries that are sent to one endpoint at a time: one that hangs leaves the others their turn."""
SOON = timedelta(minutes=1)
ERROR_LENGTH_MAX = 500
GONE = 410
"""HTTP's "Gone": the receiver wants no more. Source: Standard Webhooks, "Delivery success and failure"."""


@dataclass(frozen=True)
class Claimed:
    """A delivery that this worker alone is sending until the lease ends."""

    delivery_id: int
    endpoint_id: int
    client_id: int
    leased_until: datetime
    url: str
    secret: str
    former_secret: str | None
    public_id: str
    body: bytes

    def headers(self, sealer: Sealer, now: datetime) -> dict[str, str]:
        """The headers of an attempt at this moment.

        Raises: Unavailable `sealed.unopened`.
        """
        sealed = [self.secret] if self.former_secret is None else [self.secret, self.former_secret]
        opened = [sealer.open(each, context_of(self.client_id)) for each in sealed]
        return headers_of(opened, self.public_id, now, self.body)


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. status: of the answer, null where there was none. error: what went wrong, null where it went well."""

    status: int | None
    error: str | None = None
    retry_after_seconds: int | None = None


@dataclass(frozen=True)
class Delivery:
    """A delivery with its message and its endpoint."""

    row: WebhookDelivery
    message: WebhookMessage
    endpoint: WebhookEndpoint


async def claim(session: WriteSession, now: datetime, limit: int) -> list[Claimed]:
    """Lease what is due, at most so many."""
    until = now + LEASE
    return [
        Claimed(
            delivery_id=row["id"],
            endpoint_id=row["endpoint_id"],
            client_id=row["client_id"],
            leased_until=until,
            url=row["url"],
            secret=row["secret"],
            former_secret=row["former_secret"],
            public_id=row["public_id"],
            body=row["body"].encode(),
        )
        for row in await queries.claim(session, now, until, limit, OF_ONE_ENDPOINT_MAX)
    ]


async def record_outcome(
    session: WriteSession, now: datetime, claimed: Claimed, outcome: Outcome, chance: float
) -> DeliveryState | None:
    """Record what came of an attempt. Null: the lease had ended, or the endpoint was removed; whoever came next records.

    Args: chance: from 0 to below 1, for the jitter of the pause.
    """
    endpoint = await endpoint_queries.lock(session, claimed.endpoint_id) if outcome.status == GONE else None
    row = await queries.held(session, claimed.delivery_id, claimed.leased_until)
    if row is None:
        return None
    row.attempts += 1
    row.leased_until, row.last_tried_at, row.last_status = None, now, outcome.status
    row.last_error = None if outcome.error is None else outcome.error[:ERROR_LENGTH_MAX]
    row.next_at = next_attempt(now, row.attempts, chance, outcome.retry_after_seconds)
    if outcome.error is None:
        row.state, row.next_at, row.delivered_at = DeliveryState.DELIVERED.value, None, now
    elif endpoint is not None or row.next_at is None:
        row.state, row.next_at, row.dead_at = DeliveryState.DEAD.value, None, now
    session.add(row)
    await session.flush()
    if endpoint is not None:
        await _disable(session, now, endpoint)
    if row.next_at is not None and row.next_at - now < SOON:  # sooner than the look that comes round each minute
        await ask_to_deliver(session, f"{claimed.public_id}:{row.id}", row.next_at)
    return DeliveryState(row.state)


async def _disable(session: WriteSession, now: datetime, endpoint: WebhookEndpoint) -> None:
    assert endpoint.id is not None
    if endpoint.disabled_at is None and endpoint.removed_at is None:
        reason = f"it answered {GONE} Gone"
        endpoint.disabled_at, endpoint.disabled_reason = now, reason
        session.add(endpoint)
        record(
            session,
            Act.WEBHOOK_ENDPOINT_DISABLED,
            by="system:worker",
            at=now,
            subject=f"webhook_endpoint:{endpoint.id}",
            city_id=endpoint.city_id,
            reason=reason,
        )
    await queries.end_waiting(session, now, endpoint.id, f"the endpoint is disabled: it answered {GONE} Gone")


async def listed(
    session: ReadSession, actor: Actor, state: DeliveryState | None, before: int | None, limit: int
) -> list[Delivery]:
    """The newest first. A client sees its own, city staff and auditors those of their city."""
    rows = await queries.listed(session, actor.of_city(), actor.client_id, state, before, limit)
    return [Delivery(*row) for row in rows]


async def replay(session: WriteSession, actor: Actor, now: datetime, delivery_id: int) -> Delivery:
    """Send a dead or delivered one again, under the same webhook-id, with all attempts before it.

    Raises: NotFound `webhooks.unknown_delivery` (404); Conflict `webhooks.delivery_waiting`, `webhooks.endpoint_removed`,
            `webhooks.endpoint_disabled` (409).
    """
    found = await queries.find(session, delivery_id)
    if found is None or found.city_id != actor.of_city() or actor.client_id not in {None, found.client_id}:
        raise NotFound("webhooks.unknown_delivery", f"There is no delivery {delivery_id}.")
    endpoint = await endpoint_queries.lock(session, found.endpoint_id)
    assert endpoint is not None
    row = await queries.lock(session, delivery_id)
    if row.state == DeliveryState.WAITING:
        assert row.next_at is not None
        raise Conflict(
            "webhooks.delivery_waiting",
            f"Delivery {delivery_id} is under way: attempt {row.attempts + 1} is due at {row.next_at:%Y-%m-%d %H:%M:%S} UTC.",
            {"id": delivery_id, "attempts": row.attempts, "next_at": row.next_at.isoformat()},
        )
    check_live(endpoint)
    row.state, row.attempts, row.next_at, row.replayed_at = DeliveryState.WAITING.value, 0, now, now
    row.delivered_at = row.dead_at = None
    session.add(row)
    message = await queries.message_of(session, row)
    await ask_to_deliver(session, f"{message.public_id}:{row.id}")
    subject = f"webhook_delivery:{delivery_id}"
    record(session, Act.WEBHOOK_DELIVERY_REPLAYED, by=actor.subject, at=now, subject=subject, city_id=row.city_id)
    return Delivery(row, message, endpoint)


async def city_of(session: ReadSession, delivery_id: int) -> int:
    """The city of a delivery, for a command that somebody with the run of the machine gives.

    Raises: NotFound `webhooks.unknown_delivery` (404).
    """
    found = await queries.find(session, delivery_id)
    if found is None:
        raise NotFound("webhooks.unknown_delivery", f"There is no delivery {delivery_id}.")
    return found.city_id
