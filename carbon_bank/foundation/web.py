"""What routes ask for: a session that reads, a session that writes, and what time it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from carbon_bank.foundation import clock
from carbon_bank.foundation.database import ReadSession, WriteSession


async def _read(request: Request) -> AsyncIterator[ReadSession]:
    async with request.app.state.database.read() as session:
        yield session


async def _write(request: Request) -> AsyncIterator[WriteSession]:
    async with request.app.state.database.write() as session:
        yield session


async def now() -> datetime:
    """This moment. `clock.now` itself, which does not wait, would be called in another thread."""
    return clock.now()


# `scope="function"`: the transaction ends before the answer is sent, so a commit that fails is a 5xx, never a false 200.
Reading = Annotated[ReadSession, Depends(_read, scope="function")]
Writing = Annotated[WriteSession, Depends(_write, scope="function")]
Now = Annotated[datetime, Depends(now)]
ReadingReason = Annotated[
    str | None,
    Query(max_length=500, description="Why you look at somebody's data, or download them. The trail keeps it."),
]
