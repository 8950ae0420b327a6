"""How a task waits on an event loop."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from farside._parent import event_loops
from farside._parent.event_loops import waiter_here

if TYPE_CHECKING:
    from types import FrameType


def raise_in_callbacks(frame: FrameType, event: str, arg: Any) -> None:
    """Raise in farside's callbacks of the loop, as a signal handler may."""
    code, caller = frame.f_code, frame.f_back
    if event != "call" or caller is None or code.co_flags & inspect.CO_COROUTINE:
        return
    inside = caller.f_code is asyncio.Handle._run.__code__
    if inside and code.co_filename == event_loops.__file__:
        raise ZeroDivisionError


@pytest.mark.parametrize("how", ["time", "wake"])
def test_what_is_raised_in_a_callback_leaves_no_task_waiting(how: str) -> None:
    async def wait() -> bool:
        waiter = waiter_here()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        if how == "wake":
            threading.Timer(0.05, waiter.wake).start()
        sys.setprofile(raise_in_callbacks)
        try:
            return await asyncio.wait_for(waiter.wait(seconds=0.01 if how == "time" else None), 10)
        finally:
            sys.setprofile(None)

    assert asyncio.run(wait()) is (how == "wake")


def test_a_wait_ends_once() -> None:
    """And nothing is logged where several things end it, or where it was cancelled."""
    told: list[Any] = []

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        waiter = waiter_here()
        task = loop.create_task(waiter.wait())
        await asyncio.sleep(0)
        waiter.wake()
        waiter.wake()
        assert await task
        waiter = waiter_here()
        task = loop.create_task(waiter.wait(seconds=10))
        await asyncio.sleep(0)
        task.cancel()
        waiter.wake()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert task.cancelled()

    asyncio.run(wait())
    assert not told
