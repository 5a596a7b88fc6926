"""Endpoints for partners' and utilities' clients; deliveries for them and for the city's staff."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from carbon_bank.foundation.database import Database
from carbon_bank.foundation.paging import Cursor, Limit, Page, id_in, page_of
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.foundation.web import Now, Reading, Writing
from carbon_bank.identity.access import allowed
from carbon_bank.identity.actor import Actor
from carbon_bank.identity.permissions import Permission
from carbon_bank.webhooks import delivery_service, endpoint_service
from carbon_bank.webhooks.calling import Caller
from carbon_bank.webhooks.delivery_service import Delivery
from carbon_bank.webhooks.endpoint_service import WebhookEndpoint
from carbon_bank.webhooks.events import Event
from carbon_bank.webhooks.retries import DeliveryState
from carbon_bank.webhooks.targets import URL_LENGTH_MAX

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

Reader = Annotated[Actor, Depends(allowed(Permission.WEBHOOKS_READ))]
Writer = Annotated[Actor, Depends(allowed(Permission.WEBHOOKS_WRITE))]
Replayer = Annotated[Actor, Depends(allowed(Permission.WEBHOOKS_REPLAY))]
Number = Annotated[int, Path(ge=1, lt=2**63)]


class NewEndpoint(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1, max_length=URL_LENGTH_MAX, description="https, port 443 or 8443, a host of the public internet."
    )
    events: list[Annotated[str, Field(max_length=60)]] = Field(
        min_length=1, max_length=len(Event), description="Which events it wants: some of those that your role may see."
    )


class EndpointRead(BaseModel):
    """Where messages go. `former_until`: until then the secret before the last rotation signs too."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    client_id: int
    url: str
    events: list[Event]
    created_at: datetime
    former_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    removed_at: datetime | None


class EndpointSecret(EndpointRead):
    """With its secret, this once: it is stored sealed, and never shown again."""

    secret: str = Field(description="`whsec_...`, as the libraries of Standard Webhooks take it.")

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, secret: str) -> EndpointSecret:
        return cls(**EndpointRead.model_validate(endpoint).model_dump(), secret=secret)


class DeliveryRead(BaseModel):
    """A message on its way to an endpoint.

    `attempts`: since it was made or replayed. `last_error`: what went wrong, with the first 500 characters of the answer.
    """

    model_config = ConfigDict(from_attributes=True)

    id: int
    webhook_id: str
    event: Event
    endpoint_id: int
    client_id: int
    url: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    last_tried_at: datetime | None
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    dead_at: datetime | None
    replayed_at: datetime | None

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryRead:
        told: dict[str, Any] = {
            "webhook_id": delivery.message.public_id,
            "event": delivery.message.event,
            "url": delivery.endpoint.url,
        }
        return cls.model_validate(delivery.row.model_dump() | told)


class TestSent(BaseModel):
    """The delivery of a test: see it in the list of deliveries."""

    delivery_id: int


@router.post("/endpoints", status_code=201, summary="Register where your messages go")
async def register(new: NewEndpoint, request: Request, now: Now, actor: Writer) -> EndpointSecret:
    """The host is resolved and checked now, and again at each delivery. Keep the secret: it is shown this once."""
    caller: Caller = request.app.state.caller
    sealer: Sealer = request.app.state.sealer
    database: Database = request.app.state.database
    await caller.find(new.url)  # asks a name server: before the transaction, not in it
    async with database.write() as session:
        endpoint, secret = await endpoint_service.register(session, actor, now, sealer, url=new.url, events=new.events)
    return EndpointSecret.of(endpoint, secret)


@router.get("/endpoints", summary="Endpoints")
async def list_endpoints(
    session: Reading, actor: Reader, cursor: Cursor = None, limit: Limit = 100
) -> Page[EndpointRead]:
    """A client sees its own, city staff and auditors those of their city."""
    rows = await endpoint_service.listed(session, actor, id_in(cursor), limit + 1)
    items, following = page_of(rows, limit, lambda row: [row.id or 0])
    return Page(items=[EndpointRead.model_validate(item) for item in items], next=following)


@router.delete("/endpoints/{endpoint_id}", summary="Remove an endpoint")
async def remove(endpoint_id: Number, session: Writing, now: Now, actor: Writer) -> EndpointRead:
    """What still waits for it is not sent any more, and its secret is erased."""
    return EndpointRead.model_validate(await endpoint_service.remove(session, actor, now, endpoint_id))


@router.post("/endpoints/{endpoint_id}/rotate", summary="A new secret for an endpoint")
async def rotate(endpoint_id: Number, request: Request, session: Writing, now: Now, actor: Writer) -> EndpointSecret:
    """For 24 hours the secret before signs too, so that you can change over in between."""
    sealer: Sealer = request.app.state.sealer
    return EndpointSecret.of(*await endpoint_service.rotate(session, actor, now, sealer, endpoint_id))


@router.post("/endpoints/{endpoint_id}/test", status_code=202, summary="Send `webhook.test` to an endpoint")
async def send_test(endpoint_id: Number, session: Writing, now: Now, actor: Writer) -> TestSent:
    delivery = await endpoint_service.send_test(session, actor, now, endpoint_id)
    assert delivery.id is not None
    return TestSent(delivery_id=delivery.id)


@router.get("/deliveries", summary="Deliveries, the newest first")
async def list_deliveries(
    session: Reading,
    actor: Reader,
    state: Annotated[DeliveryState | None, Query(description="Left out: all.")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DeliveryRead]:
    """A client sees its own, city staff and auditors those of their city."""
    before = id_in(cursor) or None
    rows = await delivery_service.listed(session, actor, state, before, limit + 1)
    items, following = page_of(rows, limit, lambda each: [each.row.id or 0])
    return Page(items=[DeliveryRead.of(item) for item in items], next=following)


@router.post("/deliveries/{delivery_id}/replay", status_code=202, summary="Send a delivery again")
async def replay(delivery_id: Number, session: Writing, now: Now, actor: Replayer) -> DeliveryRead:
    """One that is dead or was delivered, under the same webhook-id: a receiver that has it already can tell."""
    return DeliveryRead.of(await delivery_service.replay(session, actor, now, delivery_id))
