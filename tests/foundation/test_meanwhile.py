"""Computing and waiting at once: both ends come together, whichever fails."""

from __future__ import annotations

import asyncio
import threading

import pytest

from carbon_bank.foundation.meanwhile import meanwhile


async def test_a_thread_computes_while_something_is_waited_for() -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def compute() -> str:
        loop.call_soon_threadsafe(begun.set)
        return threading.current_thread().name

    async def read() -> str:
        await begun.wait()  # would wait for good if one came after the other
        return threading.current_thread().name

    computed, read_in = await meanwhile(compute, read())
    assert read_in == threading.main_thread().name != computed


async def test_a_failed_reading_is_told_once_the_thread_has_ended() -> None:
    release, ended = threading.Event(), threading.Event()

    def compute() -> None:
        release.wait(5)
        ended.set()
        raise ValueError("of no use any more")

    async def read() -> None:
        release.set()
        raise OSError("the connection broke")

    with pytest.raises(OSError, match="the connection broke"):
        await meanwhile(compute, read())
    assert ended.is_set()


async def test_a_failed_computation_is_told_once_the_reading_has_ended() -> None:
    read_to_its_end = False

    def compute() -> None:
        raise ValueError("this record has no form")

    async def read() -> None:
        nonlocal read_to_its_end
        await asyncio.sleep(0.01)
        read_to_its_end = True

    with pytest.raises(ValueError, match="this record has no form"):
        await meanwhile(compute, read())
    assert read_to_its_end


async def test_whoever_is_cancelled_waits_for_the_thread_as_well() -> None:
    begun, release, ended = asyncio.Event(), threading.Event(), threading.Event()

    def compute() -> None:
        release.wait(5)
        ended.set()

    async def read() -> None:
        begun.set()

    both = asyncio.create_task(meanwhile(compute, read()))
    await begun.wait()
    await asyncio.sleep(0)  # it is read, and the thread alone is waited for
    both.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert ended.is_set()
