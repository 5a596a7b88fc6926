"""Computing and waiting for the database at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Computed = TypeVar("Computed")
Read = TypeVar("Read")


async def meanwhile(compute: Callable[[], Computed], reading: Awaitable[Read]) -> tuple[Computed, Read]:
    """What is computed in a thread while the database works, and what that gave.

    When either fails both have ended: no thread goes on over what a rolled back transaction had read, and what uses the
    session is never left behind.
    """
    computing = asyncio.ensure_future(asyncio.to_thread(compute))
    try:
        read = await reading
        await asyncio.wait([computing])
    except BaseException:
        await asyncio.wait([computing])
        computing.exception()  # told or not, the other failure came first
        raise
    return computing.result(), read
