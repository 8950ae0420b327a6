"""The iterator of ``async for``: the same steps as those of ``for``, on an event loop.

It is a class, not an async generator. An event loop closes an async generator only some time after
it was dropped, and a generator that is cancelled while it waits is over for good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ..errors import IterableClosedError
from .aio import AsyncWait
from .event_loops import off_loop, waiter_here
from .one_pass import OVER, SPOILT, Pass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Protocol

    from typing_extensions import Self


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_TURN_SECONDS = 0.001
"""For how long a task that takes items and never waits may keep the other tasks from running. It is
a time, not a number of items, since the user may do anything with an item. Giving a turn costs some
microseconds, which is less than one per cent."""

_AT_ONCE = 64  # the most items that are taken between two looks at the clock
_NOTHING: Iterator[Any] = iter(())

if TYPE_CHECKING:

    class Results(AsyncIterator[T_co], Protocol):
        """What users see of `AsyncResults`: type checkers need to know no more of farside."""

        async def aclose(self) -> None:
            """Stop the pass at once."""


class AsyncResults(Generic[T_co]):
    """Yields the items of a pass to ``async for``.

    Closing it, or dropping it, stops the pass at once. It is for one task at a time. When a task is
    cancelled while it waits for an item, nothing is lost: the next ``anext()`` goes on.
    """

    __slots__ = ("_taker",)

    def __init__(self, this: Pass) -> None:
        self._taker: _Taker[T_co] = _Taker(this)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T_co:
        # Mostly an item is ready. Then nothing but this loop runs.
        taker = self._taker
        try:
            try:
                for item in taker.items:
                    return item
            except SPOILT:
                raise
            except BaseException:
                taker.end()  # the generator that yields the items has ended
                raise
            return await taker.advance()
        except SPOILT as error:
            taker.over = True
            try:
                # Checked now: another task may soon call `aclose`, which forgets the failure.
                if error is not taker.this.delivery.failure:
                    # A task that is cancelled meanwhile gets the error too. If it went on instead,
                    # it would find no further item, as at the end of the pass.
                    with suppress(waiter_here().cancelled):
                        await off_loop(partial(taker.this.spoilt, error))
            finally:
                taker.end()
            raise
        except BaseException:
            # A traceback that is kept must not keep this iterator alive, and the pass open.
            del self
            raise

    async def aclose(self) -> None:
        """Stop the pass at once; a task that waits for an item gets `IterableClosedError`."""
        self._taker.end()

    def __reduce__(self) -> NoReturn:
        # A copy would stop the pass when it is dropped.
        raise TypeError(
            "an iterator of 'async for' cannot be copied or pickled, since it holds a pass; give "
            "each task an iterable of its own, or let one task hand out the items"
        )

    def __del__(self) -> None:
        taker: _Taker[T_co] | None = getattr(self, "_taker", None)
        if taker is not None and not taker.over:
            taker.this.leave()


class _Taker(Generic[T]):
    """Takes the items of a pass, on an event loop."""

    __slots__ = (
        "_async_wait", "_at_once", "_busy", "_rest", "_turn_began", "items", "over", "this",
    )  # fmt: skip

    def __init__(self, this: Pass) -> None:
        self.this = this
        self._async_wait = AsyncWait(this.client)
        self.items: Iterator[T] = _NOTHING  # taken before the next look at the clock
        self.over = False  # whether there are no more
        self._rest: Iterator[T] = _NOTHING  # of the block that is open
        self._at_once = 1
        self._busy = False
        self._turn_began = monotonic()

    def end(self) -> None:
        self.over = True
        self._rest = self.items = _NOTHING
        self.this.leave()

    async def advance(self) -> T:
        """Return the next item when it has come, or raise why there is none."""
        if self._busy:
            raise RuntimeError(
                "another task waits for the next item of this iterator; give each task an "
                "iterable of its own, or let one task hand out the items"
            )
        if self.over:
            raise StopAsyncIteration
        self._busy = True
        try:
            return await self._next_item()
        finally:
            self._busy = False

    async def _next_item(self) -> T:
        self._at_once = min(self._at_once * 2, _AT_ONCE)
        while not self.over:  # not in the `try` above: see `Steps._take_each`
            await self._give_turn()  # each time: it may take long until there is an item or a wait
            self.items = islice(self._rest, self._at_once)
            try:
                for item in self.items:
                    return item
            except SPOILT:
                raise
            except BaseException:
                self.end()  # as in `__anext__`
                raise
            source = self.this.delivery.source
            if source is not None:
                source.begin(self.this.client.waiting.wake_others)
                await source.settle()
            items = self._step()
            if items is OVER:
                self.end()
                raise StopAsyncIteration
            if items is None:
                await self._wait()
        raise IterableClosedError("the iterator was closed while this task waited for an item")

    async def _give_turn(self) -> None:
        """Give the loop's other tasks a turn, if they have had none for `_TURN_SECONDS`."""
        if monotonic() - self._turn_began >= _TURN_SECONDS:
            self._at_once = 1
            await waiter_here().pause()
            self._turn_began = monotonic()

    def _step(self) -> Iterable[Any] | None:
        """Take a step, and open the block that it returns. After an exception the pass is over."""
        try:
            items = self.this.step()
            if items is not None:
                self._rest = iter(items)  # here: an exception that strikes later loses none of it
        except SPOILT:
            raise  # `__anext__` ends the workers first, as `iterate_results` does
        except BaseException:
            self.end()
            raise
        return items

    async def _wait(self) -> None:
        this = self.this
        waits = this.client.counters.waits
        if this.workers():  # else only an input is missing, and no worker is to blame
            waits.begin()
        try:
            await self._async_wait.until(this)
        finally:
            waits.end()
            if self._async_wait.waited:
                self._turn_began = monotonic()
