"""Callbacks that came in: each is acted on once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from carbon_bank.foundation.database import WriteSession
from carbon_bank.foundation.sealed import Sealer
from carbon_bank.webhooks import queries
from carbon_bank.webhooks.endpoint_service import context_of
from carbon_bank.webhooks.signatures import verify


async def remember(session: WriteSession, now: datetime, client_id: int, webhook_id: str) -> bool:
    """Keep the id of a callback that holds (`signatures.verify`). False: it was acted on before; answer well, and do nothing.

    In the transaction of what the callback asks for: where that is refused, the id is not kept, and it may come again.
    """
    return await queries.remember(session, client_id, webhook_id, now)


async def check_signed(
    session: WriteSession, now: datetime, sealer: Sealer, client_id: int, headers: Mapping[str, str], body: bytes
) -> bool:
    """Check a callback that a client signed with the secret of one of its endpoints. False: it was acted on before.

    Raises: Unauthenticated `webhooks.signature`, `webhooks.timestamp` (401).
    """
    secrets = []
    for endpoint in await queries.live_of_client(session, client_id):
        is_former = endpoint.former_until is not None and now < endpoint.former_until
        sealed = [endpoint.secret, endpoint.former_secret if is_former else None]
        secrets += [sealer.open(each, context_of(client_id)) for each in sealed if each is not None]
    return await remember(session, now, client_id, verify(secrets, headers, body, now))
