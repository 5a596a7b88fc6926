"""Callbacks that came in: each is acted on once."""

from __future__ import annotations

from datetime import datetime

from carbon_bank.foundation.database import WriteSession
from carbon_bank.webhooks import queries


async def remember(session: WriteSession, now: datetime, client_id: int, webhook_id: str) -> bool:
    """Keep the id of a callback that holds (`signatures.verify`). False: it was acted on before; answer well, and do nothing.

    In the transaction of what the callback asks for: where that is refused, the id is not kept, and it may come again.
    """
    return await queries.remember(session, client_id, webhook_id, now)
