"""Endpoints, messages, their deliveries, and the ids of callbacks that came in."""

from __future__ import annotations

from sqlalchemy import ARRAY, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from carbon_bank.foundation.tables import Moment, big, identity_key, instant, reference, small, words
from carbon_bank.webhooks.retries import DeliveryState


class WebhookEndpoint(SQLModel, table=True):
    """`secret`: sealed, and gone with the endpoint. `former_secret`: signs too until `former_until`.

    `role`, `utility_id`: its client's, which never change: what messages are addressed to.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        CheckConstraint("length(url) BETWEEN 1 AND 1000", name="url"),
        CheckConstraint("cardinality(events) > 0", name="events"),
        CheckConstraint("(secret IS NULL) = (removed_at IS NOT NULL)", name="secret"),
        CheckConstraint("(former_secret IS NULL) = (former_until IS NULL)", name="former"),
        CheckConstraint("(disabled_at IS NULL) = (disabled_reason IS NULL)", name="disabled"),
        Index(
            "webhook_endpoint_live_key",
            "client_id",
            "url",
            unique=True,
            postgresql_where=text("removed_at IS NULL AND disabled_at IS NULL"),
        ),
        Index("webhook_endpoint_city_idx", "city_id", "id"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id")
    client_id: int = reference("client.id", index=True)
    role: str = words()
    utility_id: int | None = big(default=None)
    url: str = words()
    events: list[str] = Field(sa_type=ARRAY(Text))
    secret: str | None = words(default=None)
    former_secret: str | None = words(default=None)
    former_until: Moment | None = instant(default=None)
    created_at: Moment = instant()
    disabled_at: Moment | None = instant(default=None)
    disabled_reason: str | None = words(default=None)
    removed_at: Moment | None = instant(default=None)


class WebhookMessage(SQLModel, table=True):
    """The outbox. `public_id`: the webhook-id. `body`: exactly as it is signed. It is addressed to one of the three."""

    __tablename__ = "webhook_message"
    __table_args__ = (
        CheckConstraint("num_nonnulls(for_client_id, for_role, for_utility_id) = 1", name="audience"),
        CheckConstraint("octet_length(body) <= 20000", name="body"),
    )

    id: int | None = identity_key()
    city_id: int = reference("city.id", index=True)
    public_id: str = words(unique=True)
    event: str = words()
    for_client_id: int | None = reference("client.id", null=True)
    for_role: str | None = words(default=None)
    for_utility_id: int | None = big(default=None)
    body: str = words()
    created_at: Moment = instant()


class WebhookDelivery(SQLModel, table=True):
    """A message on its way to an endpoint. `attempts`: since it was made or replayed. `next_at`: when it is due.

    `leased_until`: a worker is sending it; when that moment has passed, the worker is taken for dead.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("message_id", "endpoint_id"),
        CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting"),
        CheckConstraint("(state = 'delivered') = (delivered_at IS NOT NULL)", name="delivered"),
        CheckConstraint("(state = 'dead') = (dead_at IS NOT NULL)", name="dead"),
        CheckConstraint("leased_until IS NULL OR state = 'waiting'", name="leased"),
        CheckConstraint("length(last_error) <= 500", name="last_error"),
        Index("webhook_delivery_due_idx", "endpoint_id", "next_at", postgresql_where=text("state = 'waiting'")),
        Index("webhook_delivery_leased_idx", "leased_until", postgresql_where=text("leased_until IS NOT NULL")),
        Index("webhook_delivery_city_idx", "city_id", "id"),
        Index("webhook_delivery_client_idx", "client_id", "id"),
        Index("webhook_delivery_dead_idx", "city_id", "id", postgresql_where=text("state = 'dead'")),
    )

    id: int | None = identity_key()
    message_id: int = reference("webhook_message.id")
    endpoint_id: int = reference("webhook_endpoint.id")
    city_id: int = reference("city.id")
    client_id: int = reference("client.id")
    state: str = words(default=DeliveryState.WAITING.value)
    attempts: int = small(default=0)
    next_at: Moment | None = instant(default=None)
    leased_until: Moment | None = instant(default=None)
    last_tried_at: Moment | None = instant(default=None)
    last_status: int | None = small(default=None)
    last_error: str | None = words(default=None)
    created_at: Moment = instant()
    delivered_at: Moment | None = instant(default=None)
    dead_at: Moment | None = instant(default=None)
    replayed_at: Moment | None = instant(default=None)


class WebhookReceived(SQLModel, table=True):
    """A callback of a client that was acted on: once, however often it is sent."""

    __tablename__ = "webhook_received"

    client_id: int = reference("client.id", primary_key=True)
    webhook_id: str = words(primary_key=True)
    received_at: Moment = instant()
