"""Waiting on whichever event loop runs: asyncio's (or one like it, such as uvloop's) or trio's.

Programs that use anyio run on one of these. Neither is imported here before the program does so.
"""

from __future__ import annotations

import builtins
import math
import sys
import threading
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Task
    from collections.abc import Callable, Coroutine
    from typing import TypeAlias

Waiter: TypeAlias = "AsyncioWaiter | TrioWaiter"
Work: TypeAlias = "Callable[[], Coroutine[Any, Any, None]]"

T = TypeVar("T")


def waiter_here() -> Waiter:
    """Make a waiter for the event loop that runs in this thread, or raise a RuntimeError."""
    trio: Any = sys.modules.get("trio")
    if hasattr(trio, "lowlevel"):  # if not, another thread is importing it
        with suppress(RuntimeError):  # trio was imported, but does not run here
            trio.lowlevel.current_task()
            return TrioWaiter(trio)
    import asyncio  # the caller has imported it, or makes a mistake

    try:
        return AsyncioWaiter(asyncio)
    except RuntimeError:
        raise RuntimeError(
            "no event loop runs in this thread; async for, async with and aclose() need one of "
            "asyncio or trio: use for, with and close() instead"
        ) from None


class AsyncioWaiter:
    """Lets one task wait for one thing, by the interface that asyncio has for event loops."""

    def __init__(self, asyncio: Any) -> None:
        self.woken = False
        self.cancelled: type[BaseException] = asyncio.CancelledError  # raised in a cancelled task
        self._asyncio = asyncio
        self._loop: AbstractEventLoop = asyncio.get_running_loop()
        self._resolve: Callable[[], object] | None = None

    async def wait(self, fd: int | None = None, seconds: float | None = None) -> bool:
        """Wait for `wake`, or until a descriptor is readable; return False if the time is up."""
        # One waiter at a time may wait for a descriptor.
        loop = self._loop
        future: Future[bool] = loop.create_future()
        resolve = self._resolve = _resolver(future, True)
        if self.woken:
            return True
        timer = None if seconds is None else loop.call_later(seconds, _resolver(future, False))
        if fd is not None:
            loop.add_reader(fd, resolve)
        try:
            return await future
        finally:
            self._resolve = None
            if timer is not None:
                timer.cancel()
            if fd is not None and not loop.is_closed():  # a task may be left behind by its loop
                loop.remove_reader(fd)

    def wake(self) -> None:
        """Wake the task. Any thread may do so, also before the task waits."""
        self.woken = True
        resolve = self._resolve
        if resolve is not None:
            self._call_soon(resolve)

    def _call_soon(self, callback: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            pass  # the loop is closed, and its tasks with it

    @property
    def runs(self) -> bool:
        """Whether the loop still runs. A loop may be left behind, with its tasks."""
        return self._loop.is_running()

    def outlast(self, cancelled: BaseException) -> list[BaseException]:
        """Let the cancelled task wait nevertheless; return the exceptions to raise afterwards."""
        return [cancelled]

    async def pause(self) -> None:
        await self._asyncio.sleep(0)

    def begin(self, work: Work, close: Work, ended: Callable[[], None]) -> Callable[[], None]:
        """Begin a task that does `work` and then `close`, and call `ended` at its end.

        Return a function that cancels the work, in any thread. It never cuts `close` off.
        """
        working = True

        async def run() -> None:
            nonlocal working
            try:
                await work()
            finally:
                working = False
                await close()

        def cancel() -> None:
            if working:
                task.cancel()

        def take_end(task: Task[None]) -> None:
            if not task.cancelled():
                task.exception()  # else asyncio would log that nobody retrieved it
            ended()

        task = self._loop.create_task(run())
        task.add_done_callback(take_end)
        return partial(self._call_soon, cancel)


def _resolver(future: Future[bool], value: bool) -> Callable[[], object]:  # noqa: FBT001
    """Return what sets the result of a future that is not done, by one call of C code.

    A loop drops what a signal handler raises in a callback, and the task would wait for ever. A
    handler can run between any two steps of Python code, so what is returned has none.
    """
    # Each asks the one before it for one item. If the future is done, all end: that does nothing.
    not_done = iter(future.done, True)  # False
    values = map({False: value}.__getitem__, not_done)
    return partial(next, map(future.set_result, values), None)


class TrioWaiter:
    """The same for trio."""

    runs = True  # trio ends all tasks before its loop ends

    def __init__(self, trio: Any) -> None:
        self.woken = self._shielded = False
        self.cancelled: type[BaseException] = trio.Cancelled
        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._scope: Any = None

    async def wait(self, fd: int | None = None, seconds: float | None = None) -> bool:
        trio = self._trio
        deadline = math.inf if seconds is None else trio.current_time() + seconds
        with trio.CancelScope(deadline=deadline, shield=self._shielded) as self._scope:
            if self.woken:
                return True
            if fd is None:
                await trio.sleep_forever()
            await trio.lowlevel.wait_readable(fd)
            return True
        return self.woken

    def wake(self) -> None:
        self.woken = True
        scope = self._scope
        if scope is not None:
            self._cancel_soon(scope)

    def _cancel_soon(self, scope: Any) -> None:
        with suppress(self._trio.RunFinishedError):  # nobody waits any more
            self._token.run_sync_soon(scope.cancel)

    def outlast(self, cancelled: BaseException) -> list[BaseException]:  # noqa: ARG002
        self._shielded = True
        return []  # trio raises it once more, in the next wait

    async def pause(self) -> None:
        await self._trio.lowlevel.checkpoint()

    def begin(self, work: Work, close: Work, ended: Callable[[], None]) -> Callable[[], None]:
        scope = self._trio.CancelScope()

        async def run() -> None:
            try:
                # An exception that leaves a system task would break trio.
                with suppress(BaseException), scope:
                    await work()
                with suppress(BaseException):
                    await close()
            finally:
                ended()

        # A system task, since any other one needs a nursery, which an iterator does not have.
        self._trio.lowlevel.spawn_system_task(run, context=copy_context())
        return partial(self._cancel_soon, scope)


def ends_all(error: BaseException | None) -> bool:
    """Return whether an exception means that the task is cancelled, or Ctrl-C was pressed."""
    # A nursery of trio makes a group of its tasks' exceptions.
    kinds = KeyboardInterrupt, waiter_here().cancelled
    # Before Python 3.11, groups come from a package that trio needs.
    group: Any = getattr(sys.modules.get("exceptiongroup", builtins), "BaseExceptionGroup", ())
    if isinstance(error, group):
        return error.split(kinds)[0] is not None
    return isinstance(error, kinds)


async def off_loop(work: Callable[[], T], hasten: Callable[[], object] = bool) -> T:
    """Do work that may take long in a thread, so that the loop goes on; return its result.

    If the task is cancelled meanwhile, `hasten` is called. The cancellation is raised after the
    end of the work.
    """
    waiter = waiter_here()
    results: list[T] = []
    errors: list[BaseException] = []

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            waiter.wake()

    # It ends by itself, also if the loop is gone. Not a daemon: subinterpreters allow none.
    thread = threading.Thread(target=do, name="farside-off-loop", daemon=False)
    try:
        thread.start()
    except RuntimeError:  # no more threads can be had
        do()
    cancelled: list[BaseException] = []
    while not (results or errors):
        try:
            await waiter.wait()
        except BaseException as error:
            hasten()
            if not isinstance(error, waiter.cancelled):  # Ctrl-C, on trio
                raise
            cancelled = waiter.outlast(error)
    if errors := cancelled or errors:
        try:
            raise errors[0]
        finally:
            errors.clear()  # else the error would refer to itself, through this frame
    return results[0]
