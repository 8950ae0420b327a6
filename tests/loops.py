"""The event loops that tests run on, each behind the same few verbs."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class Loop:
    """A kind of event loop."""

    name: str

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    async def cut(self, seconds: float, work: Callable[[], Awaitable[Any]]) -> Any:
        """Await some work; cancel it when the time is up, and return None."""
        raise NotImplementedError

    async def together(self, *works: Callable[[], Awaitable[Any]]) -> list[Any]:
        """Await all, in a task each; return what they return or raise."""
        results: list[Any] = [None] * len(works)

        async def one(place: int, work: Callable[[], Awaitable[Any]]) -> None:
            try:
                results[place] = await work()
            except Exception as error:
                results[place] = error

        await self._together([partial(one, at, work) for at, work in enumerate(works)])
        return results

    async def _together(self, works: list[Callable[[], Awaitable[Any]]]) -> None:
        raise NotImplementedError

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        raise NotImplementedError


class Asyncio(Loop):
    def __init__(self, *, debug: bool) -> None:
        self.name = "asyncio-debug" if debug else "asyncio"
        self._debug = debug

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        async def start() -> Any:
            return await main()

        return asyncio.run(start(), debug=self._debug)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def cut(self, seconds: float, work: Callable[[], Awaitable[Any]]) -> Any:
        task = asyncio.ensure_future(work())
        await asyncio.wait([task], timeout=seconds)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    async def _together(self, works: list[Callable[[], Awaitable[Any]]]) -> None:
        await asyncio.gather(*(work() for work in works))

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(work)


class Trio(Loop):
    name = "trio"

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        import trio

        return trio.run(main)

    async def sleep(self, seconds: float) -> None:
        import trio

        await trio.sleep(seconds)

    async def cut(self, seconds: float, work: Callable[[], Awaitable[Any]]) -> Any:
        import trio

        with trio.move_on_after(seconds):
            return await work()
        return None

    async def _together(self, works: list[Callable[[], Awaitable[Any]]]) -> None:
        import trio

        async with trio.open_nursery() as nursery:
            for work in works:
                nursery.start_soon(work)

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        # Not trio.to_thread: it keeps its thread for some seconds, which tests would find.
        import trio

        done = trio.Event()
        token = trio.lowlevel.current_trio_token()
        results: list[Any] = []

        def do() -> None:
            results.append(work())
            token.run_sync_soon(done.set)

        import threading

        thread = threading.Thread(target=do)
        thread.start()
        await done.wait()
        thread.join()
        return results[0]


LOOPS: list[Loop] = [Asyncio(debug=False), Asyncio(debug=True)]
if find_spec("trio") is not None:  # it is among the requirements of the tests, for every Python
    LOOPS.append(Trio())


class Gate:
    """Lets items of `jobs.Gated` through, one by one."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "gate")
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR)

    def let(self, *numbers: int) -> None:
        os.write(self._fd, bytes(numbers))

    def shut(self) -> None:
        """End the passes. A worker that waits for an item cannot be told otherwise."""
        from tests import jobs  # conftest imports this before what it has rewritten

        self.let(*[jobs.SHUT] * 8)

    def close(self) -> None:
        # Not before: what nobody has read is lost with the last descriptor.
        os.close(self._fd)
